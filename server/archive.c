#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/archive.h"
#include "server/cert.h"
#include "server/copy.h"
#include "server/file.h"
#include "server/hostkey.h"
#include "server/net.h"
#include "server/proc.h"
#include "server/root.h"

#define STAGE "backup.tmp"
#define MANIFEST_LINE (2 * HASH_BYTES + 24 + 600)
#define MANIFEST_HEAD "letterlock backup 1\n"

/* Beside what the store stages. */
static const struct {
	const char *name;
	mode_t mode;
	bool may_lack;
	bool secret;             /* left out of a backup without secrets */
} plain_files[] = {
	{ "letterlock.conf", 0600, false, false },
	{ "host_ed25519", 0400, false, false },
	{ "host_ed25519.pub", 0644, false, false },
	{ "portal.crt", 0644, true, false },
	{ "portal.key", 0600, true, true },
	{ "ca.key", 0400, true, false },
	{ "ca.crt", 0644, true, false },
	{ "ca.crl", 0644, true, false },
	{ "ca.issued", 0600, true, false },
	{ "root.key", 0400, true, true },
	{ "root.sealed", 0400, true, false }
};

#define PLAIN_FILES (sizeof(plain_files) / sizeof(plain_files[0]))

static enum ll_result
fail(enum ll_result r, const char *path, char *why)
{
	snprintf(why, CONFIG_WHY, "%.1000s: %s", path,
	    r == LL_IO ? strerror(errno) : ll_result_text(r));
	return r;
}

/* --- backup --- */

/* nftw has no argument of its own for the callback. */
static struct {
	size_t skip;                     /* length of the stage's path + '/' */
	const char *to;
	FILE *manifest;
	enum ll_result r;
	char *why;
} walk;

static enum ll_result
add_file(const char *src, const char *to, const char *name, mode_t mode,
    FILE *manifest)
{
	uint8_t hash[HASH_BYTES];
	char hex[2 * HASH_BYTES + 1], dst[FILE_PATH_MAX];
	enum ll_result r;
	uint64_t size;

	r = file_path(to, name, dst);
	if (r == LL_OK)
		r = copy_parents(dst, strlen(to));
	if (r == LL_OK)
		r = copy_file(src, dst, mode, hash, &size);
	if (r)
		return r;
	sodium_bin2hex(hex, sizeof(hex), hash, sizeof(hash));
	return fprintf(manifest, "%s %llu %s\n", hex,
	    (unsigned long long)size, name) < 0 ? LL_NOMEM : LL_OK;
}

static int
walk_one(const char *path, const struct stat *st, int kind,
    struct FTW *place)
{
	const char *name = path + walk.skip;

	(void)st;
	(void)place;
	if (kind != FTW_F)
		return 0;
	if (strcmp(name, "letterlock.db") == 0)
		name = "db/letterlock.db";
	walk.r = add_file(path, walk.to, name, 0600, walk.manifest);
	if (walk.r)
		(void)fail(walk.r, path, walk.why);
	return walk.r != LL_OK;
}

static enum ll_result
copy_stage(const char *stage, const char *to, FILE *manifest, char *why)
{
	walk.skip = strlen(stage) + 1;
	walk.to = to;
	walk.manifest = manifest;
	walk.r = LL_OK;
	walk.why = why;
	if (nftw(stage, walk_one, 16, FTW_PHYS) != 0 && walk.r == LL_OK)
		return fail(LL_IO, stage, why);
	return walk.r;
}

static enum ll_result
copy_plain(const char *data, const char *to, bool secrets, FILE *manifest,
    char *why)
{
	char src[FILE_PATH_MAX];
	enum ll_result r = LL_OK;
	size_t i;

	for (i = 0; r == LL_OK && i < PLAIN_FILES; i++) {
		if (plain_files[i].secret && !secrets)
			continue;
		r = file_path(data, plain_files[i].name, src);
		if (r == LL_OK)
			r = add_file(src, to, plain_files[i].name,
			    plain_files[i].mode, manifest);
		if (r == LL_NOTFOUND && plain_files[i].may_lack)
			r = LL_OK;
		if (r)
			return fail(r, src, why);
	}
	return LL_OK;
}

