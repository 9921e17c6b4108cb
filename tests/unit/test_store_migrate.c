/*
 * A data directory of version 1, as that version's own store left it
 * (store_version_1.sql: ada wrote to bob and to someone outside, bob to
 * himself, ada has a draft and an SSH key), comes up in this version.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <sqlite3.h>

#include "keys/parse.h"
#include "keys/secret.h"
#include "tests/unit/storekit.h"

#define DUMP "tests/unit/store_version_1.sql"

static struct kit kit;
static struct kit_user ada, bob;

static char *
read_dump(void)
{
	FILE *f = fopen(DUMP, "r");
	char *text = calloc(1, 65536);

	assert_non_null(f);
	assert_non_null(text);
	assert_true(fread(text, 1, 65535, f) > 10000);
	assert_true(feof(f) != 0);
	(void)fclose(f);
	return text;
}

/* The users of the dump: every secret is the first letter of the name. */
static void
remember(const char *name, struct kit_user *u_r)
{
	(void)snprintf(u_r->name, sizeof(u_r->name), "%s", name);
	(void)snprintf(u_r->email, sizeof(u_r->email), "%s@example.test",
	    name);
	memset(u_r->slot.b, name[0], ID_BYTES);
	memset(u_r->seed, name[0], sizeof(u_r->seed));
	memset(u_r->proof, name[0], sizeof(u_r->proof));
}

static int
set_up(void **state)
{
	char path[128], *dump = read_dump();
	sqlite3 *db;

	(void)state;
	(void)snprintf(kit.dir, sizeof(kit.dir), "/tmp/ll-store-XXXXXX");
	if (mkdtemp(kit.dir) == NULL)
		return -1;
	(void)snprintf(path, sizeof(path), "%s/db", kit.dir);
	if (mkdir(path, 0700) != 0)
		return -1;
	(void)snprintf(path, sizeof(path), "%s/db/letterlock.db", kit.dir);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, dump, NULL, NULL, NULL), SQLITE_OK);
	(void)sqlite3_close(db);
	free(dump);
	remember("ada", &ada);
	remember("bob", &bob);
	kit_start(&kit);
	kit_login(&kit, &ada);
	kit_login(&kit, &bob);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	kit_end(&kit);
	return 0;
}

static struct msg *
list(struct kit_user *u, enum folder folder)
{
	struct msg *m = kit_request(OP_LIST), *reply;

	msg_put_u64(m, F_FOLDER, folder);
	msg_put_u64(m, F_LIMIT, 100);
	assert_int_equal(kit_ask(u->worker, m, &reply), LL_OK);
	return reply;
}

static void
first_of(struct kit_user *u, enum folder folder, struct id *message_r)
{
	struct msg *reply = list(u, folder);
	struct tlv_view row;
	size_t at = 0;

	assert_true(view_nest(msg_view(reply), F_ROW, &at, &row));
	assert_true(view_id(row, F_MESSAGE_ID, message_r));
	msg_destroy(reply);
}

/* What stood in it is there, for those it belongs to. */
static void
what_was_there_is_there(void **state)
{
	struct tlv_view object;
	struct msg *m, *reply;
	struct id message;
	size_t at = 0, len;

	(void)state;
	first_of(&ada, FOLDER_SENT, &message);
	assert_int_equal(kit_state(&ada, &message, 0), STATE_OPENED);
	assert_int_equal(kit_state(&ada, &message, 1), STATE_QUEUED);
	m = kit_request(OP_FETCH);
	msg_put_id(m, F_MESSAGE_ID, &message);
	assert_int_equal(kit_ask(bob.worker, m, &reply), LL_OK);
	assert_true(view_nest(msg_view(reply), F_OBJECT, &at, &object));
	(void)view_bytes(object, F_DATA, &len);
	assert_int_equal(len, 200);
	msg_destroy(reply);
	reply = list(&bob, FOLDER_INBOX);
	assert_int_equal(view_u64(msg_view(reply), F_COUNT), 2);
	msg_destroy(reply);
	at = 0;
	assert_int_equal(kit_ask(ada.worker, kit_request(OP_DRAFT_LIST),
	    &reply), LL_OK);
	assert_true(view_nest(msg_view(reply), F_ROW, &at, &object));
	msg_destroy(reply);
	at = 0;
	assert_int_equal(kit_ask(ada.worker, kit_request(OP_KEY_LIST),
	    &reply), LL_OK);
	assert_true(view_nest(msg_view(reply), F_ROW, &at, &object));
	assert_string_equal(view_text(object, F_NAME), "laptop");
	msg_destroy(reply);
}

