/*
 * test_parse_wire.c - chunks to and from letterlock-parse.
 */
#include "tests/unit/unit.h"

#include <sys/socket.h>
#include <unistd.h>

#include "keys/parse.h"
#include "keys/secret.h"

static struct parse_wire ours = { -1, 200 }, theirs = { -1, 200 };

static int
setup(void **state)
{
	int fds[2];

	(void)state;
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds) != 0)
		return -1;
	ours.fd = fds[0];
	theirs.fd = fds[1];
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	if (ours.fd >= 0)
		close(ours.fd);
	if (theirs.fd >= 0)
		close(theirs.fd);
	return 0;
}

static void
close_theirs(void)
{
	close(theirs.fd);
	theirs.fd = -1;
}

static void
chunks_arrive_as_they_were_sent(void **state)
{
	static struct parse_chunk c;
	static uint8_t large[PARSE_CHUNK + 7];

	(void)state;
	memset(large, 'x', sizeof large);
	assert_ok(parse_put(&theirs, 'K', "", 0));
	assert_ok(parse_put_begin(&theirs, 0x01020304));
	assert_ok(parse_put(&theirs, 'D', large, sizeof large));
	assert_ok(parse_get(&ours, &c));
	assert_int_equal(c.kind, 'K');
	assert_int_equal(c.len, 0);
	assert_ok(parse_get(&ours, &c));
	assert_int_equal(parse_begun(&c), 0x01020304);
	assert_ok(parse_get(&ours, &c));
	assert_int_equal(c.len, PARSE_CHUNK);
	assert_ok(parse_get(&ours, &c));
	assert_int_equal(c.len, 7);
	assert_int_equal(c.data[7], 0);
	assert_result(parse_get(&ours, &c), LL_BUSY);
	close_theirs();
	assert_result(parse_get(&ours, &c), LL_EOF);
	assert_result(parse_put(&ours, 'E', "", 0), LL_EOF);
}

static void
breaches_are_refused(void **state)
{
	static const struct { const char *bytes; size_t len; } rows[] = {
		{ "X\0\0\0\0", 5 }, { "\0\0\0\0\0", 5 },
		{ "D\0\1\0\1", 5 }, { "D\xff\xff\xff\xff", 5 },
		{ "B\0\0\0\3abc", 8 }, { "E\0\0\0\1a", 6 },
		{ "D\0\0\0\4ab", 7 }, { "D\0\0", 3 },
	};
	static struct parse_chunk c;
	size_t i;

	for (i = 0; i < sizeof rows / sizeof *rows; i++) {
		assert_int_equal(write(theirs.fd, rows[i].bytes, rows[i].len),
		    rows[i].len);
		close_theirs();
		assert_result(parse_get(&ours, &c), LL_PROTO);
		teardown(state);
		assert_int_equal(setup(state), 0);
	}
}

static enum ll_result
join(void *ctx, uint32_t n, const void *p, size_t len)
{
	struct tlv_out *all = ctx;

	assert_int_equal(n, 2);
	tlv_put_raw(all, p, len);
	return LL_OK;
}

static void
answer_is_joined(void **state)
{
	struct tlv_out all, result, sent;
	struct tlv_view v;
	const char *words;

	(void)state;
	tlv_out_init(&sent, 1000);
	tlv_put_u64(&sent, PARSE_F_RESULT, LL_DENIED);
	tlv_put_text(&sent, PARSE_F_WORDS, "It has expired.");
	assert_ok(parse_put_begin(&theirs, 2));
	assert_ok(parse_put(&theirs, 'D', "ab", 2));
	assert_ok(parse_put(&theirs, 'D', "c", 1));
	assert_ok(parse_put(&theirs, 'R', sent.data, 9));
	assert_ok(parse_put(&theirs, 'R', sent.data + 9, sent.len - 9));
	assert_ok(parse_put(&theirs, 'E', "", 0));
	tlv_out_init(&all, 100);
	assert_ok(parse_answer(&ours, join, &all, &result));
	assert_int_equal(all.len, 3);
	v.data = result.data;
	v.len = result.len;
	assert_result(parse_result(v, &words), LL_DENIED);
	assert_string_equal(words, "It has expired.");
	v.len = 3;
	assert_result(parse_result(v, &words), LL_PROTO);
	tlv_out_finish(&result);
	assert_ok(parse_put(&theirs, 'D', "no output yet", 5));
	assert_result(parse_answer(&ours, join, &all, &result), LL_PROTO);
	tlv_out_finish(&result);
	close_theirs();
	assert_result(parse_answer(&ours, join, &all, &result), LL_PROTO);
	tlv_out_finish(&result);
	tlv_out_finish(&all);
	tlv_out_finish(&sent);
}

static void
a_secret_answer_is_guarded_and_alone(void **state)
{
	struct tlv_out result, sent;

	(void)state;
	assert_ok(secret_setup(PARSE_CHUNK));
	tlv_out_init(&sent, 1000);
	tlv_put_u64(&sent, PARSE_F_RESULT, LL_OK);
	assert_ok(parse_put(&theirs, 'R', sent.data, sent.len));
	assert_ok(parse_put(&theirs, 'E', "", 0));
	assert_ok(parse_answer_secret(&ours, &result));
	assert_true(result.guarded);
	assert_int_equal(result.len, sent.len);
	tlv_out_finish(&result);
	/* There is nowhere to put an output. */
	assert_ok(parse_put_begin(&theirs, 1));
	assert_ok(parse_put(&theirs, 'D', "ab", 2));
	assert_result(parse_answer_secret(&ours, &result), LL_PROTO);
	tlv_out_finish(&result);
	tlv_out_finish(&sent);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    chunks_arrive_as_they_were_sent, setup, teardown),
		cmocka_unit_test_setup_teardown(breaches_are_refused, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(answer_is_joined, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(
		    a_secret_answer_is_guarded_and_alone, setup, teardown),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
