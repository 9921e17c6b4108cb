#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "keys/kdf.h"
#include "store/backup.h"
#include "store/finding.h"
#include "store/finding_board.h"
#include "store/group.h"
#include "store/lease.h"
#include "store/object.h"
#include "store/route.h"
#include "store/schema.h"
#include "store/setup.h"

#define MIB (1024ull * 1024)

/* --- CONFIGURE --- */

static const char *
text_of(struct tlv_view v, const char *key)
{
	struct tlv_view pair;
	size_t at = 0;

	while (view_nest(v, F_CONFIG, &at, &pair))
		if (strcmp(view_text(pair, F_CONFIG_KEY), key) == 0)
			return view_text(pair, F_CONFIG_VALUE);
	return "";
}

static uint64_t
number_of(struct tlv_view v, const char *key, uint64_t otherwise)
{
	const char *text = text_of(v, key);
	char *end;
	unsigned long long n;

	if (text[0] < '0' || text[0] > '9')
		return otherwise;
	errno = 0;
	n = strtoull(text, &end, 10);
	return errno != 0 || *end != '\0' ? otherwise : n;
}

static enum ll_result
key_of(struct tlv_view v, enum label label, struct secret *key_r)
{
	struct tlv_view row;
	const uint8_t *p;
	size_t at = 0, len;

	while (view_nest(v, F_ROW, &at, &row)) {
		p = view_bytes(row, F_SECRET, &len);
		if (view_u64(row, F_LABEL) == (uint64_t)label && p != NULL &&
		    len == KEY_BYTES)
			return secret_copy(key_r, p, len);
	}
	return LL_USAGE;
}

/* How sure of keys this house wants to be. */
static void
read_policy(struct store *s, struct tlv_view v)
{
	enum msg_class c;

	for (c = CLASS_NORMAL; c <= CLASS_REGISTERED; c++)
		s->floors[c] = route_floor(c);
	s->floors[CLASS_NORMAL] = (unsigned)number_of(v, "trust_normal",
	    s->floors[CLASS_NORMAL]);
	s->floors[CLASS_CONFIDENTIAL] = (unsigned)number_of(v,
	    "trust_confidential", s->floors[CLASS_CONFIDENTIAL]);
	(void)snprintf(s->tls_domains, sizeof(s->tls_domains), "%s",
	    text_of(v, "tls_domains"));
}

enum ll_result
setup_configure(struct store *s, const struct msg *m,
    enum peer_role *role_r, const char **why_r)
{
	struct tlv_view v = msg_view(m);
	const char *data = text_of(v, "data"), *org = text_of(v, "org_name");
	enum ll_result r;

	*why_r = "no data directory or keys were given";
	if (data[0] == '\0' || strlen(data) >= sizeof(s->path))
		return LL_USAGE;
	(void)snprintf(s->path, sizeof(s->path), "%s", data);
	(void)snprintf(s->org, sizeof(s->org), "%.199s", org);
	s->undo_secs = number_of(v, "undo_seconds", 30);
	s->expiry_days = number_of(v, "expiry_days", 30);
	s->attachment_max = number_of(v, "attachment_max", 512 * MIB);
	s->quota = number_of(v, "quota", 4096 * MIB);
	s->kdf_memory_mib = (unsigned)number_of(v, "kdf_memory_mib",
	    KDF_MEMORY_MIB);
	s->kdf_passes = (unsigned)number_of(v, "kdf_passes", KDF_PASSES);
	s->muc_memory_mib = (unsigned)number_of(v, "muc_kdf_memory_mib",
	    KDF_MUC_MEMORY_MIB);
	s->kdf_runs = (unsigned)number_of(v, "kdf_runs", 2);
	if (s->kdf_runs == 0)
		s->kdf_runs = 1;
	s->search = finding_search(text_of(v, "key_search"),
	    text_of(v, "keyserver"));
	read_policy(s, v);
	*role_r = strcmp(text_of(v, "role"), "local") == 0 ? PEER_LOCAL :
	    PEER_DAEMON;
	r = key_of(v, LABEL_ROOT_PEPPER, &s->pepper);
	if (r == LL_OK)
		r = key_of(v, LABEL_ROOT_TOTP, &s->totp_key);
	return r;
}

/* --- folders, lock, database --- */

static enum ll_result
open_folder(int at, const char *name, int *fd_r)
{
	if (mkdirat(at, name, 0700) == 0) {
		if (fsync(at) != 0)
			return LL_IO;
	} else if (errno != EEXIST) {
		return LL_IO;
	}
	*fd_r = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return *fd_r < 0 ? LL_IO : LL_OK;
}

static enum ll_result
take_lock(struct store *s, const char **why_r)
{
	*why_r = "the lock file could not be opened";
	s->lock = openat(s->data, "lock", O_RDWR | O_CREAT | O_CLOEXEC |
	    O_NOFOLLOW, 0600);
	if (s->lock < 0)
		return LL_IO;
	*why_r = "another letterlock-store has this data directory open";
	return flock(s->lock, LOCK_EX | LOCK_NB) == 0 ? LL_OK : LL_BUSY;
}

static enum ll_result
open_database(struct store *s, const char **why_r)
{
	char path[sizeof(s->path) + 32];
	enum ll_result r;
	int fd;

	*why_r = "the folder of the database could not be made";
	r = open_folder(s->data, "db", &fd);
	if (r != LL_OK)
		return r;
	(void)close(fd);
	(void)snprintf(path, sizeof(path), "%s/db/letterlock.db", s->path);
	r = db_open(path, &s->db, why_r);
	if (r == LL_OK)
		r = schema_migrate(s->db, path, why_r);
	return r;
}

enum ll_result
setup_open(struct store *s, const char **why_r)
{
	enum ll_result r;

	(void)umask(077);
	*why_r = "the data directory could not be opened";
	s->data = open(s->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->data < 0)
		return LL_IO;
	r = take_lock(s, why_r);
	if (r == LL_OK)
		r = open_database(s, why_r);
	if (r != LL_OK)
		return r;
	*why_r = "the folder of attachments could not be opened";
	r = open_folder(s->data, "blobs", &s->blobs);
	if (r == LL_OK)
		r = object_clean(s);
	if (r == LL_CONFLICT)
		*why_r = "there are attachments, but the database is empty: "
		    "put db/letterlock.db back, or restore a backup";
	if (r != LL_OK)
		return r;
	*why_r = "out of memory";
	r = loop_create(&s->loop);
	if (r == LL_OK)
		r = group_create(s);
	if (r == LL_OK)
		r = lease_create(s);
	if (r == LL_OK)
		r = board_create(s);
	return r;
}

void
setup_close(struct store *s)
{
	struct peer *p;

	for (p = s->peers; p != NULL; p = p->next)
		p->dead = true;
	if (s->loop != NULL && s->leases != NULL)
		serve_reap(s);
	if (s->loop != NULL)
		backup_forget(s, NULL);
	object_forget(s, NULL);
	lease_destroy(s);
	board_destroy(s);
	group_destroy(s);
	loop_destroy(s->loop);
	chan_destroy(s->parent);
	db_close(s->db);
	secret_finish(&s->pepper);
	secret_finish(&s->totp_key);
	if (s->blobs >= 0)
		(void)close(s->blobs);
	if (s->data >= 0)
		(void)close(s->data);
	if (s->lock >= 0)
		(void)close(s->lock);
}
