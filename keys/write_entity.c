#include "keys/write.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "keys/clean.h"

#define SUBJECT_MAX 4000
#define REFERENCES_MAX 8000
#define TEXT_LINE_MAX 900

static bool
good_ids(const char *text)
{
	for (; *text != 0; text++)
		if ((unsigned char)*text < 0x20 || (unsigned char)*text > 0x7e)
			return false;
	return true;
}

static bool
has_control(const char *text)
{
	for (; *text != 0; text++)
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			return true;
	return false;
}

static enum ll_result
put_ids(struct job *job, struct tlv_out *o, const char *name, uint8_t tag)
{
	const char *ids;

	if (job_text(job_view(&job->fields), tag, &ids) != LL_OK ||
	    (ids != NULL && (!good_ids(ids) || strlen(ids) > REFERENCES_MAX)))
		return job_fail(job, LL_USAGE, "%s has a line feed or another "
		    "byte in it that no header may have.", name);
	if (ids != NULL && ids[strspn(ids, " ")] != 0) {
		/* The first beside the name: a line of a name alone is what
		 * some programs read as an empty field. */
		write_line(o, "%s:", name);
		ids += strspn(ids, " ");
		while (*ids != 0) {
			write_line(o, " %.*s\r\n", (int)strcspn(ids, " "),
			    ids);
			ids += strcspn(ids, " ");
			ids += strspn(ids, " ");
		}
	}
	return o->err;
}

