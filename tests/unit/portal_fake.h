/*
 * portal_fake.h - a portal on a loopback port, with one message in a store
 * that is played by a thread.
 */
#ifndef LL_PORTAL_FAKE_H
#define LL_PORTAL_FAKE_H

#include "tests/unit/unit.h"

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "keys/envelope.h"
#include "keys/muc.h"
#include "keys/seal.h"
#include "server/portal.h"
#include "store/kind.h"

#define SUBJECT "Fees <& more>"
#define BODY "Dear Bob,\n<b>not bold</b>\x1b[31m\n"

/* One message behind one link, and what was asked about it. */
static struct {
	struct id locator, secret, message, delivery, body, file, author;
	struct id reply_id;
	char code[MUC_TEXT + 1];
	struct secret key;
	uint8_t hash[HASH_BYTES], proof[HASH_BYTES], pepper[KEY_BYTES];
	uint8_t wrap[SEAL_WRAP_BYTES], token[HASH_BYTES];
	uint8_t commitment[HASH_BYTES], pk[32], sk[32];
	uint8_t sign_pk[32], sign_sk[64];
	uint8_t *header, *sealed_body, *sealed_file;
	size_t header_len, body_len, file_len;
	enum link_state state;
	enum ll_result try_result, lease_result;
	unsigned tries, reads, replies, blobs, ends, commits, drops;
	unsigned leased, leases;   /* now, ever */
	unsigned cancels, proofs;
	char origin[ORIGIN_MAX];   /* of the last try */
	int blob;
	struct msg *reply;
} fake;

static struct portal x;
static uint16_t port;
static char file_text[150000];

static void
seal_message(void)
{
	struct seal_context ctx = { .type = SEAL_LINK };
	struct envelope_object o = { .name = (char[]){ "../r\xc3\xa9sum\xc3"
	    "\xa9.pdf" }, .type = (char[]){ "application/pdf" } };
	struct envelope_object body = { .name = (char[]){ "" },
	    .type = (char[]){ "text/plain" } };
	char author[ID_TEXT + 3] = "u:";
	struct secret stretched, kek;
	struct envelope e;
	char code[MUC_SYMBOLS + 1];

	envelope_init(&e);
	e.message = e.thread = fake.message;
	e.author = fake.author;
	e.author_generation = 1;
	e.date = 1789000000;
	assert_ok(envelope_set(&e.from, "ada@clinic.example"));
	assert_ok(envelope_set(&e.from_name, "Ada \"A\" Example"));
	assert_ok(envelope_set(&e.subject, SUBJECT));
	assert_ok(envelope_add(&e.to, &e.to_count, "bob@out.example"));
	id_text(&fake.author, author + 2);
	assert_ok(envelope_add(&e.readers, &e.reader_count, author));
	assert_ok(seal_object_buffer(fake.key.data, &fake.message, &fake.file,
	    OBJECT_ATTACHMENT, file_text, sizeof(file_text),
	    &fake.sealed_file, &fake.file_len, o.hash));
	o.id = fake.file;
	o.kind = OBJECT_ATTACHMENT;
	o.plain_bytes = sizeof(file_text);
	o.sealed_bytes = fake.file_len;
	assert_ok(seal_object_buffer(fake.key.data, &fake.message, &fake.body,
	    OBJECT_BODY, BODY, strlen(BODY), &fake.sealed_body,
	    &fake.body_len, body.hash));
	body.id = fake.body;
	body.plain_bytes = strlen(BODY);
	body.sealed_bytes = fake.body_len;
	assert_ok(envelope_add_object(&e, &body));
	assert_ok(envelope_add_object(&e, &o));
	assert_ok(seal_commitment(fake.key.data, &fake.message,
	    fake.commitment));
	/* Not signed: the page has to say so. */
	e.is_signed = false;
	assert_ok(envelope_seal(&e, fake.key.data, &fake.header,
	    &fake.header_len));
	envelope_finish(&e);
	link_locator_hash(&fake.locator, fake.hash);
	assert_ok(muc_parse(fake.code, code));
	assert_ok(link_stretch(code, fake.hash, 1, 1, &stretched));
	assert_ok(link_proof(&fake.secret, &stretched, fake.proof));
	assert_ok(link_key(fake.pepper, &fake.secret, &stretched, &kek));
	memcpy(ctx.owner.b, fake.hash, ID_BYTES);
	ctx.object = fake.message;
	assert_ok(seal_wrap_key(kek.data, &ctx, fake.key.data, fake.wrap));
	secret_finish(&stretched);
	secret_finish(&kek);
}

