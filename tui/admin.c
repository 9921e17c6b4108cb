/*
 * admin.c - running the house: staff, queue, state of the server, log.
 *
 * Nothing here leads to what a message says.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sodium.h>

#include "keys/clean.h"
#include "keys/vault.h"
#include "tui/lines.h"
#include "tui/pages.h"
#include "tui/paint.h"

#define ROWS_MAX 2000
#define LOG_PAGE 200

enum page { PAGE_MENU, PAGE_USERS, PAGE_QUEUE, PAGE_STATUS, PAGE_LOG, PAGES };

struct admin {
	struct lines lines;          /* first: see lines_view_draw */
	enum page page;
	char (*names)[65];           /* user names of PAGE_USERS */
	enum user_state *states;
	size_t count;
	char user[65], email[321], name[401]; /* of a dialog */
};

static const struct view_ops admin_ops;

/* --- one row of each page --- */

static void
add_user(struct admin *a, struct tlv_view row)
{
	enum user_state state = (enum user_state)view_u64(row, F_STATE);
	uint64_t last = view_u64(row, F_TIME);
	char date[12] = "never";
	void *n;

	n = realloc(a->names, (a->count + 1) * sizeof(*a->names));
	if (!n)
		return;
	a->names = n;
	n = realloc(a->states, (a->count + 1) * sizeof(*a->states));
	if (!n)
		return;
	a->states = n;
	(void)snprintf(a->names[a->count], sizeof(*a->names), "%s",
	    view_text(row, F_USER));
	a->states[a->count] = state;
	if (last)
		words_date(last, date);
	lines_add(&a->lines, a->count++, 0, state == USER_DISABLED ?
	    PAINT_WARN : PAINT_PLAIN, "%-14s %-9s %-8s last %-11s  %s  %s",
	    view_text(row, F_USER), user_state_name(state),
	    role_name((enum user_role)view_u64(row, F_ROLE)), date,
	    view_text(row, F_EMAIL), view_text(row, F_NAME));
}

static void
add_queue(struct admin *a, struct tlv_view row)
{
	char date[12];

	words_date(view_u64(row, F_TIME), date);
	lines_add(&a->lines, a->count++, 0, PAINT_PLAIN, "%s  %s  %" PRIu64
	    " tries, next in %" PRIu64 " s  %s", date,
	    view_text(row, F_ADDRESS), view_u64(row, F_ATTEMPTS),
	    view_u64(row, F_DELAY_SECS), view_text(row, F_LAST_ERROR));
}

static void
add_status(struct admin *a, struct tlv_view row)
{
	lines_add(&a->lines, a->count++, 0, PAINT_PLAIN, "%-24s %s",
	    view_text(row, F_NAME), view_text(row, F_DETAIL));
}

static void
add_log(struct admin *a, struct tlv_view row)
{
	char date[12];

	words_date(view_u64(row, F_TIME), date);
	lines_add(&a->lines, a->count++, 0, PAINT_PLAIN, "%8" PRIu64
	    "  %s  %s", view_u64(row, F_SEQUENCE), date,
	    view_text(row, F_NAME));
}

static const struct {
	const char *title, *empty;
	enum op op;
	void (*add)(struct admin *a, struct tlv_view row);
} pages[PAGES] = {
	[PAGE_MENU] = { "Running the house", "", OP_WHOAMI, NULL },
	[PAGE_USERS] = { "Staff", "Nobody yet.", OP_USER_LIST, add_user },
	[PAGE_QUEUE] = { "Outbound queue", "Nothing waits.", OP_QUEUE_LIST,
	    add_queue },
	[PAGE_STATUS] = { "State of the server", "No answer.",
	    OP_SERVER_STATUS, add_status },
	[PAGE_LOG] = { "Log", "Empty.", OP_LOG_LIST, add_log },
};

static enum ll_result
load(struct admin *a)
{
	struct msg *m, *reply = NULL;
	struct tlv_view row;
	size_t at = 0;
	enum ll_result r;
	enum page p;

	if (a->page == PAGE_MENU) {
		lines_clear(&a->lines);
		for (p = PAGE_USERS; p < PAGES; p++)
			lines_add(&a->lines, p, 0, PAINT_PLAIN, "%s",
			    pages[p].title);
		return LL_OK;
	}
	r = msg_create(MSG_REQUEST, pages[a->page].op, &m);
	if (r)
		return r;
	if (a->page == PAGE_LOG)
		msg_put_u64(m, F_LIMIT, LOG_PAGE);
	r = desk_ask(center_desk(view_center()), m, &reply);
	if (r)
		return r;
	lines_clear(&a->lines);
	a->count = 0;
	while (a->count < ROWS_MAX &&
	    view_nest(msg_view(reply), F_ROW, &at, &row))
		pages[a->page].add(a, row);
	if (a->count == 0)
		lines_add(&a->lines, LINES_NONE, 0, PAINT_PLAIN, "%s",
		    pages[a->page].empty);
	msg_destroy(reply);
	view_dirty();
	return LL_OK;
}

