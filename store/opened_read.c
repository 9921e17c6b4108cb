/*
 * The asking side of OPEN: the mail goes in as it is opened, piece by piece,
 * with the sender's keys that are known; what comes out is kept only as far
 * as it is wanted, and thrown away unless the whole could be opened.
 */
#include "store/opened.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>
#include <sodium.h>

#include "keys/tlv.h"
#include "store/keyring.h"

#define WIRE_MS 130000           /* the session ends it after 120 s */
#define TURN_TRIES 50            /* waits for one of the session's few */
#define TURN_MS 200
#define PEERS_MAX 16
#define KEPT_EACH (1u << 20)     /* of an output, which may be no text */
#define KEPT_ALL (8u << 20)

/* What is kept of one output. */
struct kept {
	uint32_t number;
	uint8_t *p;
	size_t len, room;
	bool cut;
};

struct keeping {
	struct kept *outputs;
	size_t count;
	const bool *wanted;          /* by number; NULL: all */
	size_t wanted_count;
	size_t each, all, total;
	enum ll_result failed;       /* of ours, not the wire's */
};

struct sender_keys {
	struct opened_peer peers[PEERS_MAX];
	size_t count;
};

size_t
opened_object(const struct envelope *e)
{
	size_t i;

	for (i = 1; i < e->object_count; i++)
		if (e->objects[i].kind == OBJECT_RAW)
			return i;
	return 0;
}

/* --- what comes out --- */

static void
wipe(uint8_t *p, size_t len)
{
	if (p)
		sodium_memzero(p, len);
	free(p);
}

static void
keeping_finish(struct keeping *k)
{
	size_t i;

	for (i = 0; i < k->count; i++)
		wipe(k->outputs[i].p, k->outputs[i].len);
	free(k->outputs);
	k->outputs = NULL;
	k->count = 0;
}

static struct kept *
kept_of(struct keeping *k, uint32_t number)
{
	struct kept *grown;

	if (k->count > 0 && k->outputs[k->count - 1].number == number)
		return &k->outputs[k->count - 1];
	if (k->count == OPENED_PARTS_MAX)
		return NULL;
	grown = realloc(k->outputs, (k->count + 1) * sizeof *grown);
	if (!grown)
		return NULL;
	k->outputs = grown;
	memset(&grown[k->count], 0, sizeof *grown);
	grown[k->count].number = number;
	return &grown[k->count++];
}

/* Grows without leaving a copy of plaintext behind. */
static enum ll_result
grow(struct kept *o, size_t need)
{
	size_t room = o->room ? o->room : 4096;
	uint8_t *p;

	while (room < need)
		room *= 2;
	if (room == o->room)
		return LL_OK;
	p = malloc(room);
	if (!p)
		return LL_NOMEM;
	if (o->len)
		memcpy(p, o->p, o->len);
	wipe(o->p, o->len);
	o->p = p;
	o->room = room;
	return LL_OK;
}

static enum ll_result
keep(void *ctx, uint32_t number, const void *p, size_t len)
{
	struct keeping *k = ctx;
	struct kept *o;

	if (k->wanted && (number >= k->wanted_count || !k->wanted[number]))
		return LL_OK;
	o = kept_of(k, number);
	if (!o)
		return k->failed = LL_TOOBIG;
	if (len > k->each - o->len || len > k->all - k->total) {
		o->cut = true;
		return LL_OK;
	}
	if (o->cut)
		return LL_OK;
	k->failed = grow(o, o->len + len);
	if (k->failed)
		return k->failed;
	memcpy(o->p + o->len, p, len);
	o->len += len;
	k->total += len;
	return LL_OK;
}

/* --- what goes in --- */

static enum ll_result
ask_rows(struct desk *d, enum op op, enum field f, const char *text,
    const char *address, struct msg **reply_r)
{
	struct msg *m;
	enum ll_result r = msg_create(MSG_REQUEST, op, &m);

	if (r)
		return r;
	msg_put_text(m, f, text);
	if (address)
		msg_put_text(m, F_ADDRESS, address);
	return desk_ask(d, m, reply_r);
}

