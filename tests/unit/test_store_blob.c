/*
 * Attachments as files, the quota, and the backup that takes them along.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "keys/seal.h"
#include "keys/secret.h"
#include "tests/unit/storekit.h"

#define QUOTA (300 * 1024)
#define LIMIT_BYTES (200 * 1024)

static struct kit kit;
static struct kit_user ada, eve;

static int
set_up(void **state)
{
	(void)state;
	kit.quota = QUOTA;
	kit.attachment_max = LIMIT_BYTES;
	kit_begin(&kit);
	kit_user(&kit, "ada", ROLE_STAFF, &ada);
	kit_user(&kit, "eve", ROLE_STAFF, &eve);
	kit_login(&kit, &ada);
	kit_login(&kit, &eve);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	kit_logout(&ada);
	kit_logout(&eve);
	kit_end(&kit);
	return 0;
}

static void
put_draft(const struct id *message)
{
	struct msg *m = kit_request(OP_DRAFT_PUT);
	uint8_t wrap[80] = { 1 };

	msg_put_id(m, F_MESSAGE_ID, message);
	msg_put_bytes(m, F_WRAP, wrap, sizeof(wrap));
	msg_put_bytes(m, F_DRAFT, wrap, sizeof(wrap));
	assert_int_equal(kit_ask(ada.worker, m, NULL), LL_OK);
}

static enum ll_result
begin(struct kit_user *u, const struct id *message, uint64_t bytes, int *fd_r,
    struct id *object_r)
{
	struct msg *m = kit_request(OP_BLOB_NEW), *reply;
	enum ll_result r;

	msg_put_id(m, F_MESSAGE_ID, message);
	msg_put_u64(m, F_SEALED_BYTES, bytes);
	r = kit_ask(u->worker, m, &reply);
	*fd_r = msg_take_fd(reply, 0);
	if (r == LL_OK)
		assert_true(view_id(msg_view(reply), F_OBJECT_ID, object_r));
	msg_destroy(reply);
	return r;
}

static void
fill(int fd, uint64_t bytes)
{
	static const uint8_t block[1024] = { 0xab };

	for (; bytes >= sizeof(block); bytes -= sizeof(block))
		assert_int_equal(write(fd, block, sizeof(block)), 1024);
	assert_int_equal(fsync(fd), 0);
}

static enum ll_result
commit(struct kit_user *u, const struct id *message, const struct id *object,
    uint64_t bytes)
{
	struct msg *m = kit_request(OP_BLOB_COMMIT);
	uint8_t hash[32] = { 6 };

	msg_put_id(m, F_MESSAGE_ID, message);
	msg_put_id(m, F_OBJECT_ID, object);
	msg_put_u64(m, F_SEALED_BYTES, bytes);
	msg_put_u64(m, F_OBJECT_KIND, OBJECT_ATTACHMENT);
	msg_put_bytes(m, F_HASH, hash, 32);
	return kit_ask(u->worker, m, NULL);
}

static enum ll_result
upload(const struct id *message, uint64_t bytes, struct id *object_r)
{
	enum ll_result r;
	int fd;

	r = begin(&ada, message, bytes, &fd, object_r);
	if (r != LL_OK)
		return r;
	fill(fd, bytes);
	(void)close(fd);
	return commit(&ada, message, object_r, bytes);
}

static enum ll_result
open_object(struct kit_user *u, const struct id *message,
    const struct id *object, int *fd_r)
{
	struct msg *m = kit_request(OP_OBJECT_OPEN), *reply;
	enum ll_result r;

	msg_put_id(m, F_MESSAGE_ID, message);
	msg_put_id(m, F_OBJECT_ID, object);
	r = kit_ask(u->worker, m, &reply);
	*fd_r = msg_take_fd(reply, 0);
	msg_destroy(reply);
	return r;
}

static void
blob_path(const struct id *object, const char *at, char path[160])
{
	char text[ID_TEXT + 1];

	id_text(object, text);
	(void)snprintf(path, 160, "%s/%s/%.2s/%s", kit.dir, at, text, text);
}

static enum ll_result
delete_draft(const struct id *message)
{
	struct msg *m = kit_request(OP_DRAFT_DELETE);

	msg_put_id(m, F_MESSAGE_ID, message);
	return kit_ask(ada.worker, m, NULL);
}

static void
goes_in_and_out(void **state)
{
	struct id draft, object;
	char path[160];
	struct stat st;
	int fd;

	(void)state;
	id_random(&draft);
	put_draft(&draft);
	assert_int_equal(upload(&draft, 100 * 1024, &object), LL_OK);
	blob_path(&object, "blobs", path);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, 100 * 1024);
	assert_int_equal(open_object(&ada, &draft, &object, &fd), LL_OK);
	assert_true(fd >= 0);
	assert_int_equal(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDONLY);
	(void)close(fd);
	assert_int_equal(open_object(&eve, &draft, &object, &fd),
	    LL_NOTFOUND);
	assert_int_equal(delete_draft(&draft), LL_OK);
	assert_int_equal(stat(path, &st), -1);
}

static void
limits_hold(void **state)
{
	struct id draft, object;
	int fd;

	(void)state;
	id_random(&draft);
	put_draft(&draft);
	assert_int_equal(begin(&ada, &draft, 300 * 1024, &fd, &object),
	    LL_TOOBIG);
	/* what was promised small must not end large */
	assert_int_equal(begin(&ada, &draft, 24, &fd, &object), LL_OK);
	fill(fd, 290 * 1024);
	(void)close(fd);
	assert_int_equal(commit(&ada, &draft, &object, 290 * 1024),
	    LL_TOOBIG);
	assert_int_equal(upload(&draft, 190 * 1024, &object), LL_OK);
	assert_int_equal(begin(&ada, &draft, 150 * 1024, &fd, &object),
	    LL_FULL);
	assert_int_equal(begin(&ada, &draft, 24, &fd, &object), LL_OK);
	fill(fd, 150 * 1024);
	(void)close(fd);
	assert_int_equal(commit(&ada, &draft, &object, 150 * 1024), LL_FULL);
	assert_int_equal(delete_draft(&draft), LL_OK);
	assert_int_equal(upload(&draft, 190 * 1024, &object), LL_OK);
	put_draft(&draft);
	assert_int_equal(delete_draft(&draft), LL_OK);
}