/* The old queue row is a link's; the relay gets it as one. */
static void
the_queue_goes_on(void **state)
{
	struct chan *relay = kit_channel(&kit, PEER_RELAY);
	struct tlv_view row;
	struct msg *m, *reply;
	struct id queue, message;
	size_t at = 0;

	(void)state;
	assert_int_equal(kit_ask(relay, kit_request(OP_QUEUE_LEASE), &reply),
	    LL_OK);
	assert_true(view_nest(msg_view(reply), F_ROW, &at, &row));
	assert_int_equal(view_u64(row, F_ROUTE), ROUTE_PORTAL_MUC);
	assert_string_equal(view_text(row, F_ADDRESS), "carol@outside.test");
	assert_true(view_id(row, F_QUEUE_ID, &queue));
	msg_destroy(reply);
	m = kit_request(OP_QUEUE_RESULT);
	msg_put_id(m, F_QUEUE_ID, &queue);
	msg_put_u64(m, F_STATE, QUEUE_SENT);
	assert_int_equal(kit_ask(relay, m, NULL), LL_OK);
	chan_destroy(relay);
	first_of(&ada, FOLDER_SENT, &message);
	assert_int_equal(kit_state(&ada, &message, 1), STATE_NOTIFIED);
}

/* And what is new works on it. */
static void
what_is_new_works(void **state)
{
	static const struct kit_to to[] = { { "dora@out.example", 0 },
	    { "bob@example.test", 0 }, { NULL, 0 } };
	struct id message;
	struct msg *m;

	(void)state;
	kit_queue_keys(&kit);
	kit_add_key(ada.worker, &(struct kit_key){ "dora@out.example",
	    "0123456789abcdef", PARSE_OPENPGP, KEY_HAND, 0, 0 });
	m = kit_send_to(&ada, to, CLASS_CONFIDENTIAL, 0, &message);
	assert_int_equal(kit_ask(ada.worker, m, NULL), LL_OK);
	assert_int_equal(kit_state(&ada, &message, 0), STATE_QUEUED);
	assert_int_equal(kit_state(&ada, &message, 1), STATE_DELIVERED);
}

/* One number of the copy, which is a database of its own. */
static long long
of_copy(const char *sql)
{
	sqlite3_stmt *st = NULL;
	char path[128];
	long long n;
	sqlite3 *db;

	(void)snprintf(path, sizeof(path), "%s/db/letterlock.db.before-1",
	    kit.dir);
	assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY,
	    NULL), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &st, NULL),
	    SQLITE_OK);
	assert_int_equal(sqlite3_step(st), SQLITE_ROW);
	n = sqlite3_column_int64(st, 0);
	(void)sqlite3_finalize(st);
	(void)sqlite3_close(db);
	return n;
}

/* Last: the store stays stopped. */
static void
the_copy_is_as_it_was(void **state)
{
	struct stat before, after;
	char path[128];

	(void)state;
	(void)snprintf(path, sizeof(path), "%s/db/letterlock.db.before-1",
	    kit.dir);
	assert_int_equal(stat(path, &before), 0);
	assert_int_equal(before.st_mode & 077, 0);
	assert_int_equal(of_copy("PRAGMA user_version"), 1);
	assert_int_equal(of_copy("SELECT count(*) FROM messages"), 2);
	assert_int_equal(of_copy("SELECT count(*) FROM deliveries"), 3);
	assert_int_equal(of_copy("SELECT count(*) FROM log"), 20);
	assert_int_equal(of_copy("SELECT count(*) FROM pragma_integrity_check"
	    " WHERE integrity_check = 'ok'"), 1);
	assert_int_equal(of_copy("SELECT count(*) FROM sqlite_master WHERE"
	    " name = 'peer_keys'"), 0);
	kit_logout(&ada);
	kit_logout(&bob);
	assert_int_equal(kit_stop(&kit), 0);
	assert_int_equal(kit_sql(&kit, "SELECT count(*) FROM"
	    " pragma_integrity_check WHERE integrity_check = 'ok'"), 1);
	assert_true(kit_sql(&kit, "PRAGMA user_version") >= 2);
	/* another start has nothing to migrate */
	kit_start(&kit);
	assert_int_equal(kit_stop(&kit), 0);
	assert_int_equal(stat(path, &after), 0);
	assert_int_equal(before.st_mtime, after.st_mtime);
	assert_int_equal(before.st_ino, after.st_ino);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_there_is_there),
		cmocka_unit_test(the_queue_goes_on),
		cmocka_unit_test(what_is_new_works),
		cmocka_unit_test(the_copy_is_as_it_was),
	};

	if (secret_setup(65536) != LL_OK)
		return 1;
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