static bool
is_checked(struct tlv_view row)
{
	const uint64_t source = view_u64(row, F_KEY_SOURCE);

	return !(view_u64(row, F_FLAGS) & PEERKEY_CHANGED) &&
	    (view_u64(row, F_CONFIRMED) != 0 || source == KEY_HAND ||
	    source == KEY_HOUSE);
}

/* A certificate is handed in only when somebody checked it: else its path has
 * to end at an authority of the house, which letterlock-parse looks at. */
static enum ll_result
put_peer(struct desk *d, struct tlv_view row, const char *from,
    struct tlv_out *job, struct sender_keys *s)
{
	struct opened_peer *peer = &s->peers[s->count];
	const char *print = view_text(row, F_FINGERPRINT);
	const uint64_t format = view_u64(row, F_FORMAT);
	struct tlv_out nest;
	struct msg *reply;
	const uint8_t *key;
	size_t len;
	enum ll_result r;

	if (!*print || (format == PARSE_SMIME && !is_checked(row)))
		return LL_OK;
	r = ask_rows(d, OP_PEERKEY_GET, F_FINGERPRINT, print, from, &reply);
	if (r)
		return r == LL_NOTFOUND ? LL_OK : r;
	key = view_bytes(msg_view(reply), F_PUBLIC, &len);
	if (key) {
		tlv_out_init(&nest, PARSE_KEY_MAX + 64);
		tlv_put_u64(&nest, PARSE_F_FORMAT, format);
		tlv_put_bytes(&nest, PARSE_F_KEY, key, len);
		tlv_put_tlv(job, PARSE_F_PEER, &nest);
		tlv_out_finish(&nest);
		peer->format = (enum parse_format)format;
		peer->trusted = is_checked(row);
		(void)snprintf(peer->fingerprint, sizeof peer->fingerprint,
		    "%s", print);
		s->count++;
	}
	msg_destroy(reply);
	return LL_OK;
}

static enum ll_result
put_peers(struct desk *d, const char *from, struct tlv_out *job,
    struct sender_keys *s)
{
	struct tlv_view row;
	struct msg *reply;
	size_t at = 0;
	enum ll_result r;

	if (!*from)
		return LL_OK;
	r = ask_rows(d, OP_PEERKEY_LIST, F_ADDRESS, from, NULL, &reply);
	if (r)
		return r == LL_NOTFOUND ? LL_OK : r;
	while (r == LL_OK && s->count < PEERS_MAX &&
	    view_nest(msg_view(reply), F_ROW, &at, &row))
		if (strcasecmp(view_text(row, F_ADDRESS), from) == 0)
			r = put_peer(d, row, from, job, s);
	msg_destroy(reply);
	return r;
}

static enum ll_result
make_job(struct desk *d, const struct mail *m, struct tlv_out *job,
    struct sender_keys *s)
{
	const char *from = m->row.envelope.from;
	struct tlv_out authorities;
	enum ll_result r;

	tlv_put_u64(job, PARSE_F_JOB, PARSE_OPEN);
	if (*from)
		tlv_put_text(job, PARSE_F_ADDRESS, from);
	r = put_peers(d, from, job, s);
	if (r)
		return r;
	r = keyring_authorities(d, &authorities);
	if (r == LL_OK)
		tlv_put_raw(job, authorities.data, authorities.len);
	tlv_out_finish(&authorities);
	return r == LL_OK ? job->err : r;
}

struct feeding {
	const struct parse_wire *wire;
	enum ll_result wire_failed;
};

static enum ll_result
feed(void *ctx, const void *p, size_t len)
{
	struct feeding *f = ctx;

	f->wire_failed = parse_put(f->wire, 'D', p, len);
	return f->wire_failed;
}

/* LL_OK: asked, or *broke_r says how the wire broke. */
static enum ll_result
ask(struct desk *d, const struct mail *m, const struct parse_wire *w,
    const struct tlv_out *job, enum ll_result *broke_r)
{
	struct feeding f = { w, LL_OK };
	enum ll_result r = LL_OK;

	f.wire_failed = parse_put(w, 'J', job->data, job->len);
	if (f.wire_failed == LL_OK)
		f.wire_failed = parse_put_begin(w, 0);
	if (f.wire_failed == LL_OK)
		r = mail_pieces(d, m, opened_object(&m->row.envelope), feed,
		    &f);
	/* it may have said why before it hung up: the answer is read */
	*broke_r = f.wire_failed;
	if (f.wire_failed)
		return LL_OK;
	return r ? r : (*broke_r = parse_put(w, 'E', NULL, 0), LL_OK);
}

