/*
 * center_mail.c - the part of a message that goes out as mail: keys gathered
 * and looked at again, one sealing for all formats.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "keys/whole.h"
#include "store/keyring.h"
#include "store/mail.h"
#include "tui/center_part.h"

#define PARSER_TRIES 50         /* waits for one of the session's few */
#define PARSER_WAIT_MS 200
#define TELL_BYTES 4194304      /* from which a sealing is worth telling */
#define TELL_STEPS 10

/* A key of the plan, with its bytes. */
struct key {
	char fingerprint[129];
	enum parse_format format;
	bool trusted;                /* the plan counts on its CA */
	bool confirmed;              /* by a person: no CA need stand behind */
	char address[321];
	struct msg *answer;          /* keeps the bytes */
	struct outmail_key bytes;
};

struct mailing {
	struct center *c;
	const struct draft *d;
	const struct center_plan *p;
	const struct center_send_options *o;
	struct key *keys;
	size_t count;
	struct center_owns own;
	struct tlv_out authorities;  /* when a certificate is among the keys */
	size_t told;
};

bool
center_has_mail(const struct center_planned *row)
{
	return !row->held && (row->route == ROUTE_SMIME
	    || row->route == ROUTE_OPENPGP || row->route == ROUTE_DOMAIN
	    || row->route == ROUTE_TLS);
}

/* The format that a recipient gets: its keys are all of one. */
static enum parse_format
format_of(const struct center_planned *row)
{
	return row->key_count ? row->keys[0].format : PARSE_PLAIN;
}

static const struct center_planned *
first_mail(const struct center_plan *p)
{
	size_t i;

	for (i = 0; i < p->count; i++)
		if (center_has_mail(&p->rows[i]))
			return &p->rows[i];
	return NULL;
}

bool
center_mail_is_large(const struct draft *d, const char *address,
    char words[CENTER_LARGE])
{
	uint64_t all = strlen(d->body);
	size_t i;

	for (i = 0; i < d->attachment_count; i++)
		all += d->attachments[i].plain_bytes;
	(void)snprintf(words, CENTER_LARGE, "The message is larger than %u "
	    "MB, the most for a mail: send a link (--via %s=portal-muc).",
	    PARSE_DATA_MAX >> 20, address);
	return all > PARSE_DATA_MAX;
}

/* --- keys --- */

static enum ll_result
fetch_key(struct center *c, struct key *k)
{
	struct tlv_view v, row;
	struct msg *m;
	size_t at = 0;
	enum ll_result r;

	r = msg_create(MSG_REQUEST, OP_PEERKEY_GET, &m);
	if (r)
		return r;
	msg_put_text(m, F_FINGERPRINT, k->fingerprint);
	msg_put_text(m, F_ADDRESS, k->address);
	r = desk_ask(c->desk, m, &k->answer);
	if (r == LL_NOTFOUND)
		return center_fail(c, LL_CONFLICT, "a recipient's key was "
		    "removed since the plan was shown: plan again");
	if (r)
		return r;
	v = row = msg_view(k->answer);
	(void)view_nest(v, F_ROW, &at, &row);
	k->bytes.format = k->format;
	k->bytes.p = view_bytes(view_has(row, F_PUBLIC) ? row : v, F_PUBLIC,
	    &k->bytes.len);
	k->confirmed = view_u64(row, F_CONFIRMED) != 0;
	k->trusted = (view_u64(row, F_FLAGS) & PEERKEY_TRUSTED) != 0;
	k->bytes.trusted = k->format == PARSE_SMIME && k->trusted
	    && !k->confirmed;
	return k->bytes.p && k->bytes.len ? LL_OK : LL_PROTO;
}

static struct key *
find_key(struct mailing *s, const struct center_plan_key *wanted)
{
	size_t i;

	for (i = 0; i < s->count; i++)
		if (s->keys[i].format == wanted->format
		    && strcmp(s->keys[i].fingerprint, wanted->fingerprint)
		    == 0 && strcmp(s->keys[i].address, wanted->address) == 0)
			return &s->keys[i];
	return NULL;
}