static void
put_proved(struct msg *m)
{
	msg_put_bytes(m, F_PEPPER, fake.pepper, KEY_BYTES);
	msg_put_bytes(m, F_WRAP, fake.wrap, sizeof(fake.wrap));
	msg_put_bytes(m, F_TOKEN, fake.token, HASH_BYTES);
	msg_put_id(m, F_MESSAGE_ID, &fake.message);
	msg_put_id(m, F_DELIVERY_ID, &fake.delivery);
	msg_put_text(m, F_ADDRESS, "bob@out.example");
}

static void
put_fetched(struct msg *m)
{
	msg_put_bytes(m, F_HEADER, fake.header, fake.header_len);
	msg_put_bytes(m, F_COMMITMENT, fake.commitment, HASH_BYTES);
	msg_put_bytes(m, F_SIGN_PK, fake.sign_pk, HASH_BYTES);
	msg_put_id(m, F_USER_ID, &fake.author);
	msg_put_text(m, F_EMAIL, "ada@clinic.example");
	msg_put_text(m, F_NAME, "Ada Example");
	msg_put_bytes(m, F_SEAL_PK, fake.pk, HASH_BYTES);
	msg_put_u64(m, F_GENERATION, 1);
	msg_put_text(m, F_ADDRESS, "bob@out.example");
	msg_put_u64(m, F_STATE, STATE_OPENED);
	msg_put_u64(m, F_LIMIT, 200000);
	msg_put_u64(m, F_EXPIRES, 1900000000);
	msg_put_id(m, F_THREAD_ID, &fake.message);
}

static int
memory_file(const void *p, size_t len)
{
	int fd = memfd_create("blob", MFD_CLOEXEC);

	if (fd >= 0 && len > 0 && (write(fd, p, len) != (ssize_t)len ||
	    lseek(fd, 0, SEEK_SET) != 0))
		abort();
	return fd;
}

static enum ll_result
judge(const struct msg *m)
{
	struct tlv_view v = msg_view(m);

	if (msg_op(m) == OP_KDF_LEASE) {
		fake.leases++;
		fake.leased += fake.lease_result == LL_OK;
		return fake.lease_result;
	}
	fake.leased -= msg_op(m) == OP_KDF_RELEASE;
	fake.cancels += msg_op(m) == OP_LINK_CANCEL;
	fake.proofs += msg_op(m) == OP_LINK_PROVE;
	if (msg_op(m) == OP_LINK_TRY) {
		fake.tries++;
		snprintf(fake.origin, sizeof(fake.origin), "%s",
		    view_text(v, F_ORIGIN));
		return fake.try_result;
	}
	if (msg_op(m) == OP_LINK_PROVE && !derive_equal(fake.proof,
	    view_hash(v, F_PROOF), HASH_BYTES))
		return LL_AUTH;
	if (msg_op(m) >= OP_PORTAL_FETCH && msg_op(m) <= OP_PORTAL_END &&
	    memcmp(view_hash(v, F_TOKEN), fake.token, HASH_BYTES) != 0)
		return LL_AUTH;
	return LL_OK;
}

static void
fill(const struct msg *m, struct msg *out)
{
	struct id id;

	switch (msg_op(m)) {
	case OP_LINK_LOOK:
		msg_put_u64(out, F_STATE, fake.state);
		break;
	case OP_LINK_TRY:
		msg_put_id(out, F_TRY_ID, &fake.message);
		msg_put_u64(out, F_MEMORY_MIB, 1);
		msg_put_u64(out, F_PASSES, 1);
		break;
	case OP_LINK_PROVE:
		put_proved(out);
		break;
	case OP_PORTAL_FETCH:
		put_fetched(out);
		break;
	case OP_PORTAL_OBJECT:
		if (view_id(msg_view(m), F_OBJECT_ID, &id) &&
		    id_equal(&id, &fake.file))
			msg_put_fd(out, memory_file(fake.sealed_file,
			    fake.file_len));
		else
			msg_put_bytes(out, F_DATA, fake.sealed_body,
			    fake.body_len);
		break;
	case OP_PORTAL_BLOB:
		id_random(&id);
		fake.blobs++;
		fake.blob = memory_file(NULL, 0);
		msg_put_id(out, F_OBJECT_ID, &id);
		msg_put_fd(out, dup(fake.blob));
		break;
	default:
		break;
	}
}

