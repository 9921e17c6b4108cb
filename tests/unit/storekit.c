#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <sodium.h>
#include <sqlite3.h>

#include "keys/parse.h"
#include "keys/seal.h"
#include "keys/totp.h"
#include "keys/vault.h"
#include "tests/unit/storekit.h"

#define MEMORY_MIB 8

static const char *
program(void)
{
	const char *b = getenv("B");
	static char path[256];

	(void)snprintf(path, sizeof(path), "%s/letterlock-store",
	    b != NULL ? b : "build");
	return path;
}

struct msg *
kit_request(enum op op)
{
	struct msg *m;

	assert_int_equal(msg_create(MSG_REQUEST, op, &m), LL_OK);
	return m;
}

enum ll_result
kit_ask(struct chan *c, struct msg *request, struct msg **reply_r)
{
	struct msg *reply = NULL;
	enum ll_result r;

	r = chan_call(c, request, 20000, &reply);
	if (reply_r != NULL)
		*reply_r = reply;
	if (r != LL_OK)
		return r;
	r = msg_result(reply);
	if (reply_r == NULL)
		msg_destroy(reply);
	return r;
}

/* --- the process --- */

static void
config(struct msg *m, const char *key, const char *value)
{
	msg_begin(m, F_CONFIG);
	msg_put_text(m, F_CONFIG_KEY, key);
	msg_put_text(m, F_CONFIG_VALUE, value);
	msg_end(m);
}

static void
config_number(struct msg *m, const char *key, uint64_t n)
{
	char text[24];

	(void)snprintf(text, sizeof(text), "%llu", (unsigned long long)n);
	config(m, key, text);
}

static void
put_key(struct msg *m, enum label label, uint8_t fill)
{
	uint8_t key[32];

	memset(key, fill, sizeof(key));
	msg_begin(m, F_ROW);
	msg_put_u64(m, F_LABEL, label);
	msg_put_bytes(m, F_SECRET, key, sizeof(key));
	msg_end(m);
}

static void
run_child(const struct kit *k, int control)
{
	if (k->preload != NULL)
		(void)setenv("LD_PRELOAD", k->preload, 1);
	if (control == 3)
		(void)fcntl(3, F_SETFD, 0);
	else
		(void)dup2(control, 3);
	(void)execl(program(), "letterlock-store", (char *)NULL);
	_exit(127);
}

/* Starts the process and configures it. */
static void
launch(struct kit *k)
{
	int control[2], first[2];
	struct msg *m;

	assert_int_equal(chan_pair(control), LL_OK);
	assert_int_equal(chan_pair(first), LL_OK);
	k->pid = fork();
	assert_true(k->pid >= 0);
	if (k->pid == 0)
		run_child(k, control[1]);
	(void)close(control[1]);
	assert_int_equal(chan_create(control[0], &k->control), LL_OK);
	assert_int_equal(chan_create(first[0], &k->daemon), LL_OK);
	assert_int_equal(msg_create(MSG_EVENT, OP_CONFIGURE, &m), LL_OK);
	config(m, "data", k->dir);
	config(m, "org_name", "Example");
	config_number(m, "undo_seconds", k->undo_secs);
	config_number(m, "kdf_memory_mib", MEMORY_MIB);
	config_number(m, "muc_kdf_memory_mib", MEMORY_MIB);
	config_number(m, "kdf_passes", 1);
	config(m, "key_search", k->search != NULL ? k->search : "off");
	if (k->quota > 0)
		config_number(m, "quota", k->quota);
	if (k->attachment_max > 0)
		config_number(m, "attachment_max", k->attachment_max);
	if (k->tls_domains != NULL)
		config(m, "tls_domains", k->tls_domains);
	put_key(m, LABEL_ROOT_PEPPER, 1);
	put_key(m, LABEL_ROOT_TOTP, 2);
	msg_put_fd(m, first[1]);
	assert_int_equal(chan_send(k->control, m), LL_OK);
}

