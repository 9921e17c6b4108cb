/*
 * relay_queue.h - the queue's keys and its sealed rows.
 *
 * Who seals a queue row has the day's public key; the private one is wrapped
 * under a root-derived key that only the relay holds.
 */
#ifndef LL_RELAY_QUEUE_H
#define LL_RELAY_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

#include "keys/result.h"
#include "keys/secret.h"
#include "server/relay_mail.h"
#include "server/relay_stream.h"
#include "store/msg.h"

#define QUEUE_DAY_SECS 86400

/* The request QUEUE_KEY with a fresh pair for that day. */
LL_MUST enum ll_result queue_key_request(const struct secret *root,
    uint64_t day, struct msg **m_r);

/* What an opened row says; everything points into payload or the row. */
struct queue_row {
	struct secret payload;
	bool is_mail;              /* mail is meant, else notice */
	const char *to;
	struct notice notice;
	struct queue_mail mail;
};

/* The key that opened the last row; rows of one day come together. */
struct queue_keys {
	const struct secret *root;
	uint64_t day;
	uint8_t pk[32];
	struct secret sk;
};
void queue_keys_init(struct queue_keys *k, const struct secret *root);
/* Wipes. */
void queue_keys_finish(struct queue_keys *k);

/* Opens the payload of one leased row; queue_row_finish it, also on failure.
 * LL_AUTH when the row was not sealed for this relay, LL_PROTO when its
 * content makes no sense. */
LL_MUST enum ll_result queue_row_open(struct queue_keys *keys,
    struct tlv_view row, struct queue_row *q_r);
/* Wipes. */
void queue_row_finish(struct queue_row *q);

#endif