/* Counted before the answer goes, so that the asker sees it. */
static void
note(struct msg *m)
{
	if (msg_op(m) == OP_PORTAL_READ)
		__atomic_add_fetch(&fake.reads, 1, __ATOMIC_SEQ_CST);
	fake.ends += msg_op(m) == OP_PORTAL_END;
	fake.commits += msg_op(m) == OP_PORTAL_COMMIT;
	fake.drops += msg_op(m) == OP_PORTAL_DROP;
	if (msg_op(m) != OP_PORTAL_REPLY)
		return;
	fake.replies++;
	msg_destroy(fake.reply);
	fake.reply = m;
}

static void *
store_main(void *arg)
{
	struct chan *c = arg;
	struct msg *m, *out;

	while (chan_wait(c, -1, &m) == LL_OK) {
		enum ll_result r = judge(m);

		if (msg_reply(m, r, &out) != LL_OK)
			abort();
		if (r == LL_OK)
			fill(m, out);
		note(m);
		if (chan_send(c, out) != LL_OK)
			break;
		if (m != fake.reply)
			msg_destroy(m);
	}
	chan_destroy(c);
	return NULL;
}

static void *
pump_main(void *arg)
{
	struct pollfd p[2];

	(void)arg;
	while (!x.stop) {
		portal_store_poll(x.store, p);
		if (poll(p, 2, 50) > 0)
			portal_store_pump(x.store, p);
	}
	return NULL;
}

static void
no_sweep(void *arg)
{
	(void)arg;
}

static void
play_store(void)
{
	pthread_t thread;
	struct chan *c;
	int fds[2];

	assert_ok(chan_pair(fds));
	assert_ok(chan_create(fds[1], &c));
	assert_int_equal(pthread_create(&thread, NULL, store_main, c), 0);
	pthread_detach(thread);
	portal_store_attach(x.store, fds[0]);
}

static int
portal_fake_set_up(void **state)
{
	struct sockaddr_in a = { .sin_family = AF_INET };
	socklen_t len = sizeof(a);
	pthread_t thread;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(file_text); i++)
		file_text[i] = (char)(i * 31 + i / 251);
	id_random(&fake.locator);
	id_random(&fake.secret);
	id_random(&fake.message);
	id_random(&fake.delivery);
	id_random(&fake.body);
	id_random(&fake.file);
	id_random(&fake.author);
	muc_create(fake.code);
	randombytes_buf(fake.pepper, sizeof(fake.pepper));
	randombytes_buf(fake.token, sizeof(fake.token));
	crypto_box_keypair(fake.pk, fake.sk);
	crypto_sign_keypair(fake.sign_pk, fake.sign_sk);
	assert_ok(secret_random(&fake.key, KEY_BYTES));
	assert_ok(secret_random(&x.key, KEY_BYTES));
	fake.state = LINK_OPEN;
	seal_message();
	x.org = "Clinic <1>";
	assert_ok(portal_store_create(&x.store));
	assert_ok(portal_store_create(&x.master));
	portal_store_stop(x.master);
	assert_ok(sessions_create(&x.sessions));
	assert_ok(conns_create(no_sweep, NULL, 64, &x.conns));
	assert_int_equal(pthread_create(&thread, NULL, pump_main, NULL), 0);
	pthread_detach(thread);
	play_store();
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	x.listen[0] = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(bind(x.listen[0], (void *)&a, sizeof(a)), 0);
	assert_int_equal(listen(x.listen[0], 16), 0);
	assert_int_equal(getsockname(x.listen[0], (void *)&a, &len), 0);
	port = ntohs(a.sin_port);
	x.daemon[0] = MHD_start_daemon(MHD_USE_THREAD_PER_CONNECTION |
	    MHD_USE_INTERNAL_POLLING_THREAD, 0, NULL, NULL, http_access, &x,
	    MHD_OPTION_LISTEN_SOCKET, x.listen[0],
	    MHD_OPTION_NOTIFY_COMPLETED, http_completed, &x,
	    MHD_OPTION_NOTIFY_CONNECTION, http_connection, &x,
	    MHD_OPTION_END);
	return x.daemon[0] == NULL;
}

#endif
