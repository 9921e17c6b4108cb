/*
 * letterlock - the local command: sets a letterlock up and manages it.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "keys/totp.h"
#include "server/archive.h"
#include "server/cacommand.h"
#include "server/command.h"
#include "server/enrol.h"
#include "server/file.h"
#include "server/keycommand.h"
#include "server/mailkey.h"
#include "server/proc.h"
#include "server/setup.h"
#include "store/adminverb.h"
#include "store/jsonout.h"
#include "store/loop.h"

#define STOP_WAIT_MS 80000
#define STOP_STEP_US 20000

/* --- init --- */

static void
print_setup(const struct setup *s, bool json)
{
	if (json) {
		(void)!jsonout_print(stdout, json_pack("{s:s,s:s,s:s,s:s}",
		    "data", s->dir, "config", s->config_path, "root_secret",
		    s->root, "host_key", s->fingerprint));
		return;
	}
	printf("root secret (keep it in a safe; it is not shown again):\n"
	    "  %s\n"
	    "SSH host key: %s\n"
	    "configuration: %s\n"
	    "next: letterlock --data %s user add NAME --email ADDRESS --role "
	    "admin\n"
	    "      letterlockd -c %s\n", s->root, s->fingerprint,
	    s->config_path, s->dir, s->config_path);
}

/* Twice without echo, or one line from a pipe. */
static enum ll_result
ask_root_passphrase(struct secret *p_r, char *why)
{
	struct secret again = SECRET_NONE;
	const char *words = "";
	enum ll_result r;

	r = root_ask("Passphrase for the root secret: ", p_r);
	if (r == LL_OK && passphrase_check((const char *)p_r->data, p_r->len,
	    &words) != LL_OK) {
		snprintf(why, CONFIG_WHY, "%s", words);
		return LL_USAGE;
	}
	if (r != LL_OK || !isatty(STDIN_FILENO))
		return r;
	r = root_ask("The same again: ", &again);
	if (r == LL_OK && (again.len != p_r->len ||
	    memcmp(again.data, p_r->data, again.len) != 0)) {
		snprintf(why, CONFIG_WHY, "the two are not the same");
		r = LL_USAGE;
	}
	secret_finish(&again);
	return r;
}

static int
run_init(struct command *c)
{
	struct secret passphrase = SECRET_NONE;
	struct setup s = { .dir = c->local.data, .org = c->org,
		.sets = c->sets };
	char why[CONFIG_WHY] = "";
	enum ll_result r;

	if (c->org == NULL)
		return command_fail(LL_USAGE, "init: --org NAME is missing");
	r = proc_memlock(why);
	if (r == LL_OK && c->root_passphrase) {
		r = ask_root_passphrase(&passphrase, why);
		s.passphrase = &passphrase;
	}
	if (r == LL_OK)
		r = setup_run(&s, why);
	secret_finish(&passphrase);
	if (r)
		return command_fail(r, why[0] != '\0' ? why :
		    ll_result_text(r));
	print_setup(&s, c->json);
	sodium_memzero(s.root, sizeof(s.root));
	return fflush(stdout) == 0 ? 0 : 1;
}

/* --- verbs of the store --- */

struct enrolment {
	struct chan *store;
	uint64_t rsa_bits;           /* of the S/MIME key */
	struct secret passphrase, seed;
};

