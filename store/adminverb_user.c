#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "keys/clean.h"
#include "store/adminverb_state.h"
#include "store/jsonout.h"
#include "store/kind.h"

#define KEY_LINE_MAX 8192
#define KEY_BLOB_MAX 4096

/* Login names: what every client and a shell prompt take without quoting. */
static bool
name_is_good(const char *name)
{
	size_t len = strlen(name);

	return len >= 1 && len <= 32 && name[0] >= 'a' && name[0] <= 'z' &&
	    strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789._-") == len;
}

static enum ll_result
read_key_file(struct adminverb *v, const char *path, char line[KEY_LINE_MAX])
{
	FILE *in = fopen(path, "re");
	enum ll_result r = LL_OK;

	if (in == NULL)
		return adminverb_fail(v, LL_NOTFOUND, "%s: %s", path,
		    strerror(errno));
	do {
		if (fgets(line, KEY_LINE_MAX, in) == NULL) {
			r = adminverb_fail(v, LL_USAGE, "%s: no SSH public "
			    "key in it", path);
			line[0] = '\0';
			break;
		}
		line[strcspn(line, "\r\n")] = '\0';
	} while (line[0] == '\0' || line[0] == '#');
	(void)fclose(in);
	return r;
}

static enum ll_result
put_key(struct adminverb *v, const char *given, struct msg *m)
{
	char line[KEY_LINE_MAX] = "";
	uint8_t blob[KEY_BLOB_MAX];
	const char *comment;
	enum ll_result r = LL_OK;
	size_t len;

	if (strchr(given, ' ') == NULL && v->files)
		r = read_key_file(v, given, line);
	else if (strlen(given) < sizeof(line))
		memcpy(line, given, strlen(given) + 1);
	if (r)
		return r;
	if (adminverb_ssh_key(line, blob, sizeof(blob), &len, &comment) !=
	    LL_OK)
		return adminverb_fail(v, LL_USAGE, "--ssh-key: expected an "
		    "SSH public key (ssh-ed25519 AAAA...)");
	msg_put_bytes(m, F_KEY, blob, len);
	return LL_OK;
}

static enum ll_result
make_ticket(struct msg *m, char ticket[TICKET_TEXT + 1])
{
	uint8_t hash[HASH_BYTES];
	enum ll_result r;

	ticket_create(ticket);
	r = ticket_parse(ticket, hash);
	if (r == LL_OK)
		msg_put_bytes(m, F_TICKET_HASH, hash, sizeof(hash));
	return r;
}

/* Checks the words of `user add` and fills the request. */
static enum ll_result
fill_add(struct adminverb *v, struct adminverb_words *w, struct msg *m,
    char address[321], enum user_role *role_r)
{
	const char *why = "", *name = w->options[OPT_NAME];

	*role_r = ROLE_STAFF;
	if (!name_is_good(w->operand))
		return adminverb_fail(v, LL_USAGE, "a user name has 1 to 32 "
		    "of a-z 0-9 . _ - and begins with a letter");
	if (w->options[OPT_EMAIL] == NULL)
		return adminverb_fail(v, LL_USAGE, "--email is missing");
	if (clean_address(w->options[OPT_EMAIL], address, &why) != LL_OK)
		return adminverb_fail(v, LL_USAGE, "--email: %s", why);
	if (w->options[OPT_ROLE] != NULL &&
	    role_parse(w->options[OPT_ROLE], role_r) != LL_OK)
		return adminverb_fail(v, LL_USAGE,
		    "--role is staff, admin or auditor");
	if (name != NULL && (strlen(name) > 200 ||
	    !clean_is(name, strlen(name), CLEAN_LINE)))
		return adminverb_fail(v, LL_USAGE, "--name: at most 200 "
		    "bytes of text without control characters");
	msg_put_text(m, F_USER, w->operand);
	msg_put_text(m, F_EMAIL, address);
	msg_put_text(m, F_NAME, name != NULL ? name : "");
	msg_put_u64(m, F_ROLE, *role_r);
	if (w->options[OPT_SSH_KEY] != NULL)
		return put_key(v, w->options[OPT_SSH_KEY], m);
	return LL_OK;
}

static enum ll_result
print_codes(struct adminverb *v, json_t *object,
    const struct adminverb_codes *codes)
{
	json_t *list;
	size_t i;

	if (!v->json) {
		fprintf(v->out, "recovery code: %s\nbackup codes:",
		    codes->recovery);
		for (i = 0; i < BACKUP_CODES; i++)
			fprintf(v->out, "%s%s", i % 5 == 0 ? "\n  " : "  ",
			    codes->backup[i]);
		fputc('\n', v->out);
		return LL_OK;
	}
	list = json_array();
	for (i = 0; i < BACKUP_CODES; i++)
		(void)json_array_append_new(list,
		    json_string(codes->backup[i]));
	if (json_object_set_new(object, "recovery_code",
	    json_string(codes->recovery)) != 0 ||
	    json_object_set_new(object, "backup_codes", list) != 0)
		return LL_NOMEM;
	return LL_OK;
}