static enum ll_result
gather(struct mailing *s)
{
	const struct center_planned *row;
	struct key *grown, *k;
	size_t i, n;
	enum ll_result r = LL_OK;

	for (i = 0; i < s->p->count; i++) {
		row = &s->p->rows[i];
		if (!center_has_mail(row))
			continue;
		if (row->route != ROUTE_TLS && row->key_count == 0)
			return LL_PROTO;
		for (n = 0; r == LL_OK && n < row->key_count; n++) {
			if (find_key(s, &row->keys[n]))
				continue;
			grown = realloc(s->keys,
			    (s->count + 1) * sizeof *grown);
			if (!grown)
				return LL_NOMEM;
			s->keys = grown;
			k = memset(&grown[s->count++], 0, sizeof *k);
			k->format = row->keys[n].format;
			memcpy(k->fingerprint, row->keys[n].fingerprint,
			    sizeof k->fingerprint);
			memcpy(k->address, row->keys[n].address,
			    sizeof k->address);
			r = fetch_key(s->c, k);
		}
	}
	return r;
}

/* What its CA took back is a key no more; the house's own stays for the
 * administration to remove. */
static enum ll_result
drop_revoked(struct mailing *s, const struct key *k, const char **then_r)
{
	struct center_keys gone;
	enum ll_result r;

	r = center_key_remove(s->c, k->fingerprint, k->address, &gone);
	*then_r = r ? "The administration has to remove it." :
	    "It is removed: plan again.";
	center_keys_finish(&gone);
	return r == LL_NOTFOUND || r == LL_DENIED ? LL_OK : r;
}

/* The plan must not trust that path again: kept anew, as it is today.  Of two
 * sources the store keeps the better one, which is the old one here. */
static enum ll_result
drop_trust(struct mailing *s, const struct key *k, struct inspection *seen)
{
	seen->keys[0].trusted = false;
	seen->keys[0].result = LL_OK;
	return seen->keys[0].key ? keyring_add(s->c->desk, k->address, seen,
	    KEY_AUTOCRYPT, NULL) : LL_OK;
}

static enum ll_result
refuse(struct mailing *s, const struct key *k, struct inspection *seen)
{
	const struct inspected *found = &seen->keys[0];
	const char *then = "Plan again.";
	char words[INSPECT_WORDS + 500];
	enum ll_result r;

	(void)snprintf(words, sizeof words, "the certificate of %s may not be "
	    "used any more: %s", k->address, *found->words ? found->words :
	    "no trusted issuer.");
	r = found->revoked ? drop_revoked(s, k, &then) :
	    drop_trust(s, k, seen);
	if (r)
		return r;
	(void)snprintf(words + strlen(words), sizeof words - strlen(words),
	    " %s", then);
	return center_fail(s->c, LL_CONFLICT, words);
}

/* What a person has checked needs no CA to stand behind it, but none that
 * took it back either. */
static bool
is_refused(const struct key *k, const struct inspected *found)
{
	return found->revoked || (!k->confirmed && k->trusted
	    && !found->trusted);
}

/* Which certificate was refused, and what becomes of it: asked one by one,
 * as the sealing says no more than that there is one.  LL_OK: none of them is
 * to blame. */
static enum ll_result
look_again(struct mailing *s)
{
	struct inspection seen;
	struct key *k;
	size_t i;
	enum ll_result r = LL_OK;

	for (i = 0; r == LL_OK && i < s->count; i++) {
		k = &s->keys[i];
		if (k->format != PARSE_SMIME)
			continue;
		r = keyring_inspect(s->c->desk, k->address, k->bytes.p,
		    k->bytes.len, &s->authorities, &seen);
		if (r == LL_OK && is_refused(k, &seen.keys[0]))
			r = refuse(s, k, &seen);
		inspect_finish(&seen);
	}
	return r;
}

/* --- what the sealing asks of its host --- */

static enum ll_result
open_attachment(void *arg, size_t n, int *fd_r)
{
	struct mailing *s = arg;
	struct msg *m, *reply;
	const uint8_t *p;
	size_t len = 0;
	enum ll_result r;

	*fd_r = -1;
	r = center_request(OP_OBJECT_OPEN, &s->d->id, &m);
	if (r)
		return r;
	msg_put_id(m, F_OBJECT_ID, &s->d->attachments[n].object);
	r = desk_ask(s->c->desk, m, &reply);
	if (r)
		return r;
	*fd_r = msg_take_fd(reply, 0);
	p = view_bytes(msg_view(reply), F_DATA, &len);
	if (*fd_r < 0 && p) {
		*fd_r = memfd_create("attachment", MFD_CLOEXEC);
		if (*fd_r >= 0 && (whole_write(*fd_r, p, len)
		    || lseek(*fd_r, 0, SEEK_SET) != 0)) {
			close(*fd_r);
			*fd_r = -1;
		}
	}
	msg_destroy(reply);
	return *fd_r < 0 ? LL_IO : LL_OK;
}