static void
lies_are_refused(void **state)
{
	struct id draft, object, other;
	int fd;

	(void)state;
	id_random(&draft);
	put_draft(&draft);
	assert_int_equal(begin(&ada, &draft, 2048, &fd, &object), LL_OK);
	fill(fd, 2048);
	(void)close(fd);
	assert_int_equal(commit(&ada, &draft, &object, 1024), LL_CONFLICT);
	id_random(&other);
	assert_int_equal(commit(&ada, &other, &object, 2048), LL_NOTFOUND);
	assert_int_equal(commit(&eve, &other, &object, 2048), LL_NOTFOUND);
	assert_int_equal(begin(&eve, &draft, 2048, &fd, &other), LL_CONFLICT);
	assert_int_equal(commit(&ada, &draft, &object, 2048), LL_OK);
	assert_int_equal(commit(&ada, &draft, &object, 2048), LL_NOTFOUND);
	assert_int_equal(delete_draft(&draft), LL_OK);
}

/* A file that no row names goes at the next start; named ones stay. */
static void
orphans_go(void **state)
{
	struct id draft, object, orphan;
	char path[160], kept[160];
	struct stat st;
	int fd;

	(void)state;
	id_random(&draft);
	put_draft(&draft);
	assert_int_equal(upload(&draft, 8192, &object), LL_OK);
	orphan = object;
	orphan.b[15] ^= 1;
	blob_path(&orphan, "blobs", path);
	blob_path(&object, "blobs", kept);
	fd = open(path, O_CREAT | O_WRONLY, 0600);
	assert_true(fd >= 0);
	(void)close(fd);
	kit_logout(&ada);
	kit_logout(&eve);
	kit_kill(&kit);
	kit_start(&kit);
	kit_login(&kit, &ada);
	kit_login(&kit, &eve);
	assert_int_equal(stat(path, &st), -1);
	assert_int_equal(stat(kept, &st), 0);
}

