#include "keys/clean.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "keys/tlv.h"

#define TEXT_MAX ((size_t)1 << 28)
#define MARK_ROOM 16

struct span {
	uint32_t first, last;
};

/* What is invisible, turns the direction of text, or hides data: sorted.
 * Unicode's Default_Ignorable_Code_Point, its controls (Cc) and format
 * characters (Cf) without those that have a visible form, line and paragraph
 * separator, blank Braille, and the noncharacters below U+10000. */
static const struct span hidden[] = {
	{ 0x00000, 0x0001f },   /* C0 */
	{ 0x0007f, 0x0009f },   /* DEL, C1 */
	{ 0x000ad, 0x000ad },   /* soft hyphen */
	{ 0x0034f, 0x0034f },   /* combining grapheme joiner */
	{ 0x0061c, 0x0061c },   /* Arabic letter mark */
	{ 0x0115f, 0x01160 },   /* Hangul fillers */
	{ 0x017b4, 0x017b5 },   /* Khmer inherent vowels */
	{ 0x0180b, 0x0180f },   /* Mongolian selectors and separator */
	{ 0x0200b, 0x0200f },   /* zero-width, LRM, RLM */
	{ 0x02028, 0x0202e },   /* separators, embeddings, overrides */
	{ 0x02060, 0x0206f },   /* word joiner, isolates, deprecated controls */
	{ 0x02800, 0x02800 },   /* blank Braille pattern */
	{ 0x03164, 0x03164 },   /* Hangul filler */
	{ 0x0fdd0, 0x0fdef },   /* noncharacters */
	{ 0x0fe00, 0x0fe0f },   /* variation selectors */
	{ 0x0feff, 0x0feff },   /* byte order mark */
	{ 0x0ffa0, 0x0ffa0 },   /* half-width Hangul filler */
	{ 0x0fff0, 0x0fffb },   /* unassigned ignorable, interlinear */
	{ 0x13430, 0x1345f },   /* Egyptian format controls */
	{ 0x1bca0, 0x1bca3 },   /* shorthand format controls */
	{ 0x1d159, 0x1d159 },   /* musical null note head */
	{ 0x1d173, 0x1d17a },   /* musical format controls */
	{ 0xe0000, 0xe0fff },   /* tags, more variation selectors */
};

bool
clean_marks(uint32_t c, int mode)
{
	size_t low = 0, high = sizeof hidden / sizeof *hidden, middle;

	if (mode == CLEAN_BLOCK && (c == '\n' || c == '\t'))
		return false;
	if (c > 0x10ffff || (c & 0xfffe) == 0xfffe ||
	    (c >= 0xd800 && c <= 0xdfff))
		return true;
	while (low < high) {
		middle = (low + high) / 2;
		if (c > hidden[middle].last)
			low = middle + 1;
		else
			high = middle;
	}
	return low < sizeof hidden / sizeof *hidden && c >= hidden[low].first;
}

/* One step over the text: how many bytes at p are taken, and what stands for
 * them (in mark, or the bytes themselves when *mark is 0). */
static size_t
step(const uint8_t *p, size_t left, int mode, char mark[MARK_ROOM])
{
	uint32_t c = 0;
	size_t len;

	mark[0] = 0;
	len = utf8_decode(p, left, &c);
	if (len == 0) {
		snprintf(mark, MARK_ROOM, "<0x%02X>", p[0]);
		return 1;
	}
	if (mode == CLEAN_BLOCK && c == '\r' && left > 1 && p[1] == '\n') {
		memcpy(mark, "\n", 2);
		return 2;
	}
	if (clean_marks(c, mode))
		snprintf(mark, MARK_ROOM, "<U+%04X>", (unsigned)c);
	return len;
}

/* Writes to out unless it is NULL; returns the length without the NUL. */
static size_t
render(const uint8_t *p, size_t len, int mode, char *out)
{
	char mark[MARK_ROOM];
	size_t at = 0, took, wrote, sum = 0;
	const void *from;

	while (at < len) {
		took = step(p + at, len - at, mode, mark);
		from = mark[0] == 0 ? (const void *)(p + at) : mark;
		wrote = mark[0] == 0 ? took : strlen(mark);
		if (out != NULL)
			memcpy(out + sum, from, wrote);
		at += took;
		sum += wrote;
	}
	return sum;
}

enum ll_result
clean_text(const char *text, size_t len, int mode, char **out_r)
{
	const uint8_t *p = (const uint8_t *)text;
	size_t need;

	*out_r = NULL;
	if (len > TEXT_MAX)
		return LL_TOOBIG;
	need = render(p, len, mode, NULL);
	*out_r = malloc(need + 1);
	if (*out_r == NULL)
		return LL_NOMEM;
	render(p, len, mode, *out_r);
	(*out_r)[need] = 0;
	return LL_OK;
}

bool
clean_is(const char *text, size_t len, int mode)
{
	const uint8_t *p = (const uint8_t *)text;
	char mark[MARK_ROOM];
	size_t at = 0;

	while (at < len) {
		at += step(p + at, len - at, mode, mark);
		if (mark[0] != 0)
			return false;
	}
	return true;
}
