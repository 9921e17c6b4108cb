/*
 * kind.h - the small enumerations that cross the wire and stand in the
 * database, each with its names (CONTRACT.md's words).
 */
#ifndef LL_KIND_H
#define LL_KIND_H

#include "keys/result.h"

/* Numbers are stored: add at the end only. */
enum user_role { ROLE_STAFF = 1, ROLE_ADMIN = 2, ROLE_AUDITOR = 3 };

enum user_state {
	USER_INVITED = 1,      /* has a ticket, not enrolled */
	USER_ACTIVE = 2,
	USER_DISABLED = 3,
	USER_RESET = 4         /* has a ticket again; old vault kept */
};

enum folder {
	FOLDER_INBOX = 1, FOLDER_SENT = 2, FOLDER_DRAFTS = 3,
	FOLDER_ARCHIVE = 4, FOLDER_TRASH = 5
};

enum route {
	ROUTE_INTERNAL = 1, ROUTE_PORTAL_ENROLLED = 2, ROUTE_PORTAL_MUC = 3,
	ROUTE_SMIME = 4, ROUTE_OPENPGP = 5, ROUTE_DOMAIN = 6, ROUTE_TLS = 7,
	ROUTE_NONE = 8          /* held: no safe route */
};

enum delivery_state {
	STATE_PENDING = 1, STATE_HELD, STATE_QUEUED, STATE_DEFERRED,
	STATE_DELIVERED, STATE_RELAYED, STATE_NOTIFIED, STATE_OPENED,
	STATE_READ, STATE_REPLIED, STATE_FROZEN, STATE_REFUSED, STATE_EXPIRED,
	STATE_WITHDRAWN, STATE_FAILED
};

/* Events of a delivery; the log's names follow ETSI EN 319 522 where it has
 * one, our own otherwise. */
enum event {
	EVENT_SUBMITTED = 1,     /* SubmissionAcceptance */
	EVENT_HELD,              /* SubmissionRejection */
	EVENT_QUEUED,
	EVENT_DEFERRED,          /* detail: the other server's words */
	EVENT_NOTIFIED,          /* ConsignmentNotification */
	EVENT_NOTIFY_FAILED,     /* ConsignmentNotificationFailure */
	EVENT_DELIVERED,         /* ContentConsignment */
	EVENT_OPENED,            /* ContentHandover */
	EVENT_READ,              /* ContentAccessTracking */
	EVENT_REPLIED,
	EVENT_WRONG_CODE,        /* muc-failed */
	EVENT_FROZEN,
	EVENT_REISSUED,          /* muc-issued */
	EVENT_WITHDRAWN,
	EVENT_EXPIRED,           /* AcceptanceRejectionExpiry */
	EVENT_UNDONE,
	EVENT_RELAYED,           /* RelayAcceptance */
	EVENT_FAILED,            /* RelayFailure */
	/* not of a delivery: */
	EVENT_USER_ADDED = 64, EVENT_USER_ENROLLED, EVENT_USER_DISABLED,
	EVENT_USER_ENABLED, EVENT_USER_RESET, EVENT_LOGIN, EVENT_LOGIN_FAILED,
	EVENT_KEYBIND, EVENT_SLOT_CHANGED, EVENT_SSH_KEY, EVENT_REPLY_RECEIVED,
	EVENT_MESSAGE_PURGED, EVENT_BACKUP, EVENT_STORE_STARTED,
	EVENT_PEER_KEY, EVENT_PEER_KEY_GONE, EVENT_MAIL_KEY, EVENT_CA,
	EVENT_MAIL_TAKEN
};

enum link_state {
	LINK_OPEN = 1, LINK_FROZEN = 2, LINK_WITHDRAWN = 3, LINK_EXPIRED = 4,
	LINK_REPLACED = 5
};