void
kit_start(struct kit *k)
{
	struct msg *m;

	launch(k);
	assert_int_equal(chan_wait(k->control, 20000, &m), LL_OK);
	assert_int_equal(msg_op(m), OP_READY);
	msg_destroy(m);
}

void
kit_begin(struct kit *k)
{
	(void)snprintf(k->dir, sizeof(k->dir), "/tmp/ll-store-XXXXXX");
	assert_non_null(mkdtemp(k->dir));
	kit_start(k);
}

static int
reap(struct kit *k)
{
	int status = 0;

	(void)waitpid(k->pid, &status, 0);
	k->pid = 0;
	chan_destroy(k->control);
	chan_destroy(k->daemon);
	k->control = k->daemon = NULL;
	return status;
}

int
kit_try(struct kit *k)
{
	struct msg *m = NULL;

	launch(k);
	assert_int_equal(chan_wait(k->control, 20000, &m), LL_EOF);
	return reap(k);
}

int
kit_stop(struct kit *k)
{
	struct msg *m;

	assert_int_equal(msg_create(MSG_EVENT, OP_STOP, &m), LL_OK);
	(void)!chan_send(k->control, m);
	return reap(k);
}

void
kit_kill(struct kit *k)
{
	(void)kill(k->pid, SIGKILL);
	(void)reap(k);
}

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *f)
{
	(void)st;
	(void)type;
	(void)f;
	return remove(path);
}