static enum ll_result
write_backup(const char *data, const char *stage, const char *to, bool secrets,
    char *why)
{
	char *text = NULL, path[FILE_PATH_MAX];
	size_t len = 0;
	FILE *manifest = open_memstream(&text, &len);
	enum ll_result r;

	if (manifest == NULL)
		return LL_NOMEM;
	fputs(MANIFEST_HEAD, manifest);
	r = copy_stage(stage, to, manifest, why);
	if (r == LL_OK)
		r = copy_plain(data, to, secrets, manifest, why);
	fputs("end\n", manifest);
	if (fclose(manifest) != 0 && r == LL_OK)
		r = LL_NOMEM;
	if (r == LL_OK)
		r = file_path(to, "MANIFEST", path);
	if (r == LL_OK)
		r = file_create(path, 0600, text, len);
	if (r == LL_OK)
		r = file_sync_dir(to);
	free(text);
	return r;
}

/* One backup at a time: they share the stage. */
static int
lock_backups(const char *data)
{
	char path[FILE_PATH_MAX];
	int fd = -1;

	if (file_path(data, "backup.lock", path) == LL_OK)
		fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW,
		    0600);
	if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) != 0) {
		(void)close(fd);
		return -1;
	}
	return fd;
}

enum ll_result
archive_backup(struct local *l, const char *path, bool secrets, char *why)
{
	char words[512] = "", stage[FILE_PATH_MAX];
	struct msg *m = NULL;
	enum ll_result r;
	int lock;

	why[0] = '\0';
	r = file_is_empty_dir(path);
	if (r == LL_OK)
		r = file_mkdir(path, 0700);
	if (r == LL_CONFLICT) {
		snprintf(why, CONFIG_WHY, "%.1000s: not empty", path);
		return r;
	}
	if (r)
		return fail(r, path, why);
	lock = lock_backups(l->data);
	if (lock < 0) {
		snprintf(why, CONFIG_WHY, "another backup is running");
		return LL_BUSY;
	}
	r = file_path(l->data, STAGE, stage);
	if (r == LL_OK)
		r = msg_create(MSG_REQUEST, OP_BACKUP, &m);
	if (r == LL_OK)
		r = chan_ask(l->store, m, NULL, words, sizeof(words));
	if (r)
		snprintf(why, CONFIG_WHY, "backup: %s", words[0] != '\0' ?
		    words : ll_result_text(r));
	else
		r = write_backup(l->data, stage, path, secrets, why);
	if (copy_remove_tree(stage) != LL_OK && r == LL_OK)
		r = fail(LL_IO, stage, why);
	(void)close(lock);
	return r && why[0] == '\0' ? fail(r, path, why) : r;
}

/* --- restore --- */

struct entry {
	uint8_t hash[HASH_BYTES];
	uint64_t size;
	char *name;                      /* in the line */
};

/* Only names below the directory, of plain parts. */
static bool
name_is_safe(const char *name)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz"
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-/";

	return name[0] != '/' && name[0] != '\0' &&
	    name[strspn(name, letters)] == '\0' &&
	    strstr(name, "..") == NULL && strlen(name) < 500;
}

static enum ll_result
parse_entry(char *line, struct entry *e_r)
{
	char *size, *end;
	size_t bin_len;

	size = strchr(line, ' ');
	if (size == NULL || sodium_hex2bin(e_r->hash, HASH_BYTES, line,
	    (size_t)(size - line), NULL, &bin_len, NULL) != 0 ||
	    bin_len != HASH_BYTES)
		return LL_PROTO;
	errno = 0;
	e_r->size = strtoull(size + 1, &end, 10);
	if (errno != 0 || end == size + 1 || *end != ' ')
		return LL_PROTO;
	e_r->name = end + 1;
	e_r->name[strcspn(e_r->name, "\n")] = '\0';
	return name_is_safe(e_r->name) ? LL_OK : LL_PROTO;
}

static mode_t
mode_of(const char *name)
{
	size_t i;

	for (i = 0; i < PLAIN_FILES; i++)
		if (strcmp(plain_files[i].name, name) == 0)
			return plain_files[i].mode;
	return 0600;
}

