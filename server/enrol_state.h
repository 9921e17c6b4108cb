/*
 * enrol_state.h - what enrol.c (the steps) and enrol_answer.c (the requests)
 * share; nobody else includes it.
 */
#ifndef LL_ENROL_STATE_H
#define LL_ENROL_STATE_H

#include "server/enrol.h"

struct enrol_key {
	uint8_t *blob;
	size_t len;
	char fingerprint[64];
	bool keep;
};

struct enrol {
	struct chan *store;
	bool local, finished;
	char user[65], org[200], address[321], name[401];
	enrol_vault_fn *then;            /* NULL: nothing */
	void *then_arg;
	struct id user_id;
	uint64_t generation;             /* of a new vault */
	struct secret pepper;            /* the user's */
	/* passphrase slot to be: id, costs and salt, and A once it is chosen */
	struct id slot;
	struct kdf_params params;
	struct secret a;
	/* the vault of before a reset */
	bool has_old, new_generation;
	struct vault_public old;
	struct id old_slot;
	uint8_t old_wrap[SEAL_WRAP_BYTES];
	struct vault *old_vault;
	/* TOTP */
	struct secret seed;
	bool confirmed;
	uint64_t step;                   /* that the user has shown */
	/* SSH keys that were offered */
	struct enrol_key keys[ENROL_KEYS_MAX];
	size_t key_count;
};

#endif
