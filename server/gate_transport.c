#include "server/gate.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/crypto.h>

/*
 * Every kind of key is "accepted" here and refused in the callback where we do
 * not take it: libssh drops a request with a kind outside its list without a
 * word, and the client waits until it is cut off.
 */
#define TRANSPORT_KEYS \
	"ssh-ed25519,sk-ssh-ed25519@openssh.com,rsa-sha2-512,rsa-sha2-256," \
	"ssh-rsa,ecdsa-sha2-nistp256,ecdsa-sha2-nistp384," \
	"ecdsa-sha2-nistp521,sk-ecdsa-sha2-nistp256@openssh.com," \
	"ssh-ed25519-cert-v01@openssh.com,rsa-sha2-512-cert-v01@openssh.com," \
	"rsa-sha2-256-cert-v01@openssh.com," \
	"ecdsa-sha2-nistp256-cert-v01@openssh.com," \
	"ecdsa-sha2-nistp384-cert-v01@openssh.com," \
	"ecdsa-sha2-nistp521-cert-v01@openssh.com," \
	"sk-ssh-ed25519-cert-v01@openssh.com," \
	"sk-ecdsa-sha2-nistp256-cert-v01@openssh.com"
/* The last is for dbclient, which has no encrypt-then-MAC. */
#define TRANSPORT_MACS \
	"hmac-sha2-256-etm@openssh.com,hmac-sha2-512-etm@openssh.com," \
	"hmac-sha2-256"
#define TRANSPORT_CIPHERS \
	"aes256-gcm@openssh.com,aes128-gcm@openssh.com,aes256-ctr"
#define TRANSPORT_RSA_FLOOR 768    /* libssh's lowest; ours: gate_key.c */
#define TRANSPORT_TIMEOUT_SECS 60

struct transport_text {
	enum ssh_bind_options_e option;
	const char *value;
};

static const struct transport_text texts[] = {
	{ SSH_BIND_OPTIONS_BANNER, "letterlock" },
	{ SSH_BIND_OPTIONS_KEY_EXCHANGE,
	    "curve25519-sha256,curve25519-sha256@libssh.org" },
	{ SSH_BIND_OPTIONS_HOSTKEY_ALGORITHMS, "ssh-ed25519" },
	{ SSH_BIND_OPTIONS_PUBKEY_ACCEPTED_KEY_TYPES, TRANSPORT_KEYS },
	{ SSH_BIND_OPTIONS_CIPHERS_C_S, TRANSPORT_CIPHERS },
	{ SSH_BIND_OPTIONS_CIPHERS_S_C, TRANSPORT_CIPHERS },
	{ SSH_BIND_OPTIONS_HMAC_C_S, TRANSPORT_MACS },
	{ SSH_BIND_OPTIONS_HMAC_S_C, TRANSPORT_MACS },
};

static bool
transport_options(ssh_bind b)
{
	bool config = false;
	int rsa = TRANSPORT_RSA_FLOOR;

	if (ssh_bind_options_set(b, SSH_BIND_OPTIONS_PROCESS_CONFIG,
	    &config) != SSH_OK)
		return false;
	if (ssh_bind_options_set(b, SSH_BIND_OPTIONS_RSA_MIN_SIZE, &rsa) !=
	    SSH_OK)
		return false;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (ssh_bind_options_set(b, texts[i].option, texts[i].value) !=
		    SSH_OK)
			return false;
	return true;
}

enum ll_result
gate_transport_init(struct gate *g)
{
	g->tcp = -1;
	/* Nobody reads OpenSSL's error texts here; they would cost each
	 * connection 100 KB and a millisecond. */
	if (!OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CRYPTO_STRINGS |
	    OPENSSL_INIT_NO_LOAD_CONFIG, NULL))
		return LL_NOMEM;
	ssh_set_log_level(SSH_LOG_NOLOG);
	g->bind = ssh_bind_new();
	g->ssh = ssh_new();
	g->event = ssh_event_new();
	if (!g->bind || !g->ssh || !g->event)
		return LL_NOMEM;
	if (!transport_options(g->bind))
		return LL_PROTO;
	return LL_OK;
}

static bool
transport_session_options(ssh_session ssh)
{
	long timeout = TRANSPORT_TIMEOUT_SECS;

	return ssh_options_set(ssh, SSH_OPTIONS_COMPRESSION_C_S, "none") ==
	    SSH_OK &&
	    ssh_options_set(ssh, SSH_OPTIONS_COMPRESSION_S_C, "none") ==
	    SSH_OK &&
	    ssh_options_set(ssh, SSH_OPTIONS_TIMEOUT, &timeout) == SSH_OK;
}

enum ll_result
gate_transport_start(struct gate *g, const uint8_t host_pk[32])
{
	ssh_key key = NULL;
	const int on = 1;
	enum ll_result r = gate_key_create(host_pk, &key);

	if (r)
		return r;
	if (ssh_bind_options_set(g->bind, SSH_BIND_OPTIONS_IMPORT_KEY, key) !=
	    SSH_OK) {
		ssh_key_free(key);
		return LL_PROTO;
	}
	/* Not a TCP socket in the self-test: then this has no effect. */
	(void)setsockopt(g->tcp, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (ssh_bind_accept_fd(g->bind, g->ssh, g->tcp) != SSH_OK)
		return LL_PROTO;
	ssh_bind_free(g->bind);
	g->bind = NULL;
	if (!transport_session_options(g->ssh))
		return LL_PROTO;
	ssh_set_blocking(g->ssh, 0);
	gate_auth_init(g);
	if (ssh_handle_key_exchange(g->ssh) == SSH_ERROR)
		return LL_EOF;
	if (ssh_event_add_session(g->event, g->ssh) != SSH_OK)
		return LL_NOMEM;
	return LL_OK;
}

void
gate_transport_finish(struct gate *g)
{
	if (g->event && g->ssh)
		(void)ssh_event_remove_session(g->event, g->ssh);
	ssh_event_free(g->event);
	g->event = NULL;
	if (g->ssh && ssh_is_connected(g->ssh))
		ssh_disconnect(g->ssh);
	ssh_free(g->ssh);
	g->ssh = NULL;
	ssh_bind_free(g->bind);
	g->bind = NULL;
}
