#include <stdlib.h>
#include <string.h>

#include "keys/envelope.h"

/* A header in plaintext: fields, signature if there is one, padding. */
enum part_tag { PART_FIELDS = 1, PART_SIGNATURE, PART_PADDING };

enum field_tag {
	FIELD_MESSAGE = 1, FIELD_THREAD, FIELD_REPLY_TO, FIELD_AUTHOR,
	FIELD_GENERATION, FIELD_DATE, FIELD_FROM, FIELD_FROM_NAME,
	FIELD_SUBJECT, FIELD_TO, FIELD_CC, FIELD_READER, FIELD_OBJECT
};

enum object_tag {
	OBJECT_ID = 1, OBJECT_KIND, OBJECT_PLAIN, OBJECT_SEALED, OBJECT_HASH,
	OBJECT_NAME, OBJECT_TYPE
};

enum manifest_tag {
	MANIFEST_MESSAGE = 1, MANIFEST_AUTHOR, MANIFEST_GENERATION,
	MANIFEST_READER, MANIFEST_FIELDS, MANIFEST_OBJECT,
	MANIFEST_COMMITMENT
};

#define PLAIN_MAX (ENVELOPE_HEADER_MAX - SEAL_OVERHEAD)
#define MANIFEST_MAX 1048576

/* The members of each type, by tag: encoder, checker and decoder all go by
 * these tables. */
struct id_row { uint8_t tag; size_t at; };
struct u64_row { uint8_t tag; size_t at; };
struct text_row { uint8_t tag; size_t at; size_t most; };
struct list_row { uint8_t tag; size_t list, count; size_t most; };

#define AT(member) offsetof(struct envelope, member)

static const struct id_row ids[] = {
	{ FIELD_MESSAGE, AT(message) },
	{ FIELD_THREAD, AT(thread) },
	{ FIELD_REPLY_TO, AT(reply_to) },
	{ FIELD_AUTHOR, AT(author) },
};

static const struct u64_row numbers[] = {
	{ FIELD_GENERATION, AT(author_generation) },
	{ FIELD_DATE, AT(date) },
};

static const struct text_row texts[] = {
	{ FIELD_FROM, AT(from), ENVELOPE_ADDRESS_MAX },
	{ FIELD_FROM_NAME, AT(from_name), ENVELOPE_NAME_MAX },
	{ FIELD_SUBJECT, AT(subject), ENVELOPE_SUBJECT_MAX },
};

static const struct list_row lists[] = {
	{ FIELD_TO, AT(to), AT(to_count), ENVELOPE_ADDRESS_MAX },
	{ FIELD_CC, AT(cc), AT(cc_count), ENVELOPE_ADDRESS_MAX },
	{ FIELD_READER, AT(readers), AT(reader_count), ENVELOPE_ADDRESS_MAX },
};

#define ROWS(table) (sizeof (table) / sizeof *(table))

/* Members by offset; the offsets are those of the tables above. */
static void *
member(struct envelope *e, size_t at)
{
	return (unsigned char *)e + at;
}

static const void *
member_const(const struct envelope *e, size_t at)
{
	return (const unsigned char *)e + at;
}

static const char *
text_at(const struct envelope *e, const struct text_row *row)
{
	const char *text = *(char *const *)member_const(e, row->at);

	return text == NULL ? "" : text;
}

/* --- writing --- */

static void
put_object(struct tlv_out *out, const struct envelope_object *o)
{
	struct tlv_out inner;

	tlv_out_init(&inner, 4096);
	tlv_put_id(&inner, OBJECT_ID, &o->id);
	tlv_put_u64(&inner, OBJECT_KIND, o->kind);
	tlv_put_u64(&inner, OBJECT_PLAIN, o->plain_bytes);
	tlv_put_u64(&inner, OBJECT_SEALED, o->sealed_bytes);
	tlv_put_bytes(&inner, OBJECT_HASH, o->hash, sizeof o->hash);
	tlv_put_text(&inner, OBJECT_NAME, o->name);
	tlv_put_text(&inner, OBJECT_TYPE, o->type);
	tlv_put_tlv(out, FIELD_OBJECT, &inner);
	tlv_out_finish(&inner);
}

