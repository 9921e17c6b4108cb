/*
 * dialog.c - questions: a line, a secret, yes or no, a word typed back.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <sodium.h>

#include "keys/kdf.h"
#include "keys/secret.h"
#include "tui/editor.h"
#include "tui/pages.h"
#include "tui/paint.h"
#include "tui/wrap.h"

enum kind { ASK_LINE, ASK_SECRET, ASK_CONFIRM, ASK_TYPED };

struct question {
	enum kind kind;
	const char *title, *text, *prompt, *word;
	size_t max;
	void (*answered)(struct view *v, const char *answer);
	void (*agreed)(struct view *v);
};

struct dialog {
	enum kind kind;
	char title[120];
	char text[1500];
	char prompt[80];
	char word[80];
	struct editor *line;
	struct secret secret;
	size_t secret_len;
	void (*answered)(struct view *v, const char *answer);
	void (*agreed)(struct view *v);
};

static enum ll_result
dialog_init(struct view *v, const void *arg)
{
	const struct question *q = arg;
	struct dialog *d = v->state;

	d->kind = q->kind;
	d->answered = q->answered;
	d->agreed = q->agreed;
	(void)snprintf(d->title, sizeof(d->title), "%s", q->title);
	(void)snprintf(d->text, sizeof(d->text), "%s", q->text);
	(void)snprintf(d->prompt, sizeof(d->prompt), "%s",
	    q->prompt ? q->prompt : "");
	(void)snprintf(d->word, sizeof(d->word), "%s", q->word ? q->word : "");
	if (d->kind == ASK_SECRET)
		return secret_init(&d->secret, KDF_INPUT_MAX + 1);
	return editor_create(q->max, true, &d->line);
}

static void
dialog_finish(struct view *v)
{
	struct dialog *d = v->state;

	editor_destroy(d->line);
	secret_finish(&d->secret);
}

static void
dialog_title(const struct view *v, char *text, size_t room)
{
	const struct dialog *d = v->state;

	(void)snprintf(text, room, "%s", d->title);
}

static void
dialog_draw(struct view *v)
{
	struct dialog *d = v->state;
	int top, below, y, x, row, col = 0, width = paint_cols();

	view_area(&top, &below);
	y = paint_paragraph(top + 1, 2, width - 4, below - 2, PAINT_PLAIN,
	    d->text) + 1;
	if (y >= below)
		y = below - 1;
	x = 2 + paint_text(y, 2, width - 4, PAINT_BOLD, d->prompt) + 1;
	if (d->kind == ASK_SECRET) {
		col = paint_text(y, x, width - x, PAINT_PLAIN,
		    d->secret_len ? "(typed, not shown)" : "");
	} else {
		editor_view(d->line, width - x - 1, 1);
		editor_cursor(d->line, &row, &col);
		(void)paint_text(y, x, width - x, PAINT_PLAIN,
		    editor_text(d->line));
	}
	paint_cursor(y, x + col, true);
}

/* One more character of the secret; too long is cut, as it can't be right. */
static void
secret_add(struct dialog *d, const char *text, size_t len)
{
	if (d->secret_len + len >= d->secret.len)
		return;
	memcpy(d->secret.data + d->secret_len, text, len);
	d->secret_len += len;
	d->secret.data[d->secret_len] = '\0';
}

static void
secret_back(struct dialog *d)
{
	while (d->secret_len > 0 &&
	    (d->secret.data[--d->secret_len] & 0xC0) == 0x80)
		continue;
	sodium_memzero(d->secret.data + d->secret_len,
	    d->secret.len - d->secret_len);
}

/* What was pasted or typed, newlines left out. */
static void
take(struct dialog *d, const struct key *k)
{
	char one[4];
	const char *text = k->text;
	size_t len = k->len, i;

	if (k->code != K_PASTE) {
		len = wrap_encode(k->code, one);
		text = one;
	}
	for (i = 0; i < len; i++) {
		if (text[i] == '\n' || text[i] == '\r')
			continue;
		if (d->kind == ASK_SECRET)
			secret_add(d, text + i, 1);
	}
	if (d->kind != ASK_SECRET)
		(void)editor_insert(d->line, text, len);
	sodium_memzero(one, sizeof(one));
}

