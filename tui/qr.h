/*
 * qr.h - a QR code for the terminal.
 *
 * Error correction level L and half blocks, so that an otpauth URI fits a
 * screen of 24 rows.
 */
#ifndef LL_QR_H
#define LL_QR_H

#include <stdbool.h>
#include <stddef.h>

#include "keys/result.h"

struct qr;

/* LL_TOOBIG: no code of a size for screens holds the text. */
LL_MUST enum ll_result qr_create(const char *text, struct qr **q_r);
/* Wipes.  NULL is fine. */
void qr_destroy(struct qr *q);

/* Modules of one side, without the quiet zone. */
int qr_side(const struct qr *q);
/* True for a black module; outside the code all is white. */
bool qr_black(const struct qr *q, int row, int column);

/* Cells it takes: two modules a cell (half blocks), or two cells a module
 * ("##"), with a quiet zone of `quiet` modules. */
void qr_cells(const struct qr *q, bool half_blocks, int quiet, int *rows_r,
    int *cols_r);
/* Row `row` of those cells as UTF-8 text (half blocks) or "##" and blanks.
 * invert: for a terminal without colours that shows light on dark.  text has
 * room for 4 bytes a cell and NUL. */
void qr_row(const struct qr *q, bool half_blocks, int quiet, bool invert,
    int row, char *text, size_t room);

#endif
