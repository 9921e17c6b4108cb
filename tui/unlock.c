/*
 * unlock.c - the passphrase of a locked vault.
 */
#include <string.h>

#include "tui/pages.h"

static const char explanation[] =
    "You are logged in, but your mailbox is sealed: its messages can be read "
    "only with your passphrase.  You may stay locked (Esc) and write, but "
    "neither read nor send.";

static void
typed(struct view *v, const char *passphrase)
{
	struct desk_event all = { .kind = DESK_RESTORED };
	enum ll_result r;

	(void)v;
	if (*passphrase == '\0') {
		view_say("Locked: press o to give the passphrase");
		return;
	}
	r = center_unlock(view_center(), passphrase, strlen(passphrase));
	if (r == LL_AUTH) {
		unlock_open();
		view_say("That is not the passphrase");
		return;
	}
	if (r) {
		view_fail("Still locked", r);
		return;
	}
	if (!compose_is_open())
		drafts_offer();
	view_say("The mailbox is open");
	/* whatever is shown as locked is to be read again */
	view_event(&all);
}

void
unlock_open(void)
{
	dialog_secret("Passphrase", explanation, "Passphrase:", typed);
}