static enum ll_result
start(struct desk *d, int *fd_r)
{
	static const enum parse_format own[] = { PARSE_OPENPGP, PARSE_SMIME };
	enum ll_result r;
	unsigned n;

	for (n = 0; n < TURN_TRIES; n++) {
		r = desk_parse(d, PARSE_OPEN, own, 2, fd_r);
		if (r != LL_BUSY)
			return r;
		(void)poll(NULL, 0, TURN_MS);
	}
	return LL_BUSY;
}

/* Runs OPEN once.  LL_OK: *answer_r (finished by the caller, always) and
 * *broke_r say how it went. */
static enum ll_result
run(struct desk *d, const struct mail *m, struct keeping *k,
    struct sender_keys *s, struct tlv_out *answer_r, enum ll_result *broke_r)
{
	struct parse_wire w = { -1, WIRE_MS };
	struct tlv_out job;
	enum ll_result r, wire;

	*broke_r = LL_OK;
	memset(s, 0, sizeof *s);
	tlv_out_init(answer_r, 0);
	tlv_out_init(&job, PARSE_JOB_MAX);
	r = make_job(d, m, &job, s);
	if (r == LL_OK)
		r = start(d, &w.fd);
	if (r == LL_OK)
		r = ask(d, m, &w, &job, broke_r);
	if (r == LL_OK) {
		tlv_out_finish(answer_r);
		wire = parse_answer(&w, keep, k, answer_r);
		if (k->failed)
			r = k->failed;
		*broke_r = wire;
	}
	if (w.fd >= 0)
		close(w.fd);
	tlv_out_finish(&job);
	return r;
}

/* --- the whole --- */

static struct kept *
find_kept(struct keeping *k, uint32_t number)
{
	size_t i;

	for (i = 0; i < k->count; i++)
		if (k->outputs[i].number == number)
			return &k->outputs[i];
	return NULL;
}

/* Texts that are whole go over to their parts; true when all are. */
static bool
give_texts(struct opened *o, struct keeping *k)
{
	struct opened_part *part;
	struct kept *kept;
	bool all = true;
	size_t i;

	for (i = 0; i < o->part_count; i++) {
		part = &o->parts[i];
		if (part->what == PARSE_W_FILE || part->text)
			continue;
		kept = find_kept(k, part->number);
		if (part->bytes > 0 && (!kept || kept->cut ||
		    kept->len != part->bytes)) {
			all = false;
			continue;
		}
		if (kept && grow(kept, kept->len + 1) == LL_OK && kept->p) {
			part->text = (char *)kept->p;
			part->len = kept->len;
			part->text[part->len] = '\0';
			kept->p = NULL;
			kept->len = kept->room = 0;
		}
	}
	return all;
}

/* Which texts are still missing and find room; false: none. */
static bool
want_texts(const struct opened *o, bool *wanted)
{
	size_t i, total = 0;
	bool any = false;

	for (i = 0; i < o->part_count; i++)
		total += o->parts[i].text ? o->parts[i].len : 0;
	for (i = 0; i < o->part_count; i++) {
		if (o->parts[i].what == PARSE_W_FILE || o->parts[i].text ||
		    o->parts[i].bytes > OPENED_TEXT_MAX - total)
			continue;
		total += o->parts[i].bytes;
		wanted[o->parts[i].number] = any = true;
	}
	return any;
}

/* Files before a long text may have used up what is kept at the first look:
 * a second one knows what is text. */
static enum ll_result
read_again(struct desk *d, const struct mail *m, struct opened *o)
{
	bool wanted[OPENED_PARTS_MAX + 1] = { false };
	struct keeping k = { .wanted = wanted,
	    .wanted_count = OPENED_PARTS_MAX + 1, .each = OPENED_TEXT_MAX,
	    .all = OPENED_TEXT_MAX };
	struct sender_keys s;
	struct tlv_out answer;
	enum ll_result r, broke;
	const char *words;

	if (!want_texts(o, wanted))
		return LL_OK;
	r = run(d, m, &k, &s, &answer, &broke);
	if (r == LL_OK && broke == LL_OK &&
	    parse_result((struct tlv_view){ answer.data, answer.len },
	    &words) == LL_OK)
		(void)give_texts(o, &k);
	tlv_out_finish(&answer);
	keeping_finish(&k);
	return r;
}

