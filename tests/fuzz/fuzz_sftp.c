/*
 * fuzz_sftp.c - bytes of an sftp client into the server over a back end of
 * memory.  A two-byte length precedes each piece that arrives at once.  Handles
 * are 'A' sixteen times instead of random, so that inputs can name them.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sodium.h>

#include "tests/unit/sftp_fake.h"

static const char *
name(void)
{
	return "all A";
}

static uint32_t
number(void)
{
	return 0;
}

static void
fill(void *const buf, const size_t len)
{
	memset(buf, 'A', len);
}

static randombytes_implementation known = {
	.implementation_name = name, .random = number, .buf = fill,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static bool
feed(struct sftp *s, const uint8_t *data, size_t len)
{
	size_t room, waiting;
	uint8_t *in;

	do {
		in = sftp_input(s, &room);
		if (room > len)
			room = len;
		memcpy(in, data, room);
		sftp_fed(s, room);
		data += room;
		len -= room;
		if (sftp_work(s))
			return false;
		sftp_output(s, &waiting);
		sftp_sent(s, waiting);
	} while (len > 0 && (room > 0 || waiting > 0));
	return true;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const uint8_t init[] = { 0, 0, 0, 5, SFTP_INIT, 0, 0, 0, 3 };
	struct fake fake;
	struct sftp *s;
	bool going;

	randombytes_set_implementation(&known);
	memset(&fake, 0, sizeof(fake));
	if (sftp_create(&fake_back, &fake, &s))
		return 0;
	going = feed(s, init, sizeof(init));
	while (going && len > 2) {
		size_t piece = (size_t)data[0] << 8 | data[1];

		data += 2;
		len -= 2;
		if (piece > len)
			piece = len;
		going = feed(s, data, piece);
		data += piece;
		len -= piece;
	}
	sftp_destroy(s);
	if (fake.open != 0)
		abort();
	fake_finish(&fake);
	return 0;
}
