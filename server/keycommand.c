#include <stdlib.h>
#include <string.h>

#include "keys/clean.h"
#include "server/keycommand.h"
#include "server/parser.h"
#include "store/inspect.h"
#include "store/jsonout.h"
#include "store/kind.h"

struct run {
	struct command *c;
	char address[322];       /* of --for, "" without */
	char why[CONFIG_WHY];
};

typedef enum ll_result run_fn(struct run *run, const char *operand);

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

static const char *
format_name(uint64_t format)
{
	return format == PARSE_OPENPGP ? "openpgp" : format == PARSE_SMIME ?
	    "smime" : "?";
}

static void
print_clean(const char *text)
{
	char *clean = NULL;

	if (clean_text(text, strlen(text), CLEAN_LINE, &clean) == LL_OK)
		fputs(clean, stdout);
	free(clean);
}

/* --- whose --- */

/* An address, "@domain", or a domain alone, for which there can be a key. */
static enum ll_result
read_address(struct run *run)
{
	const char *given = run->c->address, *why = "no address";
	char whole[400], clean[321];
	bool domain;

	if (given == NULL)
		return LL_OK;
	domain = given[0] == '@' || strchr(given, '@') == NULL;
	(void)snprintf(whole, sizeof(whole), "%s%s%.330s", domain ? "any" : "",
	    domain && given[0] != '@' ? "@" : "", given);
	if (clean_address(whole, clean, &why) != LL_OK) {
		(void)snprintf(run->why, sizeof(run->why), "--for: %s", why);
		return LL_USAGE;
	}
	(void)snprintf(run->address, sizeof(run->address), "%s",
	    domain ? strchr(clean, '@') : clean);
	return LL_OK;
}

/* --- adding --- */

static void
put_field(struct tlv_out *out, struct tlv_view row, enum field from,
    uint8_t to)
{
	const uint8_t *p;
	size_t len;

	p = view_bytes(row, from, &len);
	if (p != NULL && len > 0)
		tlv_put_bytes(out, to, p, len);
}

/* One answer of CA_LIST; a list too long for it is asked for alone. */
static enum ll_result
put_authorities(struct run *run, const char *fingerprint,
    struct tlv_out *out)
{
	struct msg *m = NULL, *list = NULL;
	struct tlv_view row;
	enum ll_result r;
	size_t at = 0;

	r = msg_create(MSG_REQUEST, OP_CA_LIST, &m);
	if (r)
		return r;
	if (fingerprint != NULL)
		msg_put_text(m, F_FINGERPRINT, fingerprint);
	r = ask(run, m, &list);
	while (r == LL_OK && view_nest(msg_view(list), F_ROW, &at, &row)) {
		if (fingerprint == NULL)
			put_field(out, row, F_CERTIFICATE, PARSE_F_CA);
		put_field(out, row, F_CRL, PARSE_F_CRL);
		if (fingerprint == NULL &&
		    (view_u64(row, F_FLAGS) & CA_CRL_ELSEWHERE))
			r = put_authorities(run, view_text(row,
			    F_FINGERPRINT), out);
	}
	msg_destroy(list);
	return r ? r : out->err;
}

static enum ll_result
look(struct run *run, const uint8_t *key, size_t len,
    const struct tlv_out *trusted, struct inspection *i_r)
{
	const struct tlv_view v = { trusted->data, trusted->len };
	struct parser p = PARSER_NONE;
	enum ll_result r;
	int fd;

	memset(i_r, 0, sizeof(*i_r));
	r = parser_start(NULL, NULL, &p);
	if (r) {
		(void)snprintf(run->why, sizeof(run->why),
		    "letterlock-parse can't be started");
		return LL_DENIED;
	}
	fd = p.fd;
	p.fd = -1;
	r = inspect_run(fd, run->address, key, len, v, i_r);
	parser_finish(&p);
	if (r)
		(void)snprintf(run->why, sizeof(run->why), "%s",
		    i_r->words[0] != '\0' ? i_r->words : ll_result_text(r));
	return r;
}

/* A certificate that no trusted CA stands behind is as good as the hand that
 * gives it; one that its CA took back is not. */
static enum ll_result
inspect(struct run *run, const uint8_t *key, size_t len,
    struct inspection *i_r)
{
	struct tlv_out trusted;
	enum ll_result r;

	memset(i_r, 0, sizeof(*i_r));
	tlv_out_init(&trusted, PARSE_JOB_MAX);
	r = put_authorities(run, NULL, &trusted);
	if (r == LL_OK)
		r = look(run, key, len, &trusted, i_r);
	if (r == LL_OK && i_r->count == 1 && !i_r->keys[0].revoked &&
	    i_r->keys[0].format == PARSE_SMIME &&
	    i_r->keys[0].result == LL_DENIED) {
		inspect_finish(i_r);
		trusted.len = 0;
		r = look(run, key, len, &trusted, i_r);
	}
	tlv_out_finish(&trusted);
	return r;
}

