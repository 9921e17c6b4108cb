/*
 * test_editor.c - the editor without a terminal: text, cuts, undo, wrapping,
 * pastes.
 */
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <sodium.h>

#include "tui/editor.h"
#include "tui/wrap.h"

static struct editor *e;

static int
make(size_t ceiling, bool one_line)
{
	return editor_create(ceiling, one_line, &e);
}

static void
type(const char *text)
{
	size_t n = strlen(text), at = 0;
	uint32_t cp;

	while (at < n) {
		at += wrap_decode(text + at, n - at, &cp);
		assert_int_equal(editor_type(e, cp), 0);
	}
}

static void
text_is(const char *expected)
{
	assert_string_equal(editor_text(e), expected);
	assert_int_equal(editor_len(e), strlen(expected));
}

static void
row_is(int row, const char *expected)
{
	size_t at, end;

	assert_true(editor_row(e, row, &at, &end));
	assert_int_equal(end - at, strlen(expected));
	assert_memory_equal(editor_text(e) + at, expected, end - at);
}

static int
setup(void **state)
{
	(void)state;
	if (!setlocale(LC_CTYPE, "C.UTF-8"))
		return -1;
	return make(100000, false);
}

static int
teardown(void **state)
{
	(void)state;
	editor_destroy(e);
	e = NULL;
	return 0;
}

static void
test_typing(void **state)
{
	(void)state;
	type("na\303\257ve \346\226\207\345\255\227");
	text_is("na\303\257ve \346\226\207\345\255\227");
	editor_backspace(e);
	text_is("na\303\257ve \346\226\207");
	editor_go(e, EDITOR_WORD_LEFT);
	editor_go(e, EDITOR_LEFT);
	editor_go(e, EDITOR_LEFT);
	editor_go(e, EDITOR_LEFT);
	editor_backspace(e);
	text_is("nave \346\226\207");
	editor_go(e, EDITOR_TOP);
	editor_delete(e);
	text_is("ave \346\226\207");
}

static void
test_plain_only(void **state)
{
	static const char bad[] = "a\033[31mb\001\177c\302\233d\342\200\256e"
	    "\377f\tg\r\nh\ri";

	(void)state;
	assert_int_equal(editor_insert(e, bad, sizeof(bad) - 1), 0);
	text_is("a[31mbcdef\tg\nh\ni");
}

static void
test_undo(void **state)
{
	(void)state;
	type("one two");
	editor_backspace(e);
	editor_backspace(e);
	text_is("one t");
	assert_true(editor_undo(e));
	text_is("one two");
	assert_true(editor_undo(e));
	text_is("one ");
	assert_true(editor_undo(e));
	text_is("");
	assert_false(editor_undo(e));
	assert_true(editor_redo(e));
	assert_true(editor_redo(e));
	text_is("one two");
	assert_true(editor_redo(e));
	text_is("one t");
	assert_false(editor_redo(e));
	assert_true(editor_undo(e));
	type("!");
	assert_false(editor_redo(e));
	text_is("one two!");
}

static void
test_cut(void **state)
{
	(void)state;
	editor_set(e, "a\nb\nc\nd", 7);
	editor_go(e, EDITOR_DOWN);
	editor_cut(e);
	editor_cut(e);
	text_is("a\nd");
	editor_go(e, EDITOR_TOP);
	assert_int_equal(editor_uncut(e), 0);
	text_is("b\nc\na\nd");
	/* a cut after a move begins a new clip */
	editor_cut(e);
	text_is("b\nc\nd");
	editor_go(e, EDITOR_BOTTOM);
	assert_int_equal(editor_uncut(e), 0);
	text_is("b\nc\nda\n");
	assert_true(editor_undo(e));
	assert_true(editor_undo(e));
	text_is("b\nc\na\nd");
}

static void
test_wrap(void **state)
{
	(void)state;
	editor_set(e, "the quick brown fox", 19);
	editor_view(e, 10, 5);
	row_is(0, "the quick ");
	row_is(1, "brown fox");
	editor_set(e, "0123456789abc", 13);
	editor_view(e, 10, 5);
	row_is(0, "0123456789");
	row_is(1, "abc");
	/* a wide character never stands half over the edge */
	editor_set(e, "12345678a\346\226\207b", 13);
	editor_view(e, 10, 5);
	row_is(0, "12345678a");
	row_is(1, "\346\226\207b");
	/* blanks hang over the edge, the newline makes no row of its own */
	editor_set(e, "0123456789   \nx", 15);
	editor_view(e, 10, 5);
	row_is(0, "0123456789");
	row_is(1, "x");
}

