/*
 * test_whole.c - reads and writes to the end.
 */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "keys/whole.h"

static void
what_comes_in_pieces_is_read_whole(void **state)
{
	char text[8];
	size_t len;
	int p[2];

	(void)state;
	assert_int_equal(pipe(p), 0);
	assert_int_equal(whole_write(p[1], "abc", 3), LL_OK);
	assert_int_equal(whole_write(p[1], "", 0), LL_OK);
	assert_int_equal(whole_write(p[1], "defgh", 5), LL_OK);
	assert_int_equal(close(p[1]), 0);
	assert_int_equal(whole_read(p[0], text, 6, &len), LL_OK);
	assert_int_equal(len, 6);
	assert_memory_equal(text, "abcdef", 6);
	assert_int_equal(whole_read(p[0], text, sizeof(text), &len), LL_OK);
	assert_int_equal(len, 2);
	assert_memory_equal(text, "gh", 2);
	assert_int_equal(whole_read(p[0], text, sizeof(text), &len), LL_OK);
	assert_int_equal(len, 0);
	assert_int_equal(close(p[0]), 0);
}

static void
failures_keep_errno(void **state)
{
	int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
	char text[4];
	size_t len = 9;

	(void)state;
	assert_true(full >= 0);
	assert_int_equal(whole_write(full, "abc", 3), LL_FULL);
	assert_int_equal(errno, ENOSPC);
	assert_int_equal(close(full), 0);
	assert_int_equal(whole_write(-1, "abc", 3), LL_IO);
	assert_int_equal(errno, EBADF);
	assert_int_equal(whole_read(-1, text, sizeof(text), &len), LL_IO);
	assert_int_equal(errno, EBADF);
	assert_int_equal(len, 0);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_comes_in_pieces_is_read_whole),
		cmocka_unit_test(failures_keep_errno),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
