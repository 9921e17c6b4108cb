#include "server/relay_body.h"

#include <stdlib.h>
#include <string.h>

#include <sodium.h>

struct relay_body {
	char *text;
	size_t room;
	bool given;
	uint64_t bytes;
	struct relay_stream *stream;
	uint8_t hash[RELAY_STREAM_HASH];
};

enum ll_result
body_of_text(const char *text, size_t len, bool crlf, struct relay_body **b_r)
{
	struct relay_body *b;
	size_t i, at = 0;

	*b_r = NULL;
	b = calloc(1, sizeof(*b));
	if (b == NULL)
		return LL_NOMEM;
	b->room = 2 * len + 1;
	b->text = malloc(b->room);
	if (b->text == NULL) {
		free(b);
		return LL_NOMEM;
	}
	for (i = 0; i < len; i++) {
		if (crlf && text[i] == '\n')
			b->text[at++] = '\r';
		b->text[at++] = text[i];
	}
	b->bytes = at;
	*b_r = b;
	return LL_OK;
}

enum ll_result
body_of_stream(struct relay_stream *stream,
    const uint8_t hash[RELAY_STREAM_HASH], uint64_t bytes,
    struct relay_body **b_r)
{
	struct relay_body *b;

	*b_r = NULL;
	b = calloc(1, sizeof(*b));
	if (b == NULL) {
		relay_stream_close(stream);
		return LL_NOMEM;
	}
	b->stream = stream;
	b->bytes = bytes;
	memcpy(b->hash, hash, sizeof(b->hash));
	*b_r = b;
	return LL_OK;
}

void
body_destroy(struct relay_body *b)
{
	if (b == NULL)
		return;
	if (b->text != NULL)
		sodium_memzero(b->text, b->room);
	free(b->text);
	relay_stream_close(b->stream);
	free(b);
}

enum ll_result
body_next(struct relay_body *b, const uint8_t **p_r, size_t *len_r)
{
	if (b->stream != NULL)
		return relay_stream_next(b->stream, p_r, len_r);
	*p_r = (const uint8_t *)b->text;
	*len_r = b->given ? 0 : (size_t)b->bytes;
	if (*len_r == 0)
		return LL_EOF;
	b->given = true;
	return LL_OK;
}

uint64_t
body_bytes(const struct relay_body *b)
{
	return b->bytes;
}

const uint8_t *
body_hash(const struct relay_body *b)
{
	return b->stream != NULL ? b->hash : NULL;
}
