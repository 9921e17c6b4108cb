/*
 * The tables of letterlock.  Ids are 16 random bytes, times seconds since
 * 1970, hashes 32 bytes; numbers that mean something stand in store/kind.h.
 * What a user wrote is sealed before it comes here; the columns beside it
 * (addresses, times, sizes, states) are what the store works with.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "store/schema.h"

static const char accounts[] =
"CREATE TABLE users ("
"  user BLOB PRIMARY KEY,"
"  login TEXT NOT NULL UNIQUE,"
"  email TEXT NOT NULL UNIQUE,"       /* lower case */
"  name TEXT NOT NULL,"
"  role INTEGER NOT NULL,"
"  state INTEGER NOT NULL,"
"  created INTEGER NOT NULL,"
"  last_login INTEGER NOT NULL DEFAULT 0,"
"  generation INTEGER NOT NULL DEFAULT 0," /* of the key pairs; 0: none yet */
"  ticket BLOB,"                      /* keyed hash; NULL: none is open */
"  ticket_until INTEGER NOT NULL DEFAULT 0,"
"  totp BLOB,"                        /* seed, sealed under the TOTP key */
"  totp_step INTEGER NOT NULL DEFAULT 0,"  /* last step that was used */
"  backup_salt BLOB,"
"  bytes INTEGER NOT NULL DEFAULT 0" /* sealed bytes that count as quota */
");"
"CREATE TABLE vaults ("
"  user BLOB NOT NULL, generation INTEGER NOT NULL,"
"  seal_pk BLOB NOT NULL, sign_pk BLOB NOT NULL, blob BLOB NOT NULL,"
"  PRIMARY KEY (user, generation)"
");"
"CREATE TABLE slots ("
"  slot BLOB PRIMARY KEY,"
"  user BLOB NOT NULL, generation INTEGER NOT NULL, kind INTEGER NOT NULL,"
"  wrap BLOB NOT NULL, verifier BLOB NOT NULL,"
"  salt BLOB, memory_mib INTEGER NOT NULL, passes INTEGER NOT NULL"
");"
"CREATE INDEX slots_user ON slots (user, kind);"
"CREATE TABLE backup_codes ("
"  user BLOB NOT NULL, verifier BLOB NOT NULL, PRIMARY KEY (user, verifier)"
");"
"CREATE TABLE ssh_keys ("
"  user BLOB NOT NULL, fingerprint TEXT NOT NULL,"
"  key BLOB NOT NULL, name TEXT NOT NULL, created INTEGER NOT NULL,"
"  PRIMARY KEY (user, fingerprint)"
");"
"CREATE TABLE failures ("             /* unknown names are counted alike */
"  name BLOB NOT NULL,"               /* keyed hash of what was typed */
"  factor INTEGER NOT NULL,"
"  count INTEGER NOT NULL, until INTEGER NOT NULL, last INTEGER NOT NULL,"
"  PRIMARY KEY (name, factor)"
");"
"CREATE TABLE tokens ("
"  token BLOB PRIMARY KEY,"           /* hash of the token */
"  user BLOB,"                        /* a login's, or */
"  delivery BLOB,"                    /* a portal reader's */
"  factors INTEGER NOT NULL,"
"  created INTEGER NOT NULL, until INTEGER NOT NULL"
");"
"CREATE INDEX tokens_user ON tokens (user);"
"CREATE INDEX tokens_delivery ON tokens (delivery);"
"CREATE TABLE contacts ("
"  user BLOB NOT NULL, address TEXT NOT NULL, last INTEGER NOT NULL,"
"  PRIMARY KEY (user, address)"
");"
"CREATE TABLE pairs ("                /* code that worked before */
"  user BLOB NOT NULL, address TEXT NOT NULL,"
"  box BLOB NOT NULL, generation INTEGER NOT NULL, last INTEGER NOT NULL,"
"  PRIMARY KEY (user, address)"
");";

