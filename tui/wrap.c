/*
 * wrap.c - text measured in terminal cells and broken into rows.
 */
#include <wchar.h>

#include "tui/wrap.h"

size_t
wrap_decode(const char *p, size_t len, uint32_t *code_point_r)
{
	static const uint32_t least[5] = { 0, 0, 0x80, 0x800, 0x10000 };
	const unsigned char *s = (const unsigned char *)p;
	uint32_t cp;
	size_t n, i;

	*code_point_r = 0xFFFD;
	if (s[0] < 0x80) {
		*code_point_r = s[0];
		return 1;
	}
	if (s[0] >= 0xC2 && s[0] < 0xE0) {
		n = 2;
		cp = s[0] & 0x1F;
	} else if (s[0] >= 0xE0 && s[0] < 0xF0) {
		n = 3;
		cp = s[0] & 0x0F;
	} else if (s[0] >= 0xF0 && s[0] < 0xF5) {
		n = 4;
		cp = s[0] & 0x07;
	} else {
		return 1;
	}
	if (len < n)
		return 1;
	for (i = 1; i < n; i++) {
		if ((s[i] & 0xC0) != 0x80)
			return 1;
		cp = cp << 6 | (s[i] & 0x3F);
	}
	if (cp < least[n] || cp > 0x10FFFF || (cp >= 0xD800 && cp < 0xE000))
		return 1;
	*code_point_r = cp;
	return n;
}

size_t
wrap_encode(uint32_t cp, char out[4])
{
	unsigned char *s = (unsigned char *)out;

	if (cp < 0x80) {
		s[0] = (unsigned char)cp;
		return 1;
	}
	if (cp < 0x800) {
		s[0] = (unsigned char)(0xC0 | cp >> 6);
		s[1] = (unsigned char)(0x80 | (cp & 0x3F));
		return 2;
	}
	if (cp < 0x10000) {
		s[0] = (unsigned char)(0xE0 | cp >> 12);
		s[1] = (unsigned char)(0x80 | (cp >> 6 & 0x3F));
		s[2] = (unsigned char)(0x80 | (cp & 0x3F));
		return 3;
	}
	s[0] = (unsigned char)(0xF0 | (cp >> 18 & 0x07));
	s[1] = (unsigned char)(0x80 | (cp >> 12 & 0x3F));
	s[2] = (unsigned char)(0x80 | (cp >> 6 & 0x3F));
	s[3] = (unsigned char)(0x80 | (cp & 0x3F));
	return 4;
}

int
wrap_cells(uint32_t cp, int col)
{
	int w;

	if (cp == '\t')
		return WRAP_TAB - col % WRAP_TAB;
	if (cp >= 0x20 && cp < 0x7F)
		return 1;
	w = wcwidth((wchar_t)cp);
	return w < 0 ? 1 : w;
}

int
wrap_width(const char *text, size_t len)
{
	size_t at = 0;
	uint32_t cp;
	int col = 0;

	while (at < len) {
		at += wrap_decode(text + at, len - at, &cp);
		col += wrap_cells(cp, col);
	}
	return col;
}

/* Blanks that follow a break stay on the row they end. */
static size_t
skip_blanks(const char *text, size_t len, size_t at)
{
	while (at < len && text[at] == ' ')
		at++;
	return at;
}

size_t
wrap_row(const char *text, size_t len, size_t at, int width, size_t *next_r)
{
	size_t i = at, n, brk = 0;
	uint32_t cp;
	int col = 0, w;

	while (i < len && text[i] != '\n') {
		n = wrap_decode(text + i, len - i, &cp);
		w = wrap_cells(cp, col);
		if (col + w > width) {
			if (cp == ' ') {
				/* the row is full to its edge */
				*next_r = skip_blanks(text, len, i);
				if (*next_r < len && text[*next_r] == '\n')
					++*next_r;
				return i;
			}
			if (brk == 0)
				brk = i > at ? i : i + n;
			*next_r = brk;
			return brk;
		}
		col += w;
		i += n;
		if (cp == ' ' || cp == '\t')
			brk = i;
	}
	*next_r = i < len ? i + 1 : i;
	return i;
}

size_t
wrap_at_column(const char *text, size_t at, size_t end, int col)
{
	uint32_t cp;
	size_t n;
	int x = 0, w;

	while (at < end) {
		n = wrap_decode(text + at, end - at, &cp);
		w = wrap_cells(cp, x);
		if (w > 0 && x + w > col)
			break;
		x += w;
		at += n;
	}
	return at;
}