static bool
move(struct dialog *d, uint32_t code)
{
	static const struct {
		uint32_t code;
		enum editor_move how;
	} moves[] = {
		{ K_LEFT, EDITOR_LEFT }, { K_RIGHT, EDITOR_RIGHT },
		{ K_HOME, EDITOR_TOP }, { K_END, EDITOR_BOTTOM },
		{ K_WORD_LEFT, EDITOR_WORD_LEFT },
		{ K_WORD_RIGHT, EDITOR_WORD_RIGHT },
	};
	size_t i;

	for (i = 0; d->line && i < sizeof(moves) / sizeof(*moves); i++) {
		if (moves[i].code == code) {
			editor_go(d->line, moves[i].how);
			return true;
		}
	}
	return false;
}

/* The answer outlives the dialog, which has to be gone before `answered` may
 * open something else. */
static void
answer(struct dialog *d)
{
	void (*answered)(struct view *v, const char *answer) = d->answered;
	struct secret copy = SECRET_NONE;
	const char *text = d->kind == ASK_SECRET ?
	    (const char *)d->secret.data : editor_text(d->line);

	if (secret_copy(&copy, text, strlen(text) + 1)) {
		view_fail(NULL, LL_NOMEM);
		return;
	}
	view_pop();
	answered(view_top(), (const char *)copy.data);
	secret_finish(&copy);
}

static bool
agree(struct dialog *d)
{
	void (*agreed)(struct view *v) = d->agreed;

	if (d->kind == ASK_TYPED &&
	    strcasecmp(editor_text(d->line), d->word) != 0) {
		view_say("Type %s to agree, or Esc to go back", d->word);
		return true;
	}
	view_pop();
	agreed(view_top());
	return true;
}

static bool
dialog_key(struct view *v, const struct key *k)
{
	struct dialog *d = v->state;

	if (d->kind == ASK_CONFIRM) {
		if (k->code == 'y' || k->code == 'Y')
			return agree(d);
		if (k->code == 'n' || k->code == 'N' || k->code == 'q') {
			view_pop();
			return true;
		}
		return false;
	}
	if (k->code == K_ENTER) {
		if (d->kind == ASK_TYPED)
			return agree(d);
		answer(d);
		return true;
	}
	if (k->code == K_BACKSPACE) {
		if (d->kind == ASK_SECRET)
			secret_back(d);
		else
			editor_backspace(d->line);
		return true;
	}
	if (k->code == K_CTRL('U') && d->kind == ASK_SECRET) {
		while (d->secret_len > 0)
			secret_back(d);
		return true;
	}
	if (k->code == K_PASTE_BEGIN || k->code == K_PASTE_END)
		return true;
	if (k->code == K_PASTE || (k->code >= ' ' && k->code < K_UP &&
	    k->code != K_BACKSPACE)) {
		take(d, k);
		return true;
	}
	return move(d, k->code);
}

static const struct view_ops dialog_ops = {
	.state_bytes = sizeof(struct dialog),
	.title = dialog_title,
	.init = dialog_init,
	.draw = dialog_draw,
	.key = dialog_key,
	.finish = dialog_finish,
	.typing = true,
	.alone = true,
};

void
dialog_line(const char *title, const char *text, const char *prompt,
    size_t max, void (*done)(struct view *v, const char *answer))
{
	struct question q = { .kind = ASK_LINE, .title = title, .text = text,
	    .prompt = prompt, .max = max, .answered = done };

	(void)view_push(&dialog_ops, &q);
}

void
dialog_secret(const char *title, const char *text, const char *prompt,
    void (*done)(struct view *v, const char *answer))
{
	struct question q = { .kind = ASK_SECRET, .title = title,
	    .text = text, .prompt = prompt, .answered = done };

	(void)view_push(&dialog_ops, &q);
}

void
dialog_confirm(const char *title, const char *text,
    void (*done)(struct view *v))
{
	struct question q = { .kind = ASK_CONFIRM, .title = title,
	    .text = text, .prompt = "y or n:", .max = 1, .agreed = done };

	(void)view_push(&dialog_ops, &q);
}

void
dialog_typed(const char *title, const char *text, const char *word,
    void (*done)(struct view *v))
{
	char prompt[100];
	struct question q = { .kind = ASK_TYPED, .title = title,
	    .text = text, .prompt = prompt, .word = word, .max = 79,
	    .agreed = done };

	(void)snprintf(prompt, sizeof(prompt), "Type %s:", word);
	(void)view_push(&dialog_ops, &q);
}