/* What an owner or a CA took back goes. */
static size_t
put_revoked(struct msg *m, const struct inspection *i)
{
	size_t n, count = 0;

	for (n = 0; n < i->count; n++) {
		if (!i->keys[n].revoked || i->keys[n].fingerprint[0] == '\0')
			continue;
		msg_begin(m, F_ROW);
		msg_put_text(m, F_FINGERPRINT, i->keys[n].fingerprint);
		msg_put_u64(m, F_KEY_SOURCE, KEY_HOUSE);
		msg_put_u64(m, F_FLAGS, PEERKEY_REVOKED);
		msg_end(m);
		count++;
	}
	return count;
}

static enum ll_result
keep(struct run *run, const struct inspection *i)
{
	struct msg *m = NULL;
	enum ll_result r = msg_create(MSG_REQUEST, OP_PEERKEY_ADD, &m);
	size_t n, good = 0;

	if (r)
		return r;
	msg_put_text(m, F_ADDRESS, run->address);
	for (n = 0; n < i->count; n++) {
		if (i->keys[n].result != LL_OK || i->keys[n].key == NULL)
			continue;
		msg_begin(m, F_ROW);
		msg_put_u64(m, F_FORMAT, i->keys[n].format);
		msg_put_bytes(m, F_PUBLIC, i->keys[n].key,
		    i->keys[n].key_len);
		msg_put_text(m, F_FINGERPRINT, i->keys[n].fingerprint);
		msg_put_text(m, F_ALGORITHM, i->keys[n].algorithm);
		msg_put_u64(m, F_CREATED, i->keys[n].created);
		msg_put_u64(m, F_KEY_EXPIRES, i->keys[n].expires);
		msg_put_u64(m, F_KEY_SOURCE, KEY_HOUSE);
		msg_put_u64(m, F_FLAGS, i->keys[n].trusted ?
		    PEERKEY_TRUSTED : 0);
		msg_end(m);
		good++;
	}
	if (put_revoked(m, i) + good > 0)
		r = ask(run, m, NULL);
	else
		msg_destroy(m);
	if (good > 0 || r != LL_OK)
		return r;
	(void)snprintf(run->why, sizeof(run->why), "not added for %s: %s",
	    run->address, i->count > 0 && i->keys[0].words[0] != '\0' ?
	    i->keys[0].words : "That is no key.");
	return LL_DENIED;
}

static enum ll_result
print_added(struct run *run, const struct inspection *i)
{
	json_t *all = json_array();
	const struct inspected *k;
	size_t n;

	for (n = 0; n < i->count; n++) {
		k = &i->keys[n];
		if (run->c->json) {
			(void)json_array_append_new(all, json_pack(
			    "{s:s,s:s,s:o,s:b,s:b,s:o}", "format",
			    format_name(k->format), "fingerprint",
			    k->fingerprint, "algorithm",
			    jsonout_text(k->algorithm), "added",
			    k->result == LL_OK, "trusted", (int)k->trusted,
			    "words", jsonout_text(k->words)));
			continue;
		}
		printf("%s: %s %s\n  %s\n", run->address, k->result == LL_OK ?
		    "added" : "not added", format_name(k->format),
		    k->fingerprint);
		if (k->words[0] != '\0') {
			fputs("  ", stdout);
			print_clean(k->words);
			putchar('\n');
		}
	}
	if (run->c->json)
		return jsonout_print(stdout, json_pack("{s:s,s:o}", "address",
		    run->address, "keys", all));
	json_decref(all);
	return LL_OK;
}

static enum ll_result
run_add(struct run *run, const char *path)
{
	struct inspection i;
	uint8_t *key = NULL;
	size_t len = 0;
	enum ll_result r;

	if (run->address[0] == '\0') {
		(void)snprintf(run->why, sizeof(run->why),
		    "key add: --for ADDRESS or @DOMAIN is missing");
		return LL_USAGE;
	}
	r = command_read(path != NULL ? path : "-", PARSE_KEY_MAX, &key, &len,
	    run->why);
	if (r == LL_OK && len == 0) {
		(void)snprintf(run->why, sizeof(run->why), "no key was given");
		r = LL_USAGE;
	}
	memset(&i, 0, sizeof(i));
	if (r == LL_OK)
		r = inspect(run, key, len, &i);
	if (r == LL_OK)
		r = keep(run, &i);
	if (r == LL_OK)
		r = print_added(run, &i);
	inspect_finish(&i);
	free(key);
	return r;
}

/* --- list and remove --- */

