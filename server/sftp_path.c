#include "server/sftp_path.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "keys/clean.h"
#include "server/sftp_wire.h"

#define PARTS_MAX 16

struct part {
	const char *text;
	size_t len;
};

static bool
part_is(const struct part *part, const char *word)
{
	return part->len == strlen(word) &&
	    memcmp(part->text, word, part->len) == 0;
}

/* Splits at slashes; -1 for a path that is deeper than any of ours. */
static int
split(const char *text, size_t len, struct part parts[PARTS_MAX])
{
	int count = 0;
	size_t at = 0;

	while (at < len) {
		const char *slash = memchr(text + at, '/', len - at);
		struct part part = { text + at,
		    slash ? (size_t)(slash - text) - at : len - at };

		at += part.len + 1;
		if (part.len == 0 || part_is(&part, "."))
			continue;
		if (part_is(&part, "..")) {
			if (count > 0)
				count--;
			continue;
		}
		if (count == PARTS_MAX)
			return -1;
		parts[count++] = part;
	}
	return count;
}

static enum ll_result
set_name(struct sftp_path *p, const struct part *part)
{
	char *clean = NULL;
	enum ll_result r;

	r = clean_file_name(part->text, part->len, &clean);
	if (r)
		return r;
	if (strlen(clean) >= sizeof(p->name))
		r = LL_TOOBIG;
	else
		memcpy(p->name, clean, strlen(clean) + 1);
	free(clean);
	return r;
}

static enum ll_result
set_id(struct sftp_path *p, const struct part *part)
{
	struct id low, high;

	if (part->len > ID_TEXT || memchr(part->text, '\0', part->len))
		return LL_NOTFOUND;
	memcpy(p->id, part->text, part->len);
	p->id[part->len] = '\0';
	return id_prefix(p->id, &low, &high) ? LL_NOTFOUND : LL_OK;
}

enum ll_result
sftp_path_parse(const void *text, size_t len, struct sftp_path *p_r)
{
	struct part parts[PARTS_MAX];
	enum ll_result r;
	int count;

	memset(p_r, 0, sizeof(*p_r));
	if (len > SFTP_PATH_MAX)
		return LL_TOOBIG;
	count = split(text, len, parts);
	if (count == 0)
		return LL_OK;
	if (count > 0 && part_is(&parts[0], "d"))
		p_r->box = SFTP_BOX_DRAFT;
	else if (count > 0 && part_is(&parts[0], "m"))
		p_r->box = SFTP_BOX_MESSAGE;
	else
		return count == 1 ? set_name(p_r, &parts[0]) : LL_NOTFOUND;
	if (count > 3)
		return LL_NOTFOUND;
	if (count > 1) {
		r = set_id(p_r, &parts[1]);
		if (r)
			return r;
	}
	return count > 2 ? set_name(p_r, &parts[2]) : LL_OK;
}

void
sftp_path_text(const struct sftp_path *p, char text[SFTP_PATH_TEXT])
{
	static const char *const top[] = { "", "/d", "/m" };

	snprintf(text, SFTP_PATH_TEXT, "%s%s%s%s%s", top[p->box],
	    p->id[0] ? "/" : "", p->id, p->name[0] ? "/" : "", p->name);
	if (!text[0])
		snprintf(text, SFTP_PATH_TEXT, "/");
}

bool
sftp_path_is_folder(const struct sftp_path *p)
{
	return p->name[0] == '\0';
}
