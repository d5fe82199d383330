/*
 * opening.h - a non-blocking connect between EINPROGRESS and its end.
 *
 * The program learns the end from readiness and SO_ERROR, from a second
 * connect, or simply by transferring; so do we, at the first call that needs
 * to know.
 */
#ifndef FAULT_SHIM_OPENING_H
#define FAULT_SHIM_OPENING_H

#include "call.h"

/*
 * Is c->sock ready for transfers?  Asks getpeername while it is in SYN_SENT,
 * and gives it its ordinal and rules when the connection stands.  false:
 * still opening, failed, or never connected: the kernel answers the call.
 */
bool opening_done(struct shim_call *c);

/*
 * A send with MSG_FASTOPEN on a fresh socket is a connect too (tcp(7)); its
 * rules are those of send, and of the connection once it stands.
 */
void opening_by_send(struct shim_call *c);

/* A transfer was answered by the kernel instead: was it the pending error? */
void opening_failed(struct shim_call *c);

#endif
