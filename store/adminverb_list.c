#include <stdlib.h>
#include <string.h>

#include "keys/clean.h"
#include "store/adminverb_state.h"
#include "store/jsonout.h"
#include "store/kind.h"

#define LOG_DEFAULT 50
#define LOG_MAX 1000

enum column_kind {
	COLUMN_TEXT, COLUMN_TIME, COLUMN_NUMBER, COLUMN_ROLE, COLUMN_STATE,
	COLUMN_ID, COLUMN_HASH
};

/* A column of a listing: its JSON name, its field, its width in plain text
 * (0: the rest of the line). */
struct column {
	const char *name;
	enum field field;
	enum column_kind kind;
	int width;
};

static const struct column user_columns[] = {
	{ "user", F_USER, COLUMN_TEXT, 16 },
	{ "role", F_ROLE, COLUMN_ROLE, 8 },
	{ "state", F_STATE, COLUMN_STATE, 9 },
	{ "last_login", F_TIME, COLUMN_TIME, 21 },
	{ "email", F_EMAIL, COLUMN_TEXT, 32 },
	{ "name", F_NAME, COLUMN_TEXT, 0 },
};
static const struct column queue_columns[] = {
	{ "id", F_QUEUE_ID, COLUMN_ID, 27 },
	{ "since", F_TIME, COLUMN_TIME, 21 },
	{ "attempts", F_ATTEMPTS, COLUMN_NUMBER, 4 },
	{ "next_in", F_DELAY_SECS, COLUMN_NUMBER, 7 },
	{ "address", F_ADDRESS, COLUMN_TEXT, 32 },
	{ "last_error", F_LAST_ERROR, COLUMN_TEXT, 0 },
};
static const struct column log_columns[] = {
	{ "n", F_SEQUENCE, COLUMN_NUMBER, 8 },
	{ "time", F_TIME, COLUMN_TIME, 21 },
	{ "event", F_NAME, COLUMN_TEXT, 32 },
	{ "hash", F_HASH, COLUMN_HASH, 0 },
};

struct listing {
	enum op op;
	const char *name;                /* of the JSON array */
	const struct column *columns;
	size_t count;
};

#define LISTING(op, name, c) { op, name, c, sizeof(c) / sizeof((c)[0]) }
static const struct listing users = LISTING(OP_USER_LIST, "users",
    user_columns);
static const struct listing queue = LISTING(OP_QUEUE_LIST, "queue",
    queue_columns);
static const struct listing log_leaves = LISTING(OP_LOG_LIST, "log",
    log_columns);

static void
hash_text(const uint8_t *hash, char text[2 * HASH_BYTES + 1])
{
	if (hash == NULL)
		text[0] = '\0';
	else
		sodium_bin2hex(text, 2 * HASH_BYTES + 1, hash, HASH_BYTES);
}

/* Any cell as text; room is at least 68 bytes. */
static void
cell_text(const struct column *c, struct tlv_view row, char *text,
    size_t room)
{
	uint64_t n = view_u64(row, c->field);
	struct id id;

	switch (c->kind) {
	case COLUMN_TEXT:
		snprintf(text, room, "%s", view_text(row, c->field));
		break;
	case COLUMN_TIME:
		jsonout_time_text(n, text);
		break;
	case COLUMN_NUMBER:
		snprintf(text, room, "%llu", (unsigned long long)n);
		break;
	case COLUMN_ROLE:
		snprintf(text, room, "%s", role_name((enum user_role)n));
		break;
	case COLUMN_STATE:
		snprintf(text, room, "%s",
		    user_state_name((enum user_state)n));
		break;
	case COLUMN_ID:
		text[0] = '\0';
		if (view_id(row, c->field, &id))
			id_text(&id, text);
		break;
	case COLUMN_HASH:
		hash_text(view_hash(row, c->field), text);
		break;
	}
}

static json_t *
cell_json(const struct column *c, struct tlv_view row)
{
	uint64_t n = view_u64(row, c->field);
	char text[1100];

	if (c->kind == COLUMN_TIME)
		return jsonout_time(n);
	if (c->kind == COLUMN_NUMBER)
		return json_integer((json_int_t)n);
	cell_text(c, row, text, sizeof(text));
	return jsonout_text(text);
}

static json_t *
row_json(const struct listing *l, struct tlv_view row)
{
	json_t *object = json_object();
	size_t i;

	for (i = 0; i < l->count; i++)
		if (json_object_set_new(object, l->columns[i].name,
		    cell_json(&l->columns[i], row)) != 0) {
			json_decref(object);
			return NULL;
		}
	return object;
}