static json_t *
row_json(struct tlv_view row)
{
	const uint64_t flags = view_u64(row, F_FLAGS);

	return json_pack("{s:o,s:s,s:s,s:o,s:o,s:o,s:s,s:o,s:b}", "address",
	    jsonout_text(view_text(row, F_ADDRESS)), "format",
	    format_name(view_u64(row, F_FORMAT)), "fingerprint",
	    view_text(row, F_FINGERPRINT), "algorithm",
	    jsonout_text(view_text(row, F_ALGORITHM)), "created",
	    jsonout_time(view_u64(row, F_CREATED)), "expires",
	    jsonout_time(view_u64(row, F_KEY_EXPIRES)), "source",
	    key_source_name((enum key_source)view_u64(row, F_KEY_SOURCE)),
	    "added", jsonout_time(view_u64(row, F_TIME)), "trusted",
	    (flags & PEERKEY_TRUSTED) != 0);
}

static void
print_row(struct tlv_view row)
{
	char date[24];

	print_clean(view_text(row, F_ADDRESS));
	printf("  %s  ", format_name(view_u64(row, F_FORMAT)));
	print_clean(view_text(row, F_ALGORITHM));
	printf("\n  %s\n", view_text(row, F_FINGERPRINT));
	if (view_u64(row, F_KEY_EXPIRES) > 0) {
		jsonout_time_text(view_u64(row, F_KEY_EXPIRES), date);
		printf("  expires %.10s\n", date);
	}
}

static enum ll_result
print_rows(struct run *run, const struct msg *reply, const char *what)
{
	json_t *all = json_array();
	struct tlv_view row;
	size_t at = 0;

	while (view_nest(msg_view(reply), F_ROW, &at, &row)) {
		if (run->c->json)
			(void)json_array_append_new(all, row_json(row));
		else
			print_row(row);
	}
	if (run->c->json)
		return jsonout_print(stdout, json_pack("{s:o}", what, all));
	json_decref(all);
	return LL_OK;
}

static enum ll_result
run_rows(struct run *run, enum op op, const char *print, const char *what)
{
	struct msg *m = NULL, *reply = NULL;
	enum ll_result r = msg_create(MSG_REQUEST, op, &m);

	if (r)
		return r;
	if (print != NULL)
		msg_put_text(m, F_FINGERPRINT, print);
	if (run->address[0] != '\0')
		msg_put_text(m, F_ADDRESS, run->address);
	r = ask(run, m, &reply);
	if (r == LL_OK)
		r = print_rows(run, reply, what);
	msg_destroy(reply);
	return r;
}

static enum ll_result
run_list(struct run *run, const char *operand)
{
	(void)operand;
	return run_rows(run, OP_PEERKEY_LIST, NULL, "keys");
}

static enum ll_result
run_remove(struct run *run, const char *print)
{
	return run_rows(run, OP_PEERKEY_REMOVE, print, "removed");
}

/* --- the house's own --- */

/* The OpenPGP key that intake signs with, for partners to know it by. */
static enum ll_result
run_export(struct run *run, const char *operand)
{
	struct msg *m, *reply = NULL;
	const uint8_t *public = NULL;
	struct tlv_view row;
	size_t at = 0, len = 0;
	enum ll_result r;

	(void)operand;
	r = msg_create(MSG_REQUEST, OP_MAILKEY_LIST, &m);
	if (r == LL_OK)
		r = ask(run, m, &reply);
	if (r)
		return r;
	while (public == NULL && view_nest(msg_view(reply), F_ROW, &at, &row))
		if (view_u64(row, F_FORMAT) == PARSE_OPENPGP)
			public = view_bytes(row, F_PUBLIC, &len);
	if (public == NULL) {
		(void)snprintf(run->why, sizeof(run->why), "the house has no "
		    "OpenPGP key yet: it is made with the first mail that it "
		    "signs (intake_marked)");
		r = LL_NOTFOUND;
	} else if (fwrite(public, 1, len, stdout) != len) {
		r = LL_IO;
	}
	msg_destroy(reply);
	return r;
}

/* --- the table --- */

static const struct {
	const char *name;
	int least, most;
	run_fn *fn;
	const char *usage;
} rows[] = {
	{ "add", 0, 1, run_add, "key add --for ADDRESS|@DOMAIN [FILE|-]" },
	{ "list", 0, 0, run_list, "key list [--for ADDRESS]" },
	{ "remove", 1, 1, run_remove, "key remove FINGERPRINT" },
	{ "export", 0, 0, run_export, "key export" },
};

#define ROWS (sizeof(rows) / sizeof(rows[0]))

void
keycommand_help(FILE *out, const char *prefix)
{
	size_t i;

	for (i = 0; i < ROWS; i++)
		fprintf(out, "%s%s [--json]\n", prefix, rows[i].usage);
}

int
keycommand_run(struct command *c)
{
	struct run run = { .c = c };
	enum ll_result r;
	size_t i;

	for (i = 0; i < ROWS; i++)
		if (c->count >= 2 && strcmp(rows[i].name, c->words[1]) == 0)
			break;
	if (i == ROWS || c->count < 2 + rows[i].least ||
	    c->count > 2 + rows[i].most)
		return -1;
	r = read_address(&run);
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
	local_close(&c->local);
	return r ? command_fail(r, run.why) : 0;
}
