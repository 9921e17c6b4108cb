/*
 * Requests as a taken-over program would write them: the bytes go through a
 * real channel into the real handlers, as each kind of peer, over a database
 * that has a user and a message.  Nothing may crash, and nothing may break the
 * database.
 */
#include <poll.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "store/group.h"
#include "store/route.h"
#include "store/serve.h"
#include "store/setup.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static struct store s = { .data = -1, .blobs = -1, .lock = -1 };
static const enum peer_role roles[] = { PEER_DAEMON, PEER_SESSION,
    PEER_SESSION, PEER_WORKER, PEER_WORKER, PEER_RELAY, PEER_PORTAL,
    PEER_LOCAL, PEER_INTAKE };
#define PEERS (sizeof(roles) / sizeof(roles[0]))

/* A user with id 1111..., a message 2222... to itself, a link 3333... */
static const char *const content[] = {
	"PRAGMA synchronous = OFF",
	"INSERT INTO users (user, login, email, name, role, state, created,"
	" generation) VALUES (x'31313131313131313131313131313131', 'ada',"
	" 'ada@example.test', 'Ada', 1, 2, 1, 1)",
	"INSERT INTO vaults VALUES (x'31313131313131313131313131313131', 1,"
	" zeroblob(32), zeroblob(32), zeroblob(137))",
	"INSERT INTO messages (message, thread, author, author_generation,"
	" time, expires, header, commitment) VALUES"
	" (x'32323232323232323232323232323232',"
	" x'32323232323232323232323232323232',"
	" x'31313131313131313131313131313131', 1, 1, 0, zeroblob(100),"
	" zeroblob(32))",
	"INSERT INTO boxes (user, message, thread, folder, unread, time,"
	" self_wrap, generation) VALUES (x'31313131313131313131313131313131',"
	" x'32323232323232323232323232323232',"
	" x'32323232323232323232323232323232', 2, 0, 1, zeroblob(105), 1)",
	"INSERT INTO deliveries (delivery, message, author, position, address,"
	" route, state, reason, not_before, expires, generation) VALUES"
	" (x'33333333333333333333333333333333',"
	" x'32323232323232323232323232323232',"
	" x'31313131313131313131313131313131', 0, 'carol@outside.test', 3, 3,"
	" '', 1, 0, 0)",
	"INSERT INTO links (locator, delivery, state, verifier, wrap,"
	" memory_mib, passes, pair_generation, created) VALUES"
	" (x'3434343434343434343434343434343434343434343434343434343434343434'"
	", x'33333333333333333333333333333333', 1, zeroblob(32),"
	" zeroblob(105), 8, 1, 1, 1)",
	/* keys of k@o.x: one in use, one changed, one of the domain; a mail */
	"INSERT INTO mail_keys (user, format, fingerprint, generation, sealed,"
	" public, certificate, algorithm, created) VALUES"
	" (x'31313131313131313131313131313131', 2, 'aa', 1, zeroblob(9),"
	" zeroblob(9), zeroblob(9), '', 1)",
	"INSERT INTO peer_keys VALUES (x'31313131313131313131313131313131',"
	" 'k@o.x', 1, '11111111', zeroblob(9), '', 1, 0, 1, 0, 0, 1, 1),"
	" (x'31313131313131313131313131313131', 'k@o.x', 1, '22222222',"
	" zeroblob(9), '', 1, 0, 5, 0, 1, 0, 2), (zeroblob(16), '@o.x', 2,"
	" '33333333', zeroblob(9), '', 1, 0, 2, 1, 0, 1, 1)",
	"INSERT INTO queue_keys VALUES (20000, zeroblob(32), zeroblob(80))",
	"INSERT INTO objects (object, message, owner, kind, position,"
	" sealed_bytes, hash, created, data) VALUES"
	" (x'35353535353535353535353535353535',"
	" x'32323232323232323232323232323232',"
	" x'31313131313131313131313131313131', 2, 1, 9, zeroblob(32), 1,"
	" zeroblob(9))",
	"INSERT INTO deliveries (delivery, message, author, position, address,"
	" route, state, reason, not_before, expires, generation) VALUES"
	" (x'36363636363636363636363636363636',"
	" x'32323232323232323232323232323232',"
	" x'31313131313131313131313131313131', 1, 'k@o.x', 5, 3, '', 1, 0,"
	" 0)",
	"INSERT INTO queue (queue, delivery, address, payload, day, mail_id,"
	" created, next, route, blob) VALUES"
	" (x'37373737373737373737373737373737',"
	" x'36363636363636363636363636363636', 'k@o.x', zeroblob(9), 20000,"
	" 'm@o.x', 1, 1, 5, x'35353535353535353535353535353535')",
};

