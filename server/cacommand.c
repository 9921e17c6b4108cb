#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/pem.h>

#include "keys/clean.h"
#include "keys/parse.h"
#include "server/ca.h"
#include "server/cacommand.h"
#include "server/proc.h"
#include "server/trust.h"
#include "store/jsonout.h"
#include "store/kind.h"

#define ANY_GENERATION UINT64_MAX
#define CONFIRM_HEX 8            /* digits of a fingerprint that will do */

/* What one run has open, and what it says when it fails. */
struct run {
	struct command *c;
	struct config config;
	struct secret root;
	struct ca *ca;
	char why[CONFIG_WHY];
};

typedef enum ll_result run_fn(struct run *run, const char *operand);

/* --- the store --- */

static enum ll_result
ask(struct run *run, struct msg *m, struct msg **reply_r)
{
	char words[500] = "";
	enum ll_result r;

	r = chan_ask(run->c->local.store, m, reply_r, words, sizeof(words));
	if (r)
		(void)snprintf(run->why, sizeof(run->why), "%s",
		    words[0] != '\0' ? words : ll_result_text(r));
	return r;
}

static enum ll_result
ask_plain(struct run *run, enum op op, const char *user,
    struct msg **reply_r)
{
	struct msg *m = NULL;
	enum ll_result r = msg_create(MSG_REQUEST, op, &m);

	*reply_r = NULL;
	if (r)
		return r;
	if (user != NULL)
		msg_put_text(m, F_USER, user);
	return ask(run, m, reply_r);
}

static enum ll_result
put_trust(struct run *run, const struct trust *t, uint64_t flags)
{
	struct msg *m = NULL;
	enum ll_result r = msg_create(MSG_REQUEST, OP_CA_TRUST, &m);

	if (r)
		return r;
	msg_put_bytes(m, F_CERTIFICATE, t->der, t->len);
	msg_put_text(m, F_FINGERPRINT, t->fingerprint);
	msg_put_text(m, F_NAME, t->name);
	msg_put_u64(m, F_KEY_EXPIRES, t->until);
	msg_put_u64(m, F_FLAGS, flags);
	return ask(run, m, NULL);
}

/* Our own certificate as the store is told of it. */
static enum ll_result
own(struct run *run, struct trust *t_r)
{
	uint8_t *der = NULL;
	uint64_t until;
	size_t len = 0;
	enum ll_result r;

	memset(t_r, 0, sizeof(*t_r));
	r = ca_certificate(run->ca, &der, &len, &until);
	if (r == LL_OK)
		r = trust_read(der, len, 0, t_r, run->why);
	free(der);
	return r;
}

/* Certificate and revocation list as they are now. */
static enum ll_result
tell_store(struct run *run, struct trust *t_r)
{
	struct msg *m = NULL;
	uint8_t *crl = NULL;
	uint64_t until = 0;
	size_t len = 0;
	enum ll_result r;

	r = own(run, t_r);
	if (r == LL_OK)
		r = put_trust(run, t_r, CA_OWN);
	if (r == LL_OK)
		r = ca_list(run->ca, &crl, &len, &until);
	if (r == LL_OK)
		r = msg_create(MSG_REQUEST, OP_CA_CRL, &m);
	if (r == LL_OK) {
		msg_put_text(m, F_FINGERPRINT, t_r->fingerprint);
		msg_put_bytes(m, F_CRL, crl, len);
		msg_put_u64(m, F_TIME, until);
		r = ask(run, m, NULL);
	}
	free(crl);
	return r;
}

/* --- what is said --- */

static void
print_clean(const char *text)
{
	char *clean = NULL;

	if (clean_text(text, strlen(text), CLEAN_LINE, &clean) == LL_OK)
		fputs(clean, stdout);
	free(clean);
}

