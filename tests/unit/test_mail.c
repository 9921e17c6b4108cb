/*
 * Messages out of a store that lies: a child process plays session and store
 * and answers with what each case has prepared.
 */
#include "tests/unit/unit.h"

#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "keys/envelope.h"
#include "keys/seal.h"
#include "keys/vault.h"
#include "store/mail.h"

static const struct id me = { "reader 16 bytes" };
static const struct id author = { "author 16 bytes" };
static const struct id other = { "other  16 bytes" };

/* What is wrong with the message. */
enum lie {
	HONEST, NO_EMAIL, OTHER_SIGNER, OTHER_AUTHOR, OTHER_READERS,
	OTHER_EMAIL, NOT_SIGNED, OTHER_KEY, OTHER_COMMITMENT, OTHER_MESSAGE,
	CHANGED_HEADER, CHANGED_BODY, SHORT_BODY, SWAPPED_BODY, NO_KEY,
	FROM_OUTSIDE
};

/* One message as the played store gives it. */
struct given {
	enum lie lie;
	struct id message, objects[2];
	uint8_t key[KEY_BYTES], commitment[HASH_BYTES];
	uint8_t sign_pk[crypto_sign_PUBLICKEYBYTES];
	uint8_t *header;
	size_t header_len;
	uint8_t *sealed[2];      /* body, one attachment */
	size_t sealed_len[2];
};

/* --- making it --- */

static void
make_objects(struct given *g, struct envelope *e)
{
	static const char *const plain[2] = { "the body\n", "attached\n" };
	char name[] = "a.txt", none[] = "", type[] = "text/plain";
	struct envelope_object o;
	size_t i;

	for (i = 0; i < 2; i++) {
		memset(&o, 0, sizeof o);
		id_random(&o.id);
		g->objects[i] = o.id;
		o.kind = i ? OBJECT_ATTACHMENT : OBJECT_BODY;
		o.name = i ? name : none;
		o.type = type;
		o.plain_bytes = strlen(plain[i]);
		assert_ok(seal_object_buffer(g->key, &g->message, &o.id,
		    o.kind, plain[i], strlen(plain[i]), &g->sealed[i],
		    &g->sealed_len[i], o.hash));
		o.sealed_bytes = g->sealed_len[i];
		assert_ok(envelope_add_object(e, &o));
	}
}

static void
sign(struct given *g, struct envelope *e)
{
	uint8_t manifest[HASH_BYTES];
	struct vault_public pub;
	struct vault *v;

	assert_ok(vault_create(&author, 1, &v, &pub));
	memcpy(g->sign_pk, pub.sign_pk, sizeof g->sign_pk);
	assert_ok(envelope_manifest(e, g->commitment, manifest));
	assert_ok(vault_sign_manifest(v, manifest, e->signature));
	e->is_signed = g->lie != NOT_SIGNED && g->lie != FROM_OUTSIDE;
	vault_destroy(v);
}

static void
make(enum lie lie, struct given *g)
{
	char reader[ID_TEXT + 3] = "u:";
	struct envelope e;

	memset(g, 0, sizeof *g);
	g->lie = lie;
	id_random(&g->message);
	randombytes_buf(g->key, sizeof g->key);
	assert_ok(seal_commitment(g->key, &g->message, g->commitment));
	envelope_init(&e);
	e.message = g->message;
	e.thread = g->message;
	e.author = author;
	e.author_generation = 1;
	e.date = 1700000000;
	assert_ok(envelope_set(&e.from, "ada@house.example"));
	assert_ok(envelope_set(&e.from_name, "Ada"));
	assert_ok(envelope_set(&e.subject, "subject"));
	assert_ok(envelope_add(&e.to, &e.to_count, "bob@house.example"));
	id_text(lie == OTHER_READERS ? &other : &me, reader + 2);
	assert_ok(envelope_add(&e.readers, &e.reader_count, reader));
	make_objects(g, &e);
	sign(g, &e);
	assert_ok(envelope_seal(&e, g->key, &g->header, &g->header_len));
	envelope_finish(&e);
	if (lie == OTHER_SIGNER)
		g->sign_pk[0] ^= 1;
	if (lie == OTHER_KEY)
		g->key[0] ^= 1;
	if (lie == OTHER_COMMITMENT)
		g->commitment[0] ^= 1;
	if (lie == OTHER_MESSAGE)
		id_random(&g->message);
	if (lie == CHANGED_HEADER)
		g->header[g->header_len / 2] ^= 1;
	if (lie == CHANGED_BODY)
		g->sealed[0][30] ^= 1;
	if (lie == SHORT_BODY)
		g->sealed_len[0]--;
}