static void
reload(struct view *v)
{
	struct admin *a = v->state;
	enum ll_result r = load(a);

	if (r)
		view_fail(pages[a->page].title, r);
}

static enum ll_result
admin_init(struct view *v, const void *arg)
{
	struct admin *a = v->state;

	a->page = *(const enum page *)arg;
	return load(a);
}

static void
admin_finish(struct view *v)
{
	struct admin *a = v->state;

	lines_clear(&a->lines);
	free(a->names);
	free(a->states);
}

static void
admin_title(const struct view *v, char *text, size_t room)
{
	const struct admin *a = v->state;

	(void)snprintf(text, room, "%s", pages[a->page].title);
}

static void
admin_leave(struct view *v)
{
	(void)v;
	if (view_below())
		view_pop();
	else
		view_quit(0);
}

/* --- the ticket, shown once --- */

struct ticket {
	char text[TICKET_TEXT + 1];
	char user[65];
};

static enum ll_result
ticket_init(struct view *v, const void *arg)
{
	memcpy(v->state, arg, sizeof(struct ticket));
	return LL_OK;
}

static void
ticket_title(const struct view *v, char *text, size_t room)
{
	(void)v;
	(void)snprintf(text, room, "Ticket: shown this once");
}

static void
ticket_draw(struct view *v)
{
	const struct ticket *t = v->state;
	char text[400];
	int top, below, y;

	view_area(&top, &below);
	y = paint_paragraph(top + 1, 2, paint_cols() - 4, below, PAINT_BOLD,
	    t->text) + 1;
	paint_cursor(top + 1, 2, true);
	(void)snprintf(text, sizeof(text), "Give it to %s in person or by "
	    "phone, never by mail. At the first login (ssh %s@HOST) it is "
	    "typed where the password is asked; it opens enrolment and "
	    "nothing else, once.", t->user, t->user);
	(void)paint_paragraph(y, 2, paint_cols() - 4, below, PAINT_PLAIN,
	    text);
}

static const struct view_ops ticket_ops = {
	.state_bytes = sizeof(struct ticket),
	.title = ticket_title,
	.init = ticket_init,
	.draw = ticket_draw,
	.alone = true,
};

/* --- verbs of the staff page --- */

static bool
on_users(const struct view *v)
{
	const struct admin *a = v->state;

	return v->ops == &admin_ops && a->page == PAGE_USERS;
}

static bool
on_user(const struct view *v)
{
	const struct admin *a = v->state;

	return on_users(v) && lines_tag(&a->lines) < a->count;
}

static bool
can_disable(const struct view *v)
{
	const struct admin *a = v->state;

	return on_user(v) &&
	    a->states[lines_tag(&a->lines)] != USER_DISABLED;
}

static bool
can_enable(const struct view *v)
{
	return on_user(v) && !can_disable(v);
}

/* Sends a request with a fresh ticket's hash; shows the ticket if it held. */
static void
with_ticket(struct view *v, struct msg *m, const char *user)
{
	struct ticket t = { { 0 }, { 0 } };
	uint8_t hash[HASH_BYTES];
	enum ll_result r;

	ticket_create(t.text);
	(void)snprintf(t.user, sizeof(t.user), "%s", user);
	r = ticket_parse(t.text, hash);
	if (r) {
		msg_destroy(m);
	} else {
		msg_put_bytes(m, F_TICKET_HASH, hash, sizeof(hash));
		r = desk_ask(center_desk(view_center()), m, NULL);
	}
	if (r) {
		view_fail("Refused", r);
	} else {
		reload(v);
		(void)view_push(&ticket_ops, &t);
	}
	sodium_memzero(&t, sizeof(t));
}

static void
add_role(struct view *v, const char *answer)
{
	struct admin *a = v->state;
	enum user_role role = ROLE_STAFF;
	struct msg *m;
	enum ll_result r;

	if (*answer && role_parse(answer, &role)) {
		view_say("The role is staff, admin or auditor");
		return;
	}
	r = msg_create(MSG_REQUEST, OP_USER_ADD, &m);
	if (r) {
		view_fail("Not added", r);
		return;
	}
	msg_put_text(m, F_USER, a->user);
	msg_put_text(m, F_EMAIL, a->email);
	msg_put_text(m, F_NAME, a->name);
	msg_put_u64(m, F_ROLE, role);
	with_ticket(v, m, a->user);
}