static void
begin(void)
{
	static char dir[] = "/tmp/ll-fuzz-XXXXXX";
	const char *why = "";
	size_t i;

	if (secret_setup(65536) != LL_OK || mkdtemp(dir) == NULL)
		abort();
	(void)snprintf(s.path, sizeof(s.path), "%s", dir);
	s.undo_secs = 30;
	s.attachment_max = s.quota = 1 << 20;
	s.kdf_memory_mib = s.muc_memory_mib = 8;
	s.kdf_passes = 1;
	s.kdf_runs = 2;
	s.floors[CLASS_NORMAL] = route_floor(CLASS_NORMAL);
	s.floors[CLASS_CONFIDENTIAL] = route_floor(CLASS_CONFIDENTIAL);
	s.floors[CLASS_REGISTERED] = route_floor(CLASS_REGISTERED);
	(void)snprintf(s.tls_domains, sizeof(s.tls_domains), "t.x u.x=mx.x");
	s.search = 1u << LOOKUP_WKD | 1u << LOOKUP_SERVER | 1u << LOOKUP_TLS;
	if (secret_random(&s.pepper, 32) != LL_OK ||
	    secret_random(&s.totp_key, 32) != LL_OK ||
	    setup_open(&s, &why) != LL_OK) {
		(void)fprintf(stderr, "%s\n", why);
		abort();
	}
	for (i = 0; i < sizeof(content) / sizeof(content[0]); i++)
		if (sqlite3_exec(db_handle(s.db), content[i], NULL, NULL,
		    NULL) != SQLITE_OK) {
			(void)fprintf(stderr, "%s: %s\n", content[i],
			    sqlite3_errmsg(db_handle(s.db)));
			abort();
		}
}

static void
dress(struct peer *p, size_t kind)
{
	if (kind < 2 || kind > 4)
		return;
	p->bound = true;
	memset(&p->user, 0x31, sizeof(p->user));
	p->user_role = kind == 4 ? ROLE_ADMIN : ROLE_STAFF;
}

/* Frames: u16 length, u16 operation, fields. */
static void
feed(int fd, const uint8_t *data, size_t len)
{
	uint8_t head[MSG_HEAD];
	size_t n;

	while (len >= 4) {
		n = (size_t)data[0] << 8 | data[1];
		if (n > len - 4)
			n = len - 4;
		memset(head, 0, sizeof(head));
		head[2] = (uint8_t)((n + 12) >> 8);
		head[3] = (uint8_t)(n + 12);
		head[4] = MSG_VERSION;
		head[5] = MSG_REQUEST;
		head[7] = data[3];
		if (write(fd, head, sizeof(head)) < 0 ||
		    write(fd, data + 4, n) < 0)
			return;
		data += n + 4;
		len -= n + 4;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static int ready;
	struct peer *p;
	size_t kind;
	int fds[2];

	if (!ready)
		begin();
	ready = 1;
	if (len < 1 || len > 60000)
		return 0;
	kind = data[0] % PEERS;
	if (chan_pair(fds) != LL_OK ||
	    serve_add(&s, fds[0], roles[kind], &p) != LL_OK)
		abort();
	dress(p, kind);
	(void)setsockopt(fds[1], SOL_SOCKET, SO_SNDBUF, &(int){ 262144 },
	    sizeof(int));
	feed(fds[1], data + 1, len - 1);
	serve_ready(p, fds[0], POLLIN);
	serve_after(&s);
	(void)close(fds[1]);
	for (p = s.peers; p != NULL; p = p->next)
		serve_drop(p);
	serve_after(&s);
	if (s.peers != NULL)
		abort();
	return 0;
}