static enum ll_result
print_authority(struct run *run, const char *name, const char *fingerprint,
    uint64_t until)
{
	char date[24];

	if (run->c->json)
		return jsonout_print(stdout, json_pack("{s:s,s:o,s:o}",
		    "fingerprint", fingerprint, "name", jsonout_text(name),
		    "expires", jsonout_time(until)));
	jsonout_time_text(until, date);
	print_clean(name);
	printf("\n  %s\n  until %.10s\n", fingerprint, date);
	return LL_OK;
}

/* --- our own CA --- */

static enum ll_result
run_init(struct run *run, const char *operand)
{
	struct trust t = { .der = NULL };
	enum ll_result r;

	(void)operand;
	r = ca_create(run->c->local.data, &run->root,
	    config_text(&run->config, CONFIG_org_name), &run->ca, run->why);
	if (r == LL_OK)
		r = tell_store(run, &t);
	if (r == LL_OK)
		r = print_authority(run, t.name, t.fingerprint, t.until);
	free(t.der);
	return r;
}

/* The account's row; LL_NOTFOUND with words. */
static enum ll_result
find_user(struct run *run, const char *user, struct msg **list_r,
    struct tlv_view *row_r)
{
	size_t at = 0;
	enum ll_result r;

	r = ask_plain(run, OP_USER_LIST, NULL, list_r);
	if (r)
		return r;
	while (view_nest(msg_view(*list_r), F_ROW, &at, row_r))
		if (strcmp(view_text(*row_r, F_USER), user) == 0)
			return LL_OK;
	(void)snprintf(run->why, sizeof(run->why), "there is no user %.100s",
	    user);
	return LL_NOTFOUND;
}

/* The vault's key with a request: an imported one came with its certificate,
 * and one of an earlier vault is lost. */
static bool
find_request(const struct msg *keys, uint64_t generation,
    struct tlv_view *row_r)
{
	const uint8_t *public, *cert;
	size_t at = 0, len, cert_len;

	while (view_nest(msg_view(keys), F_ROW, &at, row_r)) {
		public = view_bytes(*row_r, F_PUBLIC, &len);
		cert = view_bytes(*row_r, F_CERTIFICATE, &cert_len);
		if (view_u64(*row_r, F_FORMAT) == PARSE_SMIME &&
		    (generation == ANY_GENERATION ||
		    view_u64(*row_r, F_GENERATION) == generation) &&
		    public != NULL && !(cert != NULL && cert_len >= len &&
		    memcmp(cert, public, len) == 0))
			return true;
	}
	return false;
}

static enum ll_result
put_certificate(struct run *run, const char *user, const char *fingerprint,
    const struct ca_issued *issued)
{
	struct msg *m = NULL;
	enum ll_result r = msg_create(MSG_REQUEST, OP_MAILKEY_CERT, &m);

	if (r)
		return r;
	msg_put_text(m, F_USER, user);
	msg_put_text(m, F_FINGERPRINT, fingerprint);
	msg_put_bytes(m, F_CERTIFICATE, issued->der, issued->len);
	msg_put_u64(m, F_KEY_EXPIRES, issued->until);
	return ask(run, m, NULL);
}

static enum ll_result
issue(struct run *run, const char *user, struct tlv_view account,
    struct ca_issued *issued)
{
	struct msg *keys = NULL;
	struct trust t = { .der = NULL };
	struct tlv_view key;
	const uint8_t *request;
	size_t len;
	enum ll_result r;

	r = ask_plain(run, OP_MAILKEY_LIST, user, &keys);
	if (r)
		return r;
	if (!find_request(keys, view_u64(account, F_GENERATION), &key)) {
		(void)snprintf(run->why, sizeof(run->why), "%s has no S/MIME "
		    "key yet: one is made when the mailbox is unlocked first",
		    user);
		r = LL_DENIED;
		goto out;
	}
	request = view_bytes(key, F_PUBLIC, &len);
	r = ca_issue(run->ca, request, len, user, view_text(account, F_EMAIL),
	    view_text(account, F_NAME), issued, run->why);
	if (r == LL_OK)
		r = put_certificate(run, user, view_text(key, F_FINGERPRINT),
		    issued);
	if (r == LL_OK)
		r = tell_store(run, &t);
out:
	free(t.der);
	msg_destroy(keys);
	return r;
}