static const char messages[] =
"CREATE TABLE messages ("
"  message BLOB PRIMARY KEY,"
"  thread BLOB NOT NULL, reply_to BLOB,"
"  author BLOB,"                      /* NULL: came through the portal */
"  author_generation INTEGER NOT NULL,"
"  time INTEGER NOT NULL,"
"  expires INTEGER NOT NULL,"         /* 0: never */
"  expired INTEGER NOT NULL DEFAULT 0,"
"  header BLOB,"                      /* NULL once expired */
"  commitment BLOB NOT NULL,"
"  idempotency BLOB"                  /* of the SEND that made it */
");"
"CREATE INDEX messages_expires ON messages (expires)"
"  WHERE expires > 0 AND expired = 0;"
"CREATE TABLE objects ("
"  object BLOB NOT NULL,"
"  message BLOB NOT NULL,"            /* a message's or a draft's */
"  owner BLOB NOT NULL,"              /* whose quota it counts in */
"  delivery BLOB,"                    /* portal upload of that delivery */
"  kind INTEGER NOT NULL, position INTEGER NOT NULL,"
"  sealed_bytes INTEGER NOT NULL, hash BLOB NOT NULL,"
"  created INTEGER NOT NULL,"
"  staged INTEGER NOT NULL DEFAULT 0," /* uploaded, in no message yet */
"  data BLOB,"                        /* NULL: file blobs/xx/ID */
"  PRIMARY KEY (message, object)"
");"
"CREATE INDEX objects_files ON objects (object) WHERE data IS NULL;"
"CREATE INDEX objects_staged ON objects (created) WHERE staged = 1;"
"CREATE TABLE boxes ("                /* one row per reader and message */
"  sequence INTEGER PRIMARY KEY,"
"  user BLOB NOT NULL, message BLOB NOT NULL, thread BLOB NOT NULL,"
"  folder INTEGER NOT NULL, unread INTEGER NOT NULL,"
"  time INTEGER NOT NULL,"
"  wrap BLOB, self_wrap BLOB,"        /* both NULL once expired */
"  generation INTEGER NOT NULL"
");"
"CREATE UNIQUE INDEX boxes_message ON boxes (message, user);"
"CREATE INDEX boxes_folder ON boxes (user, folder, sequence);"
/* the first message of a thread is found by its id, which is the thread's */
"CREATE INDEX boxes_thread ON boxes (user, thread) WHERE thread <> message;"
"CREATE TABLE counts ("               /* kept by the triggers below */
"  user BLOB NOT NULL, folder INTEGER NOT NULL,"
"  total INTEGER NOT NULL, unread INTEGER NOT NULL,"
"  PRIMARY KEY (user, folder)"
") WITHOUT ROWID;"
"CREATE TRIGGER boxes_in AFTER INSERT ON boxes BEGIN"
"  INSERT INTO counts VALUES (new.user, new.folder, 1, new.unread)"
"    ON CONFLICT DO UPDATE SET total = total + 1,"
"    unread = unread + excluded.unread;"
" END;"
"CREATE TRIGGER boxes_out AFTER DELETE ON boxes BEGIN"
"  UPDATE counts SET total = total - 1, unread = unread - old.unread"
"    WHERE user = old.user AND folder = old.folder;"
" END;"
"CREATE TRIGGER boxes_moved AFTER UPDATE OF folder, unread ON boxes BEGIN"
"  UPDATE counts SET total = total - 1, unread = unread - old.unread"
"    WHERE user = old.user AND folder = old.folder;"
"  INSERT INTO counts VALUES (new.user, new.folder, 1, new.unread)"
"    ON CONFLICT DO UPDATE SET total = total + 1,"
"    unread = unread + excluded.unread;"
" END;"
"CREATE TABLE drafts ("
"  message BLOB PRIMARY KEY, author BLOB NOT NULL,"
"  wrap BLOB NOT NULL, draft BLOB NOT NULL, generation INTEGER NOT NULL,"
"  version INTEGER NOT NULL, time INTEGER NOT NULL,"
"  sent INTEGER NOT NULL DEFAULT 0"  /* 1: sent, kept while undo may come */
");"
"CREATE INDEX drafts_author ON drafts (author, time);";

static const char ways[] =
"CREATE TABLE deliveries ("
"  delivery BLOB NOT NULL UNIQUE,"
"  message BLOB NOT NULL, author BLOB NOT NULL, position INTEGER NOT NULL,"
"  address TEXT NOT NULL, route INTEGER NOT NULL, state INTEGER NOT NULL,"
"  reason TEXT NOT NULL,"
"  user BLOB,"                        /* internal: the reader */
"  not_before INTEGER NOT NULL, expires INTEGER NOT NULL,"
"  was_read INTEGER NOT NULL DEFAULT 0," /* its key was released once */
"  wrap BLOB, generation INTEGER NOT NULL," /* internal, while pending */
"  PRIMARY KEY (message, position)"
") WITHOUT ROWID;"
"CREATE INDEX deliveries_due ON deliveries (not_before) WHERE state = 1;"
"CREATE TABLE links ("
"  locator BLOB PRIMARY KEY,"         /* hash of the locator */
"  delivery BLOB NOT NULL, state INTEGER NOT NULL,"
"  verifier BLOB NOT NULL,"           /* keyed hash of the proof */
"  wrap BLOB,"                        /* NULL: shredded */
"  memory_mib INTEGER NOT NULL, passes INTEGER NOT NULL,"
"  code_box BLOB, pair_box BLOB, pair_generation INTEGER NOT NULL,"
"  created INTEGER NOT NULL"
");"
"CREATE INDEX links_delivery ON links (delivery);"
"CREATE INDEX links_frozen ON links (delivery) WHERE state = 2;"
"CREATE TABLE tries ("
"  try BLOB PRIMARY KEY,"
"  locator BLOB NOT NULL, origin TEXT NOT NULL, known INTEGER NOT NULL,"
"  time INTEGER NOT NULL,"
"  open INTEGER NOT NULL"             /* 1: the proof has not come yet;
	                                 0: it was wrong; 2: right */
