#include "server/intake_milter.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <libmilter/mfapi.h>

#include "server/intake_bounce.h"
#include "server/intake_look.h"
#include "server/intake_mail.h"
#include "server/intake_out.h"
#include "server/intake_take.h"
#include "store/send.h"

#define LISTEN_TEXT 128
#define WANTED (SMFIP_NOCONNECT | SMFIP_NOHELO | SMFIP_NOUNKNOWN | \
	SMFIP_NODATA | SMFIP_NR_HDR | SMFIP_HDR_LEADSPC)

/* One connection of the mail server; mails come one after the other. */
struct link {
	bool leads;                /* values come with their first blank */
	bool quiet;                /* no answer to each header field */
	struct intake_mail *mail;
};

/* libmilter hands its callbacks nothing of ours. */
static struct intake *here;

static struct intake_mail *
mail_of(SMFICTX *ctx)
{
	struct link *l = smfi_getpriv(ctx);

	return l != NULL ? l->mail : NULL;
}

static void
drop_mail(SMFICTX *ctx)
{
	struct link *l = smfi_getpriv(ctx);

	if (l == NULL)
		return;
	intake_mail_destroy(l->mail);
	l->mail = NULL;
}

/* What the mail server is told; all else: come again. */
static const struct {
	enum ll_result result;
	const char *code, *status, *words;
} answers[] = {
	{ LL_TOOBIG, "552", "5.3.4", "Larger than the secure mailbox takes" },
	{ LL_FULL, "452", "4.2.2", "The secure mailbox is full, come again" },
	{ LL_BUSY, "451", "4.3.2", "The secure mailbox is busy, come again" },
	{ LL_OK, "451", "4.3.0", "The secure mailbox cannot take this now, "
	    "come again" },
};

static sfsistat
refuse(SMFICTX *ctx, enum ll_result r)
{
	size_t n = sizeof(answers) / sizeof(answers[0]), i;
	char code[4], status[8], words[100];

	for (i = 0; i + 1 < n && answers[i].result != r; i++)
		continue;
	snprintf(code, sizeof(code), "%s", answers[i].code);
	snprintf(status, sizeof(status), "%s", answers[i].status);
	snprintf(words, sizeof(words), "%s", answers[i].words);
	(void)smfi_setreply(ctx, code, status, words);
	(void)fprintf(stderr, "letterlock-intake: a mail was answered %s: "
	    "%s\n", code, ll_result_text(r));
	drop_mail(ctx);
	return code[0] == '5' ? SMFIS_REJECT : SMFIS_TEMPFAIL;
}

/* A mail of staff's that cannot go: the reason is for its author to read. */
static sfsistat
deny(SMFICTX *ctx, const struct intake_mail *m)
{
	char code[] = "550", status[] = "5.7.1", words[2 * sizeof(m->words)];
	size_t i, n = 0;

	/* no formats, and what SMTP may carry */
	for (i = 0; m->words[i] != '\0' && n + 2 < sizeof(words); i++) {
		if (m->words[i] == '%')
			words[n++] = '%';
		words[n++] = m->words[i] >= ' ' && m->words[i] <= '~' ?
		    m->words[i] : '?';
	}
	words[n] = '\0';
	(void)smfi_setreply(ctx, code, status, words);
	drop_mail(ctx);
	return SMFIS_REJECT;
}

static sfsistat
say_no(SMFICTX *ctx, const struct intake_mail *m, enum ll_result r)
{
	return r == LL_DENIED && m->words[0] != '\0' ? deny(ctx, m) :
	    refuse(ctx, r);
}

static sfsistat
leave_alone(SMFICTX *ctx)
{
	drop_mail(ctx);
	return SMFIS_ACCEPT;
}

/* --- callbacks, in their order --- */