static enum ll_result
run_issue(struct run *run, const char *user)
{
	struct ca_issued issued = { .der = NULL };
	struct msg *list = NULL;
	struct tlv_view account;
	char date[24];
	enum ll_result r;

	r = find_user(run, user, &list, &account);
	if (r == LL_OK)
		r = issue(run, user, account, &issued);
	if (r == LL_OK && run->c->json) {
		r = jsonout_print(stdout, json_pack("{s:s,s:o,s:s,s:o}",
		    "user", user, "email", jsonout_text(view_text(account,
		    F_EMAIL)), "fingerprint", issued.fingerprint, "expires",
		    jsonout_time(issued.until)));
	} else if (r == LL_OK) {
		jsonout_time_text(issued.until, date);
		printf("certificate for %s <%s>\n  %s\n  until %.10s\n", user,
		    view_text(account, F_EMAIL), issued.fingerprint, date);
	}
	free(issued.der);
	msg_destroy(list);
	return r;
}

/* The user signs with it no more.  A house that was restored may not have the
 * user, or the key, any more. */
static enum ll_result
end_certificate(struct run *run, const char *user)
{
	struct msg *keys = NULL, *m = NULL;
	struct tlv_view key;
	enum ll_result r;

	r = ask_plain(run, OP_MAILKEY_LIST, user, &keys);
	if (r == LL_OK && find_request(keys, ANY_GENERATION, &key) &&
	    view_has(key, F_CERTIFICATE)) {
		r = msg_create(MSG_REQUEST, OP_MAILKEY_CERT, &m);
		if (r == LL_OK) {
			msg_put_text(m, F_USER, user);
			msg_put_text(m, F_FINGERPRINT, view_text(key,
			    F_FINGERPRINT));
			msg_put_u64(m, F_KEY_EXPIRES, (uint64_t)time(NULL));
			r = ask(run, m, NULL);
		}
	}
	msg_destroy(keys);
	return r == LL_NOTFOUND ? LL_OK : r;
}

static enum ll_result
run_revoke(struct run *run, const char *user)
{
	struct trust t = { .der = NULL };
	size_t count;
	enum ll_result r;

	r = ca_revoke(run->ca, user, &count);
	if (r == LL_NOTFOUND)
		(void)snprintf(run->why, sizeof(run->why), "%.100s has no "
		    "certificate of this CA that could be revoked", user);
	if (r == LL_OK)
		r = tell_store(run, &t);
	free(t.der);
	if (r == LL_OK)
		r = end_certificate(run, user);
	if (r)
		return r;
	if (run->c->json)
		return jsonout_print(stdout, json_pack("{s:s,s:I}", "user",
		    user, "revoked", (json_int_t)count));
	printf("%zu certificate%s of %s revoked; partners need the new list "
	    "(letterlock ca export)\n", count, count == 1 ? "" : "s", user);
	return LL_OK;
}

static char *
armored(const char *kind, const uint8_t *der, size_t len)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *p = NULL, *text = NULL;
	long n;

	if (bio != NULL && PEM_write_bio(bio, kind, "", der, (long)len) > 0) {
		n = BIO_get_mem_data(bio, &p);
		text = n > 0 ? strndup(p, (size_t)n) : NULL;
	}
	BIO_free(bio);
	return text;
}