/* Everything that can be wrong is found before the account is made. */
static enum ll_result
load_enrolment(const struct command *c, struct enrolment *e, char *why)
{
	const char *words = "";
	enum ll_result r;

	if (c->password_file == NULL || c->totp_secret == NULL) {
		snprintf(why, CONFIG_WHY, "--password-file and --totp-secret "
		    "go together");
		return LL_USAGE;
	}
	r = totp_parse(c->totp_secret, &e->seed);
	if (r) {
		snprintf(why, CONFIG_WHY, "--totp-secret: expected base32 of "
		    "80 to 512 bits");
		return LL_USAGE;
	}
	if (e->seed.len < 14)
		fputs("letterlock: warning: a TOTP secret under 112 bits\n",
		    stderr);
	r = file_read(c->password_file, KDF_INPUT_MAX + 1, 0, &e->passphrase);
	if (r) {
		snprintf(why, CONFIG_WHY, "%.900s: %s", c->password_file,
		    r == LL_IO ? strerror(errno) : ll_result_text(r));
		return LL_DENIED;
	}
	if (e->passphrase.len > 0 &&
	    e->passphrase.data[e->passphrase.len - 1] == '\n')
		e->passphrase.data[--e->passphrase.len] = '\0';
	r = passphrase_check((const char *)e->passphrase.data,
	    e->passphrase.len, &words);
	if (r) {
		snprintf(why, CONFIG_WHY, "%.900s: %s", c->password_file,
		    words);
		return LL_DENIED;
	}
	return LL_OK;
}

struct mailkeys {
	struct chan *store;
	const char *user;
	uint64_t rsa_bits;
};

/* What can't be made now is made when the user first unlocks. */
static void
make_mailkeys(void *arg, const struct vault *v, const char *address,
    const char *name)
{
	const struct mailkeys *m = arg;

	(void)!mailkey_make(m->store, v, m->user, address, name,
	    m->rsa_bits);
}

static enum ll_result
enrol_now(void *arg, const char *user, struct adminverb_codes *codes_r)
{
	struct enrolment *en = arg;
	struct mailkeys keys = { en->store, user, en->rsa_bits };
	struct enrol_codes codes;
	struct enrol *e = NULL;
	const char *words;
	enum ll_result r;
	size_t i;

	r = enrol_create(en->store, user, &e);
	if (r == LL_OK)
		enrol_then(e, make_mailkeys, &keys);
	if (r == LL_OK)
		r = enrol_passphrase(e, (const char *)en->passphrase.data,
		    en->passphrase.len, &words);
	if (r == LL_OK)
		r = enrol_totp(e, &en->seed);
	if (r == LL_OK)
		r = enrol_finish(e, &codes);
	if (r == LL_OK) {
		memcpy(codes_r->recovery, codes.recovery,
		    sizeof(codes_r->recovery));
		for (i = 0; i < BACKUP_CODES; i++)
			memcpy(codes_r->backup[i], codes.backup[i],
			    sizeof(codes.backup[i]));
		sodium_memzero(&codes, sizeof(codes));
	}
	enrol_destroy(e);
	return r;
}

/* The daemon's own rows for status; NULL when none runs or answers. */
static struct msg *
daemon_rows(struct command *c)
{
	struct msg *m = NULL, *reply = NULL;

	if (c->local.control != NULL &&
	    msg_create(MSG_REQUEST, OP_SERVER_STATUS, &m) == LL_OK &&
	    chan_ask(c->local.control, m, &reply, NULL, 0) == LL_OK)
		return reply;
	return NULL;
}

static int
run_verb(struct command *c)
{
	static char status_word[] = "server-status";
	struct enrolment e = { NULL, 0, SECRET_NONE, SECRET_NONE };
	struct adminverb v = { .out = stdout, .err = stderr, .json = c->json,
		.files = true };
	char why[CONFIG_WHY] = "";
	struct config config = { .file = NULL };
	struct msg *rows = NULL;
	enum ll_result r = LL_OK;
	int code;

	if (c->password_file != NULL || c->totp_secret != NULL) {
		r = proc_memlock(why);
		if (r == LL_OK)
			r = load_enrolment(c, &e, why);
		if (r == LL_OK)
			r = command_config(c, &config, why);
		if (r == LL_OK)
			e.rsa_bits = config_number(&config,
			    CONFIG_smime_rsa_bits);
		config_finish(&config);
		v.enrol = enrol_now;
		v.enrol_arg = &e;
	}
	if (r == LL_OK)
		r = local_open(&c->local, why);
	if (r) {
		code = command_fail(r, why);
		goto out;
	}
	v.store = e.store = c->local.store;
	if (strcmp(c->words[0], "status") == 0)
		c->words[0] = status_word;
	if (strcmp(c->words[0], status_word) == 0)
		v.more_status = rows = daemon_rows(c);
	code = adminverb_run(&v, c->count, c->words);
	msg_destroy(rows);
out:
	secret_finish(&e.passphrase);
	secret_finish(&e.seed);
	local_close(&c->local);
	return code;
}

