/*
 * load - many senders at once, over the store's own protocol.
 *
 *   load sends SENDERS COUNT     COUNT messages by each of SENDERS at once into
 *                                a fresh store; prints "sends/s X"
 *   load fill CONFIG SENDER RECIPIENT COUNT
 *                                into the data directory of that letterlock.conf
 *                                (no server running); the sender's passphrase
 *                                and TOTP secret are two lines of input
 *
 * Every message is sealed, signed and acknowledged after its commit, as
 * letterlock-tui does it.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "keys/envelope.h"
#include "keys/totp.h"
#include "keys/vault.h"
#include "server/config.h"
#include "server/enrol.h"
#include "server/root.h"
#include "store/chan.h"
#include "store/kind.h"
#include "store/send.h"

#define SENDERS_MAX 64
#define BODY_BYTES 1000
#define WAIT_MS 60000

static const char passphrase[] = "a bench needs no good passphrase";

struct sender {
	struct chan *store;
	struct id user;
	const char *from, *to;
	const struct vault *vault;
	size_t first, count;
	pthread_t thread;
};

struct load {
	char program[PATH_MAX];
	const char *data;
	struct secret pepper, totp;
	struct chan *control, *daemon;
	pid_t pid;
};

static void
must(enum ll_result r, const char *what)
{
	if (r == LL_OK)
		return;
	(void)fprintf(stderr, "load: %s: %s\n", what, ll_result_text(r));
	exit(1);
}

static struct msg *
request(enum op op)
{
	struct msg *m;

	must(msg_create(MSG_REQUEST, op, &m), "a message");
	return m;
}

static struct msg *
ask(struct chan *c, struct msg *m, const char *what)
{
	struct msg *reply;

	must(chan_ask(c, m, &reply, NULL, 0), what);
	return reply;
}

/* --- the store --- */

static void
put_config(struct msg *m, const char *key, const char *value)
{
	msg_begin(m, F_CONFIG);
	msg_put_text(m, F_CONFIG_KEY, key);
	msg_put_text(m, F_CONFIG_VALUE, value);
	msg_end(m);
}

static void
put_key(struct msg *m, enum label label, const struct secret *key)
{
	msg_begin(m, F_ROW);
	msg_put_u64(m, F_LABEL, label);
	msg_put_bytes(m, F_SECRET, key->data, key->len);
	msg_end(m);
}

static void
store_run(const struct load *l, int control)
{
	if (dup2(control, 3) < 0)
		_exit(1);
	(void)fcntl(3, F_SETFD, 0);
	(void)execl(l->program, "letterlock-store", (char *)NULL);
	_exit(127);
}

static void
store_start(struct load *l, const char *self)
{
	struct msg *m, *ready;
	const char *slash = strrchr(self, '/');
	int control[2], first[2];

	(void)snprintf(l->program, sizeof(l->program),
	    "%.*s/../../letterlock-store", (int)(slash ? slash - self : 0),
	    self);
	must(chan_pair(control), "a channel");
	must(chan_pair(first), "a channel");
	l->pid = fork();
	if (l->pid == 0)
		store_run(l, control[1]);
	(void)close(control[1]);
	must(chan_create(control[0], &l->control), "a channel");
	must(chan_create(first[0], &l->daemon), "a channel");
	must(msg_create(MSG_REQUEST, OP_CONFIGURE, &m), "a message");
	put_config(m, "data", l->data);
	put_config(m, "role", "daemon");
	put_config(m, "kdf_memory_mib", "8");
	put_config(m, "kdf_passes", "1");
	put_config(m, "quota", "1099511627776");
	put_key(m, LABEL_ROOT_PEPPER, &l->pepper);
	put_key(m, LABEL_ROOT_TOTP, &l->totp);
	msg_put_fd(m, first[1]);
	must(chan_send(l->control, m), "the configuration");
	must(chan_wait(l->control, WAIT_MS, &ready), "the store");
	msg_destroy(ready);
}

static void
store_stop(struct load *l)
{
	chan_destroy(l->daemon);
	chan_destroy(l->control);
	(void)waitpid(l->pid, NULL, 0);
	secret_finish(&l->pepper);
	secret_finish(&l->totp);
}