static void
backup_while_writing(void **state)
{
	static const char *const to[] = { "eve@example.test", NULL };
	struct chan *local = kit_channel(&kit, PEER_LOCAL);
	struct id draft, object, message;
	struct msg *m;
	struct kit copy;
	char path[160];
	struct stat st;
	unsigned n;

	(void)state;
	id_random(&draft);
	put_draft(&draft);
	assert_int_equal(upload(&draft, 8192, &object), LL_OK);
	assert_int_equal(chan_send(local, kit_request(OP_BACKUP)), LL_OK);
	for (n = 0; n < 40; n++)
		assert_int_equal(kit_send(&ada, to, 0, &message), LL_OK);
	assert_int_equal(chan_wait(local, 20000, &m), LL_OK);
	assert_int_equal(msg_op(m), OP_BACKUP);
	assert_int_equal(msg_result(m), LL_OK);
	msg_destroy(m);
	chan_destroy(local);
	blob_path(&object, "backup.tmp/blobs", path);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, 8192);
	/* the copy is a database of its own, whole */
	copy = kit;
	(void)snprintf(path, sizeof(path), "%s/backup.tmp/db", kit.dir);
	assert_int_equal(mkdir(path, 0700), 0);
	(void)snprintf(path, sizeof(path), "%s/backup.tmp/letterlock.db",
	    kit.dir);
	(void)snprintf(copy.dir, sizeof(copy.dir), "%.40s/backup.tmp",
	    kit.dir);
	{
		char target[160];

		(void)snprintf(target, sizeof(target),
		    "%s/backup.tmp/db/letterlock.db", kit.dir);
		assert_int_equal(rename(path, target), 0);
	}
	assert_int_equal(kit_sql(&copy, "SELECT count(*) FROM"
	    " pragma_integrity_check WHERE integrity_check = 'ok'"), 1);
	assert_int_equal(kit_sql(&copy, "SELECT count(*) FROM users"), 2);
	assert_int_equal(kit_sql(&copy, "SELECT count(*) FROM objects o WHERE"
	    " data IS NULL"), 2);
}

/* A database that is not there must not cost the attachments as well. */
static void
empty_database_removes_nothing(void **state)
{
	char db[160], wal[170], away[160], path[160];
	struct id draft, object;

	(void)state;
	id_random(&draft);
	put_draft(&draft);
	assert_int_equal(upload(&draft, 8192, &object), LL_OK);
	kit_logout(&ada);
	kit_logout(&eve);
	assert_int_equal(kit_stop(&kit), 0);
	(void)snprintf(db, sizeof(db), "%s/db/letterlock.db", kit.dir);
	(void)snprintf(away, sizeof(away), "%s/away.db", kit.dir);
	assert_int_equal(rename(db, away), 0);
	blob_path(&object, "blobs", path);
	assert_int_not_equal(kit_try(&kit), 0);
	assert_int_equal(access(path, F_OK), 0);
	/* nothing of the new one may stay beside the old one put back */
	(void)snprintf(wal, sizeof(wal), "%s-wal", db);
	assert_int_equal(access(wal, F_OK), -1);
	assert_int_equal(rename(away, db), 0);
	kit_start(&kit);
	assert_int_equal(access(path, F_OK), 0);
	kit_login(&kit, &ada);
	kit_login(&kit, &eve);
	assert_int_equal(delete_draft(&draft), LL_OK);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(empty_database_removes_nothing),
		cmocka_unit_test(goes_in_and_out),
		cmocka_unit_test(limits_hold),
		cmocka_unit_test(lies_are_refused),
		cmocka_unit_test(orphans_go),
		cmocka_unit_test(backup_while_writing),
	};

	if (secret_setup(65536) != LL_OK)
		return 1;
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