static void
given_finish(struct given *g)
{
	free(g->header);
	free(g->sealed[0]);
	free(g->sealed[1]);
}

/* --- playing the house --- */

static void
put_fetched(const struct given *g, struct msg *m)
{
	static const uint8_t wrap[16];
	size_t i, data;

	msg_begin(m, F_ROW);
	msg_put_u64(m, F_SEQUENCE, 1);
	msg_put_id(m, F_MESSAGE_ID, &g->message);
	msg_put_u64(m, F_FOLDER, FOLDER_INBOX);
	msg_put_u64(m, F_UNREAD, 1);
	msg_put_u64(m, F_TIME, 1700000001);
	if (g->lie != NO_KEY)
		msg_put_bytes(m, F_SELF_WRAP, wrap, sizeof wrap);
	msg_put_bytes(m, F_HEADER, g->header, g->header_len);
	msg_put_bytes(m, F_COMMITMENT, g->commitment, HASH_BYTES);
	msg_end(m);
	for (i = 0; i < 2; i++) {
		data = g->lie == SWAPPED_BODY ? 1 - i : i;
		msg_begin(m, F_OBJECT);
		msg_put_id(m, F_OBJECT_ID, &g->objects[i]);
		msg_put_u64(m, F_OBJECT_KIND, i);
		msg_put_bytes(m, F_DATA, g->sealed[data],
		    g->sealed_len[data]);
		msg_end(m);
	}
	if (g->lie == FROM_OUTSIDE)
		return;
	msg_put_id(m, F_AUTHOR_ID, g->lie == OTHER_AUTHOR ? &other :
	    &author);
	if (g->lie != NO_EMAIL)
		msg_put_text(m, F_EMAIL, g->lie == OTHER_EMAIL ?
		    "eve@house.example" : "Ada@house.example");
	msg_put_bytes(m, F_SIGN_PK, g->sign_pk, sizeof g->sign_pk);
}

static void
fill(const struct given *g, struct msg *m, int *store_fd)
{
	int fds[2];

	switch (msg_op(m)) {
	case OP_AGENT_HELLO:
		if (chan_pair(fds))
			_exit(1);
		msg_put_fd(m, fds[1]);
		*store_fd = fds[0];
		break;
	case OP_AGENT_KEYS:
		msg_begin(m, F_ROW);
		msg_put_u64(m, F_RESULT, LL_OK);
		msg_put_bytes(m, F_SECRET, g->key, KEY_BYTES);
		msg_end(m);
		break;
	case OP_WHOAMI:
		msg_put_id(m, F_USER_ID, &me);
		break;
	case OP_FETCH:
	case OP_LIST:
		put_fetched(g, m);
		break;
	default:
		break;
	}
}

static void
play(int fd, const struct given *g)
{
	struct chan *agent, *store = NULL, *from;
	struct msg *q, *reply;
	struct pollfd p[2];
	int store_fd = -1;

	(void)alarm(20);
	if (chan_create(fd, &agent))
		_exit(1);
	for (;;) {
		p[0].fd = chan_fd(agent);
		p[1].fd = store ? chan_fd(store) : -1;
		p[0].events = p[1].events = POLLIN;
		(void)poll(p, 2, -1);
		from = p[0].revents ? agent : store;
		if (chan_recv(from, &q))
			_exit(0);
		if (msg_reply(q, LL_OK, &reply))
			_exit(1);
		fill(g, reply, &store_fd);
		msg_destroy(q);
		if (chan_send(from, reply))
			_exit(0);
		if (store_fd >= 0 && !store && chan_create(store_fd, &store))
			_exit(1);
	}
}

