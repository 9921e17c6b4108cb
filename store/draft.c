#include "store/draft.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sodium.h>

#include "keys/clean.h"
#include "keys/seal.h"

#define TEXT_MAX 500000         /* bytes of the TLV, before sealing */
#define NAME_ROOM (DRAFT_NAME_MAX + 16)

/* Tags of the journalled text: forever. */
enum draft_tag {
	DT_THREAD = 1, DT_REPLY_TO, DT_TO, DT_CC, DT_SUBJECT, DT_BODY,
	DT_ATTACHMENT, DT_CURSOR, DT_EXPIRES, DT_CLASS, DT_VIA
};

enum via_tag { DV_ADDRESS = 1, DV_ROUTE };

enum attachment_tag {
	DA_OBJECT = 1, DA_NAME, DA_TYPE, DA_PLAIN, DA_SEALED, DA_HASH
};

static void
wipe_text(char **text)
{
	if (*text)
		sodium_memzero(*text, strlen(*text));
	free(*text);
	*text = NULL;
}

static void
list_finish(char ***list, size_t *count)
{
	size_t i;

	for (i = 0; i < *count; i++)
		wipe_text(&(*list)[i]);
	free(*list);
	*list = NULL;
	*count = 0;
}

static void
attachments_finish(struct draft *d)
{
	size_t i;

	for (i = 0; i < d->attachment_count; i++) {
		wipe_text(&d->attachments[i].name);
		wipe_text(&d->attachments[i].type);
	}
	free(d->attachments);
	d->attachments = NULL;
	d->attachment_count = 0;
}

/* All but id and key. */
static void
text_finish(struct draft *d)
{
	draft_clear_recipients(d);
	attachments_finish(d);
	free(d->vias);
	d->vias = NULL;
	d->via_count = 0;
	wipe_text(&d->subject);
	wipe_text(&d->body);
}

static enum ll_result
text_init(struct draft *d)
{
	d->subject = strdup("");
	d->body = strdup("");
	return d->subject && d->body ? LL_OK : LL_NOMEM;
}

enum ll_result
draft_init(struct draft *d)
{
	enum ll_result r;

	memset(d, 0, sizeof *d);
	id_random(&d->id);
	r = text_init(d);
	if (r == LL_OK)
		r = secret_random(&d->key, KEY_BYTES);
	if (r)
		draft_finish(d);
	return r;
}

void
draft_finish(struct draft *d)
{
	text_finish(d);
	free(d->removed);
	secret_finish(&d->key);
	memset(d, 0, sizeof *d);
}

static enum ll_result
set_text(char **member, const char *text, size_t max)
{
	size_t len = strlen(text);
	char *copy;

	if (len > max)
		return LL_TOOBIG;
	if (!utf8_valid(text, len))
		return LL_USAGE;
	copy = strdup(text);
	if (!copy)
		return LL_NOMEM;
	wipe_text(member);
	*member = copy;
	return LL_OK;
}

enum ll_result
draft_set_subject(struct draft *d, const char *text)
{
	return set_text(&d->subject, text, DRAFT_SUBJECT_MAX);
}

enum ll_result
draft_set_body(struct draft *d, const char *text)
{
	return set_text(&d->body, text, DRAFT_BODY_MAX);
}

void
draft_clear_recipients(struct draft *d)
{
	list_finish(&d->to, &d->to_count);
	list_finish(&d->cc, &d->cc_count);
}

static bool
list_has(char *const *list, size_t count, const char *address)
{
	size_t i;

	/* Whole addresses without regard to case: nobody writes to Ada@x and
	 * ada@x at once. */
	for (i = 0; i < count; i++)
		if (strcasecmp(list[i], address) == 0)
			return true;
	return false;
}

static enum ll_result
list_append(char ***list, size_t *count, const char *text)
{
	char **grown;
	char *copy = strdup(text);

	grown = copy ? realloc(*list, (*count + 1) * sizeof *grown) : NULL;
	if (!grown) {
		free(copy);
		return LL_NOMEM;
	}
	*list = grown;
	grown[(*count)++] = copy;
	return LL_OK;
}

static enum ll_result
add_address(struct draft *d, char ***list, size_t *count,
    const char *address, const char **why_r)
{
	char clean[321];
	enum ll_result r;

	*why_r = NULL;
	r = clean_address(address, clean, why_r);
	if (r)
		return r;
	if (list_has(d->to, d->to_count, clean)
	    || list_has(d->cc, d->cc_count, clean))
		return LL_OK;
	if (d->to_count + d->cc_count >= DRAFT_RECIPIENTS_MAX) {
		*why_r = "a message has at most 500 recipients";
		return LL_TOOBIG;
	}
	return list_append(list, count, clean);
}