static sfsistat
on_negotiate(SMFICTX *ctx, unsigned long actions, unsigned long steps,
    unsigned long f2, unsigned long f3, unsigned long *actions_r,
    unsigned long *steps_r, unsigned long *f2_r, unsigned long *f3_r)
{
	struct link *l;

	(void)f2;
	(void)f3;
	if ((actions & SMFIF_DELRCPT) == 0)
		return SMFIS_REJECT;
	l = calloc(1, sizeof(*l));
	if (l == NULL || smfi_setpriv(ctx, l) != MI_SUCCESS) {
		free(l);
		return SMFIS_REJECT;
	}
	l->leads = (steps & SMFIP_HDR_LEADSPC) != 0;
	l->quiet = (steps & SMFIP_NR_HDR) != 0;
	*actions_r = SMFIF_DELRCPT;
	*steps_r = steps & WANTED;
	*f2_r = *f3_r = 0;
	return SMFIS_CONTINUE;
}

static sfsistat
on_sender(SMFICTX *ctx, char **argv)
{
	struct link *l = smfi_getpriv(ctx);
	char macro[] = "{auth_authen}";
	const char *login;

	if (l == NULL)
		return SMFIS_TEMPFAIL;
	drop_mail(ctx);
	l->mail = intake_mail_create(here, argv[0]);
	if (l->mail == NULL)
		return refuse(ctx, LL_BUSY);
	login = smfi_getsymval(ctx, macro);
	if (login != NULL)
		snprintf(l->mail->login, sizeof(l->mail->login), "%s", login);
	return SMFIS_CONTINUE;
}

static sfsistat
on_recipient(SMFICTX *ctx, char **argv)
{
	struct intake_mail *m = mail_of(ctx);
	char code[] = "452", status[] = "4.5.3", words[] =
	    "Too many recipients, send the rest in another mail";
	enum ll_result r;

	if (m == NULL)
		return SMFIS_TEMPFAIL;
	r = intake_mail_to(m, argv[0]);
	if (r == LL_FULL)
		(void)smfi_setreply(ctx, code, status, words);
	return r == LL_OK ? SMFIS_CONTINUE : SMFIS_TEMPFAIL;
}

static sfsistat
on_header(SMFICTX *ctx, char *name, char *value)
{
	struct link *l = smfi_getpriv(ctx);
	char *spaced;

	if (l == NULL || l->mail == NULL)
		return SMFIS_TEMPFAIL;
	if (l->leads) {
		intake_mail_header(l->mail, name, value);
	} else if (asprintf(&spaced, " %s", value) >= 0) {
		intake_mail_header(l->mail, name, spaced);
		free(spaced);
	} else {
		l->mail->failed = LL_NOMEM;
	}
	return l->quiet ? SMFIS_NOREPLY : SMFIS_CONTINUE;
}

static sfsistat
on_head(SMFICTX *ctx)
{
	struct intake_mail *m = mail_of(ctx);
	enum ll_result r;

	if (m == NULL)
		return SMFIS_TEMPFAIL;
	r = intake_mail_head(m);
	if (r == LL_OK)
		r = intake_out_judge(m);
	if (r != LL_OK)
		return say_no(ctx, m, r);
	return m->reader_count == 0 && !m->report && !m->out && !m->scan ?
	    leave_alone(ctx) : SMFIS_CONTINUE;
}

/* Enough was seen to decide, or all of it. */
static enum ll_result
decide(struct intake_mail *m)
{
	const struct tlv_view body = { m->bytes + m->head_len,
		m->len - m->head_len };
	bool encrypted = look_encrypted(intake_mail_fields(m), body);
	enum ll_result r;

	if (m->scan && !encrypted) {
		r = intake_out_scan(m);
		if (r != LL_OK || m->out != NULL)
			return r;
	}
	m->passes = !encrypted && m->answer_count == 0;
	return m->passes ? LL_OK : intake_take_begin(m, encrypted);
}

static enum ll_result
add_body(struct intake_mail *m, const uint8_t *p, size_t len)
{
	enum ll_result r;

	m->total += len;
	(void)crypto_generichash_update(&m->hash, p, len);
	if (m->out != NULL)
		return m->total > m->x->most ? LL_TOOBIG :
		    intake_out_add(m, p, len);
	if (m->taking)
		return m->total > m->x->most ? LL_TOOBIG :
		    intake_take_add(m, p, len);
	if (m->report) {
		size_t room = m->len < MAIL_REPORT_MAX + m->head_len ?
		    MAIL_REPORT_MAX + m->head_len - m->len : 0;

		return intake_mail_keep(m, p, len < room ? len : room);
	}
	r = intake_mail_keep(m, p, len);
	if (r != LL_OK || m->len - m->head_len < LOOK_BODY)
		return r;
	r = decide(m);
	return r == LL_OK && m->taking ? intake_take_stream(m) : r;
}