static enum ll_result
put_date(struct job *job, struct tlv_out *o)
{
	static const char *const days[] = { "Sun", "Mon", "Tue", "Wed", "Thu",
		"Fri", "Sat" };
	static const char *const months[] = { "Jan", "Feb", "Mar", "Apr",
		"May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
	uint64_t date;
	struct tm tm;
	time_t t;

	date = job_number(job_view(&job->fields), PARSE_F_DATE, 0);
	t = (time_t)date;
	if (date == 0 || date > UINT32_MAX || gmtime_r(&t, &tm) == NULL)
		return job_fail(job, LL_USAGE, "The message has no date.");
	write_line(o, "Date: %s, %d %s %d %02d:%02d:%02d +0000\r\n",
	    days[tm.tm_wday], tm.tm_mday, months[tm.tm_mon],
	    1900 + tm.tm_year, tm.tm_hour, tm.tm_min, tm.tm_sec);
	return o->err;
}

enum ll_result
write_head(struct job *job, struct tlv_out *o, const char *subject)
{
	const char *id;
	enum ll_result r;

	if (has_control(subject) || strlen(subject) > SUBJECT_MAX)
		return job_fail(job, LL_USAGE, "The subject has a line feed or "
		    "control character in it, or is too long.");
	r = write_people(job, o, "From", PARSE_F_FROM);
	if (r == LL_OK)
		r = write_people(job, o, "Sender", PARSE_F_SENDER);
	if (r == LL_OK)
		r = write_people(job, o, "To", PARSE_F_TO);
	if (r == LL_OK)
		r = write_people(job, o, "Cc", PARSE_F_CC);
	if (r == LL_OK)
		r = put_date(job, o);
	if (r != LL_OK)
		return r;
	if (job_text(job_view(&job->fields), PARSE_F_MESSAGE_ID, &id) !=
	    LL_OK || id == NULL || id[0] != '<' || strlen(id) > 500)
		return job_fail(job, LL_USAGE, "The message has no good "
		    "Message-ID.");
	r = put_ids(job, o, "Message-ID", PARSE_F_MESSAGE_ID);
	if (r == LL_OK)
		r = put_ids(job, o, "In-Reply-To", PARSE_F_IN_REPLY_TO);
	if (r == LL_OK)
		r = put_ids(job, o, "References", PARSE_F_REFERENCES);
	if (r == LL_OK)
		write_field(o, "Subject", subject);
	return r == LL_OK ? o->err : r;
}

/* What the outer header says, told inside as well (RFC 9788, HP-Outer), so
 * that a reader sees what was hidden from the way. */
static enum ll_result
put_outer(struct job *job, struct tlv_out *o)
{
	struct tlv_out head;
	enum ll_result r;
	size_t i, start = 0;

	tlv_out_init(&head, PARSE_JOB_MAX);
	r = write_head(job, &head, "...");
	for (i = 0; r == LL_OK && i + 1 < head.len; i++) {
		if (head.data[i] != '\n' || head.data[i + 1] == ' ')
			continue;
		tlv_put_raw(o, "HP-Outer: ", 10);
		tlv_put_raw(o, head.data + start, i + 1 - start);
		start = i + 1;
	}
	if (r == LL_OK) {
		tlv_put_raw(o, "HP-Outer: ", 10);
		tlv_put_raw(o, head.data + start, head.len - start);
	}
	tlv_out_finish(&head);
	return r;
}

static bool
plain_text(const uint8_t *p, size_t len)
{
	size_t i, column = 0;

	for (i = 0; i < len; i++) {
		if (p[i] >= 0x80 || p[i] == '\r' || p[i] == 0)
			return false;
		column = p[i] == '\n' ? 0 : column + 1;
		if (column > TEXT_LINE_MAX)
			return false;
		/* OpenPGP and S/MIME gateways touch these; RFC 3156 too. */
		if (p[i] == '\n' && i > 0 && p[i - 1] == ' ')
			return false;
		if (column == 1 && (p[i] == '.' ||
		    (len - i >= 5 && memcmp(p + i, "From ", 5) == 0)))
			return false;
	}
	return true;
}

static void
put_quoted(struct tlv_out *o, const uint8_t *p, size_t len)
{
	size_t i, column = 0;
	bool last;

	for (i = 0; i < len; i++) {
		if (p[i] == '\r' && i + 1 < len && p[i + 1] == '\n')
			continue;
		if (p[i] == '\n') {
			tlv_put_raw(o, "\r\n", 2);
			column = 0;
			continue;
		}
		if (column > 71) {
			tlv_put_raw(o, "=\r\n", 3);
			column = 0;
		}
		last = i + 1 == len || p[i + 1] == '\n' || p[i + 1] == '\r';
		if (p[i] < 0x20 || p[i] > 0x7e || p[i] == '=' ||
		    (p[i] == ' ' && last) || (column == 0 && (p[i] == '.' ||
		    p[i] == 'F'))) {
			write_line(o, "=%02X", p[i]);
			column += 3;
			continue;
		}
		tlv_put_raw(o, p + i, 1);
		column++;
	}
	if (column > 0)
		tlv_put_raw(o, "\r\n", 2);
}

static void
put_lines(struct tlv_out *o, const uint8_t *p, size_t len)
{
	const uint8_t *end;
	size_t n;

	for (; len > 0; p += n, len -= n) {
		end = memchr(p, '\n', len);
		n = end == NULL ? len : (size_t)(end - p) + 1;
		tlv_put_raw(o, p, end == NULL ? n : n - 1);
		tlv_put_raw(o, "\r\n", 2);
	}
}

static enum ll_result
put_body(struct job *job, struct tlv_out *o, const char *protect)
{
	const uint8_t *p = job->data.data + job->items[0].at;
	size_t len = job->items[0].len;
	bool plain = plain_text(p, len);

	if (!utf8_valid((const char *)p, len))
		return job_fail(job, LL_USAGE, "The text is no UTF-8 or has a "
		    "zero byte in it.");
	write_line(o, "Content-Type: text/plain; charset=utf-8%s\r\n"
	    "Content-Transfer-Encoding: %s\r\n\r\n", protect,
	    plain ? "7bit" : "quoted-printable");
	if (plain)
		put_lines(o, p, len);
	else
		put_quoted(o, p, len);
	return o->err;
}

static bool
good_type(const char *type)
{
	const char *p;
	size_t slashes = 0;

	for (p = type; *p != 0; p++) {
		slashes += *p == '/';
		if (!isalnum((unsigned char)*p) && strchr("/.+-_", *p) == NULL)
			return false;
	}
	return slashes == 1 && type[0] != '/' && p[-1] != '/' &&
	    p - type < 100 && strncmp(type, "multipart/", 10) != 0 &&
	    strncmp(type, "message/", 8) != 0;
}

/* RFC 2231: other than plain ASCII in percent form. */
static void
put_file_name(struct tlv_out *o, const char *name)
{
	const char *p;

	for (p = name; *p != 0; p++)
		if ((unsigned char)*p >= 0x80 || *p == '%')
			break;
	if (*p == 0) {
		write_line(o, " filename=\"%s\"\r\n", name);
		return;
	}
	tlv_put_raw(o, " filename*=utf-8''", 18);
	for (p = name; *p != 0; p++)
		if (isalnum((unsigned char)*p) || strchr("-._", *p) != NULL)
			tlv_put_raw(o, p, 1);
		else
			write_line(o, "%%%02X", (unsigned char)*p);
	tlv_put_raw(o, "\r\n", 2);
}

static enum ll_result
put_file(struct job *job, struct tlv_out *o, struct tlv_view nest, size_t n)
{
	const char *name, *type;
	enum ll_result r;
	char *clean;

	if (job_text(nest, PARSE_F_NAME, &name) != LL_OK || name == NULL ||
	    job_text(nest, PARSE_F_TYPE, &type) != LL_OK)
		return job_fail(job, LL_USAGE, "Attachment %zu has no name.",
		    n);
	r = clean_file_name(name, strlen(name), &clean);
	if (r != LL_OK)
		return r;
	if (type == NULL || !good_type(type))
		type = "application/octet-stream";
	write_line(o, "Content-Type: %s\r\nContent-Disposition: attachment;"
	    "\r\n", type);
	put_file_name(o, clean);
	write_line(o, "Content-Transfer-Encoding: base64\r\n\r\n");
	write_base64(o, job->data.data + job->items[n].at, job->items[n].len);
	free(clean);
	return o->err;
}

static enum ll_result
put_parts(struct job *job, struct tlv_out *o, const char *protect)
{
	struct tlv_view nest;
	enum ll_result r;
	char boundary[40];
	size_t at = 0, n = 0;

	write_boundary(boundary);
	write_line(o, "Content-Type: multipart/mixed; boundary=\"%s\"%s\r\n"
	    "\r\n--%s\r\n", boundary, protect, boundary);
	r = put_body(job, o, "");
	while (r == LL_OK && job_each(job_view(&job->fields), PARSE_F_ITEM,
	    &at, &nest)) {
		if (++n >= job->item_count)
			return job_fail(job, LL_USAGE,
			    "Attachment %zu has no content.", n);
		write_line(o, "\r\n--%s\r\n", boundary);
		r = put_file(job, o, nest, n);
	}
	if (r == LL_OK && n + 1 != job->item_count)
		return job_fail(job, LL_USAGE, "An attachment has no name.");
	write_line(o, "\r\n--%s--\r\n", boundary);
	return r;
}

enum ll_result
write_entity(struct job *job, struct tlv_out *o, enum write_protect protect)
{
	/* The second is what came before RFC 9788 and is most widely read. */
	static const char *const marks[] = {
		[WRITE_HIDDEN] =
		    ";\r\n hp=\"cipher\"; protected-headers=\"v1\"",
		[WRITE_SIGNED] =
		    ";\r\n hp=\"clear\"; protected-headers=\"v1\"",
		[WRITE_BARE] = ""
	};
	const char *subject;
	enum ll_result r;

	if (job->item_count == 0 ||
	    job_text(job_view(&job->fields), PARSE_F_SUBJECT, &subject) !=
	    LL_OK)
		return job_fail(job, LL_USAGE, "The message has no text.");
	r = protect == WRITE_BARE ? LL_OK :
	    write_head(job, o, subject == NULL ? "" : subject);
	if (r == LL_OK && protect == WRITE_HIDDEN)
		r = put_outer(job, o);
	if (r != LL_OK)
		return r;
	if (protect != WRITE_BARE)
		write_line(o, "MIME-Version: 1.0\r\n");
	r = job->item_count == 1 ? put_body(job, o, marks[protect]) :
	    put_parts(job, o, marks[protect]);
	return r == LL_OK ? o->err : r;
}
