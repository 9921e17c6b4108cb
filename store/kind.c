#include <stddef.h>
#include <string.h>
#include <strings.h>

#include "store/kind.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const char *const roles[] = {
	[ROLE_STAFF] = "staff",
	[ROLE_ADMIN] = "admin",
	[ROLE_AUDITOR] = "auditor",
};

static const char *const user_states[] = {
	[USER_INVITED] = "invited",
	[USER_ACTIVE] = "active",
	[USER_DISABLED] = "disabled",
	[USER_RESET] = "reset",
};

static const char *const folders[] = {
	[FOLDER_INBOX] = "inbox",
	[FOLDER_SENT] = "sent",
	[FOLDER_DRAFTS] = "drafts",
	[FOLDER_ARCHIVE] = "archive",
	[FOLDER_TRASH] = "trash",
};

static const char *const routes[] = {
	[ROUTE_INTERNAL] = "internal",
	[ROUTE_PORTAL_ENROLLED] = "portal-enrolled",
	[ROUTE_PORTAL_MUC] = "portal-muc",
	[ROUTE_SMIME] = "smime",
	[ROUTE_OPENPGP] = "openpgp",
	[ROUTE_DOMAIN] = "domain",
	[ROUTE_TLS] = "tls",
	[ROUTE_NONE] = "none",
};

static const char *const classes[] = {
	[CLASS_NORMAL] = "normal",
	[CLASS_CONFIDENTIAL] = "confidential",
	[CLASS_REGISTERED] = "registered",
};

static const char *const key_sources[] = {
	[KEY_HAND] = "hand",
	[KEY_HOUSE] = "house",
	[KEY_PORTAL] = "portal",
	[KEY_SIGNED_MAIL] = "signed-mail",
	[KEY_WKD] = "wkd",
	[KEY_DANE] = "dane",
	[KEY_SERVER] = "keyserver",
	[KEY_AUTOCRYPT] = "autocrypt",
};

static const char *const states[] = {
	[STATE_PENDING] = "pending",
	[STATE_HELD] = "held",
	[STATE_QUEUED] = "queued",
	[STATE_DEFERRED] = "deferred",
	[STATE_DELIVERED] = "delivered",
	[STATE_RELAYED] = "relayed",
	[STATE_NOTIFIED] = "notified",
	[STATE_OPENED] = "opened",
	[STATE_READ] = "read",
	[STATE_REPLIED] = "replied",
	[STATE_FROZEN] = "frozen",
	[STATE_REFUSED] = "refused",
	[STATE_EXPIRED] = "expired",
	[STATE_WITHDRAWN] = "withdrawn",
	[STATE_FAILED] = "failed",
};

/* The log's names are ETSI EN 319 522's where that standard has the event. */
static const struct {
	const char *name, *log_name;
} events[] = {
	[EVENT_SUBMITTED] = { "submitted", "SubmissionAcceptance" },
	[EVENT_HELD] = { "held", "SubmissionRejection" },
	[EVENT_QUEUED] = { "queued", "Queued" },
	[EVENT_DEFERRED] = { "deferred", "Deferred" },
	[EVENT_NOTIFIED] = { "notified", "ConsignmentNotification" },
	[EVENT_NOTIFY_FAILED] = { "notify-failed",
	    "ConsignmentNotificationFailure" },
	[EVENT_DELIVERED] = { "delivered", "ContentConsignment" },
	[EVENT_OPENED] = { "opened", "ContentHandover" },
	[EVENT_READ] = { "read", "ContentAccessTracking" },
	[EVENT_REPLIED] = { "replied", "Replied" },
	[EVENT_WRONG_CODE] = { "wrong-code", "muc-failed" },
	[EVENT_FROZEN] = { "frozen", "muc-frozen" },
	[EVENT_REISSUED] = { "reissued", "muc-issued" },
	[EVENT_WITHDRAWN] = { "withdrawn", "Withdrawn" },
	[EVENT_EXPIRED] = { "expired", "AcceptanceRejectionExpiry" },
	[EVENT_UNDONE] = { "undone", "Undone" },
	[EVENT_RELAYED] = { "relayed", "RelayAcceptance" },
	[EVENT_FAILED] = { "failed", "RelayFailure" },
	[EVENT_USER_ADDED] = { "user-added", "user-added" },
	[EVENT_USER_ENROLLED] = { "user-enrolled", "user-enrolled" },
	[EVENT_USER_DISABLED] = { "user-disabled", "user-disabled" },
	[EVENT_USER_ENABLED] = { "user-enabled", "user-enabled" },
	[EVENT_USER_RESET] = { "user-reset", "user-reset" },
	[EVENT_LOGIN] = { "login", "login" },
	[EVENT_LOGIN_FAILED] = { "login-failed", "login-failed" },
	[EVENT_KEYBIND] = { "keybind", "keybind" },
	[EVENT_SLOT_CHANGED] = { "slot-changed", "slot-changed" },
	[EVENT_SSH_KEY] = { "ssh-key", "ssh-key" },
	[EVENT_REPLY_RECEIVED] = { "reply-received", "reply-received" },
	[EVENT_MESSAGE_PURGED] = { "message-purged", "message-purged" },
	[EVENT_BACKUP] = { "backup", "backup" },
	[EVENT_STORE_STARTED] = { "store-started", "store-started" },
	[EVENT_PEER_KEY] = { "peer-key", "peer-key" },
	[EVENT_PEER_KEY_GONE] = { "peer-key-gone", "peer-key-gone" },
	[EVENT_MAIL_KEY] = { "mail-key", "mail-key" },
	[EVENT_CA] = { "ca", "ca" },
	[EVENT_MAIL_TAKEN] = { "mail-taken", "ReceivedFromNonERDS" },
};

