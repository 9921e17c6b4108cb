/*
 * qrpage.c - a QR code alone on its screen.
 */
#include <stdio.h>
#include <sodium.h>

#include "tui/paint.h"
#include "tui/qr.h"
#include "tui/qrpage.h"
#include "tui/term.h"
#include "tui/view.h"

struct qrpage {
	struct qr *qr;
	bool invert;
};

static enum ll_result
qrpage_init(struct view *v, const void *arg)
{
	struct qrpage *p = v->state;

	/* without colours most terminals show light on dark */
	p->invert = !term_colour();
	return qr_create(arg, &p->qr);
}

static void
qrpage_finish(struct view *v)
{
	struct qrpage *p = v->state;

	qr_destroy(p->qr);
}

/* The widest quiet zone that fits, or -1. */
static int
quiet_zone(const struct qr *q, bool half, int *rows_r, int *cols_r)
{
	int quiet;

	for (quiet = 4; quiet >= 1; quiet--) {
		qr_cells(q, half, quiet, rows_r, cols_r);
		if (*rows_r <= paint_rows() && *cols_r <= paint_cols())
			return quiet;
	}
	return -1;
}

static void
qrpage_draw(struct view *v)
{
	struct qrpage *p = v->state;
	bool half = term_utf8();
	char text[600];
	int y, rows, cols, left, quiet;

	quiet = quiet_zone(p->qr, half, &rows, &cols);
	paint_cursor(paint_rows() - 1, paint_cols() - 1, false);
	if (quiet < 0) {
		(void)snprintf(text, sizeof(text), "The QR code does not fit "
		    "this window: it takes %d columns and %d rows. Make the "
		    "window larger, or press Enter for the same key as text.",
		    cols, rows);
		(void)paint_paragraph(1, 1, paint_cols() - 2,
		    paint_rows() - 1, PAINT_PLAIN, text);
		return;
	}
	left = (paint_cols() - cols) / 2;
	for (y = 0; y < rows; y++) {
		qr_row(p->qr, half, quiet, p->invert, y, text, sizeof(text));
		(void)paint_text((paint_rows() - rows) / 2 + y, left, cols,
		    PAINT_QR, text);
	}
	sodium_memzero(text, sizeof(text));
}

static bool
qrpage_key(struct view *v, const struct key *k)
{
	struct qrpage *p = v->state;

	if (k->code == 'i')
		p->invert = !p->invert;
	else if (k->code == K_ENTER || k->code == K_TAB || k->code == ' ')
		view_pop();
	else
		return false;
	return true;
}

static const struct view_ops qr_ops = {
	.state_bytes = sizeof(struct qrpage),
	.init = qrpage_init,
	.draw = qrpage_draw,
	.key = qrpage_key,
	.finish = qrpage_finish,
	.bare = true,
	.alone = true,
};

void
qrpage_open(const char *text)
{
	(void)view_push(&qr_ops, text);
}
