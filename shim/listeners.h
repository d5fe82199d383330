/*
 * listeners.h - how listeners are registered with epoll in this process.
 *
 * A kick by SO_RCVLOWAT does nothing on a listener; only EPOLL_CTL_MOD makes
 * its edge come again, and that needs to know what was registered.
 */
#ifndef FAULT_SHIM_LISTENERS_H
#define FAULT_SHIM_LISTENERS_H

#include <sys/epoll.h>

/* epoll_ctl succeeded for a socket that may be or become a listener. */
void listeners_registered(int epfd, int op, int fd,
                          const struct epoll_event *event);

/* fd is closed: its registrations go with it. */
void listeners_closed(int fd);

/* An injected EAGAIN on accept: edge-triggered registrations hear again. */
void listeners_kick(int fd);

#endif
