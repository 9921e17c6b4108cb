#include "server/portal_upload.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sodium.h>

#include "keys/clean.h"
#include "keys/seal.h"
#include "keys/whole.h"

struct upload {
	struct upload_target target;
	struct seal_stream stream;
	struct envelope_object object;
	int fd;
	bool held;                 /* the store waits for it */
	uint8_t plain[SEAL_CHUNK], sealed[SEAL_CHUNK_OUT];
	size_t have;
};

static enum op
op_of(const struct upload_target *t, enum op portal, enum op intake)
{
	return t->owner != NULL ? intake : portal;
}

/* The store keeps the file, and its bytes, until it hears of its end. */
static void
give_up(struct upload *u)
{
	struct msg *m = NULL;

	if (msg_create(MSG_REQUEST, op_of(&u->target, OP_PORTAL_DROP,
	    OP_INTAKE_DROP), &m) != LL_OK)
		return;
	msg_put_id(m, F_OBJECT_ID, &u->object.id);
	/* Unheard, the store forgets it when the token's time is over. */
	(void)!portal_store_ask(u->target.store, m, NULL);
}

void
upload_abort(struct upload *u)
{
	if (u == NULL)
		return;
	if (u->fd >= 0)
		close(u->fd);
	if (u->held)
		give_up(u);
	free(u->object.name);
	free(u->object.type);
	sodium_memzero(u, sizeof(*u));
	free(u);
}

static enum ll_result
ask_blob(struct upload *u, uint64_t at_most)
{
	const struct upload_target *t = &u->target;
	struct msg *m = NULL, *reply = NULL;
	enum ll_result r;

	r = msg_create(MSG_REQUEST, op_of(t, OP_PORTAL_BLOB, OP_INTAKE_BLOB),
	    &m);
	if (r != LL_OK)
		return r;
	if (t->owner != NULL)
		msg_put_id(m, F_USER_ID, t->owner);
	else
		msg_put_bytes(m, F_TOKEN, t->opened->token, HASH_BYTES);
	msg_put_u64(m, F_SEALED_BYTES, seal_object_bytes(at_most));
	msg_put_id(m, F_MESSAGE_ID, t->message);
	r = portal_store_ask(t->store, m, &reply);
	if (r != LL_OK)
		return r;
	u->fd = msg_take_fd(reply, 0);
	u->held = view_id(msg_view(reply), F_OBJECT_ID, &u->object.id);
	if (!u->held || u->fd < 0)
		r = LL_PROTO;
	msg_destroy(reply);
	return r;
}

static enum ll_result
begin_stream(struct upload *u)
{
	uint8_t header[SEAL_STREAM_HEADER];
	enum ll_result r;

	r = seal_stream_push_init(&u->stream, u->target.key,
	    u->target.message, &u->object.id, u->object.kind, header);
	if (r != LL_OK)
		return r;
	return whole_write(u->fd, header, sizeof(header));
}

static bool
is_taken(const struct envelope *e, const char *name)
{
	size_t i;

	for (i = 0; i < e->object_count; i++)
		if (strcmp(e->objects[i].name, name) == 0)
			return true;
	return false;
}

static enum ll_result
make_unique(const struct envelope *e, char **name)
{
	const char *dot = strrchr(*name, '.');
	int stem = (int)(dot != NULL ? (size_t)(dot - *name) : strlen(*name));
	char *numbered;
	unsigned n;

	if (!is_taken(e, *name))
		return LL_OK;
	for (n = 2; n <= ENVELOPE_OBJECTS_MAX; n++) {
		if (asprintf(&numbered, "%.*s (%u)%s", stem, *name, n,
		    dot != NULL ? dot : "") < 0)
			return LL_NOMEM;
		if (!is_taken(e, numbered)) {
			free(*name);
			*name = numbered;
			return LL_OK;
		}
		free(numbered);
	}
	return LL_TOOBIG;
}

enum ll_result
upload_begin(const struct upload_target *t, enum object_kind kind,
    const char *name, const char *type, uint64_t at_most,
    const struct envelope *e, struct upload **u_r)
{
	struct upload *u;
	enum ll_result r;

	*u_r = NULL;
	u = calloc(1, sizeof(*u));
	if (u == NULL)
		return LL_NOMEM;
	u->target = *t;
	u->fd = -1;
	u->object.kind = kind;
	u->object.type = strdup(type);
	r = u->object.type == NULL ? LL_NOMEM : LL_OK;
	if (r == LL_OK && kind == OBJECT_BODY)
		u->object.name = strdup("");
	else if (r == LL_OK)
		r = clean_file_name(name, strlen(name), &u->object.name);
	if (r == LL_OK && kind != OBJECT_BODY)
		r = make_unique(e, &u->object.name);
	if (r == LL_OK && u->object.name == NULL)
		r = LL_NOMEM;
	if (r == LL_OK)
		r = ask_blob(u, at_most);
	if (r == LL_OK)
		r = begin_stream(u);
	if (r == LL_OK)
		*u_r = u;
	else
		upload_abort(u);
	return r;
}

static enum ll_result
push(struct upload *u, int final)
{
	size_t out = 0;
	enum ll_result r;

	r = seal_stream_push(&u->stream, u->plain, u->have, final, u->sealed,
	    &out);
	if (r != LL_OK)
		return r;
	u->object.plain_bytes += u->have;
	u->have = 0;
	return whole_write(u->fd, u->sealed, out);
}

enum ll_result
upload_add(struct upload *u, const void *data, size_t len)
{
	const uint8_t *p = data;
	enum ll_result r;
	size_t n;

	while (len > 0) {
		if (u->have == SEAL_CHUNK) {
			r = push(u, 0);
			if (r != LL_OK)
				return r;
		}
		n = SEAL_CHUNK - u->have;
		n = n < len ? n : len;
		memcpy(u->plain + u->have, p, n);
		u->have += n;
		p += n;
		len -= n;
	}
	return LL_OK;
}

static enum ll_result
commit(struct upload *u)
{
	const struct upload_target *t = &u->target;
	struct msg *m = NULL;
	enum ll_result r;

	r = msg_create(MSG_REQUEST, op_of(t, OP_PORTAL_COMMIT,
	    OP_INTAKE_COMMIT), &m);
	if (r != LL_OK)
		return r;
	if (t->owner == NULL)
		msg_put_bytes(m, F_TOKEN, t->opened->token, HASH_BYTES);
	msg_put_id(m, F_OBJECT_ID, &u->object.id);
	msg_put_u64(m, F_SEALED_BYTES, u->object.sealed_bytes);
	msg_put_bytes(m, F_HASH, u->object.hash, HASH_BYTES);
	msg_put_id(m, F_MESSAGE_ID, t->message);
	msg_put_u64(m, F_OBJECT_KIND, u->object.kind);
	return portal_store_ask(t->store, m, NULL);
}

enum ll_result
upload_end(struct upload *u, struct envelope *e)
{
	enum ll_result r;

	r = push(u, 1);
	if (r == LL_OK) {
		u->object.sealed_bytes = u->stream.sealed_bytes;
		seal_stream_finish(&u->stream, u->object.hash);
		if (fsync(u->fd) != 0)
			r = errno == ENOSPC || errno == EDQUOT ? LL_FULL :
			    LL_IO;
	}
	if (r == LL_OK)
		r = commit(u);
	if (r == LL_OK)
		u->held = false;
	if (r == LL_OK)
		r = envelope_add_object(e, &u->object);
	upload_abort(u);
	return r;
}