static enum ll_result
run_export(struct run *run, const char *operand)
{
	uint8_t *crl = NULL;
	char *cert_text = NULL, *crl_text = NULL;
	struct trust t = { .der = NULL };
	uint64_t until;
	size_t len = 0;
	enum ll_result r;

	(void)operand;
	r = ca_renew(run->ca);
	if (r == LL_OK)
		r = tell_store(run, &t);
	if (r == LL_OK)
		r = ca_list(run->ca, &crl, &len, &until);
	if (r == LL_OK) {
		cert_text = armored("CERTIFICATE", t.der, t.len);
		crl_text = armored("X509 CRL", crl, len);
		r = cert_text != NULL && crl_text != NULL ? LL_OK : LL_NOMEM;
	}
	if (r == LL_OK && run->c->json)
		r = jsonout_print(stdout, json_pack("{s:s,s:s}",
		    "certificate", cert_text, "crl", crl_text));
	else if (r == LL_OK)
		printf("%s%s", cert_text, crl_text);
	free(cert_text);
	free(crl_text);
	free(crl);
	free(t.der);
	return r;
}

/* --- other CAs --- */

static enum ll_result
trust_one(struct run *run, const struct trust *t, json_t *all)
{
	enum ll_result r = put_trust(run, t, 0);

	if (r || all == NULL)
		return r ? r : print_authority(run, t->name, t->fingerprint,
		    t->until);
	return json_array_append_new(all, json_pack("{s:s,s:o,s:o}",
	    "fingerprint", t->fingerprint, "name", jsonout_text(t->name),
	    "expires", jsonout_time(t->until))) == 0 ? LL_OK : LL_NOMEM;
}

static enum ll_result
run_trust(struct run *run, const char *path)
{
	json_t *all = run->c->json ? json_array() : NULL;
	char why[CA_WHY] = "";
	uint8_t *file = NULL;
	struct trust t;
	enum ll_result r;
	unsigned n;
	size_t len;

	r = command_read(path, TRUST_FILE_MAX, &file, &len, run->why);
	for (n = 0; r == LL_OK; n++) {
		r = trust_read(file, len, n, &t, why);
		if (r == LL_OK)
			r = trust_one(run, &t, all);
		free(t.der);
	}
	free(file);
	if (r == LL_NOTFOUND && n > 0 && why[0] == '\0')
		return all == NULL ? LL_OK : jsonout_print(stdout,
		    json_pack("{s:o}", "authorities", all));
	if (why[0] != '\0')
		(void)snprintf(run->why, sizeof(run->why), "%.600s: %s", path,
		    why);
	json_decref(all);
	return r;
}

/* That CA's row with its revocation list, however long, for the whole list. */
static enum ll_result
alone(struct run *run, const struct msg *found, struct msg **list)
{
	struct msg *m = NULL;
	enum ll_result r = msg_create(MSG_REQUEST, OP_CA_LIST, &m);

	if (r)
		return r;
	msg_put_text(m, F_FINGERPRINT, view_text(msg_view(found),
	    F_FINGERPRINT));
	msg_destroy(*list);
	*list = NULL;
	return ask(run, m, list);
}

static enum ll_result
run_crl(struct run *run, const char *path)
{
	struct msg *list = NULL, *m = NULL;
	char why[CA_WHY] = "", name[TRUST_NAME], print[130] = "", date[24];
	uint8_t *file = NULL;
	uint64_t until = 0;
	size_t len;
	enum ll_result r;

	r = command_read(path, TRUST_FILE_MAX, &file, &len, run->why);
	if (r == LL_OK)
		r = ask_plain(run, OP_CA_LIST, NULL, &list);
	if (r == LL_OK)
		r = trust_crl(file, len, list, &m, name, &until, why);
	if (r == LL_OK)
		r = alone(run, m, &list);
	if (r == LL_OK) {
		/* once more, beside the list that there is */
		msg_destroy(m);
		r = trust_crl(file, len, list, &m, name, &until, why);
	}
	if (r == LL_OK) {
		(void)snprintf(print, sizeof(print), "%s",
		    view_text(msg_view(m), F_FINGERPRINT));
		r = ask(run, m, NULL);
	}
	free(file);
	msg_destroy(list);
	if (why[0] != '\0')
		(void)snprintf(run->why, sizeof(run->why), "%.600s: %s", path,
		    why);
	if (r)
		return r;
	if (run->c->json)
		return jsonout_print(stdout, json_pack("{s:s,s:o,s:o}",
		    "fingerprint", print, "name", jsonout_text(name),
		    "next_update", jsonout_time(until)));
	jsonout_time_text(until, date);
	fputs("revocation list of ", stdout);
	print_clean(name);
	printf("\n  next update %.10s\n", date);
	return LL_OK;
}