static void
test_cursor(void **state)
{
	int row, col;

	(void)state;
	editor_set(e, "the quick brown fox\n\nend\n", 25);
	editor_view(e, 10, 10);
	editor_go(e, EDITOR_DOWN);
	editor_cursor(e, &row, &col);
	assert_int_equal(row, 1);
	assert_int_equal(col, 0);
	editor_go(e, EDITOR_ROW_END);
	editor_cursor(e, &row, &col);
	assert_int_equal(col, 9);
	editor_go(e, EDITOR_DOWN);
	editor_cursor(e, &row, &col);
	assert_int_equal(row, 2);
	assert_int_equal(col, 0);
	/* the column aimed for is kept over a short row */
	editor_go(e, EDITOR_UP);
	editor_cursor(e, &row, &col);
	assert_int_equal(row, 1);
	assert_int_equal(col, 9);
	editor_go(e, EDITOR_BOTTOM);
	editor_cursor(e, &row, &col);
	assert_int_equal(row, 4);
	assert_int_equal(col, 0);
	assert_true(editor_at_last_row(e));
	assert_false(editor_at_first_row(e));
}

static void
test_scroll(void **state)
{
	int row, col, i;

	(void)state;
	for (i = 0; i < 100; i++)
		type("line\n");
	editor_view(e, 20, 10);
	editor_cursor(e, &row, &col);
	assert_int_equal(row, 9);
	editor_go(e, EDITOR_PAGE_UP);
	editor_view(e, 20, 10);
	editor_cursor(e, &row, &col);
	assert_int_equal(row, 1);
	editor_go(e, EDITOR_TOP);
	editor_view(e, 20, 10);
	editor_cursor(e, &row, &col);
	assert_int_equal(row, 0);
	assert_int_equal(editor_at(e), 0);
}

static void
test_one_line(void **state)
{
	(void)state;
	editor_destroy(e);
	assert_int_equal(make(10, true), 0);
	assert_int_equal(editor_insert(e, "a\r\nb\tc", 6), 0);
	text_is("a b c");
	assert_int_equal(editor_remaining(e), 5);
	/* what has no room is counted, and no character is cut in two */
	assert_int_equal(editor_insert(e, "1234\303\251x", 7), 3);
	text_is("a b c1234");
}

/* A megabyte in pieces that cut characters and line ends in two: all of it
 * arrives, as one undo step. */
static void
test_big_paste(void **state)
{
	static const char unit[] = "caf\303\251 \360\237\231\202 line\r\n";
	static const char want[] = "caf\303\251 \360\237\231\202 line\n";
	size_t n = (1u << 20) / (sizeof(unit) - 1), i, at, piece, len;
	char *text, *expected;

	(void)state;
	editor_destroy(e);
	assert_int_equal(make(2u << 20, false), 0);
	len = n * (sizeof(unit) - 1);
	text = malloc(len + 1);
	expected = malloc(len + 1);
	assert_non_null(text);
	assert_non_null(expected);
	for (i = 0; i < n; i++) {
		memcpy(text + i * (sizeof(unit) - 1), unit, sizeof(unit));
		memcpy(expected + i * (sizeof(want) - 1), want, sizeof(want));
	}
	type("before");
	editor_paste_begin(e);
	for (at = 0, piece = 1; at < len; at += piece) {
		piece = 1 + (at * 7 + 3) % 5000;
		if (piece > len - at)
			piece = len - at;
		assert_int_equal(editor_insert(e, text + at, piece), 0);
	}
	editor_paste_end(e);
	assert_int_equal(editor_len(e), 6 + strlen(expected));
	assert_string_equal(editor_text(e) + 6, expected);
	editor_view(e, 79, 20);
	assert_true(editor_undo(e));
	text_is("before");
	assert_true(editor_redo(e));
	assert_int_equal(editor_len(e), 6 + strlen(expected));
	free(text);
	free(expected);
}

/* Undo is the exact reverse of anything, for a long walk of random steps. */
static void
test_random(void **state)
{
	char *before;
	unsigned i;

	(void)state;
	editor_set(e, "some text\nto begin with\n", 24);
	editor_view(e, 12, 6);
	for (i = 0; i < 3000; i++) {
		switch (randombytes_uniform(8)) {
		case 0: editor_go(e, (enum editor_move)
		    randombytes_uniform(EDITOR_BOTTOM + 1)); break;
		case 1: editor_backspace(e); break;
		case 2: editor_delete(e); break;
		case 3: editor_cut(e); break;
		case 4: (void)editor_uncut(e); break;
		case 5: (void)editor_undo(e); break;
		case 6: (void)editor_redo(e); break;
		default: (void)editor_type(e, "a\303 \n"[
		    randombytes_uniform(4)] & 0xFF); break;
		}
		editor_view(e, 12, 6);
		assert_true(editor_at(e) <= editor_len(e));
		before = strdup(editor_text(e));
		assert_non_null(before);
		editor_go(e, EDITOR_LEFT);
		(void)editor_insert(e, "xyz", 3);
		assert_true(editor_undo(e));
		assert_string_equal(editor_text(e), before);
		free(before);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_typing, setup, teardown),
		cmocka_unit_test_setup_teardown(test_plain_only, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(test_undo, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cut, setup, teardown),
		cmocka_unit_test_setup_teardown(test_wrap, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cursor, setup, teardown),
		cmocka_unit_test_setup_teardown(test_scroll, setup, teardown),
		cmocka_unit_test_setup_teardown(test_one_line, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(test_big_paste, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(test_random, setup, teardown),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
