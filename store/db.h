/*
 * db.h - the one SQLite connection of letterlock-store.
 *
 * WAL, synchronous=FULL, EXCLUSIVE locking, checkpoints of our own.  A
 * statement is prepared once and kept; its SQL must be a string literal (the
 * cache goes by its address).  Values are bound by a type string:
 *
 *   i  int64_t or uint64_t      u  unsigned, int or an enum
 *   t  const char *             b  const void *, size_t
 *   d  const struct id *        h  const uint8_t * of 32 bytes
 *
 * A NULL pointer binds NULL (an empty b that is not NULL stays empty).
 */
#ifndef LL_DB_H
#define LL_DB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sqlite3.h>

#include "keys/id.h"
#include "keys/result.h"

struct db;

/* Opens (and creates) the database file.  *why_r, when not NULL, is set on
 * failure: static text or SQLite's. */
LL_MUST enum ll_result db_open(const char *path, struct db **db_r,
    const char **why_r);
/* Last checkpoint, then closes.  NULL is fine. */
void db_close(struct db *db);

/* True once SQLite reported anything after which the process must end: an I/O
 * error, a failed fsync, a damaged file.  Nothing may be acknowledged. */
bool db_broken(const struct db *db);
/* SQLite's words for the last failure. */
const char *db_words(const struct db *db);

/* Runs a statement to its end.  LL_CONFLICT: a constraint; LL_FULL: no room;
 * LL_NOMEM; LL_IO: see db_broken. */
LL_MUST enum ll_result db_run(struct db *db, const char *sql,
    const char *types, ...);
/* Rows that the last db_run changed. */
uint64_t db_changes(const struct db *db);

/* Begins a query; step with db_next. */
LL_MUST enum ll_result db_query(struct db *db, sqlite3_stmt **st_r,
    const char *sql, const char *types, ...);
/* LL_OK: a row is there.  LL_EOF: no more (the statement is reset). */
LL_MUST enum ll_result db_next(struct db *db, sqlite3_stmt *st);
/* Ends a query before its end; NULL and ended ones are fine. */
void db_end(sqlite3_stmt *st);
/* A query of at most one row: LL_OK with the row (db_end when done), or
 * LL_NOTFOUND. */
LL_MUST enum ll_result db_one(struct db *db, sqlite3_stmt **st_r,
    const char *sql, const char *types, ...);
/* One number; absent when there is no row. */
LL_MUST enum ll_result db_number(struct db *db, uint64_t absent,
    uint64_t *n_r, const char *sql, const char *types, ...);

/* Columns.  Pointers live until the next step.  db_id and db_hash are false
 * (and the target zero) when the column is not of that length. */
uint64_t db_u64(sqlite3_stmt *st, int column);
const char *db_text(sqlite3_stmt *st, int column);
const uint8_t *db_blob(sqlite3_stmt *st, int column, size_t *len_r);
bool db_id(sqlite3_stmt *st, int column, struct id *id_r);
bool db_hash(sqlite3_stmt *st, int column, uint8_t hash_r[32]);
bool db_null(sqlite3_stmt *st, int column);

/* Transactions. */
LL_MUST enum ll_result db_begin(struct db *db);
/* LL_FULL: rolled back, nothing happened.  Anything else but LL_OK: broken. */
LL_MUST enum ll_result db_commit(struct db *db);
void db_rollback(struct db *db);
LL_MUST enum ll_result db_save(struct db *db);
LL_MUST enum ll_result db_release(struct db *db);
LL_MUST enum ll_result db_undo(struct db *db);

/* Copies the write-ahead log into the database when it is longer than `pages`,
 * outside a transaction; truncate: cuts the log's file too.  LL_FULL is no
 * harm (the log grows); LL_IO breaks. */
LL_MUST enum ll_result db_checkpoint(struct db *db, unsigned pages,
    bool truncate);

/* For the online backup, which reads through the same connection. */
sqlite3 *db_handle(struct db *db);

#endif