static enum ll_result
new_blob(void *arg, uint64_t expected, struct id *object_r, int *fd_r)
{
	struct mailing *s = arg;
	uint64_t room;

	return draft_blob_new(s->c->desk, &s->d->id, expected, object_r,
	    fd_r, &room);
}

static enum ll_result
commit_blob(void *arg, const struct outmail_made *made)
{
	struct mailing *s = arg;
	struct draft_attachment a = { .object = made->object,
	    .plain_bytes = made->bytes, .sealed_bytes = made->sealed_bytes };

	memcpy(a.hash, made->hash, sizeof a.hash);
	return draft_blob_commit(s->c->desk, &s->d->id, OBJECT_MAIL, &a);
}

static bool
progress(void *arg, uint64_t done, uint64_t all)
{
	struct mailing *s = arg;
	size_t step;

	if (!s->o->progress || all < TELL_BYTES)
		return true;
	step = (size_t)(done * TELL_STEPS / all);
	if (step == s->told || step == 0)
		return true;
	s->told = step;
	return s->o->progress(s->o->arg, "Encrypting", step, TELL_STEPS);
}

/* --- the sealing --- */

/* The Message-ID of what is answered, when it came as mail: "" otherwise. */
static void
find_answered(struct mailing *s, char out[OUTMAIL_ID * 8])
{
	static const struct id none;
	struct msg *m, *reply;
	struct tlv_view row;
	size_t at = 0;

	out[0] = '\0';
	if (id_equal(&s->d->reply_to, &none)
	    || center_request(OP_FIND, &s->d->reply_to, &m))
		return;
	msg_put_id(m, F_REPLY_TO, &s->d->reply_to);
	if (desk_ask(s->c->desk, m, &reply))
		return;
	if (view_nest(msg_view(reply), F_ROW, &at, &row)
	    && strlen(view_text(row, F_MAIL_ID)) < OUTMAIL_ID * 8)
		(void)snprintf(out, OUTMAIL_ID * 8, "%s",
		    view_text(row, F_MAIL_ID));
	msg_destroy(reply);
}

/* The keys to seal to: each bytes once, then one's own. */
static enum ll_result
list_keys(struct mailing *s, struct outmail_key **list_r, size_t *count_r,
    bool used[OUTMAIL_FORMATS])
{
	const struct center_own *own;
	struct outmail_key *list;
	size_t i, k, n = 0;

	*count_r = 0;
	*list_r = list = calloc(s->count + OUTMAIL_FORMATS, sizeof *list);
	if (!list)
		return LL_NOMEM;
	for (i = 0; i < s->p->count; i++)
		if (center_has_mail(&s->p->rows[i]))
			used[format_of(&s->p->rows[i])] = true;
	for (i = 0; i < s->count; i++) {
		for (k = 0; k < n; k++)
			if (list[k].format == s->keys[i].format
			    && list[k].len == s->keys[i].bytes.len
			    && memcmp(list[k].p, s->keys[i].bytes.p,
			    list[k].len) == 0)
				break;
		if (k == n)
			list[n++] = s->keys[i].bytes;
		else if (s->keys[i].bytes.trusted)
			list[k].trusted = true;
	}
	for (i = PARSE_OPENPGP; i <= PARSE_SMIME; i++) {
		own = center_own_find(&s->own, (enum parse_format)i);
		if (!used[i] || !own)
			continue;
		list[n].format = (enum parse_format)i;
		list[n].p = own->key;
		list[n++].len = i == PARSE_SMIME ?
		    outmail_der_first(own->key, own->key_len) : own->key_len;
	}
	if (used[PARSE_PLAIN])
		list[n++].format = PARSE_PLAIN;
	*count_r = n;
	return LL_OK;
}

/* At most four parsers of a session run at once: there may be a wait. */
static enum ll_result
start(struct mailing *s, const bool used[OUTMAIL_FORMATS], int *fd_r)
{
	enum parse_format formats[OUTMAIL_FORMATS];
	size_t i, n = 0;
	int tries;
	enum ll_result r = LL_BUSY;

	for (i = PARSE_OPENPGP; i < OUTMAIL_FORMATS; i++)
		if (used[i])
			formats[n++] = (enum parse_format)i;
	for (tries = 0; r == LL_BUSY && tries < PARSER_TRIES; tries++) {
		if (tries > 0)
			(void)poll(NULL, 0, PARSER_WAIT_MS);
		r = desk_parse(s->c->desk, PARSE_SEAL, formats, n, fd_r);
	}
	return r;
}