static void
print_row(struct tlv_view row)
{
	char date[24];

	jsonout_time_text(view_u64(row, F_KEY_EXPIRES), date);
	print_clean(view_text(row, F_NAME));
	printf("%s\n  %s\n  until %.10s", (view_u64(row, F_FLAGS) & CA_OWN) ?
	    "  (our own)" : "", view_text(row, F_FINGERPRINT), date);
	jsonout_time_text(view_u64(row, F_EXPIRES), date);
	if (view_u64(row, F_EXPIRES) > 0)
		printf(", revocation list good until %.10s", date);
	putchar('\n');
}

/* What our own CA issued and what has not expired, for people and scripts. */
static enum ll_result
list_issued(struct run *run, json_t *out)
{
	char *text = NULL, date[24];
	json_t *all, *row, *revoked;
	uint64_t until;
	enum ll_result r;
	size_t i;

	r = ca_read_issued(run->c->local.data, &text);
	if (r) {
		(void)snprintf(run->why, sizeof(run->why),
		    "ca.issued can't be read");
		return r;
	}
	all = json_loads(text, 0, NULL);
	free(text);
	json_array_foreach(all, i, row) {
		until = (uint64_t)json_integer_value(json_object_get(row,
		    "until"));
		revoked = json_object_get(row, "revoked");
		if (until < (uint64_t)time(NULL))
			continue;
		if (run->c->json) {
			(void)json_array_append_new(out, json_pack(
			    "{s:O,s:O,s:O,s:o,s:o}", "user",
			    json_object_get(row, "user"), "email",
			    json_object_get(row, "email"), "fingerprint",
			    json_object_get(row, "fingerprint"), "expires",
			    jsonout_time(until), "revoked",
			    jsonout_time((uint64_t)json_integer_value(
			    revoked))));
			continue;
		}
		jsonout_time_text(until, date);
		print_clean(json_string_value(json_object_get(row, "user")));
		printf("  %s\n  issued until %.10s%s\n",
		    json_string_value(json_object_get(row, "fingerprint")),
		    date, revoked != NULL ? ", revoked" : "");
	}
	json_decref(all);
	return LL_OK;
}

static enum ll_result
run_list(struct run *run, const char *operand)
{
	json_t *all = json_array(), *issued = json_array();
	struct msg *list = NULL;
	struct tlv_view row;
	size_t at = 0;
	enum ll_result r;

	(void)operand;
	r = ask_plain(run, OP_CA_LIST, NULL, &list);
	while (r == LL_OK && view_nest(msg_view(list), F_ROW, &at, &row)) {
		if (!run->c->json)
			print_row(row);
		else if (json_array_append_new(all, json_pack(
		    "{s:s,s:o,s:o,s:b,s:o,s:o}", "fingerprint",
		    view_text(row, F_FINGERPRINT), "name",
		    jsonout_text(view_text(row, F_NAME)), "expires",
		    jsonout_time(view_u64(row, F_KEY_EXPIRES)), "own",
		    (int)(view_u64(row, F_FLAGS) & CA_OWN), "added",
		    jsonout_time(view_u64(row, F_TIME)), "crl_until",
		    jsonout_time(view_u64(row, F_EXPIRES)))) != 0)
			r = LL_NOMEM;
	}
	msg_destroy(list);
	if (r == LL_OK)
		r = list_issued(run, issued);
	if (r == LL_OK && run->c->json)
		return jsonout_print(stdout, json_pack("{s:o,s:o}",
		    "authorities", all, "issued", issued));
	json_decref(issued);
	json_decref(all);
	return r;
}

