/*
 * eof.h - the peer has closed, or shut down its sending side: `eof`.
 *
 * No FIN can be forged from here.  What a program can see of one is made of
 * shutdown(SHUT_RD), which gives IN|RDHUP in every readiness API and wakes who
 * waits, and of answers: recv is 0 for ever, whatever the real peer still
 * sends.  That is thrown away, and makes no edge (SO_RCVLOWAT is raised).
 *
 * A peer that closed whole takes nothing any more: the next send succeeds, is
 * lost, and its RST follows.
 *
 * Not hidden: TCP_INFO, and an edge once half the receive buffer has filled
 * with what nobody reads.  A peer that goes on sending after our own FIN is
 * reset by the kernel, and ERR shows in readiness.
 */
#ifndef FAULT_SHIM_EOF_H
#define FAULT_SHIM_EOF_H

#include "call.h"

/*
 * From now on the peer has closed (half: only its sending side).  false: the
 * socket is not connected any more, nothing was done.  Any thread; errno may
 * change.
 */
bool eof_begin(int fd, struct fault_sock *s, bool half);

/* The action, at a send or recv. */
void act_eof(struct shim_call *c, const struct plan_action *a);

/*
 * A send or recv on a socket with SOCK_EOF or SOCK_FIN_RESET, before the
 * kernel is asked.  true: it is answered; false: the kernel's answer is right
 * (a pending reset no longer stands in its way).
 */
bool eof_answers(struct shim_call *c);

/* This recv has met the end of the stream: its result, and all it writes. */
void eof_tell(struct shim_call *c);

/*
 * Both sides have finished, and ours has sent all: to the program the socket is
 * closed, so that getpeername and shutdown give ENOTCONN.
 */
bool eof_finished(int fd, struct fault_sock *s);

/*
 * Before the program's close: bytes left unread would make it a reset, but the
 * peer has not sent them, since it had closed or (`stall`) fallen silent.
 */
void eof_closing(int fd, struct fault_sock *s);

#endif
