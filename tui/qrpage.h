/*
 * qrpage.h - a QR code alone on its screen.
 */
#ifndef LL_QRPAGE_H
#define LL_QRPAGE_H

/* Shows the text as a QR code until Enter, Tab or Space; i inverts it.  A
 * failure has been told on the status line. */
void qrpage_open(const char *text);

#endif