static struct chan *
store_channel(struct load *l, enum peer_role role)
{
	struct msg *m = request(OP_CHANNEL_NEW), *reply;
	struct chan *c;

	msg_put_u64(m, F_ROLE, role);
	reply = ask(l->daemon, m, "a channel");
	must(chan_create(msg_take_fd(reply, 0), &c), "a channel");
	msg_destroy(reply);
	return c;
}

/* --- people --- */

static void
user_add(struct chan *local, const char *user, const struct secret *seed)
{
	struct enrol_codes codes;
	struct enrol *e;
	struct msg *m = request(OP_USER_ADD);
	char ticket[TICKET_TEXT + 1], address[128];
	uint8_t hash[HASH_BYTES];
	const char *why;

	ticket_create(ticket);
	must(ticket_parse(ticket, hash), "a ticket");
	(void)snprintf(address, sizeof(address), "%s@house.example", user);
	msg_put_text(m, F_USER, user);
	msg_put_text(m, F_EMAIL, address);
	msg_put_text(m, F_NAME, user);
	msg_put_u64(m, F_ROLE, ROLE_STAFF);
	msg_put_bytes(m, F_TICKET_HASH, hash, sizeof(hash));
	msg_destroy(ask(local, m, "a user"));
	must(enrol_create(local, user, &e), "enrolment");
	must(enrol_passphrase(e, passphrase, strlen(passphrase), &why),
	    "the passphrase");
	must(enrol_totp(e, seed), "enrolment");
	must(enrol_finish(e, &codes), "enrolment");
	sodium_memzero(&codes, sizeof(codes));
	enrol_destroy(e);
}

static void
stretch(struct tlv_view v, const char *typed, struct secret *a_r)
{
	struct kdf_params p;
	size_t len;
	const uint8_t *salt = view_bytes(v, F_SALT, &len);

	if (salt == NULL || len != sizeof(p.salt))
		must(LL_PROTO, "the salt");
	memcpy(p.salt, salt, sizeof(p.salt));
	p.memory_mib = (uint32_t)view_u64(v, F_MEMORY_MIB);
	p.passes = (uint32_t)view_u64(v, F_PASSES);
	must(kdf_run(typed, strlen(typed), &p, a_r), "the passphrase");
}

static void
open_vault(struct tlv_view v, const struct secret *a, struct vault **vault_r)
{
	struct vault_public pub;
	struct tlv_view slot;
	struct id slot_id;
	const uint8_t *wrap, *blob;
	size_t at = 0, len, blob_len;

	memset(&pub, 0, sizeof(pub));
	if (!view_id(v, F_USER_ID, &pub.user))
		must(LL_PROTO, "the login");
	pub.generation = view_u64(v, F_GENERATION);
	memcpy(pub.seal_pk, view_hash(v, F_SEAL_PK), sizeof(pub.seal_pk));
	memcpy(pub.sign_pk, view_hash(v, F_SIGN_PK), sizeof(pub.sign_pk));
	blob = view_bytes(v, F_BLOB, &blob_len);
	if (blob == NULL || blob_len != sizeof(pub.blob))
		must(LL_PROTO, "the vault");
	memcpy(pub.blob, blob, sizeof(pub.blob));
	while (view_nest(v, F_SLOT, &at, &slot)) {
		if (view_u64(slot, F_SLOT_KIND) != SLOT_PASSPHRASE)
			continue;
		wrap = view_bytes(slot, F_WRAP, &len);
		if (wrap == NULL || !view_id(slot, F_SLOT_ID, &slot_id))
			must(LL_PROTO, "the slot");
		must(slot_open(&pub, SLOT_PASSPHRASE, &slot_id, a,
		    view_hash(v, F_PEPPER), wrap, len, vault_r), "the vault");
		return;
	}
	must(LL_NOTFOUND, "a slot");
}

