/*
 * test_qr.c - a QR code that fits a terminal of 24 rows.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "tui/qr.h"

static const char uri[] = "otpauth://totp/Example:ada?secret="
    "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP&issuer=Example";

static void
test_fits(void **state)
{
	struct qr *q;
	int rows, cols;

	(void)state;
	assert_int_equal(qr_create(uri, &q), LL_OK);
	qr_cells(q, true, 4, &rows, &cols);
	assert_true(rows <= 24);
	assert_true(cols <= 80);
	qr_destroy(q);
}

/* Rows of half blocks, read back, are the modules again; inverted ones too. */
static void
test_rows(void **state)
{
	struct qr *q;
	char text[600];
	const char *p;
	int rows, cols, y, x, upper, lower, invert;

	(void)state;
	assert_int_equal(qr_create(uri, &q), LL_OK);
	qr_cells(q, true, 2, &rows, &cols);
	for (invert = 0; invert < 2; invert++) {
		for (y = 0; y < rows; y++) {
			qr_row(q, true, 2, invert, y, text, sizeof(text));
			for (p = text, x = 0; x < cols; x++) {
				upper = lower = 0;
				if (*p == ' ') {
					p++;
				} else {
					upper = strncmp(p, "\342\226\204", 3)
					    != 0;
					lower = strncmp(p, "\342\226\200", 3)
					    != 0;
					p += 3;
				}
				assert_int_equal(upper ^ invert,
				    qr_black(q, 2 * y - 2, x - 2));
				assert_int_equal(lower ^ invert,
				    qr_black(q, 2 * y - 1, x - 2));
			}
			assert_int_equal(*p, '\0');
		}
	}
	/* the finder pattern stands in the corner */
	assert_true(qr_black(q, 0, 0));
	assert_false(qr_black(q, 1, 1));
	assert_true(qr_black(q, 2, 2));
	assert_false(qr_black(q, -1, 0));
	qr_row(q, false, 0, false, 0, text, sizeof(text));
	assert_int_equal(strlen(text), 2 * (size_t)qr_side(q));
	assert_memory_equal(text, "##############  ", 16);
	qr_destroy(q);
}

static void
test_too_big(void **state)
{
	struct qr *q;
	char text[4000];

	(void)state;
	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	assert_int_equal(qr_create(text, &q), LL_TOOBIG);
	assert_null(q);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fits),
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_too_big),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
