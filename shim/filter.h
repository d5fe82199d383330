/*
 * filter.h - poll, ppoll, select, pselect on descriptors that may be held.
 *
 * The kernel is asked without what is hidden, until the program's time is over
 * or a gate opens; so the answer is the one that it would give if nothing were
 * there yet.
 */
#ifndef FAULT_SHIM_FILTER_H
#define FAULT_SHIM_FILTER_H

#include "call.h"

/*
 * true: the call has been made.  false: no descriptor of it has lasting rules,
 * or it is epoll_wait, whose answers are never altered.  Where no helper can be
 * made (keeper.h) epoll_wait is made in pieces, and opens gates between them.
 */
bool filter_wait(struct shim_call *c);

/* select is asked for no more numbers than there would be without us. */
void filter_cut(struct shim_call *c);

/*
 * Has one of the descriptors rules that readiness has to agree with, or is it a
 * call that filter_cut() may change?  a: the arguments of a call that waits;
 * false for epoll_wait.
 */
bool filter_concerns(enum fault_call id, const long *a);

#endif