/* Both factors, as a session gives them; s gets identity and keys. */
static void
login(struct chan *session, const char *user, const char *typed,
    const struct secret *seed, struct sender *s, struct vault **vault_r)
{
	struct msg *m = request(OP_AUTH_BEGIN), *reply;
	char code[TOTP_DIGITS + 1];
	uint8_t proof[HASH_BYTES];
	struct secret a = SECRET_NONE;
	struct id slot;

	msg_put_text(m, F_USER, user);
	msg_put_text(m, F_SOURCE, "127.0.0.1");
	reply = ask(session, m, "the login");
	stretch(msg_view(reply), typed, &a);
	if (!view_id(msg_view(reply), F_SLOT_ID, &slot))
		must(LL_PROTO, "the login");
	msg_destroy(reply);
	must(slot_proof(SLOT_PASSPHRASE, &a, proof), "the passphrase");
	m = request(OP_AUTH_PASSWORD);
	msg_put_id(m, F_SLOT_ID, &slot);
	msg_put_bytes(m, F_PROOF, proof, sizeof(proof));
	msg_destroy(ask(session, m, "the passphrase"));
	totp_code(seed->data, seed->len,
	    (uint64_t)time(NULL) / TOTP_STEP_SECS, code);
	m = request(OP_AUTH_TOTP);
	msg_put_text(m, F_CODE, code);
	msg_destroy(ask(session, m, "the code"));
	reply = ask(session, request(OP_AUTH_DONE), "the login");
	if (!view_id(msg_view(reply), F_USER_ID, &s->user))
		must(LL_PROTO, "the login");
	open_vault(msg_view(reply), &a, vault_r);
	msg_destroy(reply);
	secret_finish(&a);
}

/* --- sending --- */

struct planned {
	struct id user;
	uint8_t seal_pk[KEY_BYTES], hash[HASH_BYTES];
	uint64_t generation;
};

static void
plan(struct chan *store, const char *to, struct planned *p_r)
{
	struct msg *m = request(OP_PLAN), *reply;
	struct tlv_view v, row;
	size_t at = 0;

	msg_put_text(m, F_ADDRESS, to);
	reply = ask(store, m, "the plan");
	v = msg_view(reply);
	if (!view_nest(v, F_RECIPIENT, &at, &row) ||
	    !view_id(row, F_USER_ID, &p_r->user))
		must(LL_NOTFOUND, "the recipient");
	memcpy(p_r->seal_pk, view_hash(row, F_SEAL_PK), KEY_BYTES);
	memcpy(p_r->hash, view_hash(v, F_PLAN_HASH), HASH_BYTES);
	p_r->generation = view_u64(row, F_GENERATION);
	msg_destroy(reply);
}

static void
put_object(struct msg *m, const struct envelope_object *o,
    const uint8_t *sealed)
{
	msg_begin(m, F_OBJECT);
	msg_put_id(m, F_OBJECT_ID, &o->id);
	msg_put_u64(m, F_OBJECT_KIND, o->kind);
	msg_put_u64(m, F_SEALED_BYTES, o->sealed_bytes);
	msg_put_bytes(m, F_HASH, o->hash, sizeof(o->hash));
	msg_put_bytes(m, F_DATA, sealed, (size_t)o->sealed_bytes);
	msg_end(m);
}

static void
put_readers(struct msg *m, const struct sender *s, const struct planned *p,
    const struct id *message, const uint8_t key[KEY_BYTES])
{
	const struct seal_context ctx = { .type = SEAL_HEADER,
	    .owner = p->user, .object = *message,
	    .generation = p->generation };
	uint8_t self[SEAL_WRAP_BYTES];
	uint8_t *wrap;
	size_t len;

	must(vault_self_wrap(s->vault, message, key, self), "a wrap");
	msg_put_bytes(m, F_SELF_WRAP, self, sizeof(self));
	must(seal_box(p->seal_pk, &ctx, key, KEY_BYTES, &wrap, &len),
	    "a wrap");
	msg_begin(m, F_RECIPIENT);
	msg_put_text(m, F_ADDRESS, s->to);
	msg_put_u64(m, F_ROUTE, ROUTE_INTERNAL);
	msg_put_bytes(m, F_WRAP, wrap, len);
	msg_put_u64(m, F_GENERATION, p->generation);
	msg_end(m);
	free(wrap);
}

/* Fills *e with everything but the body. */
static void
head(const struct sender *s, const struct planned *p, size_t n,
    struct envelope *e)
{
	char text[64], reader[3 + ID_TEXT];

	envelope_init(e);
	id_random(&e->message);
	e->thread = e->message;
	e->author = s->user;
	e->author_generation = vault_public(s->vault)->generation;
	e->date = (uint64_t)time(NULL);
	(void)snprintf(text, sizeof(text), "message %zu", n);
	must(envelope_set(&e->from, s->from), "a header");
	must(envelope_set(&e->subject, text), "a header");
	must(envelope_add(&e->to, &e->to_count, s->to), "a header");
	memcpy(reader, "u:", 2);
	id_text(&p->user, reader + 2);
	must(envelope_add(&e->readers, &e->reader_count, reader), "a header");
	id_text(&s->user, reader + 2);
	must(envelope_add(&e->readers, &e->reader_count, reader), "a header");
}