enum ll_result
draft_add_to(struct draft *d, const char *address, const char **why_r)
{
	return add_address(d, &d->to, &d->to_count, address, why_r);
}

enum ll_result
draft_add_cc(struct draft *d, const char *address, const char **why_r)
{
	return add_address(d, &d->cc, &d->cc_count, address, why_r);
}

enum ll_result
draft_want(struct draft *d, const char *address, enum route route)
{
	struct draft_via *grown;
	size_t i;

	for (i = 0; i < d->via_count; i++)
		if (strcasecmp(d->vias[i].address, address) == 0)
			break;
	if (route == ROUTE_NONE) {
		if (i < d->via_count)
			d->vias[i] = d->vias[--d->via_count];
		return LL_OK;
	}
	if (i == d->via_count) {
		if (i == DRAFT_RECIPIENTS_MAX)
			return LL_TOOBIG;
		grown = realloc(d->vias, (i + 1) * sizeof *grown);
		if (!grown)
			return LL_NOMEM;
		d->vias = grown;
		d->via_count++;
		(void)snprintf(grown[i].address, sizeof grown[i].address,
		    "%s", address);
	}
	d->vias[i].route = route;
	return LL_OK;
}

enum route
draft_wanted(const struct draft *d, const char *address)
{
	size_t i;

	for (i = 0; i < d->via_count; i++)
		if (strcasecmp(d->vias[i].address, address) == 0)
			return d->vias[i].route;
	return ROUTE_NONE;
}

void
draft_take_wishes(struct draft *d, struct draft *from)
{
	d->expires_days = from->expires_days;
	d->class = from->class;
	free(d->vias);
	d->vias = from->vias;
	d->via_count = from->via_count;
	from->vias = NULL;
	from->via_count = 0;
}

static bool
name_taken(const struct draft *d, const char *name)
{
	size_t i;

	for (i = 0; i < d->attachment_count; i++)
		if (strcmp(d->attachments[i].name, name) == 0)
			return true;
	return false;
}

/* "report.pdf" -> "report (2).pdf" until nobody has it. */
static void
free_name(const struct draft *d, const char *name,
    char out[NAME_ROOM])
{
	const char *dot = strrchr(name, '.');
	int stem = dot && dot != name ? (int)(dot - name) : (int)strlen(name);
	unsigned n;

	(void)snprintf(out, NAME_ROOM, "%s", name);
	for (n = 2; name_taken(d, out); n++)
		(void)snprintf(out, NAME_ROOM, "%.*s (%u)%s", stem,
		    name, n, name + stem);
}

static enum ll_result
append_attachment(struct draft *d, const struct draft_attachment *a,
    const char *name)
{
	struct draft_attachment *grown, *mine;

	if (d->attachment_count >= DRAFT_ATTACHMENTS_MAX)
		return LL_TOOBIG;
	grown = realloc(d->attachments,
	    (d->attachment_count + 1) * sizeof *grown);
	if (!grown)
		return LL_NOMEM;
	d->attachments = grown;
	mine = &grown[d->attachment_count];
	*mine = *a;
	mine->name = strdup(name);
	mine->type = strdup(a->type);
	if (!mine->name || !mine->type) {
		free(mine->name);
		free(mine->type);
		return LL_NOMEM;
	}
	d->attachment_count++;
	return LL_OK;
}

enum ll_result
draft_add_attachment(struct draft *d, const struct draft_attachment *a)
{
	char name[NAME_ROOM];

	if (strlen(a->name) > DRAFT_NAME_MAX)
		return LL_TOOBIG;
	free_name(d, a->name, name);
	return append_attachment(d, a, name);
}

/* --- the sealed form --- */

static enum ll_result
text_key(const struct draft *d, struct secret *key_r)
{
	enum ll_result r;

	r = secret_init(key_r, KEY_BYTES);
	if (r == LL_OK)
		r = derive_bytes(LABEL_DRAFT, d->key.data, d->key.len,
		    d->id.b, ID_BYTES, key_r->data);
	if (r)
		secret_finish(key_r);
	return r;
}