static bool
is_root(const char *name)
{
	return strcmp(name, "root.key") == 0 ||
	    strcmp(name, "root.sealed") == 0;
}

/* Checks one file; to: also copies it there, but for a root secret when there
 * is another way to have one (keep_root). */
static enum ll_result
take_entry(const struct entry *e, const char *from, const char *to,
    bool keep_root, char *why)
{
	char src[FILE_PATH_MAX], dst[FILE_PATH_MAX];
	uint8_t hash[HASH_BYTES];
	enum ll_result r;
	uint64_t size = 0;

	if (keep_root && is_root(e->name))
		to = NULL;
	r = file_path(from, e->name, src);
	if (r == LL_OK && to != NULL) {
		r = file_path(to, e->name, dst);
		if (r == LL_OK)
			r = copy_parents(dst, strlen(to));
	}
	if (r == LL_OK)
		r = copy_file(src, to != NULL ? dst : NULL, mode_of(e->name),
		    hash, &size);
	if (r)
		return fail(r, src, why);
	if (size == e->size && derive_equal(hash, e->hash, HASH_BYTES))
		return LL_OK;
	snprintf(why, CONFIG_WHY, "%.1000s: not what the manifest says", src);
	return LL_AUTH;
}

/* Goes through the manifest; LL_PROTO unless it is whole. */
static enum ll_result
each_entry(const char *from, const char *to, bool keep_root, char *why)
{
	char line[MANIFEST_LINE], path[FILE_PATH_MAX];
	struct entry e;
	enum ll_result r;
	bool ended = false;
	FILE *in;

	r = file_path(from, "MANIFEST", path);
	if (r)
		return fail(r, from, why);
	in = fopen(path, "re");
	if (in == NULL)
		return fail(errno == ENOENT ? LL_NOTFOUND : LL_IO, path, why);
	if (fgets(line, sizeof(line), in) == NULL ||
	    strcmp(line, MANIFEST_HEAD) != 0)
		r = fail(LL_PROTO, path, why);
	while (r == LL_OK && !ended && fgets(line, sizeof(line), in) != NULL) {
		ended = strcmp(line, "end\n") == 0;
		if (ended)
			break;
		r = parse_entry(line, &e);
		if (r)
			(void)fail(r, path, why);
		else
			r = take_entry(&e, from, to, keep_root, why);
	}
	if (r == LL_OK && !ended)
		r = fail(LL_PROTO, path, why);
	(void)fclose(in);
	return r;
}

/* The directory, of which nothing but a root secret may be there. */
static enum ll_result
check_target(const char *dir, char *why)
{
	enum ll_result r = LL_OK;
	struct dirent *e;
	DIR *d = opendir(dir);

	if (d == NULL)
		return errno == ENOENT ? LL_OK : fail(LL_IO, dir, why);
	while (r == LL_OK && (e = readdir(d)) != NULL)
		if (strcmp(e->d_name, ".") != 0 &&
		    strcmp(e->d_name, "..") != 0 &&
		    strcmp(e->d_name, "lost+found") != 0 &&
		    strcmp(e->d_name, "root.key") != 0 &&
		    strcmp(e->d_name, "root.sealed") != 0)
			r = LL_CONFLICT;
	(void)closedir(d);
	if (r)
		snprintf(why, CONFIG_WHY, "%.1000s: not empty", dir);
	return r;
}

/* A configuration that says where its data are: here, now. */
static enum ll_result
move_config(const char *dir, char *why)
{
	char path[FILE_PATH_MAX];
	struct config c;
	enum ll_result r;
	bool named;
	FILE *out;

	r = file_path(dir, "letterlock.conf", path);
	if (r)
		return fail(r, dir, why);
	r = config_load(&c, path, why);
	if (r)
		return r;
	named = c.lines[CONFIG_data] > 0 &&
	    strcmp(config_text(&c, CONFIG_data), dir) != 0;
	config_finish(&c);
	if (!named)
		return LL_OK;
	out = fopen(path, "ae");
	if (out == NULL)
		return fail(LL_IO, path, why);
	fprintf(out, "\n# restored here (the last line of a key counts)\n"
	    "data = %s\n", dir);
	return fclose(out) == 0 ? LL_OK : fail(LL_IO, path, why);
}