static void
add_name(struct view *v, const char *answer)
{
	struct admin *a = v->state;

	(void)snprintf(a->name, sizeof(a->name), "%s", answer);
	dialog_line("Add staff", "What may this person do? staff write and "
	    "read; admin runs the house and reads nothing; auditor sees the "
	    "evidence.", "Role (Enter: staff):", 10, add_role);
}

static void
add_email(struct view *v, const char *answer)
{
	struct admin *a = v->state;
	const char *why = "";

	if (clean_address(answer, a->email, &why)) {
		view_say("%s: %s", answer, why);
		return;
	}
	dialog_line("Add staff", "The name that recipients see.", "Name:",
	    100, add_name);
}

static void
add_login(struct view *v, const char *answer)
{
	struct admin *a = v->state;

	if (!*answer)
		return;
	(void)snprintf(a->user, sizeof(a->user), "%s", answer);
	dialog_line("Add staff", "The e-mail address of this person; mail to "
	    "it stays in the house.", "E-mail:", 254, add_email);
}

static void
add(struct view *v)
{
	(void)v;
	dialog_line("Add staff", "The login name, as in ssh NAME@HOST.",
	    "Login name:", 32, add_login);
}

static void
set_state(struct view *v, enum user_state state, const char *done)
{
	struct admin *a = v->state;
	const char *user = a->names[lines_tag(&a->lines)];
	struct msg *m;
	enum ll_result r;

	r = msg_create(MSG_REQUEST, OP_USER_STATE, &m);
	if (!r) {
		msg_put_text(m, F_USER, user);
		msg_put_u64(m, F_STATE, state);
		r = desk_ask(center_desk(view_center()), m, NULL);
	}
	if (r)
		view_fail("Refused", r);
	else
		view_say("%s: %s", user, done);
	reload(v);
}

static void
disable_agreed(struct view *v)
{
	if (can_disable(v))
		set_state(v, USER_DISABLED, "disabled, and logged out");
}

static void
disable(struct view *v)
{
	const struct admin *a = v->state;
	char text[300];

	(void)snprintf(text, sizeof(text), "Disable %s? Open sessions end at "
	    "once; nothing is deleted, and e enables the account again.",
	    a->names[lines_tag(&a->lines)]);
	dialog_confirm("Disable", text, disable_agreed);
}

static void
enable(struct view *v)
{
	set_state(v, USER_ACTIVE, "enabled");
}

static void
reset_agreed(struct view *v)
{
	struct admin *a = v->state;
	struct msg *m;
	enum ll_result r;

	r = msg_create(MSG_REQUEST, OP_USER_RESET, &m);
	if (r) {
		view_fail("Not reset", r);
		return;
	}
	msg_put_text(m, F_USER, a->user);
	with_ticket(v, m, a->user);
}

static void
reset(struct view *v)
{
	struct admin *a = v->state;
	char text[700];

	(void)snprintf(a->user, sizeof(a->user), "%s",
	    a->names[lines_tag(&a->lines)]);
	(void)snprintf(text, sizeof(text), "Passphrase, verification codes "
	    "and SSH keys of %s end now; open sessions are closed. You get a "
	    "ticket for a new enrolment.\n\nOld mail stays sealed unless %s "
	    "has the recovery code. Nobody here can open it, you neither.",
	    a->user, a->user);
	dialog_typed("Reset an account", text, a->user, reset_agreed);
}

static bool
on_menu(const struct view *v)
{
	const struct admin *a = v->state;

	return a->page == PAGE_MENU;
}

static void
choose(struct view *v)
{
	const struct admin *a = v->state;
	enum page p = (enum page)lines_tag(&a->lines);

	(void)view_push(&admin_ops, &p);
}

static bool
not_menu(const struct view *v)
{
	return !on_menu(v);
}

static const struct view_verb verbs[] = {
	{ K_ENTER, K_RIGHT, "Open", "open", "Opens the page", choose,
	    on_menu },
	{ 'a', 0, "Add", "add user", "Adds a person and shows the ticket",
	    add, on_users },
	{ 'e', 0, "Enable", "enable user", "Lets a disabled account in again",
	    enable, can_enable },
	{ 'D', 0, "Disable", "disable user", "Ends sessions and logins",
	    disable, can_disable },
	{ 'R', 0, "Reset", "reset user",
	    "Ends all login factors; shows a ticket for a new enrolment",
	    reset, on_user },
	{ 'g', 0, "Refresh", "refresh", "Reads the page again", reload,
	    not_menu },
};

static const struct view_ops admin_ops = {
	.state_bytes = sizeof(struct admin),
	.title = admin_title,
	.init = admin_init,
	.draw = lines_view_draw,
	.key = lines_view_key,
	.leave = admin_leave,
	.finish = admin_finish,
	.verbs = VIEW_VERBS(verbs),
};

void
admin_open(void)
{
	enum page p = PAGE_MENU;

	(void)view_push(&admin_ops, &p);
}