/* A key is not what it was at the plan. */
static enum ll_result
tell_refused(struct mailing *s, const char *words)
{
	enum ll_result r = look_again(s);

	return r ? r : center_fail(s->c, LL_CONFLICT, words);
}

static enum ll_result
seal(struct mailing *s, uint64_t date, struct center_mails *m)
{
	static const struct outmail_host host = { open_attachment, new_blob,
	    commit_blob, progress };
	const struct desk_self *self = center_self(s->c);
	const struct center_own *own;
	char answered[OUTMAIL_ID * 8], words[OUTMAIL_WORDS];
	bool used[OUTMAIL_FORMATS] = { false };
	struct outmail_key *list;
	struct outmail o = { .d = s->d, .from = self->email,
	    .from_name = self->name, .date = date, .mail_id = m->id,
	    .in_reply_to = answered, .host = &host, .arg = s,
	    /* only intake says so, which signs for the author */
	    .sender = desk_config(s->c->desk, "sender"),
	    .sender_name = self->org };
	size_t first;
	int fd = -1;
	enum ll_result r;

	outmail_id(self->email, m->id);
	find_answered(s, answered);
	r = list_keys(s, &list, &o.key_count, used);
	o.keys = list;
	if (r == LL_OK && used[PARSE_SMIME])
		r = keyring_authorities(s->c->desk, &s->authorities);
	o.authorities.data = s->authorities.data;
	o.authorities.len = s->authorities.len;
	own = center_own_find(&s->own, PARSE_SMIME);
	if (own) {
		first = outmail_der_first(own->key, own->key_len);
		o.chain = own->key + first;
		o.chain_len = own->key_len - first;
	}
	if (r == LL_OK)
		r = start(s, used, &fd);
	if (r == LL_OK) {
		r = outmail_seal(fd, &o, m->made, words);
		if (r == LL_DENIED)
			r = tell_refused(s, words);
		else if (r && *words)
			r = center_fail(s->c, r, words);
	}
	free(list);
	return r;
}

enum ll_result
center_mails_make(struct center *c, const struct draft *d,
    const struct center_plan *p, const struct center_send_options *o,
    uint64_t date, struct center_mails *m_r)
{
	struct mailing s = { .c = c, .d = d, .p = p, .o = o };
	const struct center_planned *first = first_mail(p);
	char large[CENTER_LARGE];
	size_t i;
	enum ll_result r;

	memset(m_r, 0, sizeof *m_r);
	if (!first)
		return LL_OK;
	if (center_mail_is_large(d, first->address, large))
		return center_fail(c, LL_TOOBIG, large);
	tlv_out_init(&s.authorities, 1);
	r = gather(&s);
	if (r == LL_OK)
		r = center_own_keys(c, &s.own);
	if (r == LL_OK)
		r = seal(&s, date, m_r);
	for (i = 0; i < s.count; i++)
		msg_destroy(s.keys[i].answer);
	free(s.keys);
	tlv_out_finish(&s.authorities);
	center_own_keys_finish(&s.own);
	return r;
}

void
center_mails_drop(struct center *c, const struct draft *d,
    const struct center_mails *m)
{
	struct msg *q;
	size_t i;

	for (i = 0; i < OUTMAIL_FORMATS; i++) {
		if (!m->made[i].made || m->made[i].data
		    || center_request(OP_OBJECT_DELETE, &d->id, &q))
			continue;
		msg_put_id(q, F_OBJECT_ID, &m->made[i].object);
		desk_tell(c->desk, q);
	}
}

void
center_mails_finish(struct center_mails *m)
{
	outmail_finish(m->made);
}

/* --- into the request --- */

void
center_mails_put_objects(struct msg *m, const struct center_mails *all)
{
	size_t i;

	for (i = 0; i < OUTMAIL_FORMATS; i++)
		if (all->made[i].made)
			outmail_put_object(m, &all->made[i]);
}

enum ll_result
center_mails_put(struct center *c, struct msg *m,
    const struct center_mails *all, const struct center_plan *p, size_t n,
    const struct id *message, uint64_t expires)
{
	const struct desk_self *self = center_self(c);
	const struct center_planned *row = &p->rows[n];
	const struct outmail_row to = { .to = row->address,
	    .from = self->email, .from_name = self->name,
	    .mail_id = all->id, .message = *message,
	    .queue_day = p->queue_day, .queue_pk = p->queue_pk,
	    .expires = expires };
	size_t i;

	for (i = 0; i < row->key_count; i++)
		msg_put_text(m, F_FINGERPRINT, row->keys[i].fingerprint);
	return outmail_put_row(m, &all->made[format_of(row)], &to);
}