static enum ll_result
run_remove(struct run *run, const char *print)
{
	struct msg *list = NULL, *m = NULL;
	char whole[130] = "";
	struct tlv_view row;
	size_t at = 0, n = 0;
	enum ll_result r;

	r = ask_plain(run, OP_CA_LIST, NULL, &list);
	while (r == LL_OK && strlen(print) >= CONFIRM_HEX &&
	    view_nest(msg_view(list), F_ROW, &at, &row))
		if (strncasecmp(view_text(row, F_FINGERPRINT), print,
		    strlen(print)) == 0 && n++ == 0)
			(void)snprintf(whole, sizeof(whole), "%s",
			    view_text(row, F_FINGERPRINT));
	msg_destroy(list);
	if (r)
		return r;
	if (n != 1) {
		(void)snprintf(run->why, sizeof(run->why), n > 1 ?
		    "more than one CA begins with that fingerprint" :
		    "no CA here has that fingerprint (letterlock ca list)");
		return n > 1 ? LL_CONFLICT : LL_NOTFOUND;
	}
	r = msg_create(MSG_REQUEST, OP_CA_REMOVE, &m);
	if (r)
		return r;
	msg_put_text(m, F_FINGERPRINT, whole);
	r = ask(run, m, NULL);
	if (r == LL_OK && run->c->json)
		return jsonout_print(stdout, json_pack("{s:s}",
		    "fingerprint", whole));
	if (r == LL_OK)
		printf("%s is not trusted any more\n", whole);
	return r;
}

/* --- the table --- */

enum needs { NEEDS_STORE, NEEDS_ROOT, NEEDS_CA };

static const struct {
	const char *name;
	int operands;
	enum needs needs;
	run_fn *fn;
	const char *usage;
} rows[] = {
	{ "init", 0, NEEDS_ROOT, run_init, "ca init" },
	{ "issue", 1, NEEDS_CA, run_issue, "ca issue NAME" },
	{ "revoke", 1, NEEDS_CA, run_revoke, "ca revoke NAME" },
	{ "export", 0, NEEDS_CA, run_export, "ca export" },
	{ "trust", 1, NEEDS_STORE, run_trust, "ca trust FILE" },
	{ "crl", 1, NEEDS_STORE, run_crl, "ca crl FILE" },
	{ "list", 0, NEEDS_STORE, run_list, "ca list" },
	{ "remove", 1, NEEDS_STORE, run_remove, "ca remove FINGERPRINT" },
};

#define ROWS (sizeof(rows) / sizeof(rows[0]))

void
cacommand_help(FILE *out, const char *prefix)
{
	size_t i;

	for (i = 0; i < ROWS; i++)
		fprintf(out, "%s%s [--json]\n", prefix, rows[i].usage);
}

int
cacommand_run(struct command *c)
{
	struct run run = { .c = c };
	enum ll_result r = LL_OK;
	size_t i;

	for (i = 0; i < ROWS; i++)
		if (c->count >= 2 && strcmp(rows[i].name, c->words[1]) == 0)
			break;
	if (i == ROWS || c->count != 2 + rows[i].operands)
		return -1;
	if (rows[i].needs != NEEDS_STORE)
		r = proc_memlock(run.why);
	if (r == LL_OK && rows[i].needs != NEEDS_STORE)
		r = command_root(c, &run.config, &run.root, run.why);
	if (r == LL_OK && rows[i].needs == NEEDS_CA)
		r = ca_open(c->local.data, &run.root, &run.ca, run.why);
	if (r == LL_OK)
		r = local_open(&c->local, run.why);
	if (r == LL_OK) {
		run.why[0] = '\0';
		r = rows[i].fn(&run, c->words[2]);
		if (r && run.why[0] == '\0')
			(void)snprintf(run.why, sizeof(run.why), "%s",
			    ll_result_text(r));
	}
	if (r == LL_OK && fflush(stdout) != 0)
		r = LL_IO;
	ca_close(run.ca);
	local_close(&c->local);
	secret_finish(&run.root);
	config_finish(&run.config);
	return r ? command_fail(r, run.why) : 0;
}