static void
put_fields(struct tlv_out *out, const struct envelope *e)
{
	char *const *list;
	size_t i, k;

	for (i = 0; i < ROWS(ids); i++)
		tlv_put_id(out, ids[i].tag, member_const(e, ids[i].at));
	for (i = 0; i < ROWS(numbers); i++)
		tlv_put_u64(out, numbers[i].tag,
		    *(const uint64_t *)member_const(e, numbers[i].at));
	for (i = 0; i < ROWS(texts); i++)
		tlv_put_text(out, texts[i].tag, text_at(e, &texts[i]));
	for (i = 0; i < ROWS(lists); i++) {
		list = *(char **const *)member_const(e, lists[i].list);
		for (k = 0; k < *(const size_t *)member_const(e,
		    lists[i].count); k++)
			tlv_put_text(out, lists[i].tag, list[k]);
	}
	for (i = 0; i < e->object_count; i++)
		put_object(out, &e->objects[i]);
}

static bool
text_fits(const char *text, size_t most)
{
	size_t len = strlen(text);

	return len <= most && utf8_valid(text, len);
}

static bool
object_fits(const struct envelope_object *o, bool first)
{
	return (first ? o->kind == OBJECT_BODY :
	    o->kind == OBJECT_ATTACHMENT || o->kind == OBJECT_RAW) &&
	    text_fits(o->name, ENVELOPE_NAME_MAX) &&
	    text_fits(o->type, ENVELOPE_TYPE_MAX);
}

/* What a header must hold to, whoever made it. */
static bool
envelope_fits(const struct envelope *e)
{
	char *const *list;
	size_t i, k, count;

	for (i = 0; i < ROWS(texts); i++)
		if (!text_fits(text_at(e, &texts[i]), texts[i].most))
			return false;
	for (i = 0; i < ROWS(lists); i++) {
		list = *(char **const *)member_const(e, lists[i].list);
		count = *(const size_t *)member_const(e, lists[i].count);
		if (count > ENVELOPE_READERS_MAX)
			return false;
		for (k = 0; k < count; k++)
			if (!text_fits(list[k], lists[i].most))
				return false;
	}
	if (e->object_count < 1 || e->object_count > ENVELOPE_OBJECTS_MAX)
		return false;
	for (i = 0; i < e->object_count; i++)
		if (!object_fits(&e->objects[i], i == 0))
			return false;
	return true;
}

static enum ll_result
fields_hash(const struct envelope *e, uint8_t out[HASH_BYTES])
{
	struct tlv_out fields;
	enum ll_result r;

	tlv_out_init(&fields, MANIFEST_MAX);
	put_fields(&fields, e);
	r = derive(LABEL_FIELDS, NULL, 0, &fields, out);
	tlv_out_finish(&fields);
	return r;
}

enum ll_result
envelope_manifest(const struct envelope *e,
    const uint8_t commitment[HASH_BYTES], uint8_t out[HASH_BYTES])
{
	uint8_t fields[HASH_BYTES];
	struct tlv_out m, inner;
	enum ll_result r;
	size_t i;

	r = fields_hash(e, fields);
	if (r != LL_OK)
		return r;
	tlv_out_init(&m, MANIFEST_MAX);
	tlv_put_id(&m, MANIFEST_MESSAGE, &e->message);
	tlv_put_id(&m, MANIFEST_AUTHOR, &e->author);
	tlv_put_u64(&m, MANIFEST_GENERATION, e->author_generation);
	for (i = 0; i < e->reader_count; i++)
		tlv_put_text(&m, MANIFEST_READER, e->readers[i]);
	tlv_put_bytes(&m, MANIFEST_FIELDS, fields, sizeof fields);
	for (i = 0; i < e->object_count; i++) {
		tlv_out_init(&inner, 256);
		tlv_put_id(&inner, OBJECT_ID, &e->objects[i].id);
		tlv_put_u64(&inner, OBJECT_KIND, e->objects[i].kind);
		tlv_put_u64(&inner, OBJECT_SEALED, e->objects[i].sealed_bytes);
		tlv_put_bytes(&inner, OBJECT_HASH, e->objects[i].hash,
		    HASH_BYTES);
		tlv_put_tlv(&m, MANIFEST_OBJECT, &inner);
		tlv_out_finish(&inner);
	}
	tlv_put_bytes(&m, MANIFEST_COMMITMENT, commitment, HASH_BYTES);
	r = derive(LABEL_MANIFEST, NULL, 0, &m, out);
	tlv_out_finish(&m);
	return r;
}

void
envelope_signed(const uint8_t manifest[HASH_BYTES],
    uint8_t out[ENVELOPE_SIGNED])
{
	memcpy(out, derive_label_text(LABEL_MANIFEST), 16);
	memcpy(out + 16, manifest, HASH_BYTES);
}