/* codes: NULL when there is a ticket instead. */
static enum ll_result
print_user(struct adminverb *v, const char *user, const char *email,
    const char *role, const char *ticket, const struct adminverb_codes *codes)
{
	json_t *object = NULL;
	enum ll_result r = LL_OK;

	if (v->json) {
		object = json_pack("{s:s}", "user", user);
		if (email != NULL)
			(void)json_object_set_new(object, "email",
			    jsonout_text(email));
		if (role != NULL)
			(void)json_object_set_new(object, "role",
			    json_string(role));
		if (codes == NULL)
			(void)json_object_set_new(object, "ticket",
			    json_string(ticket));
	} else if (codes == NULL) {
		fprintf(v->out, "ticket for %s: %s\nGive it at the first "
		    "login's password prompt: ssh %s@HOST\n", user, ticket,
		    user);
	} else {
		fprintf(v->out, "%s is enrolled\n", user);
	}
	if (codes != NULL)
		r = print_codes(v, object, codes);
	if (r == LL_OK && v->json)
		return jsonout_print(v->out, object);
	if (object != NULL)
		json_decref(object);
	return r == LL_OK && fflush(v->out) != 0 ? LL_IO : r;
}

enum ll_result
adminverb_user_add(struct adminverb *v, struct adminverb_words *w)
{
	char ticket[TICKET_TEXT + 1] = "", address[321] = "";
	struct adminverb_codes codes;
	enum user_role role;
	struct msg *m = NULL;
	enum ll_result r;

	memset(&codes, 0, sizeof(codes));
	r = msg_create(MSG_REQUEST, OP_USER_ADD, &m);
	if (r)
		return r;
	r = fill_add(v, w, m, address, &role);
	if (r == LL_OK)
		r = make_ticket(m, ticket);
	if (r) {
		msg_destroy(m);
		goto out;
	}
	r = adminverb_ask(v, m, NULL);
	if (r == LL_CONFLICT && !v->said)
		r = adminverb_fail(v, r, "there is a user of that name or "
		    "address");
	if (r == LL_OK && v->enrol != NULL) {
		r = v->enrol(v->enrol_arg, w->operand, &codes);
		if (r)
			r = adminverb_fail(v, r, "%s is added but not "
			    "enrolled (%s): user reset %s gives a ticket",
			    w->operand, ll_result_text(r), w->operand);
	}
	if (r == LL_OK)
		r = print_user(v, w->operand, address, role_name(role),
		    ticket, v->enrol != NULL ? &codes : NULL);
out:
	sodium_memzero(ticket, sizeof(ticket));
	sodium_memzero(&codes, sizeof(codes));
	return r;
}

enum ll_result
adminverb_user_reset(struct adminverb *v, struct adminverb_words *w)
{
	char ticket[TICKET_TEXT + 1] = "";
	struct msg *m = NULL;
	enum ll_result r;

	r = msg_create(MSG_REQUEST, OP_USER_RESET, &m);
	if (r)
		return r;
	msg_put_text(m, F_USER, w->operand);
	r = make_ticket(m, ticket);
	if (r == LL_OK)
		r = adminverb_ask(v, m, NULL);
	else
		msg_destroy(m);
	if (r == LL_NOTFOUND && !v->said)
		r = adminverb_fail(v, r, "there is no user %s", w->operand);
	if (r == LL_OK)
		r = print_user(v, w->operand, NULL, NULL, ticket, NULL);
	sodium_memzero(ticket, sizeof(ticket));
	return r;
}

static enum ll_result
set_state(struct adminverb *v, const char *user, enum user_state state)
{
	struct msg *m = NULL, *reply = NULL;
	enum user_state now = state;
	enum ll_result r;

	r = msg_create(MSG_REQUEST, OP_USER_STATE, &m);
	if (r)
		return r;
	msg_put_text(m, F_USER, user);
	msg_put_u64(m, F_STATE, state);
	r = adminverb_ask(v, m, &reply);
	if (r == LL_NOTFOUND && !v->said)
		r = adminverb_fail(v, r, "there is no user %s", user);
	if (r)
		return r;
	/* one who never enrolled is invited again, not active */
	if (view_has(msg_view(reply), F_STATE))
		now = (enum user_state)view_u64(msg_view(reply), F_STATE);
	msg_destroy(reply);
	if (v->json)
		return jsonout_print(v->out, json_pack("{s:s,s:s}", "user",
		    user, "state", user_state_name(now)));
	fprintf(v->out, "%s is %s\n", user, user_state_name(now));
	return fflush(v->out) != 0 ? LL_IO : LL_OK;
}

enum ll_result
adminverb_user_disable(struct adminverb *v, struct adminverb_words *w)
{
	return set_state(v, w->operand, USER_DISABLED);
}

enum ll_result
adminverb_user_enable(struct adminverb *v, struct adminverb_words *w)
{
	return set_state(v, w->operand, USER_ACTIVE);
}
