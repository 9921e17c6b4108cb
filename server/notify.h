/*
 * notify.h - tells a service manager how we are (sd_notify's protocol: one
 * datagram to the socket that NOTIFY_SOCKET names).
 */
#ifndef LL_NOTIFY_H
#define LL_NOTIFY_H

/* Sends state, e.g. "READY=1"; nothing happens without a manager. */
void notify_send(const char *state);

#endif
