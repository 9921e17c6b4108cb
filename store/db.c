#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/db.h"

#define STATEMENTS 512           /* a power of two, well above what we have */

struct statement {
	const char *sql;
	sqlite3_stmt *st;
};

struct db {
	sqlite3 *handle;
	bool broken;
	unsigned wal_pages;
	struct statement cache[STATEMENTS];
	char words[200];
};

/* What a failure means to us.  Anything that is neither our own mistake nor a
 * full disk leaves the file in doubt, and over doubt nothing is retried. */
static enum ll_result
result_of(struct db *db, int code)
{
	switch (code & 0xff) {
	case SQLITE_OK:
	case SQLITE_ROW:
	case SQLITE_DONE:
		return LL_OK;
	case SQLITE_CONSTRAINT:
		return LL_CONFLICT;
	case SQLITE_FULL:
		return LL_FULL;
	case SQLITE_NOMEM:
		return LL_NOMEM;
	case SQLITE_TOOBIG:
		return LL_TOOBIG;
	default:
		if (!db->broken)
			(void)snprintf(db->words, sizeof(db->words),
			    "%s (%d)", sqlite3_errmsg(db->handle), code);
		db->broken = true;
		return LL_IO;
	}
}

static int
on_wal(void *arg, sqlite3 *handle, const char *name, int pages)
{
	struct db *db = arg;

	(void)handle;
	(void)name;
	db->wal_pages = (unsigned)pages;
	return SQLITE_OK;
}

static const char *const set_up[] = {
	/* EXCLUSIVE before the first access: then the WAL index lives on the
	 * heap and no second process can ever join */
	"PRAGMA locking_mode=EXCLUSIVE",
	"PRAGMA journal_mode=WAL",
	"PRAGMA synchronous=FULL",
	"PRAGMA wal_autocheckpoint=0",
	"PRAGMA secure_delete=ON",
	"PRAGMA trusted_schema=OFF",
	"PRAGMA cell_size_check=ON",
	"PRAGMA temp_store=MEMORY",
	"PRAGMA mmap_size=0",
	"PRAGMA cache_size=-32768",
};

/* A file system that cannot do WAL leaves another mode, silently. */
static bool
is_wal(sqlite3 *handle)
{
	sqlite3_stmt *st = NULL;
	bool wal = false;

	if (sqlite3_prepare_v2(handle, "PRAGMA journal_mode", -1, &st,
	    NULL) == SQLITE_OK && sqlite3_step(st) == SQLITE_ROW)
		wal = strcmp((const char *)sqlite3_column_text(st, 0),
		    "wal") == 0;
	(void)sqlite3_finalize(st);
	return wal;
}

