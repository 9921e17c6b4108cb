/*
 * test_input.c - keys from bytes: sequences of many terminals, Esc over a
 * slow line, pastes cut anywhere.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "tui/input.h"

static struct input in;

static void
feed(const char *bytes)
{
	assert_int_equal(input_feed(&in, bytes, strlen(bytes)),
	    strlen(bytes));
}

static void
next_is(uint32_t code)
{
	struct key k;

	assert_int_equal(input_next(&in, false, &k), LL_OK);
	assert_int_equal(k.code, code);
}

static void
nothing(void)
{
	struct key k;

	assert_int_equal(input_next(&in, false, &k), LL_AGAIN);
}

static void
test_sequences(void **state)
{
	static const struct {
		const char *bytes;
		uint32_t code;
	} rows[] = {
		{ "a", 'a' }, { "\303\251", 0xE9 }, { "\r", K_ENTER },
		{ "\n", K_ENTER }, { "\177", K_BACKSPACE },
		{ "\b", K_BACKSPACE }, { "\t", K_TAB }, { "\030", 24 },
		{ "\033[A", K_UP }, { "\033OA", K_UP },
		{ "\033[1;5C", K_WORD_RIGHT }, { "\033[1;3D", K_WORD_LEFT },
		{ "\033Oc", K_WORD_RIGHT }, { "\033[1;2B", K_DOWN },
		{ "\033[H", K_HOME }, { "\033OH", K_HOME },
		{ "\033[1~", K_HOME }, { "\033[7~", K_HOME },
		{ "\033[4~", K_END }, { "\033[8~", K_END }, { "\033[F", K_END },
		{ "\033[3~", K_DELETE }, { "\033[3;5~", K_DELETE },
		{ "\033[5~", K_PAGE_UP }, { "\033[6~", K_PAGE_DOWN },
		{ "\033[Z", K_BACKTAB }, { "\033OP", K_F1 },
		{ "\033[[A", K_F1 }, { "\033[11~", K_F1 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		input_init(&in);
		feed(rows[i].bytes);
		next_is(rows[i].code);
		nothing();
	}
}

/* Esc alone waits for the time-out; Esc and a letter are Esc and a letter. */
static void
test_escape(void **state)
{
	struct key k;

	(void)state;
	input_init(&in);
	feed("\033");
	nothing();
	assert_true(input_waits(&in));
	assert_int_equal(input_next(&in, true, &k), LL_OK);
	assert_int_equal(k.code, K_ESC);
	feed("\033q");
	next_is(K_ESC);
	next_is('q');
	feed("\033\033[A");
	next_is(K_ESC);
	next_is(K_UP);
	/* a sequence that arrives in pieces */
	feed("\033[");
	nothing();
	feed("1;");
	nothing();
	feed("5C");
	next_is(K_WORD_RIGHT);
	/* unknown ones are swallowed whole */
	feed("\033[99;99~\033[?62;1;2cx");
	next_is('x');
}

static void
test_report(void **state)
{
	(void)state;
	input_init(&in);
	feed("a\033[12;34Rb");
	next_is('a');
	next_is('b');
	assert_int_equal(in.report_row, 12);
	assert_int_equal(in.report_col, 34);
}

/* A paste is text, whatever stands in it, however it is cut. */
static void
test_paste(void **state)
{
	static const char sent[] = "\033[200~q\033[A\r:x\003\033[201\033[20"
	    "caf\303\251\033[201~z";
	static const char want[] = "q\033[A\r:x\003\033[201\033[20caf\303\251";
	char got[100];
	struct key k;
	size_t cut, n, at, len = sizeof(sent) - 1;
	int ends;

	(void)state;
	for (cut = 1; cut < len; cut++) {
		input_init(&in);
		n = 0;
		ends = 0;
		for (at = 0; at < len; at += cut) {
			assert_int_equal(input_feed(&in, sent + at,
			    at + cut < len ? cut : len - at),
			    at + cut < len ? cut : len - at);
			while (input_next(&in, false, &k) == LL_OK) {
				if (k.code == K_PASTE) {
					memcpy(got + n, k.text, k.len);
					n += k.len;
				} else if (k.code == K_PASTE_END) {
					ends++;
				} else if (k.code != K_PASTE_BEGIN) {
					assert_int_equal(k.code, 'z');
					assert_int_equal(ends, 1);
				}
			}
		}
		assert_int_equal(ends, 1);
		assert_int_equal(n, sizeof(want) - 1);
		assert_memory_equal(got, want, n);
	}
}

/* Whatever comes, the decoder goes on and ends. */
static void
test_noise(void **state)
{
	struct key k;
	unsigned seed = 1, i;
	char c;

	(void)state;
	input_init(&in);
	for (i = 0; i < 200000; i++) {
		seed = seed * 1103515245 + 12345;
		c = (char)(seed >> 16);
		if (seed >> 30 == 0)
			c = "\033[O~0;2"[seed >> 20 & 7];
		(void)input_feed(&in, &c, 1);
		while (input_next(&in, i % 7 == 0, &k) == LL_OK)
			assert_true(k.code > 0);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sequences),
		cmocka_unit_test(test_escape),
		cmocka_unit_test(test_report),
		cmocka_unit_test(test_paste),
		cmocka_unit_test(test_noise),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