");"
"CREATE INDEX tries_locator ON tries (locator, origin, time);"
"CREATE INDEX tries_origin ON tries (origin, time) WHERE known = 0;"
"CREATE TABLE queue ("
"  queue BLOB PRIMARY KEY,"
"  delivery BLOB NOT NULL, address TEXT NOT NULL,"
"  payload BLOB NOT NULL, day INTEGER NOT NULL, mail_id TEXT NOT NULL,"
"  created INTEGER NOT NULL, next INTEGER NOT NULL,"
"  leased INTEGER NOT NULL DEFAULT 0," /* the relay has it */
"  attempts INTEGER NOT NULL DEFAULT 0,"
"  last_error TEXT NOT NULL DEFAULT ''"
");"
"CREATE INDEX queue_next ON queue (next);"
"CREATE INDEX queue_delivery ON queue (delivery);"
"CREATE INDEX queue_day ON queue (day);"
"CREATE TABLE queue_keys ("
"  day INTEGER PRIMARY KEY, pk BLOB NOT NULL, wrap BLOB NOT NULL"
");"
"CREATE TABLE idempotency ("
"  day INTEGER NOT NULL, scope BLOB NOT NULL, key BLOB NOT NULL,"
"  op INTEGER NOT NULL, reply BLOB NOT NULL,"
"  PRIMARY KEY (day, scope, key)"
") WITHOUT ROWID;"
/* The leaf of a Merkle tree to come is (version, event, time, commitment);
 * nonce and body, which open the commitment, stand beside it. */
"CREATE TABLE log ("
"  sequence INTEGER PRIMARY KEY,"
"  version INTEGER NOT NULL, event INTEGER NOT NULL, time INTEGER NOT NULL,"
"  commitment BLOB NOT NULL,"
"  delivery BLOB, detail TEXT NOT NULL,"
"  nonce BLOB NOT NULL, body BLOB NOT NULL"
");"
"CREATE INDEX log_delivery ON log (delivery) WHERE delivery IS NOT NULL;";

static const char routes[] =
/* databases made early in version 1 lack it */
"CREATE INDEX IF NOT EXISTS links_frozen ON links (delivery)"
"  WHERE state = 2;"
"CREATE TABLE mail_keys ("            /* a user's own, or the house's */
"  user BLOB NOT NULL, format INTEGER NOT NULL,"
"  fingerprint TEXT NOT NULL, generation INTEGER NOT NULL,"
"  sealed BLOB NOT NULL,"             /* in the vault of that generation */
"  public BLOB NOT NULL, certificate BLOB,"
"  certificate_until INTEGER NOT NULL DEFAULT 0," /* 0: never ends */
"  algorithm TEXT NOT NULL, created INTEGER NOT NULL,"
"  PRIMARY KEY (user, format, fingerprint)"
");"
"CREATE TABLE peer_keys ("
"  owner BLOB NOT NULL,"              /* 16 zero bytes: the house */
"  address TEXT NOT NULL,"            /* lower case; "@domain" */
"  format INTEGER NOT NULL, fingerprint TEXT NOT NULL,"
"  public BLOB NOT NULL, algorithm TEXT NOT NULL,"
"  created INTEGER NOT NULL, expires INTEGER NOT NULL,"
"  source INTEGER NOT NULL, trusted INTEGER NOT NULL,"
"  changed INTEGER NOT NULL,"         /* another stood before it */
"  confirmed INTEGER NOT NULL,"       /* when; 0: by nobody */
"  added INTEGER NOT NULL,"
"  PRIMARY KEY (owner, address, fingerprint)"
");"
"CREATE INDEX peer_keys_address ON peer_keys (address);"
"CREATE TABLE authorities ("
"  fingerprint TEXT PRIMARY KEY, name TEXT NOT NULL,"
"  certificate BLOB NOT NULL, expires INTEGER NOT NULL,"
"  own INTEGER NOT NULL, added INTEGER NOT NULL,"
"  crl BLOB, crl_until INTEGER NOT NULL DEFAULT 0"
");"
"CREATE TABLE findings ("
"  lookup INTEGER NOT NULL, subject TEXT NOT NULL,"  /* address, domain */
"  state INTEGER NOT NULL,"           /* as the last answer left it */
"  wanted INTEGER NOT NULL,"          /* 1: the relay is to look */
"  asked INTEGER NOT NULL,"
"  asker BLOB NOT NULL,"              /* the user that wants it */
"  leased INTEGER NOT NULL DEFAULT 0," /* when the relay took it, 0: not */
"  until INTEGER NOT NULL,"           /* state and data hold so long */
"  again INTEGER NOT NULL,"           /* due to be looked for anew */
"  data BLOB, detail TEXT NOT NULL DEFAULT '',"
"  PRIMARY KEY (lookup, subject)"
");"
"CREATE INDEX findings_wanted ON findings (asked) WHERE wanted = 1;"
"CREATE TABLE findings_seen ("
"  user BLOB NOT NULL, lookup INTEGER NOT NULL, subject TEXT NOT NULL,"
"  hash BLOB NOT NULL, PRIMARY KEY (user, lookup, subject)"
") WITHOUT ROWID;"
"ALTER TABLE queue ADD COLUMN route INTEGER NOT NULL DEFAULT 3;"
"ALTER TABLE queue ADD COLUMN blob BLOB;"    /* the mail: object's id */
"CREATE INDEX queue_blob ON queue (blob) WHERE blob IS NOT NULL;"
"ALTER TABLE messages ADD COLUMN class INTEGER NOT NULL DEFAULT 1;"
"ALTER TABLE messages ADD COLUMN house_pk BLOB;" /* signed by the house */
"ALTER TABLE messages ADD COLUMN mail_id TEXT;"  /* came or went with it */
"CREATE INDEX messages_mail ON messages (mail_id) WHERE mail_id IS NOT"
"  NULL;"
"ALTER TABLE deliveries ADD COLUMN mail_id TEXT;"
"ALTER TABLE deliveries ADD COLUMN fingerprint TEXT;"
"CREATE INDEX deliveries_mail ON deliveries (mail_id) WHERE mail_id IS NOT"
"  NULL;";

