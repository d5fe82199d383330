/*
 * passing.h - descriptors that travel: SCM_RIGHTS over UNIX sockets.
 */
#ifndef FAULT_SHIM_PASSING_H
#define FAULT_SHIM_PASSING_H

#include "call.h"

/* sendmsg: the sockets in a message are remembered by their SO_COOKIE. */
void passing_sends(const struct shim_call *c);

/* The send failed, or sent fewer messages: their references go again. */
void passing_not_sent(const struct shim_call *c);

/* recvmsg: the descriptors in a message that has arrived are adopted. */
void passing_received(const struct shim_call *c);

#endif
