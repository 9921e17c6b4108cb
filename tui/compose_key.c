/*
 * compose_key.c - keys and pastes of the composer, suggestions for addresses.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "tui/compose.h"
#include "tui/recipients.h"

bool
compose_is_address(enum compose_part p)
{
	return p == PART_TO || p == PART_CC;
}

void
compose_suggest(struct compose *c)
{
	struct editor *e = c->parts[c->focus];
	char word[100];
	size_t from, at = editor_at(e);

	center_people_finish(&c->people);
	memset(&c->people, 0, sizeof(c->people));
	c->pick = 0;
	if (!compose_is_address(c->focus))
		return;
	from = recipients_word(editor_text(e), at);
	if (at == from || at - from >= sizeof(word))
		return;
	(void)snprintf(word, sizeof(word), "%.*s", (int)(at - from),
	    editor_text(e) + from);
	if (center_people(view_center(), word, &c->people))
		memset(&c->people, 0, sizeof(c->people));
	/* the one that is typed out already is no suggestion */
	if (c->people.count == 1 &&
	    strcasecmp(c->people.rows[0].address, word) == 0) {
		center_people_finish(&c->people);
		memset(&c->people, 0, sizeof(c->people));
	}
}

static void
accept_suggestion(struct compose *c)
{
	struct editor *e = c->parts[c->focus];
	size_t from = recipients_word(editor_text(e), editor_at(e));
	const char *address = c->people.rows[c->pick].address;

	while (editor_at(e) > from)
		editor_backspace(e);
	(void)editor_insert(e, address, strlen(address));
	(void)editor_insert(e, ", ", 2);
	compose_suggest(c);
}

void
compose_focus(struct compose *c, int to)
{
	if (to < 0 || to >= PARTS)
		return;
	c->focus = (enum compose_part)to;
	compose_suggest(c);
}

static bool
walk(struct compose *c, uint32_t code)
{
	static const struct {
		uint32_t code;
		enum editor_move how;
	} moves[] = {
		{ K_LEFT, EDITOR_LEFT }, { K_RIGHT, EDITOR_RIGHT },
		{ K_UP, EDITOR_UP }, { K_DOWN, EDITOR_DOWN },
		{ K_HOME, EDITOR_ROW_START }, { K_END, EDITOR_ROW_END },
		{ K_CTRL('A'), EDITOR_ROW_START },
		{ K_CTRL('E'), EDITOR_ROW_END },
		{ K_WORD_LEFT, EDITOR_WORD_LEFT },
		{ K_WORD_RIGHT, EDITOR_WORD_RIGHT },
		{ K_PAGE_UP, EDITOR_PAGE_UP },
		{ K_PAGE_DOWN, EDITOR_PAGE_DOWN },
	};
	struct editor *e = c->parts[c->focus];
	size_t i;

	if (code == K_UP && (c->focus != PART_BODY || editor_at_first_row(e)))
		compose_focus(c, (int)c->focus - 1);
	else if (code == K_DOWN && c->focus != PART_BODY)
		compose_focus(c, (int)c->focus + 1);
	else {
		for (i = 0; i < sizeof(moves) / sizeof(*moves); i++)
			if (moves[i].code == code)
				break;
		if (i == sizeof(moves) / sizeof(*moves))
			return false;
		editor_go(e, moves[i].how);
	}
	return true;
}

static bool
paste(struct compose *c, const struct key *k)
{
	struct editor *e = c->parts[c->focus];

	if (k->code == K_PASTE_BEGIN) {
		c->no_room = 0;
		editor_paste_begin(e);
	} else if (k->code == K_PASTE) {
		c->no_room += editor_insert(e, k->text, k->len);
	} else if (k->code == K_PASTE_END) {
		editor_paste_end(e);
		if (c->no_room)
			view_say("The text is full: %zu bytes of the paste "
			    "were left out", c->no_room);
		compose_suggest(c);
	} else {
		return false;
	}
	return true;
}

static void
type(struct compose *c, uint32_t code)
{
	if (editor_type(c->parts[c->focus], code))
		view_say("The text is full");
	if (compose_is_address(c->focus))
		compose_suggest(c);
}

static bool
suggestion_key(struct compose *c, uint32_t code)
{
	if (!compose_is_address(c->focus) || c->people.count == 0)
		return false;
	if (code == K_DOWN && c->pick + 1 < c->people.count)
		c->pick++;
	else if (code == K_UP && c->pick > 0)
		c->pick--;
	else if (code == K_TAB || (code == K_ENTER && c->pick > 0))
		accept_suggestion(c);
	else if (code == K_ENTER && !strchr(editor_text(c->parts[c->focus]) +
	    recipients_word(editor_text(c->parts[c->focus]),
	    editor_at(c->parts[c->focus])), '@'))
		accept_suggestion(c);
	else
		return false;
	return true;
}

bool
compose_key(struct view *v, const struct key *k)
{
	struct compose *c = v->state;
	struct editor *e = c->parts[c->focus];

	if (k->code != K_ESC)
		c->leave_anyway = false;
	if (paste(c, k) || suggestion_key(c, k->code) || walk(c, k->code))
		return true;
	if (k->code == K_BACKSPACE || k->code == K_DELETE) {
		if (k->code == K_BACKSPACE)
			editor_backspace(e);
		else
			editor_delete(e);
		compose_suggest(c);
	} else if (k->code == K_BACKTAB) {
		compose_focus(c, (int)c->focus - 1);
	} else if (k->code == K_TAB && c->focus == PART_BODY) {
		type(c, '\t');
	} else if ((k->code == K_TAB || k->code == K_ENTER) &&
	    c->focus != PART_BODY) {
		compose_focus(c, (int)c->focus + 1);
	} else if (k->code == K_ENTER) {
		type(c, '\n');
	} else if (k->code >= ' ' && k->code < K_UP) {
		type(c, k->code);
	} else {
		return false;
	}
	return true;
}
