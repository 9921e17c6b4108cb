/*
 * schema.h - the tables, and how an older database becomes a present one.
 */
#ifndef LL_SCHEMA_H
#define LL_SCHEMA_H

#include "store/db.h"

#define SCHEMA_VERSION 3

/* Brings the database to SCHEMA_VERSION, one transaction a step.  A database
 * that has content is copied first, next to itself, as PATH.before-N (N: the
 * version it had).  LL_NEWER: made by a newer version; nothing was touched.
 * *why_r says in one line what went wrong. */
LL_MUST enum ll_result schema_migrate(struct db *db, const char *path,
    const char **why_r);

#endif