static struct desk *
open_house(const struct given *g, pid_t *pid_r)
{
	struct desk *d;
	int fds[2];

	assert_ok(chan_pair(fds));
	*pid_r = fork();
	assert_true(*pid_r >= 0);
	if (*pid_r == 0) {
		(void)close(fds[1]);
		play(fds[0], g);
	}
	(void)close(fds[0]);
	assert_ok(desk_open(fds[1], &d));
	return d;
}

/* --- the cases --- */

struct row {
	enum lie lie;
	enum ll_result fetch, body;
	bool valid;
	const char *signer;
};

#define ADA "Ada@house.example"

static const struct row rows[] = {
	{ HONEST, LL_OK, LL_OK, true, "ada@house.example" },
	{ NO_EMAIL, LL_OK, LL_OK, true, "ada@house.example" },
	{ OTHER_SIGNER, LL_OK, LL_OK, false, ADA },
	{ OTHER_AUTHOR, LL_OK, LL_OK, false, ADA },
	{ OTHER_READERS, LL_OK, LL_OK, false, ADA },
	{ OTHER_EMAIL, LL_OK, LL_OK, false, "eve@house.example" },
	/* one of our own that is not signed did not come by a web link */
	{ NOT_SIGNED, LL_OK, LL_OK, false, ADA },
	{ FROM_OUTSIDE, LL_OK, LL_OK, false, "" },
	{ OTHER_KEY, LL_AUTH, LL_OK, false, NULL },
	{ OTHER_COMMITMENT, LL_AUTH, LL_OK, false, NULL },
	{ OTHER_MESSAGE, LL_AUTH, LL_OK, false, NULL },
	{ CHANGED_HEADER, LL_AUTH, LL_OK, false, NULL },
	{ CHANGED_BODY, LL_OK, LL_AUTH, true, "ada@house.example" },
	{ SHORT_BODY, LL_OK, LL_AUTH, true, "ada@house.example" },
	{ SWAPPED_BODY, LL_OK, LL_AUTH, true, "ada@house.example" },
	{ NO_KEY, LL_GONE, LL_OK, false, NULL },
};

static void
check(const struct row *row)
{
	struct mail_page page;
	struct given g;
	struct mail m;
	struct desk *d;
	char *text;
	size_t len;
	pid_t pid;
	int status;

	make(row->lie, &g);
	d = open_house(&g, &pid);
	assert_result(mail_fetch(d, &g.message, &m), row->fetch);
	if (row->fetch == LL_OK) {
		assert_int_equal(m.valid, row->valid);
		assert_int_equal(m.is_signed, row->lie != NOT_SIGNED &&
		    row->lie != FROM_OUTSIDE);
		assert_string_equal(mail_signer(&m), row->signer);
		assert_string_equal(m.row.envelope.subject, "subject");
		assert_result(mail_read(d, &m, 0, &text, &len), row->body);
		if (row->body == LL_OK)
			assert_string_equal(text, "the body\n");
		else
			assert_null(text);
		free(text);
		assert_result(mail_read(d, &m, 2, &text, &len), LL_NOTFOUND);
	}
	mail_finish(&m);
	/* A list shows what does not open as such and goes on. */
	assert_ok(mail_list(d, FOLDER_INBOX, 0, 10, &page));
	assert_int_equal(page.count, 1);
	assert_result(page.rows[0].result, row->fetch);
	mail_page_finish(&page);
	desk_close(d);
	(void)kill(pid, SIGTERM);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	given_finish(&g);
}

static void
what_the_store_changed_is_noticed(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < sizeof rows / sizeof *rows; i++)
		check(&rows[i]);
}

static int
setup(void **state)
{
	(void)state;
	(void)signal(SIGPIPE, SIG_IGN);
	return secret_setup(65536) != LL_OK;
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_the_store_changed_is_noticed),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