enum ll_result
envelope_verify(const struct envelope *e, const uint8_t commitment[HASH_BYTES],
    const uint8_t sign_pk[crypto_sign_PUBLICKEYBYTES])
{
	uint8_t manifest[HASH_BYTES], text[ENVELOPE_SIGNED];
	enum ll_result r;

	if (!e->is_signed)
		return LL_AUTH;
	r = envelope_manifest(e, commitment, manifest);
	if (r != LL_OK)
		return r;
	envelope_signed(manifest, text);
	if (crypto_sign_verify_detached(e->signature, text, sizeof text,
	    sign_pk) != 0)
		return LL_AUTH;
	return LL_OK;
}

/* Fills up to the next step, so that sizes tell little about subjects. */
static void
put_padding(struct tlv_out *out)
{
	static const uint8_t zero[ENVELOPE_STEP];
	size_t over = (out->len + TLV_HEAD + SEAL_OVERHEAD) % ENVELOPE_STEP;

	tlv_put_bytes(out, PART_PADDING, zero,
	    over == 0 ? 0 : ENVELOPE_STEP - over);
}

static enum ll_result
header_key(const uint8_t message_key[KEY_BYTES], const struct id *message,
    struct secret *key_r, struct seal_context *ctx_r)
{
	enum ll_result r;

	memset(ctx_r, 0, sizeof *ctx_r);
	ctx_r->type = SEAL_HEADER;
	ctx_r->object = *message;
	r = secret_init(key_r, KEY_BYTES);
	if (r == LL_OK)
		r = derive_bytes(LABEL_HEADER, message_key, KEY_BYTES,
		    message->b, ID_BYTES, key_r->data);
	return r;
}

enum ll_result
envelope_seal(const struct envelope *e, const uint8_t message_key[KEY_BYTES],
    uint8_t **out_r, size_t *len_r)
{
	struct tlv_out plain, fields;
	struct secret key = SECRET_NONE;
	struct seal_context ctx;
	enum ll_result r;

	*out_r = NULL;
	*len_r = 0;
	if (!envelope_fits(e))
		return LL_USAGE;
	tlv_out_init(&plain, PLAIN_MAX);
	tlv_out_init(&fields, PLAIN_MAX);
	put_fields(&fields, e);
	tlv_put_tlv(&plain, PART_FIELDS, &fields);
	if (e->is_signed)
		tlv_put_bytes(&plain, PART_SIGNATURE, e->signature,
		    sizeof e->signature);
	put_padding(&plain);
	r = plain.err;
	if (r == LL_OK)
		r = header_key(message_key, &e->message, &key, &ctx);
	if (r == LL_OK)
		r = seal_bytes(key.data, &ctx, plain.data, plain.len, out_r,
		    len_r);
	secret_finish(&key);
	tlv_out_finish(&fields);
	tlv_out_finish(&plain);
	return r;
}

/* --- reading --- */

static enum ll_result
take_hash(const struct tlv_field *f, uint8_t out[HASH_BYTES])
{
	if (f->len != HASH_BYTES)
		return LL_PROTO;
	memcpy(out, f->data, HASH_BYTES);
	return LL_OK;
}

static enum ll_result
take_text(const struct tlv_field *f, char **member_r)
{
	const char *text;
	enum ll_result r;

	r = tlv_text(f, &text);
	return r == LL_OK ? envelope_set(member_r, text) : r;
}

static enum ll_result
take_object_field(struct envelope_object *o, const struct tlv_field *f)
{
	enum ll_result r;
	uint64_t n;

	switch (f->tag) {
	case OBJECT_ID:
		return tlv_id(f, &o->id);
	case OBJECT_KIND:
		r = tlv_u64(f, &n);
		if (r == LL_OK && n != OBJECT_BODY &&
		    n != OBJECT_ATTACHMENT && n != OBJECT_RAW)
			return LL_PROTO;
		if (r == LL_OK)
			o->kind = (enum object_kind)n;
		return r;
	case OBJECT_PLAIN:
		return tlv_u64(f, &o->plain_bytes);
	case OBJECT_SEALED:
		return tlv_u64(f, &o->sealed_bytes);
	case OBJECT_HASH:
		return take_hash(f, o->hash);
	case OBJECT_NAME:
		return take_text(f, &o->name);
	case OBJECT_TYPE:
		return take_text(f, &o->type);
	default:
		return LL_NEWER;
	}
}

/* Each field once and in put_object's order, so that what is read encodes
 * again to the same bytes. */