static void
send_one(const struct sender *s, const struct planned *p, size_t n)
{
	static const char body[BODY_BYTES] = { 'x' };
	struct envelope_object o = { .kind = OBJECT_BODY,
	    .plain_bytes = BODY_BYTES };
	char none[] = "", type[] = "text/plain";
	uint8_t key[KEY_BYTES], commitment[HASH_BYTES], manifest[HASH_BYTES];
	uint8_t *sealed, *header;
	size_t sealed_len, header_len;
	struct msg *m = request(OP_SEND);
	struct envelope e;

	head(s, p, n, &e);
	randombytes_buf(key, sizeof(key));
	id_random(&o.id);
	o.name = none;
	o.type = type;
	must(seal_object_buffer(key, &e.message, &o.id, o.kind, body,
	    BODY_BYTES, &sealed, &sealed_len, o.hash), "a body");
	o.sealed_bytes = sealed_len;
	must(envelope_add_object(&e, &o), "a header");
	must(seal_commitment(key, &e.message, commitment), "a commitment");
	must(envelope_manifest(&e, commitment, manifest), "a manifest");
	must(vault_sign_manifest(s->vault, manifest, e.signature), "a signature");
	e.is_signed = true;
	must(envelope_seal(&e, key, &header, &header_len), "a header");
	randombytes_buf(manifest, sizeof(manifest));
	msg_put_bytes(m, F_IDEMPOTENCY, manifest, sizeof(manifest));
	msg_put_id(m, F_MESSAGE_ID, &e.message);
	msg_put_id(m, F_THREAD_ID, &e.thread);
	msg_put_bytes(m, F_PLAN_HASH, p->hash, HASH_BYTES);
	msg_put_bytes(m, F_HEADER, header, header_len);
	msg_put_bytes(m, F_COMMITMENT, commitment, sizeof(commitment));
	msg_put_u64(m, F_GENERATION, e.author_generation);
	msg_put_u64(m, F_EXPIRES, 30);
	msg_put_u64(m, F_DELAY_SECS, 0);
	put_object(m, &o, sealed);
	put_readers(m, s, p, &e.message, key);
	msg_destroy(ask(s->store, m, "a message"));
	sodium_memzero(key, sizeof(key));
	free(sealed);
	free(header);
	envelope_finish(&e);
}

static void *
send_all(void *arg)
{
	const struct sender *s = arg;
	struct planned p;

	plan(s->store, s->to, &p);
	for (size_t i = 0; i < s->count; i++)
		send_one(s, &p, s->first + i);
	return NULL;
}

static struct chan *
worker(struct chan *session)
{
	struct msg *reply = ask(session, request(OP_WORKER_NEW), "a worker");
	struct chan *c;

	must(chan_create(msg_take_fd(reply, 0), &c), "a channel");
	msg_destroy(reply);
	return c;
}

/* Runs them all at once; the seconds it took. */
static double
run(struct sender *s, size_t n)
{
	struct timespec a, b;

	(void)clock_gettime(CLOCK_MONOTONIC, &a);
	for (size_t i = 0; i < n; i++)
		if (pthread_create(&s[i].thread, NULL, send_all, &s[i]) != 0)
			must(LL_NOMEM, "a thread");
	for (size_t i = 0; i < n; i++)
		(void)pthread_join(s[i].thread, NULL);
	(void)clock_gettime(CLOCK_MONOTONIC, &b);
	return (double)(b.tv_sec - a.tv_sec) +
	    (double)(b.tv_nsec - a.tv_nsec) / 1e9;
}

/* --- the two uses --- */

static size_t
number(const char *text, size_t most)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (n == 0 || n > most || *end != '\0')
		must(LL_USAGE, text);
	return (size_t)n;
}