/* Why nothing that was found can be used, "": something can. */
static const char refused_keys[] =
"ALTER TABLE findings_seen ADD COLUMN words TEXT NOT NULL DEFAULT '';";

/* Step n brings version n to n + 1. */
static const char *const steps[SCHEMA_VERSION][4] = {
	{ accounts, messages, ways, NULL },
	{ routes, NULL },
	{ refused_keys, NULL },
};

static enum ll_result
step(struct db *db, uint64_t version)
{
	char pragma[40];
	enum ll_result r;
	size_t i;

	r = db_begin(db);
	for (i = 0; r == LL_OK && steps[version][i] != NULL; i++)
		if (sqlite3_exec(db_handle(db), steps[version][i], NULL, NULL,
		    NULL) != SQLITE_OK)
			r = LL_IO;
	(void)snprintf(pragma, sizeof(pragma), "PRAGMA user_version=%u",
	    (unsigned)version + 1);
	if (r == LL_OK && sqlite3_exec(db_handle(db), pragma, NULL, NULL,
	    NULL) != SQLITE_OK)
		r = LL_IO;
	if (r == LL_OK)
		return db_commit(db);
	db_rollback(db);
	return r;
}

/* A copy of the whole database beside it, made by SQLite itself. */
static enum ll_result
copy_before(struct db *db, const char *path, uint64_t version)
{
	char name[4200];
	enum ll_result r;
	int n, fd;

	n = snprintf(name, sizeof(name), "%s.before-%u", path,
	    (unsigned)version);
	if (n < 0 || (size_t)n >= sizeof(name))
		return LL_TOOBIG;
	(void)unlink(name);
	r = db_run(db, "VACUUM INTO ?1", "t", name);
	if (r != LL_OK)
		return r;
	fd = open(name, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return LL_IO;
	if (fsync(fd) != 0)
		r = LL_IO;
	(void)close(fd);
	return r;
}

enum ll_result
schema_migrate(struct db *db, const char *path, const char **why_r)
{
	uint64_t version;
	enum ll_result r;

	*why_r = "the database's version could not be read";
	r = db_number(db, 0, &version, "PRAGMA user_version", "");
	if (r != LL_OK)
		return r;
	if (version > SCHEMA_VERSION) {
		*why_r = "the database was made by a newer version of "
		    "letterlock";
		return LL_NEWER;
	}
	if (version == SCHEMA_VERSION)
		return LL_OK;
	*why_r = "no copy of the database could be made before migrating it";
	if (version > 0)
		r = copy_before(db, path, version);
	*why_r = "the database could not be migrated";
	for (; r == LL_OK && version < SCHEMA_VERSION; version++)
		r = step(db, version);
	return r;
}