static int
run_stop(struct command *c)
{
	uint64_t end = loop_now_ms() + STOP_WAIT_MS;
	struct msg *m = NULL;
	enum ll_result r;

	(void)signal(SIGPIPE, SIG_IGN);
	r = local_control(&c->local);
	if (r == LL_NOTFOUND)
		return command_fail(LL_DENIED, "no letterlockd runs there");
	if (r == LL_OK)
		r = msg_create(MSG_REQUEST, OP_STOP_SERVER, &m);
	if (r == LL_OK)
		r = chan_ask(c->local.control, m, NULL, NULL, 0);
	local_close(&c->local);
	if (r)
		return command_fail(r, ll_result_text(r));
	while (!local_is_free(&c->local)) {
		if (loop_now_ms() > end)
			return command_fail(LL_BUSY, "it has not stopped yet");
		(void)usleep(STOP_STEP_US);
	}
	return 0;
}

static int
run_backup(struct command *c)
{
	char why[CONFIG_WHY] = "";
	enum ll_result r;

	r = local_open(&c->local, why);
	if (r == LL_OK)
		r = archive_backup(&c->local, c->words[1],
		    !c->without_root, why);
	local_close(&c->local);
	return r ? command_fail(r, why) : 0;
}

static int
run_restore(struct command *c)
{
	char why[CONFIG_WHY] = "";
	enum ll_result r;

	r = archive_restore(&c->local, c->words[1], c->root_key, why);
	if (r)
		return command_fail(r, why[0] != '\0' ? why :
		    ll_result_text(r));
	fputs(why, stderr);
	return 0;
}

/* --- the table --- */

static const struct command_row rows[] = {
	{ "init", 1, run_init,
	    "init --org NAME [--set KEY=VALUE] [--root-passphrase]" },
	{ "status", 1, run_verb, "status" },
	{ "stop", 1, run_stop, "stop" },
	{ "backup", 2, run_backup, "backup PATH [--without-root]" },
	{ "restore", 2, run_restore, "restore PATH [--root-key FILE]" },
	{ "ca", 0, cacommand_run, NULL },
	{ "key", 0, keycommand_run, NULL },
	{ NULL, 0, NULL, NULL }
};

static int
show_usage(FILE *out)
{
	size_t i;

	fputs("usage: letterlock [--data DIR] COMMAND [--json]\n", out);
	for (i = 0; rows[i].name != NULL; i++)
		if (rows[i].usage != NULL)
			fprintf(out, "  %s\n", rows[i].usage);
	cacommand_help(out, "  ");
	keycommand_help(out, "  ");
	adminverb_help(out, "  ");
	fputs("  user add ... --password-file FILE --totp-secret BASE32\n",
	    out);
	return 2;
}

int
main(int argc, char **argv)
{
	struct command c;
	size_t i;
	int code;

	if (argc == 2 && strcmp(argv[1], "--help") == 0) {
		(void)show_usage(stdout);
		return 0;
	}
	if (!command_parse(&c, argc, argv))
		return show_usage(stderr);
	for (i = 0; rows[i].name != NULL; i++)
		if (strcmp(rows[i].name, c.words[0]) == 0)
			break;
	if (rows[i].name != NULL)
		code = rows[i].words == 0 || c.count == rows[i].words ?
		    rows[i].run(&c) : -1;
	else if (adminverb_knows(c.count, c.words))
		code = run_verb(&c);
	else
		code = show_usage(stderr);
	command_finish(&c);
	return code < 0 ? show_usage(stderr) : code;
}