enum queue_outcome {
	QUEUE_SENT = 1,          /* accepted by the next server */
	QUEUE_RETRY = 2,         /* 4xx or no connection */
	QUEUE_REFUSED = 3        /* 5xx: final */
};

/* What the sender says a message is; decides which routes will do. */
enum msg_class { CLASS_NORMAL = 1, CLASS_CONFIDENTIAL, CLASS_REGISTERED };

/* Where another person's key came from. */
enum key_source {
	KEY_HAND = 1,            /* given by the user's own hand */
	KEY_HOUSE,               /* by the administration */
	KEY_PORTAL,              /* uploaded by who had unlocked a message */
	KEY_SIGNED_MAIL,         /* signed mail that came with it */
	KEY_WKD,                 /* the domain's web key directory, https */
	KEY_DANE,                /* DNSSEC */
	KEY_SERVER,              /* a keyserver */
	KEY_AUTOCRYPT            /* a mail header nobody has signed */
};

/* FLAGS of a peer key. */
#define PEERKEY_TRUSTED 1u       /* certificate: the chain ends at a CA of
                                    ours; asked again at each use */
#define PEERKEY_CHANGED 2u       /* another key of that address stood before:
                                    not used until someone confirms */
#define PEERKEY_HOUSE 4u         /* the administration's, not one's own */
#define PEERKEY_REVOKED 8u       /* to the store: its owner or its CA took it
                                    back, so it goes wherever one has it */
/* FLAGS of a message that FETCH gives. */
#define FETCH_SUBMITTED 1u       /* from a mail program: the house signed */
/* FLAGS of MAILKEY_PUT: brought along, beside the one made for the vault. */
#define MAILKEY_IMPORTED 1u
/* FLAGS of a CA. */
#define CA_OWN 1u
#define CA_CRL_ELSEWHERE 2u      /* it has a CRL that did not fit: ask for that
                                    CA alone */

/* What the relay looks up. */
enum lookup { LOOKUP_WKD = 1, LOOKUP_SERVER, LOOKUP_TLS };
enum find_state { FIND_ASKED = 1, FIND_FOUND, FIND_NOTHING, FIND_FAILED };

/* What a channel to the store may be; bound to the descriptor by who made
 * it. */
enum peer_role {
	PEER_DAEMON = 1, PEER_SESSION = 2, PEER_WORKER = 3, PEER_RELAY = 4,
	PEER_PORTAL = 5, PEER_INTAKE = 6, PEER_LOCAL = 7,
	PEER_SUBMIT = 8        /* a worker that sends for one of staff what
	                          came in from their mail program */
};

/* What a letterlock-tui is started as (STATE in AGENT_HELLO's reply). */
enum worker_mode {
	WORKER_SCREEN = 1,     /* ncurses on a pty */
	WORKER_LINE = 2,       /* line mode: TERM=dumb, or no pty */
	WORKER_EXEC = 3,       /* one verb: COMMAND has the words */
	WORKER_ENROL = 4,      /* enrolment only; no store channel */
	WORKER_ENROL_LINE = 5,
	WORKER_SFTP = 6
};

/* CONTRACT.md's word for each value ("portal-muc"), or "?" for none. */
const char *role_name(enum user_role r);
const char *user_state_name(enum user_state s);
const char *folder_name(enum folder f);
const char *route_name(enum route r);
const char *class_name(enum msg_class c);
const char *key_source_name(enum key_source s);
const char *delivery_state_name(enum delivery_state s);
const char *event_name(enum event e);        /* "opened" */
const char *event_log_name(enum event e);    /* "ContentHandover" */

/* The reverse, in any case; LL_USAGE for an unknown word. */
LL_MUST enum ll_result role_parse(const char *word, enum user_role *r_r);
LL_MUST enum ll_result folder_parse(const char *word, enum folder *f_r);
LL_MUST enum ll_result class_parse(const char *word, enum msg_class *c_r);
LL_MUST enum ll_result route_parse(const char *word, enum route *r_r);

#endif