static sfsistat
on_body(SMFICTX *ctx, unsigned char *p, size_t len)
{
	struct intake_mail *m = mail_of(ctx);
	enum ll_result r;

	if (m == NULL)
		return SMFIS_TEMPFAIL;
	r = add_body(m, p, len);
	if (r != LL_OK)
		return say_no(ctx, m, r);
	return m->passes ? leave_alone(ctx) : SMFIS_CONTINUE;
}

/* Taken over: the mail server keeps only what is for others.  A mail server
 * that does not hear this gives the mail again, and it is known then. */
static sfsistat
let_go(SMFICTX *ctx, struct intake_mail *m)
{
	size_t i, left = 0;

	for (i = 0; i < m->to_count; i++)
		left += !m->to[i].taken;
	for (i = 0; left > 0 && i < m->to_count; i++)
		if (m->to[i].taken &&
		    smfi_delrcpt(ctx, m->to[i].raw) != MI_SUCCESS)
			return refuse(ctx, LL_IO);
	drop_mail(ctx);
	return left > 0 ? SMFIS_ACCEPT : SMFIS_DISCARD;
}

static enum ll_result
finish(struct intake_mail *m)
{
	enum ll_result r = LL_OK;

	if (m->out == NULL && m->report)
		return intake_bounce(m);
	if (m->out == NULL && !m->taking)
		r = decide(m);
	if (r == LL_OK && m->out != NULL)
		return intake_out_end(m);
	if (r != LL_OK || m->passes)
		return r;
	if (m->raw == NULL && seal_object_bytes(m->len) > INLINE_MAX)
		r = intake_take_stream(m);
	return r == LL_OK ? intake_take_end(m) : r;
}

static sfsistat
on_end(SMFICTX *ctx)
{
	struct intake_mail *m = mail_of(ctx);
	enum ll_result r;

	if (m == NULL)
		return SMFIS_TEMPFAIL;
	r = finish(m);
	if (r != LL_OK)
		return say_no(ctx, m, r);
	return m->passes ? leave_alone(ctx) : let_go(ctx, m);
}

static sfsistat
on_abort(SMFICTX *ctx)
{
	drop_mail(ctx);
	return SMFIS_CONTINUE;
}

static sfsistat
on_close(SMFICTX *ctx)
{
	struct link *l = smfi_getpriv(ctx);

	drop_mail(ctx);
	free(l);
	(void)smfi_setpriv(ctx, NULL);
	return SMFIS_CONTINUE;
}

/* --- listening --- */

enum ll_result
intake_milter_open(struct intake *x, const char *listen, const char **why_r)
{
	static char name[] = "letterlock-intake", at[LISTEN_TEXT];
	struct smfiDesc calls = {
		.xxfi_name = name, .xxfi_version = SMFI_VERSION,
		.xxfi_flags = SMFIF_DELRCPT, .xxfi_envfrom = on_sender,
		.xxfi_envrcpt = on_recipient, .xxfi_header = on_header,
		.xxfi_eoh = on_head, .xxfi_body = on_body,
		.xxfi_eom = on_end, .xxfi_abort = on_abort,
		.xxfi_close = on_close, .xxfi_negotiate = on_negotiate,
	};
	mode_t mask;
	int opened;

	here = x;
	snprintf(at, sizeof(at), "%s", listen);
	*why_r = "libmilter cannot be set up";
	if (smfi_register(calls) != MI_SUCCESS || smfi_setconn(at) !=
	    MI_SUCCESS)
		return LL_USAGE;
	/* A socket file is for the owner and the group. */
	mask = umask(0117);
	opened = smfi_opensocket(true);
	(void)umask(mask);
	*why_r = "intake_listen: the socket cannot be opened";
	return opened == MI_SUCCESS ? LL_OK : LL_IO;
}

void *
intake_milter_serve(void *x)
{
	(void)x;
	(void)smfi_main();
	return NULL;
}
