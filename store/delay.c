#include <string.h>

#include "store/delay.h"

#define FREE_TRIES 5
#define STOPPED_SECS (10ull * 365 * 86400)

static const struct {
	uint64_t first_secs, most_secs;
} rules[] = {
	[FACTOR_PASSWORD] = { 1, 900 },
	[FACTOR_TICKET] = { 1, 900 },
	[FACTOR_TOTP] = { 900, 86400 },
	[FACTOR_BACKUP] = { 900, 86400 },
};

enum ll_result
delay_name(const struct store *s, const char *name,
    uint8_t hash_r[HASH_BYTES])
{
	return derive_bytes(LABEL_DELAY, s->pepper.data, s->pepper.len, name,
	    strlen(name), hash_r);
}

enum ll_result
delay_check(struct store *s, struct request *q,
    const uint8_t name[HASH_BYTES], enum factor factor)
{
	enum ll_result r;
	uint64_t until;

	r = db_number(s->db, 0, &until, "SELECT until FROM failures"
	    " WHERE name = ?1 AND factor = ?2", "hu", name, (int)factor);
	if (r != LL_OK || until <= q->now)
		return r;
	q->delay_secs = until - q->now;
	q->words = "Too many wrong tries. Wait before the next one.";
	return LL_RATE;
}

static uint64_t
delay_secs(enum factor factor, uint64_t count)
{
	uint64_t secs = rules[factor].first_secs;

	if (count < FREE_TRIES)
		return 0;
	if (count >= DELAY_STOP)
		return STOPPED_SECS;
	for (; count > FREE_TRIES && secs < rules[factor].most_secs; count--)
		secs *= 2;
	return secs < rules[factor].most_secs ? secs :
	    rules[factor].most_secs;
}

enum ll_result
delay_fail(struct store *s, struct request *q,
    const uint8_t name[HASH_BYTES], enum factor factor)
{
	uint64_t count, secs;
	enum ll_result r;

	r = db_number(s->db, 0, &count, "SELECT count FROM failures"
	    " WHERE name = ?1 AND factor = ?2", "hu", name, (int)factor);
	if (r != LL_OK)
		return r;
	secs = delay_secs(factor, count + 1);
	r = db_run(s->db, "INSERT INTO failures (name, factor, count, until,"
	    " last) VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (name, factor)"
	    " DO UPDATE SET count = excluded.count, until = excluded.until,"
	    " last = excluded.last", "huiii", name, (int)factor, count + 1,
	    q->now + secs, q->now);
	if (r != LL_OK)
		return r;
	q->keep = true;
	q->delay_secs = secs;
	return LL_OK;
}

enum ll_result
delay_clear(struct store *s, const uint8_t name[HASH_BYTES],
    enum factor factor)
{
	return db_run(s->db, "DELETE FROM failures WHERE name = ?1 AND"
	    " factor = ?2", "hu", name, (int)factor);
}

enum ll_result
delay_clear_all(struct store *s, const char *name)
{
	uint8_t hash[HASH_BYTES];
	enum ll_result r;

	r = delay_name(s, name, hash);
	if (r == LL_OK)
		r = db_run(s->db, "DELETE FROM failures WHERE name = ?1", "h",
		    hash);
	return r;
}