static void
put_attachment(struct tlv_out *o, const struct draft_attachment *a)
{
	struct tlv_out inner;

	tlv_out_init(&inner, 1024);
	tlv_put_id(&inner, DA_OBJECT, &a->object);
	tlv_put_text(&inner, DA_NAME, a->name);
	tlv_put_text(&inner, DA_TYPE, a->type);
	tlv_put_u64(&inner, DA_PLAIN, a->plain_bytes);
	tlv_put_u64(&inner, DA_SEALED, a->sealed_bytes);
	tlv_put_bytes(&inner, DA_HASH, a->hash, HASH_BYTES);
	tlv_put_tlv(o, DT_ATTACHMENT, &inner);
	tlv_out_finish(&inner);
}

static void
put_via(struct tlv_out *o, const struct draft_via *via)
{
	struct tlv_out inner;

	tlv_out_init(&inner, 512);
	tlv_put_text(&inner, DV_ADDRESS, via->address);
	tlv_put_u64(&inner, DV_ROUTE, (uint64_t)via->route);
	tlv_put_tlv(o, DT_VIA, &inner);
	tlv_out_finish(&inner);
}

enum ll_result
draft_seal(const struct draft *d, const struct id *author,
    uint64_t generation, uint8_t **out_r, size_t *len_r)
{
	struct seal_context ctx = { SEAL_DRAFT, *author, d->id, generation };
	struct secret key = SECRET_NONE;
	struct tlv_out o;
	enum ll_result r;
	size_t i;

	*out_r = NULL;
	*len_r = 0;
	tlv_out_init(&o, TEXT_MAX);
	tlv_put_id(&o, DT_THREAD, &d->thread);
	tlv_put_id(&o, DT_REPLY_TO, &d->reply_to);
	for (i = 0; i < d->to_count; i++)
		tlv_put_text(&o, DT_TO, d->to[i]);
	for (i = 0; i < d->cc_count; i++)
		tlv_put_text(&o, DT_CC, d->cc[i]);
	tlv_put_text(&o, DT_SUBJECT, d->subject);
	tlv_put_text(&o, DT_BODY, d->body);
	for (i = 0; i < d->attachment_count; i++)
		put_attachment(&o, &d->attachments[i]);
	tlv_put_u64(&o, DT_CURSOR, d->cursor);
	tlv_put_u64(&o, DT_EXPIRES, d->expires_days);
	if (d->class)
		tlv_put_u64(&o, DT_CLASS, (uint64_t)d->class);
	for (i = 0; i < d->via_count; i++)
		put_via(&o, &d->vias[i]);
	r = o.err;
	if (r == LL_OK)
		r = text_key(d, &key);
	if (r == LL_OK)
		r = seal_bytes(key.data, &ctx, o.data, o.len, out_r, len_r);
	secret_finish(&key);
	tlv_out_finish(&o);
	return r;
}

static enum ll_result
read_attachment(struct draft *d, const struct tlv_field *field)
{
	struct tlv_view v = { field->data, field->len };
	struct draft_attachment a;
	struct tlv_field f;
	const char *text;
	size_t at = 0;
	enum ll_result r;

	memset(&a, 0, sizeof a);
	a.name = a.type = NULL;
	for (r = tlv_next(v, &at, &f); r == LL_OK; r = tlv_next(v, &at, &f)) {
		if (f.tag == DA_OBJECT)
			r = tlv_id(&f, &a.object);
		else if (f.tag == DA_PLAIN)
			r = tlv_u64(&f, &a.plain_bytes);
		else if (f.tag == DA_SEALED)
			r = tlv_u64(&f, &a.sealed_bytes);
		else if (f.tag == DA_HASH && f.len == HASH_BYTES)
			memcpy(a.hash, f.data, HASH_BYTES);
		else if (f.tag == DA_NAME || f.tag == DA_TYPE) {
			r = tlv_text(&f, &text);
			if (r == LL_OK && f.tag == DA_NAME && !a.name)
				a.name = strdup(text);
			else if (r == LL_OK && f.tag == DA_TYPE && !a.type)
				a.type = strdup(text);
		}
		if (r)
			break;
	}
	if (r == LL_EOF)
		r = a.name && a.type ? append_attachment(d, &a, a.name) :
		    LL_PROTO;
	free(a.name);
	free(a.type);
	return r;
}

static enum ll_result
read_text(struct draft *d, const struct tlv_field *f)
{
	const char *text;
	enum ll_result r;

	r = tlv_text(f, &text);
	if (r)
		return r;
	if (f->tag == DT_SUBJECT)
		return draft_set_subject(d, text);
	if (f->tag == DT_BODY)
		return draft_set_body(d, text);
	if (d->to_count + d->cc_count >= DRAFT_RECIPIENTS_MAX)
		return LL_TOOBIG;
	if (f->tag == DT_TO)
		return list_append(&d->to, &d->to_count, text);
	return list_append(&d->cc, &d->cc_count, text);
}