static void
run_sends(const char *self, size_t senders, size_t count)
{
	static struct sender s[SENDERS_MAX];
	char data[] = "/var/tmp/ll-load-XXXXXX";
	struct load l = { .data = mkdtemp(data) };
	struct secret seed = SECRET_NONE;
	struct vault *vault = NULL;
	struct chan *local, *session;
	double secs;

	if (l.data == NULL)
		must(LL_IO, "a directory");
	must(secret_random(&l.pepper, KEY_BYTES), "a key");
	must(secret_random(&l.totp, KEY_BYTES), "a key");
	must(secret_random(&seed, TOTP_SEED_BYTES), "a seed");
	store_start(&l, self);
	local = store_channel(&l, PEER_LOCAL);
	user_add(local, "ada", &seed);
	user_add(local, "bob", &seed);
	session = store_channel(&l, PEER_SESSION);
	login(session, "bob", passphrase, &seed, &s[0], &vault);
	for (size_t i = 0; i < senders; i++) {
		s[i] = (struct sender){ .store = worker(session),
		    .user = s[0].user, .vault = vault, .count = count,
		    .from = "bob@house.example", .to = "ada@house.example" };
	}
	secs = run(s, senders);
	(void)printf("%zu messages of %zu senders in %.3f s: sends/s %.1f\n",
	    senders * count, senders, secs, (double)(senders * count) / secs);
	for (size_t i = 0; i < senders; i++)
		chan_destroy(s[i].store);
	chan_destroy(session);
	chan_destroy(local);
	vault_destroy(vault);
	secret_finish(&seed);
	store_stop(&l);
	(void)printf("data %s\n", l.data);
}

/* Reads one line of input into text, without its end. */
static void
line(char *text, int room)
{
	if (fgets(text, room, stdin) == NULL)
		must(LL_USAGE, "standard input");
	text[strcspn(text, "\n")] = '\0';
}

static void
run_fill(const char *self, const char *file, const char *sender,
    const char *recipient, size_t count)
{
	static struct sender s[8];
	char typed[KDF_INPUT_MAX], seed_text[TOTP_BASE32_MAX];
	char why[CONFIG_WHY], from[128], to[128];
	struct load l = { .data = NULL };
	struct secret root = SECRET_NONE, seed = SECRET_NONE;
	struct config c;
	struct vault *vault = NULL;
	struct chan *session;
	const size_t n = count < 100 ? 1 : 8;

	line(typed, sizeof(typed));
	line(seed_text, sizeof(seed_text));
	must(totp_parse(seed_text, &seed), "the TOTP secret");
	must(config_load(&c, file, why), why);
	l.data = config_text(&c, CONFIG_data);
	must(root_load(&c, &root, why), why);
	must(root_key(&root, LABEL_ROOT_PEPPER, &l.pepper), "a key");
	must(root_key(&root, LABEL_ROOT_TOTP, &l.totp), "a key");
	secret_finish(&root);
	store_start(&l, self);
	session = store_channel(&l, PEER_SESSION);
	login(session, sender, typed, &seed, &s[0], &vault);
	sodium_memzero(typed, sizeof(typed));
	(void)snprintf(from, sizeof(from), "%s@house.example", sender);
	(void)snprintf(to, sizeof(to), "%s@house.example", recipient);
	for (size_t i = 0; i < n; i++)
		s[i] = (struct sender){ .store = worker(session),
		    .user = s[0].user, .vault = vault, .from = from,
		    .to = to, .first = i * ((count - 1) / n),
		    .count = (count - 1) / n };
	if (s[0].count > 0)
		(void)run(s, n);
	/* the newest one is the last by name as well */
	s[0].first = n * ((count - 1) / n);
	s[0].count = count - s[0].first;
	(void)run(s, 1);
	for (size_t i = 0; i < n; i++)
		chan_destroy(s[i].store);
	chan_destroy(session);
	vault_destroy(vault);
	secret_finish(&seed);
	config_finish(&c);
	store_stop(&l);
}

int
main(int argc, char **argv)
{
	must(secret_setup(65536), "locked memory");
	if (argc == 4 && strcmp(argv[1], "sends") == 0) {
		run_sends(argv[0], number(argv[2], SENDERS_MAX),
		    number(argv[3], 1000000));
		return 0;
	}
	if (argc == 6 && strcmp(argv[1], "fill") == 0) {
		run_fill(argv[0], argv[2], argv[3], argv[4],
		    number(argv[5], 10000000));
		return 0;
	}
	(void)fprintf(stderr, "usage: load sends SENDERS COUNT | "
	    "load fill CONFIG SENDER RECIPIENT COUNT\n");
	return 2;
}