static const char *
name_of(const char *const *table, size_t count, unsigned value)
{
	if (value >= count || table[value] == NULL)
		return "?";
	return table[value];
}

static enum ll_result
parse(const char *const *table, size_t count, const char *word,
    unsigned *value_r)
{
	unsigned i;

	for (i = 0; i < count; i++) {
		if (table[i] == NULL || strcasecmp(table[i], word) != 0)
			continue;
		*value_r = i;
		return LL_OK;
	}
	return LL_USAGE;
}

const char *
role_name(enum user_role r)
{
	return name_of(roles, COUNT(roles), (unsigned)r);
}

const char *
user_state_name(enum user_state s)
{
	return name_of(user_states, COUNT(user_states), (unsigned)s);
}

const char *
folder_name(enum folder f)
{
	return name_of(folders, COUNT(folders), (unsigned)f);
}

const char *
route_name(enum route r)
{
	return name_of(routes, COUNT(routes), (unsigned)r);
}

const char *
class_name(enum msg_class c)
{
	return name_of(classes, COUNT(classes), (unsigned)c);
}

const char *
key_source_name(enum key_source s)
{
	return name_of(key_sources, COUNT(key_sources), (unsigned)s);
}

const char *
delivery_state_name(enum delivery_state s)
{
	return name_of(states, COUNT(states), (unsigned)s);
}

const char *
event_name(enum event e)
{
	if ((unsigned)e >= COUNT(events) || events[e].name == NULL)
		return "?";
	return events[e].name;
}

const char *
event_log_name(enum event e)
{
	if ((unsigned)e >= COUNT(events) || events[e].log_name == NULL)
		return "?";
	return events[e].log_name;
}

enum ll_result
role_parse(const char *word, enum user_role *r_r)
{
	enum ll_result r;
	unsigned value;

	r = parse(roles, COUNT(roles), word, &value);
	if (r == LL_OK)
		*r_r = (enum user_role)value;
	return r;
}

enum ll_result
folder_parse(const char *word, enum folder *f_r)
{
	enum ll_result r;
	unsigned value;

	r = parse(folders, COUNT(folders), word, &value);
	if (r == LL_OK)
		*f_r = (enum folder)value;
	return r;
}

enum ll_result
class_parse(const char *word, enum msg_class *c_r)
{
	enum ll_result r;
	unsigned value;

	r = parse(classes, COUNT(classes), word, &value);
	if (r == LL_OK)
		*c_r = (enum msg_class)value;
	return r;
}

enum ll_result
route_parse(const char *word, enum route *r_r)
{
	enum ll_result r;
	unsigned value;

	r = parse(routes, COUNT(routes), word, &value);
	if (r == LL_OK)
		*r_r = (enum route)value;
	return r;
}