static enum ll_result
print_json(struct adminverb *v, const struct listing *l, struct tlv_view all)
{
	json_t *list = json_array(), *object;
	struct tlv_view row;
	size_t at = 0;

	while (view_nest(all, F_ROW, &at, &row)) {
		object = row_json(l, row);
		if (object == NULL || json_array_append_new(list, object)) {
			json_decref(list);
			return LL_NOMEM;
		}
	}
	return jsonout_print(v->out, json_pack("{s:o}", l->name, list));
}

static enum ll_result
print_row(struct adminverb *v, const struct listing *l, struct tlv_view row)
{
	char text[1100], *clean;
	enum ll_result r;
	size_t i;

	for (i = 0; i < l->count; i++) {
		cell_text(&l->columns[i], row, text, sizeof(text));
		r = clean_text(text, strlen(text), CLEAN_LINE, &clean);
		if (r)
			return r;
		if (l->columns[i].width > 0)
			fprintf(v->out, "%-*s ", l->columns[i].width - 1,
			    clean);
		else
			fprintf(v->out, "%s\n", clean);
		free(clean);
	}
	return LL_OK;
}

static enum ll_result
list(struct adminverb *v, const struct listing *l, uint64_t limit)
{
	struct msg *m = NULL, *reply = NULL;
	struct tlv_view row;
	enum ll_result r;
	size_t at = 0;

	r = msg_create(MSG_REQUEST, l->op, &m);
	if (r)
		return r;
	if (limit > 0)
		msg_put_u64(m, F_LIMIT, limit);
	r = adminverb_ask(v, m, &reply);
	if (r)
		return r;
	if (v->json)
		r = print_json(v, l, msg_view(reply));
	while (r == LL_OK && !v->json &&
	    view_nest(msg_view(reply), F_ROW, &at, &row))
		r = print_row(v, l, row);
	msg_destroy(reply);
	return r == LL_OK && fflush(v->out) != 0 ? LL_IO : r;
}

enum ll_result
adminverb_user_list(struct adminverb *v, struct adminverb_words *w)
{
	(void)w;
	return list(v, &users, 0);
}

enum ll_result
adminverb_queue(struct adminverb *v, struct adminverb_words *w)
{
	(void)w;
	return list(v, &queue, 0);
}

enum ll_result
adminverb_log(struct adminverb *v, struct adminverb_words *w)
{
	unsigned long limit = LOG_DEFAULT;
	char *end;

	if (w->options[OPT_LIMIT] != NULL) {
		limit = strtoul(w->options[OPT_LIMIT], &end, 10);
		if (*end != '\0' || limit < 1 || limit > LOG_MAX)
			return adminverb_fail(v, LL_USAGE,
			    "--limit is a number from 1 to %d", LOG_MAX);
	}
	return list(v, &log_leaves, limit);
}

/* --- server-status: rows of name and detail --- */

/* A name that comes twice gets both details, "a, b". */
static int
add_status(json_t *object, const char *name, const char *detail)
{
	const char *old = json_string_value(json_object_get(object, name));
	char both[600];

	if (old == NULL)
		return json_object_set_new(object, name,
		    jsonout_text(detail));
	snprintf(both, sizeof(both), "%.290s, %.290s", old, detail);
	return json_object_set_new(object, name, jsonout_text(both));
}

static enum ll_result
print_status(struct adminverb *v, struct tlv_view all, json_t *object)
{
	struct tlv_view row;
	size_t at = 0;
	char *clean;
	enum ll_result r;

	while (view_nest(all, F_ROW, &at, &row)) {
		if (object != NULL) {
			if (add_status(object, view_text(row, F_NAME),
			    view_text(row, F_DETAIL)) != 0)
				return LL_NOMEM;
			continue;
		}
		r = clean_text(view_text(row, F_DETAIL),
		    strlen(view_text(row, F_DETAIL)), CLEAN_LINE, &clean);
		if (r)
			return r;
		fprintf(v->out, "%-20s %s\n", view_text(row, F_NAME), clean);
		free(clean);
	}
	return LL_OK;
}

enum ll_result
adminverb_server_status(struct adminverb *v, struct adminverb_words *w)
{
	struct msg *m = NULL, *reply = NULL;
	json_t *object = NULL;
	enum ll_result r;

	(void)w;
	r = msg_create(MSG_REQUEST, OP_SERVER_STATUS, &m);
	if (r)
		return r;
	r = adminverb_ask(v, m, &reply);
	if (r)
		return r;
	if (v->json)
		object = json_object();
	if (v->more_status != NULL)
		r = print_status(v, msg_view(v->more_status), object);
	if (r == LL_OK)
		r = print_status(v, msg_view(reply), object);
	msg_destroy(reply);
	if (r == LL_OK && v->json)
		return jsonout_print(v->out, json_pack("{s:o}", "status",
		    object));
	if (object != NULL)
		json_decref(object);
	return r == LL_OK && fflush(v->out) != 0 ? LL_IO : r;
}