static enum ll_result
read_via(struct draft *d, const struct tlv_field *field)
{
	struct tlv_view v = { field->data, field->len };
	const char *address = "";
	struct tlv_field f;
	uint64_t route = 0;
	size_t at = 0;

	if (tlv_find(v, DV_ADDRESS, &at, &f) || tlv_text(&f, &address))
		return LL_PROTO;
	at = 0;
	if (tlv_find(v, DV_ROUTE, &at, &f) || tlv_u64(&f, &route) ||
	    route == 0 || route >= ROUTE_NONE)
		return LL_PROTO;
	return draft_want(d, address, (enum route)route);
}

static enum ll_result
read_class(struct draft *d, const struct tlv_field *f)
{
	uint64_t class = 0;
	enum ll_result r = tlv_u64(f, &class);

	if (r == LL_OK && class > CLASS_REGISTERED)
		r = LL_NEWER;
	if (r == LL_OK)
		d->class = (enum msg_class)class;
	return r;
}

static enum ll_result
read_field(struct draft *d, const struct tlv_field *f)
{
	switch (f->tag) {
	case DT_THREAD:
		return tlv_id(f, &d->thread);
	case DT_REPLY_TO:
		return tlv_id(f, &d->reply_to);
	case DT_TO:
	case DT_CC:
	case DT_SUBJECT:
	case DT_BODY:
		return read_text(d, f);
	case DT_ATTACHMENT:
		return read_attachment(d, f);
	case DT_CURSOR:
		return tlv_u64(f, &d->cursor);
	case DT_EXPIRES:
		return tlv_u64(f, &d->expires_days);
	case DT_CLASS:
		return read_class(d, f);
	case DT_VIA:
		return read_via(d, f);
	default:
		return LL_NEWER;
	}
}

static enum ll_result
decode(struct draft *d, const uint8_t *plain, size_t len)
{
	struct tlv_view v = { plain, len };
	struct tlv_field f;
	size_t at = 0;
	enum ll_result r;

	text_finish(d);
	d->class = (enum msg_class)0;
	r = text_init(d);
	if (r)
		return r;
	for (;;) {
		r = tlv_next(v, &at, &f);
		if (r)
			break;
		r = read_field(d, &f);
		if (r)
			return r;
	}
	if (d->cursor > strlen(d->body))
		d->cursor = strlen(d->body);
	return r == LL_EOF ? LL_OK : r;
}

enum ll_result
draft_unseal(struct draft *d, const struct id *author, uint64_t generation,
    const void *sealed, size_t len)
{
	struct seal_context ctx = { SEAL_DRAFT, *author, d->id, generation };
	struct secret key = SECRET_NONE;
	uint8_t *plain = NULL;
	size_t plain_len = 0;
	enum ll_result r;

	r = text_key(d, &key);
	if (r == LL_OK)
		r = seal_open(key.data, &ctx, sealed, len, &plain,
		    &plain_len);
	secret_finish(&key);
	if (r)
		return r;
	r = decode(d, plain, plain_len);
	sodium_memzero(plain, plain_len);
	free(plain);
	return r;
}

static void
hash_text(crypto_generichash_state *state, const char *text)
{
	(void)crypto_generichash_update(state, (const unsigned char *)text,
	    strlen(text) + 1);
}

void
draft_words_hash(const struct draft *d, uint8_t hash_r[HASH_BYTES])
{
	crypto_generichash_state state;
	size_t i;

	(void)crypto_generichash_init(&state, NULL, 0, HASH_BYTES);
	hash_text(&state, d->subject);
	hash_text(&state, d->body);
	for (i = 0; i < d->to_count; i++)
		hash_text(&state, d->to[i]);
	hash_text(&state, "");          /* an address is never empty */
	for (i = 0; i < d->cc_count; i++)
		hash_text(&state, d->cc[i]);
	(void)crypto_generichash_final(&state, hash_r, HASH_BYTES);
	sodium_memzero(&state, sizeof(state));
}

void
draft_swap_words(struct draft *d, struct draft *other)
{
	struct draft old = *d;

	d->to = other->to;
	d->to_count = other->to_count;
	d->cc = other->cc;
	d->cc_count = other->cc_count;
	d->subject = other->subject;
	d->body = other->body;
	d->cursor = other->cursor;
	other->to = old.to;
	other->to_count = old.to_count;
	other->cc = old.cc;
	other->cc_count = old.cc_count;
	other->subject = old.subject;
	other->body = old.body;
	other->cursor = old.cursor;
}