void
kit_end(struct kit *k)
{
	if (k->pid > 0)
		(void)kit_stop(k);
	(void)nftw(k->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

struct chan *
kit_channel(struct kit *k, enum peer_role role)
{
	struct msg *m = kit_request(OP_CHANNEL_NEW), *reply;
	struct chan *c;

	msg_put_u64(m, F_ROLE, role);
	assert_int_equal(kit_ask(k->daemon, m, &reply), LL_OK);
	assert_int_equal(chan_create(msg_take_fd(reply, 0), &c), LL_OK);
	msg_destroy(reply);
	return c;
}

/* --- users --- */

static void
put_slot(struct msg *m, const struct kit_user *u)
{
	uint8_t wrap[SEAL_WRAP_BYTES] = { 7 }, salt[16] = { 9 };

	msg_begin(m, F_SLOT);
	msg_put_id(m, F_SLOT_ID, &u->slot);
	msg_put_u64(m, F_SLOT_KIND, SLOT_PASSPHRASE);
	msg_put_bytes(m, F_WRAP, wrap, sizeof(wrap));
	msg_put_bytes(m, F_PROOF, u->proof, sizeof(u->proof));
	msg_put_bytes(m, F_SALT, salt, sizeof(salt));
	msg_put_u64(m, F_MEMORY_MIB, MEMORY_MIB);
	msg_put_u64(m, F_PASSES, 1);
	msg_end(m);
}

static struct msg *
commit_request(struct kit_user *u, uint64_t generation)
{
	struct msg *m = kit_request(OP_LOCAL_COMMIT);
	uint8_t blob[VAULT_BLOB_BYTES] = { 5 }, sign_pk[32] = { 6 };
	uint8_t salt[16] = { 8 };

	msg_put_text(m, F_USER, u->name);
	msg_put_bytes(m, F_SEAL_PK, u->seal_pk, 32);
	msg_put_bytes(m, F_SIGN_PK, sign_pk, 32);
	msg_put_bytes(m, F_BLOB, blob, sizeof(blob));
	msg_put_u64(m, F_GENERATION, generation);
	put_slot(m, u);
	msg_put_bytes(m, F_TOTP_SEED, u->seed, sizeof(u->seed));
	msg_put_bytes(m, F_SALT, salt, sizeof(salt));
	msg_put_bytes(m, F_BACKUP_HASH, u->backup, 32);
	return m;
}

void
kit_user(struct kit *k, const char *name, enum user_role role,
    struct kit_user *u_r)
{
	struct chan *local = kit_channel(k, PEER_LOCAL);
	struct msg *m = kit_request(OP_USER_ADD), *reply;
	uint8_t ticket[32] = { 1 };

	memset(u_r, 0, sizeof(*u_r));
	(void)snprintf(u_r->name, sizeof(u_r->name), "%s", name);
	(void)snprintf(u_r->email, sizeof(u_r->email), "%s@example.test",
	    name);
	id_random(&u_r->slot);
	randombytes_buf(u_r->seed, sizeof(u_r->seed));
	randombytes_buf(u_r->proof, sizeof(u_r->proof));
	randombytes_buf(u_r->backup, sizeof(u_r->backup));
	randombytes_buf(u_r->seal_pk, sizeof(u_r->seal_pk));
	msg_put_text(m, F_USER, u_r->name);
	msg_put_text(m, F_EMAIL, u_r->email);
	msg_put_u64(m, F_ROLE, role);
	msg_put_bytes(m, F_TICKET_HASH, ticket, 32);
	assert_int_equal(kit_ask(local, m, &reply), LL_OK);
	assert_true(view_id(msg_view(reply), F_USER_ID, &u_r->id));
	msg_destroy(reply);
	assert_int_equal(kit_ask(local, commit_request(u_r, 1), NULL),
	    LL_OK);
	chan_destroy(local);
}

void
kit_reset(struct chan *local, struct kit_user *u, uint64_t generation)
{
	struct msg *m = kit_request(OP_USER_RESET);
	uint8_t ticket[32] = { 1 };

	msg_put_text(m, F_USER, u->name);
	msg_put_bytes(m, F_TICKET_HASH, ticket, 32);
	assert_int_equal(kit_ask(local, m, NULL), LL_OK);
	id_random(&u->slot);
	assert_int_equal(kit_ask(local, commit_request(u, generation), NULL),
	    LL_OK);
}

void
kit_code(struct kit_user *u, char code[7])
{
	uint64_t now = (uint64_t)time(NULL) / TOTP_STEP_SECS;

	/* one step before now, now, one after: each is good once */
	u->step = u->step < now - 1 ? now - 1 : u->step + 1;
	totp_code(u->seed, sizeof(u->seed), u->step, code);
}

static void
ask_ok(struct chan *c, struct msg *m, struct msg **reply_r)
{
	assert_int_equal(kit_ask(c, m, reply_r), LL_OK);
}

void
kit_login(struct kit *k, struct kit_user *u)
{
	struct msg *m, *reply;
	char code[7];

	u->session = kit_channel(k, PEER_SESSION);
	m = kit_request(OP_AUTH_BEGIN);
	msg_put_text(m, F_USER, u->name);
	msg_put_text(m, F_SOURCE, "192.0.2.1");
	ask_ok(u->session, m, NULL);
	m = kit_request(OP_AUTH_PASSWORD);
	msg_put_id(m, F_SLOT_ID, &u->slot);
	msg_put_bytes(m, F_PROOF, u->proof, 32);
	ask_ok(u->session, m, NULL);
	m = kit_request(OP_AUTH_TOTP);
	kit_code(u, code);
	msg_put_text(m, F_CODE, code);
	ask_ok(u->session, m, NULL);
	ask_ok(u->session, kit_request(OP_AUTH_DONE), &reply);
	memcpy(u->token, view_hash(msg_view(reply), F_TOKEN), 32);
	msg_destroy(reply);
	ask_ok(u->session, kit_request(OP_WORKER_NEW), &reply);
	assert_int_equal(chan_create(msg_take_fd(reply, 0), &u->worker),
	    LL_OK);
	msg_destroy(reply);
}

void
kit_logout(struct kit_user *u)
{
	chan_destroy(u->worker);
	chan_destroy(u->session);
	u->worker = u->session = NULL;
}

/* --- keys of others --- */

void
kit_add_key(struct chan *c, const struct kit_key *key)
{
	struct msg *m = kit_request(OP_PEERKEY_ADD);

	msg_put_text(m, F_ADDRESS, key->address);
	msg_put_u64(m, F_FORMAT, key->format);
	msg_put_bytes(m, F_PUBLIC, "key", 3);
	msg_put_text(m, F_FINGERPRINT, key->fingerprint);
	msg_put_text(m, F_ALGORITHM, "Ed25519");
	msg_put_u64(m, F_KEY_EXPIRES, key->expires);
	msg_put_u64(m, F_KEY_SOURCE, key->source);
	msg_put_u64(m, F_FLAGS, key->flags);
	ask_ok(c, m, NULL);
}

void
kit_confirm_key(struct kit_user *u, const char *fingerprint)
{
	struct msg *m = kit_request(OP_PEERKEY_CONFIRM);

	msg_put_text(m, F_FINGERPRINT, fingerprint);
	ask_ok(u->worker, m, NULL);
}

/* --- messages --- */

void
kit_link_of(const struct id *message, unsigned n, uint8_t locator[32],
    uint8_t proof[32])
{
	uint8_t in[17];

	memcpy(in, message->b, 16);
	in[16] = (uint8_t)n;
	(void)crypto_generichash(locator, 32, in, sizeof(in), NULL, 0);
	(void)crypto_generichash(proof, 32, locator, 32, NULL, 0);
}

void
kit_put_link(struct msg *m, const uint8_t locator[32],
    const uint8_t proof[32])
{
	uint8_t wrap[SEAL_WRAP_BYTES] = { 3 }, box[100] = { 4 };
	struct id queue;

	id_random(&queue);
	msg_begin(m, F_LINK);
	msg_put_bytes(m, F_LOCATOR_HASH, locator, 32);
	msg_put_bytes(m, F_PROOF, proof, 32);
	msg_put_bytes(m, F_WRAP, wrap, sizeof(wrap));
	msg_put_u64(m, F_MEMORY_MIB, MEMORY_MIB);
	msg_put_u64(m, F_PASSES, 1);
	msg_put_bytes(m, F_CODE_BOX, box, sizeof(box));
	msg_put_bytes(m, F_PAIR_BOX, box, sizeof(box));
	msg_put_u64(m, F_QUEUE_DAY, (uint64_t)time(NULL) / 86400);
	msg_put_bytes(m, F_PAYLOAD, box, sizeof(box));
	msg_put_text(m, F_MAIL_ID, "x@example.test");
	msg_put_id(m, F_QUEUE_ID, &queue);
	msg_end(m);
}

void
kit_mail_of(const struct id *message, unsigned format, struct id *object_r)
{
	*object_r = *message;
	object_r->b[0] ^= (uint8_t)format;
}

/* In which format a line's mail is. */
static unsigned
format_of(struct tlv_view line)
{
	struct tlv_view key;
	size_t at = 0;

	if (view_nest(line, F_PEER_KEY, &at, &key))
		return (unsigned)view_u64(key, F_FORMAT);
	return PARSE_PLAIN;
}

static bool
is_mail(struct tlv_view line)
{
	uint64_t route = view_u64(line, F_ROUTE);

	return route >= ROUTE_SMIME && route <= ROUTE_TLS;
}

static void
put_mail(struct msg *m, struct tlv_view line, const struct id *message,
    const struct id *mail)
{
	uint8_t box[100] = { 4 };
	struct tlv_view key;
	struct id queue, object;
	size_t at = 0;

	while (view_nest(line, F_PEER_KEY, &at, &key))
		msg_put_text(m, F_FINGERPRINT, view_text(key, F_FINGERPRINT));
	id_random(&queue);
	kit_mail_of(message, format_of(line), &object);
	if (mail != NULL)
		object = *mail;
	msg_begin(m, F_MAIL);
	msg_put_id(m, F_QUEUE_ID, &queue);
	msg_put_u64(m, F_QUEUE_DAY, (uint64_t)time(NULL) / 86400);
	msg_put_bytes(m, F_PAYLOAD, box, sizeof(box));
	msg_put_text(m, F_MAIL_ID, "mail@example.test");
	msg_put_id(m, F_OBJECT_ID, &object);
	msg_end(m);
}

static void
put_recipients(struct msg *m, struct tlv_view plan, const struct id *message,
    const struct id *mail)
{
	uint8_t wrap[80] = { 2 }, locator[32], proof[32];
	struct tlv_view line;
	unsigned n = 0;
	size_t at = 0;

	while (view_nest(plan, F_RECIPIENT, &at, &line)) {
		msg_begin(m, F_RECIPIENT);
		msg_put_text(m, F_ADDRESS, view_text(line, F_ADDRESS));
		msg_put_u64(m, F_ROUTE, view_u64(line, F_ROUTE));
		if (view_u64(line, F_ROUTE) == ROUTE_INTERNAL) {
			msg_put_bytes(m, F_WRAP, wrap, sizeof(wrap));
			msg_put_u64(m, F_GENERATION,
			    view_u64(line, F_GENERATION));
		} else if (view_u64(line, F_ROUTE) == ROUTE_PORTAL_MUC) {
			kit_link_of(message, n, locator, proof);
			kit_put_link(m, locator, proof);
		} else if (is_mail(line)) {
			put_mail(m, line, message, mail);
		}
		msg_end(m);
		n++;
	}
}

static void
put_object(struct msg *m, const struct id *object, enum object_kind kind,
    size_t len, uint8_t fill)
{
	uint8_t bytes[KIT_MAIL_BYTES], hash[32] = { 1 };

	memset(bytes, fill, sizeof(bytes));
	msg_begin(m, F_OBJECT);
	msg_put_id(m, F_OBJECT_ID, object);
	msg_put_u64(m, F_OBJECT_KIND, kind);
	msg_put_u64(m, F_SEALED_BYTES, len);
	msg_put_bytes(m, F_HASH, hash, 32);
	msg_put_bytes(m, F_DATA, bytes, len);
	msg_end(m);
}

static void
put_objects(struct msg *m, struct tlv_view plan, const struct id *message)
{
	bool wanted[PARSE_PLAIN + 1] = { false };
	struct tlv_view line;
	struct id object;
	size_t at = 0;
	unsigned i;

	id_random(&object);
	put_object(m, &object, OBJECT_BODY, 700, 1);
	while (view_nest(plan, F_RECIPIENT, &at, &line))
		if (is_mail(line))
			wanted[format_of(line)] = true;
	for (i = 1; i <= PARSE_PLAIN; i++) {
		kit_mail_of(message, i, &object);
		if (wanted[i])
			put_object(m, &object, OBJECT_MAIL, KIT_MAIL_BYTES,
			    (uint8_t)i);
	}
}

enum ll_result
kit_plan(struct kit_user *u, const struct kit_to *to, enum msg_class class,
    struct msg **plan_r)
{
	struct msg *m = kit_request(OP_PLAN);

	msg_put_u64(m, F_CLASS, class);
	for (; to->address != NULL; to++) {
		msg_begin(m, F_RECIPIENT);
		msg_put_text(m, F_ADDRESS, to->address);
		if (to->route != 0)
			msg_put_u64(m, F_ROUTE, to->route);
		msg_end(m);
	}
	return kit_ask(u->worker, m, plan_r);
}

/* All but objects and recipients. */
static struct msg *
begin_send(struct tlv_view plan, const struct id *message, uint64_t delay_secs,
    enum msg_class class)
{
	uint8_t bytes[1024] = { 1 }, key[32];
	struct msg *m = kit_request(OP_SEND);

	randombytes_buf(key, sizeof(key));
	msg_put_bytes(m, F_IDEMPOTENCY, key, 32);
	msg_put_id(m, F_MESSAGE_ID, message);
	msg_put_id(m, F_THREAD_ID, message);
	msg_put_bytes(m, F_PLAN_HASH, view_hash(plan, F_PLAN_HASH), 32);
	msg_put_bytes(m, F_HEADER, bytes, 1024);
	msg_put_bytes(m, F_COMMITMENT, bytes, 32);
	msg_put_u64(m, F_GENERATION, 1);
	msg_put_bytes(m, F_SELF_WRAP, bytes, SEAL_WRAP_BYTES);
	msg_put_u64(m, F_DELAY_SECS, delay_secs);
	msg_put_u64(m, F_CLASS, class);
	return m;
}

struct msg *
kit_send_to(struct kit_user *u, const struct kit_to *to, enum msg_class class,
    uint64_t delay_secs, struct id *message_r)
{
	struct msg *m, *plan;

	assert_int_equal(kit_plan(u, to, class, &plan), LL_OK);
	id_random(message_r);
	m = begin_send(msg_view(plan), message_r, delay_secs, class);
	put_objects(m, msg_view(plan), message_r);
	put_recipients(m, msg_view(plan), message_r, NULL);
	msg_destroy(plan);
	return m;
}

struct msg *
kit_send_blob(struct kit_user *u, const struct kit_to *to,
    const struct id *message, const struct id *mail, uint64_t bytes)
{
	uint8_t hash[32] = { 6 };
	struct msg *m, *plan;
	struct id body;

	assert_int_equal(kit_plan(u, to, CLASS_NORMAL, &plan), LL_OK);
	m = begin_send(msg_view(plan), message, 0, CLASS_NORMAL);
	id_random(&body);
	put_object(m, &body, OBJECT_BODY, 700, 1);
	msg_begin(m, F_OBJECT);
	msg_put_id(m, F_OBJECT_ID, mail);
	msg_put_u64(m, F_OBJECT_KIND, OBJECT_MAIL);
	msg_put_u64(m, F_SEALED_BYTES, bytes);
	msg_put_bytes(m, F_HASH, hash, 32);
	msg_end(m);
	put_recipients(m, msg_view(plan), message, mail);
	msg_destroy(plan);
	return m;
}

struct msg *
kit_send_request(struct kit_user *u, const char *const *to,
    uint64_t delay_secs, struct id *message_r)
{
	struct kit_to list[64] = { { NULL, 0 } };
	size_t i;

	for (i = 0; to[i] != NULL; i++) {
		assert_true(i < 63);
		list[i].address = to[i];
	}
	return kit_send_to(u, list, CLASS_NORMAL, delay_secs, message_r);
}

enum ll_result
kit_send(struct kit_user *u, const char *const *to, uint64_t delay_secs,
    struct id *message_r)
{
	return kit_ask(u->worker, kit_send_request(u, to, delay_secs,
	    message_r), NULL);
}

void
kit_queue_keys(struct kit *k)
{
	struct chan *relay = kit_channel(k, PEER_RELAY);
	uint8_t bytes[64] = { 1 };
	uint64_t day = (uint64_t)time(NULL) / 86400, n;
	struct msg *m;

	for (n = 0; n < 2; n++) {
		m = kit_request(OP_QUEUE_KEY);
		msg_put_u64(m, F_QUEUE_DAY, day + n);
		msg_put_bytes(m, F_QUEUE_PK, bytes, 32);
		msg_put_bytes(m, F_WRAP, bytes, sizeof(bytes));
		ask_ok(relay, m, NULL);
	}
	chan_destroy(relay);
}

enum delivery_state
kit_state(struct kit_user *u, const struct id *message, unsigned n)
{
	struct msg *m = kit_request(OP_STATUS), *reply;
	enum delivery_state state = 0;
	struct tlv_view row;
	size_t at = 0;

	msg_put_id(m, F_MESSAGE_ID, message);
	ask_ok(u->worker, m, &reply);
	while (view_nest(msg_view(reply), F_RECIPIENT, &at, &row))
		if (n-- == 0)
			state = (enum delivery_state)view_u64(row, F_STATE);
	msg_destroy(reply);
	return state;
}

long long
kit_sql(struct kit *k, const char *sql)
{
	sqlite3_stmt *st = NULL;
	char path[128];
	long long n;
	sqlite3 *db;

	(void)snprintf(path, sizeof(path), "%s/db/letterlock.db", k->dir);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &st, NULL),
	    SQLITE_OK);
	n = sqlite3_step(st) == SQLITE_ROW ? sqlite3_column_int64(st, 0) : 0;
	(void)sqlite3_finalize(st);
	(void)sqlite3_close(db);
	return n;
}
