/*
 * qr.c - a QR code for the terminal.
 */
#include <qrencode.h>
#include <stdlib.h>
#include <string.h>
#include <sodium.h>

#include "tui/qr.h"

#define SIDE_MAX 57             /* version 10 */

struct qr {
	int side;
	bool black[SIDE_MAX][SIDE_MAX];
};

enum ll_result
qr_create(const char *text, struct qr **q_r)
{
	QRcode *code;
	struct qr *q;
	size_t n;
	int i, j;

	*q_r = NULL;
	code = QRcode_encodeString8bit(text, 0, QR_ECLEVEL_L);
	if (!code)
		return LL_TOOBIG;
	n = (size_t)(code->width * code->width);
	q = code->width <= SIDE_MAX ? calloc(1, sizeof(*q)) : NULL;
	if (q) {
		q->side = code->width;
		for (i = 0; i < q->side; i++)
			for (j = 0; j < q->side; j++)
				q->black[i][j] =
				    code->data[i * q->side + j] & 1;
	}
	i = code->width;
	sodium_memzero(code->data, n);
	QRcode_free(code);
	if (!q)
		return i > SIDE_MAX ? LL_TOOBIG : LL_NOMEM;
	*q_r = q;
	return LL_OK;
}

void
qr_destroy(struct qr *q)
{
	if (q)
		sodium_memzero(q, sizeof(*q));
	free(q);
}

int
qr_side(const struct qr *q)
{
	return q->side;
}

bool
qr_black(const struct qr *q, int row, int column)
{
	return row >= 0 && column >= 0 && row < q->side && column < q->side &&
	    q->black[row][column];
}

void
qr_cells(const struct qr *q, bool half_blocks, int quiet, int *rows_r,
    int *cols_r)
{
	int all = q->side + 2 * quiet;

	*rows_r = half_blocks ? (all + 1) / 2 : all;
	*cols_r = half_blocks ? all : 2 * all;
}

void
qr_row(const struct qr *q, bool half_blocks, int quiet, bool invert, int row,
    char *text, size_t room)
{
	/* upper and lower module as bits 1 and 2 */
	static const char *const halves[4] = { " ", "\342\226\200",
	    "\342\226\204", "\342\226\210" };
	int j, bits, first = half_blocks ? 2 * row - quiet : row - quiet;
	const char *piece;
	size_t n = 0, len;

	for (j = -quiet; j < q->side + quiet; j++) {
		bits = qr_black(q, first, j) ? 1 : 0;
		if (half_blocks && qr_black(q, first + 1, j))
			bits |= 2;
		if (invert)
			bits ^= half_blocks ? 3 : 1;
		piece = half_blocks ? halves[bits] : bits ? "##" : "  ";
		len = strlen(piece);
		if (n + len + 1 > room)
			break;
		memcpy(text + n, piece, len);
		n += len;
	}
	text[n] = '\0';
}