static void
say(struct opened *o, enum ll_result r, const char *words)
{
	o->result = r;
	(void)snprintf(o->words, sizeof o->words, "%s", words);
}

static enum ll_result
judge(struct opened *o, const struct mail *m, const struct sender_keys *s,
    enum ll_result broke)
{
	const struct tlv_view v = { o->answer.data, o->answer.len };
	const char *words;
	enum ll_result r;

	if (broke) {
		say(o, LL_PROTO, broke == LL_BUSY ?
		    "It took too long to be read and was given up." :
		    "What reads such mail broke off at it.");
		return LL_OK;
	}
	r = parse_result(v, &words);
	say(o, r, *words ? words : ll_result_text(r));
	if (r)
		return LL_OK;
	r = opened_parse(o, m->row.envelope.from, s->peers, s->count);
	if (r == LL_PROTO) {
		say(o, r, "What was read of it makes no sense.");
		r = LL_OK;
	}
	return r;
}

enum ll_result
opened_read(struct desk *k, const struct mail *m, struct opened *o_r)
{
	struct keeping kept = { .each = KEPT_EACH, .all = KEPT_ALL };
	const struct envelope *e = &m->row.envelope;
	const size_t raw = opened_object(e);
	struct sender_keys s;
	enum ll_result r, broke;

	memset(o_r, 0, sizeof *o_r);
	o_r->encrypted = o_r->subject = o_r->from = o_r->reply_to = "";
	o_r->to = o_r->cc = "";
	if (raw == 0)
		return LL_NOTFOUND;
	r = run(k, m, &kept, &s, &o_r->answer, &broke);
	if (r == LL_OK)
		r = judge(o_r, m, &s, broke);
	if (r == LL_OK && o_r->result == LL_OK && !give_texts(o_r, &kept))
		r = read_again(k, m, o_r);
	keeping_finish(&kept);
	if (r == LL_OK)
		r = opened_list_files(o_r, e->objects[raw].plain_bytes);
	if (r)
		opened_finish(o_r);
	return r;
}

/* The mail itself, as one file. */
static enum ll_result
keep_raw(void *ctx, const void *p, size_t len)
{
	return keep(ctx, 0, p, len);
}

enum ll_result
opened_file(struct desk *k, const struct mail *m, uint32_t number,
    uint8_t **p_r, size_t *len_r)
{
	bool wanted[OPENED_PARTS_MAX + 1] = { false };
	struct keeping kept = { .wanted = wanted,
	    .wanted_count = OPENED_PARTS_MAX + 1, .each = OPENED_FILE_MAX,
	    .all = OPENED_FILE_MAX };
	struct tlv_out answer = { 0 };
	struct sender_keys s;
	enum ll_result r, broke = LL_OK;
	const char *words;
	struct kept *one;

	*p_r = NULL;
	*len_r = 0;
	if (number > OPENED_PARTS_MAX)
		return LL_NOTFOUND;
	wanted[number] = true;
	if (number == 0) {
		r = mail_pieces(k, m, opened_object(&m->row.envelope),
		    keep_raw, &kept);
	} else {
		r = run(k, m, &kept, &s, &answer, &broke);
		if (r == LL_OK)
			r = broke ? LL_IO : parse_result((struct tlv_view){
			    answer.data, answer.len }, &words);
	}
	one = find_kept(&kept, number);
	if (r == LL_OK && one && one->cut)
		r = LL_TOOBIG;
	if (r == LL_OK && one) {
		*p_r = one->p;
		*len_r = one->len;
		one->p = NULL;
	}
	if (r == LL_OK && !*p_r)
		*p_r = calloc(1, 1);
	tlv_out_finish(&answer);
	keeping_finish(&kept);
	return r == LL_OK && !*p_r ? LL_NOMEM : r;
}