static bool
is_there(const char *dir, const char *name)
{
	char path[FILE_PATH_MAX];

	return file_path(dir, name, path) == LL_OK && access(path, F_OK) == 0;
}

/* A new self-signed certificate where the backup has no key for the old. */
static enum ll_result
renew_certificate(const char *dir, char *why)
{
	char path[FILE_PATH_MAX], scheme[8], host[256];
	struct config c;
	enum ll_result r;
	unsigned port;
	bool has_port;

	if (is_there(dir, "portal.key"))
		return LL_OK;
	r = file_path(dir, "portal.crt", path);
	if (r == LL_OK)
		(void)unlink(path);
	if (r == LL_OK)
		r = file_path(dir, "letterlock.conf", path);
	if (r == LL_OK)
		r = config_load(&c, path, why);
	if (r)
		return r;
	r = net_url_parse(config_text(&c, CONFIG_portal_url), scheme,
	    sizeof(scheme), host, sizeof(host), &port, &has_port);
	config_finish(&c);
	if (r == LL_OK)
		r = cert_create(dir, host);
	return r ? fail(r, "portal.crt", why) : LL_OK;
}

/* Puts the root secret there and checks that it is the backup's. */
static enum ll_result
place_root(const char *dir, const char *root_key, char *why)
{
	struct secret text = SECRET_NONE, root = SECRET_NONE;
	struct secret seed = SECRET_NONE;
	enum ll_result r;

	r = file_read(root_key, 256, 0, &text);
	if (r == LL_OK)
		r = root_parse((const char *)text.data, &root);
	if (r == LL_OK)
		r = hostkey_load(dir, &root, &seed);
	if (r == LL_OK)
		r = root_save(dir, &root, NULL);
	if (r == LL_AUTH)
		snprintf(why, CONFIG_WHY, "%.1000s: not the root secret of "
		    "this backup", root_key);
	else if (r)
		(void)fail(r, root_key, why);
	secret_finish(&seed);
	secret_finish(&root);
	secret_finish(&text);
	return r;
}

static bool
has_root(const char *dir)
{
	return is_there(dir, "root.key") || is_there(dir, "root.sealed");
}

/* What a failed restore leaves would look like a data directory. */
static void
undo_restore(const char *dir, bool had_root)
{
	static const char *const made[] = { "db", "blobs" };
	char path[FILE_PATH_MAX];
	size_t i;

	for (i = 0; i < sizeof(made) / sizeof(made[0]); i++)
		if (file_path(dir, made[i], path) == LL_OK)
			(void)!copy_remove_tree(path);
	for (i = 0; i < PLAIN_FILES; i++)
		if (!(had_root && is_root(plain_files[i].name)) &&
		    file_path(dir, plain_files[i].name, path) == LL_OK)
			(void)unlink(path);
}

enum ll_result
archive_restore(struct local *l, const char *path, const char *root_key,
    char *why)
{
	enum ll_result r;
	bool had_root;

	r = proc_memlock(why);
	if (r == LL_OK)
		r = check_target(l->data, why);
	if (r == LL_OK)
		r = each_entry(path, NULL, false, why);
	if (r)
		return r;
	if (file_mkdir(l->data, 0700) != LL_OK ||
	    chmod(l->data, 0700) != 0)
		return fail(LL_IO, l->data, why);
	had_root = has_root(l->data);
	r = each_entry(path, l->data, had_root || root_key != NULL, why);
	if (r == LL_OK)
		r = move_config(l->data, why);
	if (r == LL_OK)
		r = renew_certificate(l->data, why);
	if (r == LL_OK && root_key != NULL)
		r = place_root(l->data, root_key, why);
	if (r == LL_OK)
		r = file_sync_dir(l->data);
	if (r) {
		undo_restore(l->data, had_root);
		return r;
	}
	why[0] = '\0';
	if (!has_root(l->data))
		snprintf(why, CONFIG_WHY, "put the root secret that init "
		    "printed into %.900s/root.key (mode 0400) before the "
		    "start\n", l->data);
	return LL_OK;
}