enum ll_result
db_open(const char *path, struct db **db_r, const char **why_r)
{
	struct db *db;
	size_t i;
	int code;

	*db_r = NULL;
	*why_r = "out of memory";
	/* one thread, one connection: no mutexes and no statistics of memory */
	(void)sqlite3_config(SQLITE_CONFIG_SINGLETHREAD);
	(void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
	db = calloc(1, sizeof(*db));
	if (db == NULL)
		return LL_NOMEM;
	code = sqlite3_open_v2(path, &db->handle, SQLITE_OPEN_READWRITE |
	    SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX |
	    SQLITE_OPEN_PRIVATECACHE | SQLITE_OPEN_EXRESCODE, NULL);
	if (code == SQLITE_OK)
		code = sqlite3_db_config(db->handle,
		    SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0, NULL);
	if (code == SQLITE_OK)
		code = sqlite3_db_config(db->handle,
		    SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	if (code == SQLITE_OK)
		code = sqlite3_db_config(db->handle,
		    SQLITE_DBCONFIG_LOOKASIDE, NULL, 1024, 256);
	for (i = 0; code == SQLITE_OK && i < sizeof(set_up) / sizeof(*set_up);
	    i++)
		code = sqlite3_exec(db->handle, set_up[i], NULL, NULL, NULL);
	if (code == SQLITE_OK && !is_wal(db->handle))
		code = SQLITE_CANTOPEN;
	if (code != SQLITE_OK) {
		*why_r = sqlite3_errstr(code);
		db_close(db);
		return LL_IO;
	}
	(void)sqlite3_wal_hook(db->handle, on_wal, db);
	*db_r = db;
	return LL_OK;
}

void
db_close(struct db *db)
{
	size_t i;

	if (db == NULL)
		return;
	for (i = 0; i < STATEMENTS; i++)
		(void)sqlite3_finalize(db->cache[i].st);
	(void)sqlite3_close(db->handle);
	free(db);
}

bool
db_broken(const struct db *db)
{
	return db->broken;
}

const char *
db_words(const struct db *db)
{
	return db->words[0] != '\0' ? db->words : sqlite3_errmsg(db->handle);
}

/* SQLite ends one by itself when the disk is full. */
static bool
in_transaction(const struct db *db)
{
	return sqlite3_get_autocommit(db->handle) == 0;
}

sqlite3 *
db_handle(struct db *db)
{
	return db->handle;
}

uint64_t
db_changes(const struct db *db)
{
	return (uint64_t)sqlite3_changes64(db->handle);
}

/* --- statements --- */

static enum ll_result
statement(struct db *db, const char *sql, sqlite3_stmt **st_r)
{
	size_t at = ((uintptr_t)sql >> 3) * 31 % STATEMENTS, n;
	int code;

	*st_r = NULL;
	for (n = 0; n < STATEMENTS; n++, at = (at + 1) % STATEMENTS) {
		if (db->cache[at].sql == sql) {
			*st_r = db->cache[at].st;
			return LL_OK;
		}
		if (db->cache[at].sql != NULL)
			continue;
		code = sqlite3_prepare_v3(db->handle, sql, -1,
		    SQLITE_PREPARE_PERSISTENT, &db->cache[at].st, NULL);
		if (code != SQLITE_OK)
			return result_of(db, code);
		db->cache[at].sql = sql;
		*st_r = db->cache[at].st;
		return LL_OK;
	}
	return LL_FULL;
}

static int
bind_bytes(sqlite3_stmt *st, int at, const void *p, size_t len)
{
	if (p == NULL)
		return sqlite3_bind_null(st, at);
	return sqlite3_bind_blob64(st, at, p, len, SQLITE_STATIC);
}

static int
bind_one(sqlite3_stmt *st, int at, char type, va_list *args)
{
	const struct id *id;
	const void *p;

	switch (type) {
	case 'i':
		return sqlite3_bind_int64(st, at, va_arg(*args, int64_t));
	case 'u':
		return sqlite3_bind_int64(st, at, va_arg(*args, int));
	case 't':
		return sqlite3_bind_text(st, at, va_arg(*args, const char *),
		    -1, SQLITE_STATIC);
	case 'b':
		p = va_arg(*args, const void *);
		return bind_bytes(st, at, p, va_arg(*args, size_t));
	case 'd':
		id = va_arg(*args, const struct id *);
		return bind_bytes(st, at, id, ID_BYTES);
	case 'h':
		return bind_bytes(st, at, va_arg(*args, const uint8_t *), 32);
	default:
		return SQLITE_MISUSE;
	}
}

static enum ll_result
bind(struct db *db, sqlite3_stmt **st_r, const char *sql, const char *types,
    va_list *args)
{
	enum ll_result r;
	int code = SQLITE_OK, at;

	r = statement(db, sql, st_r);
	if (r != LL_OK)
		return r;
	(void)sqlite3_reset(*st_r);
	for (at = 1; code == SQLITE_OK && types[at - 1] != '\0'; at++)
		code = bind_one(*st_r, at, types[at - 1], args);
	return result_of(db, code);
}

enum ll_result
db_next(struct db *db, sqlite3_stmt *st)
{
	int code = sqlite3_step(st);

	if (code == SQLITE_ROW)
		return LL_OK;
	(void)sqlite3_reset(st);
	(void)sqlite3_clear_bindings(st);
	if (code == SQLITE_DONE)
		return LL_EOF;
	return result_of(db, code);
}

void
db_end(sqlite3_stmt *st)
{
	if (st == NULL)
		return;
	(void)sqlite3_reset(st);
	(void)sqlite3_clear_bindings(st);
}

enum ll_result
db_run(struct db *db, const char *sql, const char *types, ...)
{
	sqlite3_stmt *st;
	enum ll_result r;
	va_list args;

	va_start(args, types);
	r = bind(db, &st, sql, types, &args);
	va_end(args);
	while (r == LL_OK)
		r = db_next(db, st);
	return r == LL_EOF ? LL_OK : r;
}

enum ll_result
db_query(struct db *db, sqlite3_stmt **st_r, const char *sql,
    const char *types, ...)
{
	enum ll_result r;
	va_list args;

	va_start(args, types);
	r = bind(db, st_r, sql, types, &args);
	va_end(args);
	return r;
}

static enum ll_result
first(struct db *db, sqlite3_stmt **st_r)
{
	enum ll_result r = db_next(db, *st_r);

	if (r == LL_OK)
		return LL_OK;
	*st_r = NULL;
	return r == LL_EOF ? LL_NOTFOUND : r;
}

enum ll_result
db_one(struct db *db, sqlite3_stmt **st_r, const char *sql,
    const char *types, ...)
{
	enum ll_result r;
	va_list args;

	va_start(args, types);
	r = bind(db, st_r, sql, types, &args);
	va_end(args);
	if (r != LL_OK) {
		*st_r = NULL;
		return r;
	}
	return first(db, st_r);
}

enum ll_result
db_number(struct db *db, uint64_t absent, uint64_t *n_r, const char *sql,
    const char *types, ...)
{
	sqlite3_stmt *st;
	enum ll_result r;
	va_list args;

	*n_r = absent;
	va_start(args, types);
	r = bind(db, &st, sql, types, &args);
	va_end(args);
	if (r == LL_OK)
		r = first(db, &st);
	if (r == LL_NOTFOUND)
		return LL_OK;
	if (r != LL_OK)
		return r;
	if (!db_null(st, 0))
		*n_r = db_u64(st, 0);
	db_end(st);
	return LL_OK;
}

/* --- columns --- */

uint64_t
db_u64(sqlite3_stmt *st, int column)
{
	return (uint64_t)sqlite3_column_int64(st, column);
}

const char *
db_text(sqlite3_stmt *st, int column)
{
	const void *text = sqlite3_column_text(st, column);

	return text != NULL ? text : "";
}

const uint8_t *
db_blob(sqlite3_stmt *st, int column, size_t *len_r)
{
	static const uint8_t empty[1];
	const void *p = sqlite3_column_blob(st, column);

	*len_r = (size_t)sqlite3_column_bytes(st, column);
	if (p == NULL && !db_null(st, column))
		return empty;
	return p;
}

static bool
fixed(sqlite3_stmt *st, int column, void *p_r, size_t len)
{
	size_t got;
	const uint8_t *p = db_blob(st, column, &got);

	memset(p_r, 0, len);
	if (p == NULL || got != len)
		return false;
	memcpy(p_r, p, len);
	return true;
}

bool
db_id(sqlite3_stmt *st, int column, struct id *id_r)
{
	return fixed(st, column, id_r->b, ID_BYTES);
}

bool
db_hash(sqlite3_stmt *st, int column, uint8_t hash_r[32])
{
	return fixed(st, column, hash_r, 32);
}

bool
db_null(sqlite3_stmt *st, int column)
{
	return sqlite3_column_type(st, column) == SQLITE_NULL;
}

/* --- transactions --- */

enum ll_result
db_begin(struct db *db)
{
	return db_run(db, "BEGIN IMMEDIATE", "");
}

enum ll_result
db_commit(struct db *db)
{
	enum ll_result r = db_run(db, "COMMIT", "");

	if (r == LL_OK)
		return LL_OK;
	if (!db->broken && in_transaction(db))
		db_rollback(db);
	if (r == LL_FULL || r == LL_NOMEM)
		return LL_FULL;
	db->broken = true;
	return LL_IO;
}

void
db_rollback(struct db *db)
{
	if (in_transaction(db) && db_run(db, "ROLLBACK", "") != LL_OK)
		db->broken = true;
}

enum ll_result
db_save(struct db *db)
{
	return db_run(db, "SAVEPOINT request", "");
}

enum ll_result
db_release(struct db *db)
{
	return db_run(db, "RELEASE request", "");
}

enum ll_result
db_undo(struct db *db)
{
	enum ll_result r;

	/* a full disk may have ended the whole transaction */
	if (!in_transaction(db))
		return LL_FULL;
	r = db_run(db, "ROLLBACK TO request", "");
	if (r == LL_OK)
		r = db_release(db);
	return r;
}

enum ll_result
db_checkpoint(struct db *db, unsigned pages, bool truncate)
{
	int mode = truncate ? SQLITE_CHECKPOINT_TRUNCATE :
	    SQLITE_CHECKPOINT_PASSIVE;
	enum ll_result r;
	int code;

	if (db->wal_pages <= pages || in_transaction(db))
		return LL_OK;
	code = sqlite3_wal_checkpoint_v2(db->handle, NULL, mode, NULL, NULL);
	/* a backup in progress reads the log: it can wait */
	if (code == SQLITE_LOCKED || code == SQLITE_BUSY)
		return LL_OK;
	r = result_of(db, code);
	if (r == LL_OK)
		db->wal_pages = 0;
	return r;
}