static enum ll_result
take_object(struct envelope *e, const struct tlv_field *field)
{
	struct tlv_view v = { field->data, field->len };
	struct envelope_object o;
	uint8_t want = OBJECT_ID;
	struct tlv_field f;
	enum ll_result r;
	size_t at = 0;

	memset(&o, 0, sizeof o);
	while ((r = tlv_next(v, &at, &f)) == LL_OK) {
		r = f.tag == want++ ? take_object_field(&o, &f) : LL_PROTO;
		if (r != LL_OK)
			break;
	}
	if (r == LL_EOF)
		r = want == OBJECT_TYPE + 1 ? LL_OK : LL_PROTO;
	if (r == LL_OK)
		r = envelope_add_object(e, &o);
	envelope_drop(&o.name);
	envelope_drop(&o.type);
	return r;
}

static enum ll_result
take_field(struct envelope *e, const struct tlv_field *f)
{
	const char *text;
	enum ll_result r;
	size_t i;

	for (i = 0; i < ROWS(ids); i++)
		if (ids[i].tag == f->tag)
			return tlv_id(f, member(e, ids[i].at));
	for (i = 0; i < ROWS(numbers); i++)
		if (numbers[i].tag == f->tag)
			return tlv_u64(f, member(e, numbers[i].at));
	for (i = 0; i < ROWS(texts); i++)
		if (texts[i].tag == f->tag)
			return take_text(f, member(e, texts[i].at));
	for (i = 0; i < ROWS(lists); i++) {
		if (lists[i].tag != f->tag)
			continue;
		r = tlv_text(f, &text);
		if (r == LL_OK)
			r = envelope_add(member(e, lists[i].list),
			    member(e, lists[i].count), text);
		return r;
	}
	return f->tag == FIELD_OBJECT ? take_object(e, f) : LL_NEWER;
}

/* The fields that stand once come first, each in its place. */
static enum ll_result
take_fields(struct envelope *e, struct tlv_view v)
{
	struct tlv_field f;
	uint8_t before = 0;
	enum ll_result r;
	size_t at = 0;

	while ((r = tlv_next(v, &at, &f)) == LL_OK) {
		if (f.tag < before ||
		    (before < FIELD_SUBJECT && f.tag != before + 1) ||
		    (f.tag == before && before <= FIELD_SUBJECT))
			return LL_PROTO;
		before = f.tag;
		r = take_field(e, &f);
		if (r != LL_OK)
			return r == LL_TOOBIG ? LL_PROTO : r;
	}
	if (r != LL_EOF)
		return r;
	return before >= FIELD_SUBJECT && envelope_fits(e) ? LL_OK : LL_PROTO;
}

static enum ll_result
take_header(struct envelope *e, struct tlv_view v)
{
	struct tlv_field f;
	struct tlv_view fields;
	enum ll_result r;
	size_t at = 0;

	r = tlv_next(v, &at, &f);
	if (r != LL_OK || f.tag != PART_FIELDS)
		return LL_PROTO;
	fields.data = f.data;
	fields.len = f.len;
	r = tlv_next(v, &at, &f);
	if (r == LL_OK && f.tag == PART_SIGNATURE) {
		if (f.len != ENVELOPE_SIGNATURE)
			return LL_PROTO;
		memcpy(e->signature, f.data, f.len);
		e->is_signed = true;
		r = tlv_next(v, &at, &f);
	}
	if (r != LL_OK || f.tag != PART_PADDING || at != v.len)
		return LL_PROTO;
	return take_fields(e, fields);
}

enum ll_result
envelope_open(const uint8_t message_key[KEY_BYTES], const struct id *message,
    const void *sealed, size_t len, struct envelope *e_r)
{
	struct secret key = SECRET_NONE;
	struct seal_context ctx;
	struct tlv_view v;
	uint8_t *plain = NULL;
	enum ll_result r;

	envelope_init(e_r);
	if (len > ENVELOPE_HEADER_MAX)
		return LL_TOOBIG;
	v.len = 0;
	r = header_key(message_key, message, &key, &ctx);
	if (r == LL_OK)
		r = seal_open(key.data, &ctx, sealed, len, &plain, &v.len);
	if (r != LL_OK)
		goto out;
	v.data = plain;
	r = take_header(e_r, v);
	if (r == LL_OK && !id_equal(&e_r->message, message))
		r = LL_AUTH;
out:
	secret_finish(&key);
	if (plain != NULL)
		sodium_memzero(plain, v.len);
	free(plain);
	if (r != LL_OK)
		envelope_finish(e_r);
	return r;
}
