/*
 * center_own.c - one's own public mail keys, for others.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sodium.h>

#include "keys/clean.h"
#include "tui/center_part.h"

#define ARMOR_COLUMNS 64
#define CRC24_START 0xb704ceu    /* RFC 4880, 6.1 */
#define CRC24_POLY 0x1864cfbu
#define IMPORT_MAX 60000

void
center_own_keys_finish(struct center_owns *o)
{
	size_t i;

	for (i = 0; i < o->count; i++) {
		free(o->rows[i].algorithm);
		free(o->rows[i].key);
	}
	free(o->rows);
	memset(o, 0, sizeof *o);
}

static enum ll_result
read_own(struct tlv_view v, struct center_own *k)
{
	const uint8_t *p;
	size_t len = 0;

	memset(k, 0, sizeof *k);
	k->format = (enum parse_format)view_u64(v, F_FORMAT);
	k->created = view_u64(v, F_CREATED);
	(void)snprintf(k->fingerprint, sizeof k->fingerprint, "%s",
	    view_text(v, F_FINGERPRINT));
	p = view_bytes(v, F_CERTIFICATE, &len);
	k->usable = k->format == PARSE_OPENPGP || (p && len > 0);
	if (!p || !len)
		p = view_bytes(v, F_PUBLIC, &len);
	k->key = malloc(len ? len : 1);
	if (!k->key)
		return LL_NOMEM;
	if (p && len)
		memcpy(k->key, p, len);
	k->key_len = len;
	return center_clean(view_text(v, F_ALGORITHM), CLEAN_LINE,
	    &k->algorithm);
}

enum ll_result
center_own_keys(struct center *c, struct center_owns *o_r)
{
	struct center_own *grown;
	struct msg *m, *reply;
	struct tlv_view row;
	size_t at = 0;
	enum ll_result r;

	center_begin(c);
	memset(o_r, 0, sizeof *o_r);
	r = msg_create(MSG_REQUEST, OP_MAILKEY_LIST, &m);
	if (r == LL_OK)
		r = desk_ask(c->desk, m, &reply);
	if (r)
		return r;
	while (r == LL_OK && view_nest(msg_view(reply), F_ROW, &at, &row)) {
		grown = realloc(o_r->rows, (o_r->count + 1) * sizeof *grown);
		if (!grown) {
			r = LL_NOMEM;
			break;
		}
		o_r->rows = grown;
		r = read_own(row, &grown[o_r->count++]);
	}
	msg_destroy(reply);
	if (r)
		center_own_keys_finish(o_r);
	return r;
}

const struct center_own *
center_own_find(const struct center_owns *o, enum parse_format format)
{
	size_t i;

	for (i = 0; i < o->count; i++)
		if (o->rows[i].format == format && o->rows[i].usable
		    && o->rows[i].key_len)
			return &o->rows[i];
	return NULL;
}

/* --- as text --- */

static uint32_t
crc24(const uint8_t *p, size_t len)
{
	uint32_t crc = CRC24_START;
	size_t i;
	int bit;

	for (i = 0; i < len; i++) {
		crc ^= (uint32_t)p[i] << 16;
		for (bit = 0; bit < 8; bit++) {
			crc <<= 1;
			if (crc & 0x1000000u)
				crc ^= CRC24_POLY;
		}
	}
	return crc & 0xffffffu;
}

static void
put_base64(FILE *out, const uint8_t *p, size_t len)
{
	char line[ARMOR_COLUMNS + 8];
	size_t n;

	for (; len > 0; p += n, len -= n) {
		n = len < ARMOR_COLUMNS / 4 * 3 ? len : ARMOR_COLUMNS / 4 * 3;
		(void)fprintf(out, "%s\n", sodium_bin2base64(line,
		    sizeof line, p, n, sodium_base64_VARIANT_ORIGINAL));
	}
}

static void
put_openpgp(FILE *out, const struct center_own *k)
{
	uint32_t crc = crc24(k->key, k->key_len);
	const uint8_t bytes[3] = { (uint8_t)(crc >> 16), (uint8_t)(crc >> 8),
	    (uint8_t)crc };
	char text[8];

	(void)fprintf(out, "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n");
	put_base64(out, k->key, k->key_len);
	(void)fprintf(out, "=%s\n-----END PGP PUBLIC KEY BLOCK-----\n",
	    sodium_bin2base64(text, sizeof text, bytes, sizeof bytes,
	    sodium_base64_VARIANT_ORIGINAL));
}

static void
put_certificates(FILE *out, const struct center_own *k)
{
	size_t at, n;

	for (at = 0; at < k->key_len; at += n) {
		n = outmail_der_first(k->key + at, k->key_len - at);
		(void)fprintf(out, "-----BEGIN CERTIFICATE-----\n");
		put_base64(out, k->key + at, n);
		(void)fprintf(out, "-----END CERTIFICATE-----\n");
	}
}

enum ll_result
center_key_export(struct center *c, enum parse_format format, char **text_r)
{
	const struct center_own *k;
	struct center_owns own;
	size_t len = 0;
	FILE *out;
	enum ll_result r;

	*text_r = NULL;
	r = center_own_keys(c, &own);
	if (r)
		return r;
	k = center_own_find(&own, format);
	if (!k) {
		center_own_keys_finish(&own);
		return center_fail(c, LL_NOTFOUND, format == PARSE_SMIME ?
		    "you have no certificate yet: the administration makes "
		    "one (letterlock ca issue), or key import takes yours" :
		    "you have no OpenPGP key yet: it is made when you log in "
		    "with your passphrase");
	}
	out = open_memstream(text_r, &len);
	if (out) {
		if (format == PARSE_SMIME)
			put_certificates(out, k);
		else
			put_openpgp(out, k);
	}
	if (!out || fclose(out) != 0 || !*text_r)
		r = LL_NOMEM;
	if (r) {
		free(*text_r);
		*text_r = NULL;
	}
	center_own_keys_finish(&own);
	return r;
}

enum ll_result
center_key_import(struct center *c, const void *file, size_t len,
    const char *password)
{
	struct msg *m;
	enum ll_result r;

	center_begin(c);
	if (len == 0)
		return center_fail(c, LL_USAGE, "no file came");
	if (len > IMPORT_MAX)
		return center_fail(c, LL_TOOBIG, "such a file has at most "
		    "60,000 bytes");
	r = msg_create(MSG_REQUEST, OP_AGENT_IMPORT, &m);
	if (r)
		return r;
	msg_put_bytes(m, F_DATA, file, len);
	msg_put_bytes(m, F_PASSPHRASE, password, strlen(password));
	return desk_ask_agent(c->desk, m, NULL);
}
