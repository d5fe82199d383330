/*
 * net.h - addresses and the calls around a connection that every I/O style
 * makes in the same way.
 *
 * Functions that return int give 0 or -errno.  Those marked "says why" have
 * already told the user by then; the others leave it to the caller, who knows
 * the call and the peer.
 *
 * Locking model: no state; any thread.
 */
#ifndef REFERENCE_NET_H
#define REFERENCE_NET_H

#include <netdb.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

/* "[v6%scope]:port" with its NUL. */
#define ADDRESS_TEXT (INET6_ADDRSTRLEN + 32)

/* "127.0.0.1:80" or "[::1]:80". */
void net_address_text(const struct sockaddr *address, socklen_t len,
                      char text[static ADDRESS_TEXT]);

/* The peer's address as text; -ENOTCONN when it has already reset. */
int net_peer_text(int fd, char text[static ADDRESS_TEXT]);

/*
 * All stream addresses of a host, to be freed with freeaddrinfo.  EAI_AGAIN is
 * tried again until the deadline, every other failure is final.  Says why.
 */
int net_resolve(const char *host, const char *port, int64_t deadline_ns,
                struct addrinfo **ret_list);

/*
 * A listening socket (SO_REUSEADDR, close-on-exec, type_flags as in socket(2))
 * on the first address of host that can be had, and its address with the port
 * that bind chose.  Says why.
 */
int net_listen(const char *host, const char *port, int backlog, int type_flags,
               int *ret_fd, char ret_name[static ADDRESS_TEXT]);

/* 127.0.0.1 or ::1 as text, no name. */
bool net_is_address(const char *text);

/*
 * A socket to connect to ai with (close-on-exec, type_flags as in socket(2)),
 * bound to an address of this machine and a port of the kernel's choice, if
 * from is not NULL.  name is ai's, for messages.  Says why.
 */
int net_socket_to(const struct addrinfo *ai, int type_flags, const char *from,
                  const char *name, int *ret_fd);

/* The pending error, cleared by reading: 0 or -errno. */
int net_socket_error(int fd);

/*
 * Is this connection its own other end?  connect(2) to an ephemeral port on
 * which nobody listens can pick the same port as its source and meet itself.
 */
bool net_connected_to_self(int fd);

/*
 * Close with a RST instead of a FIN, so that the peer cannot take what it has
 * for the whole.
 */
void net_reset(int fd);

/* Wait for a time, or less when a signal comes.  Not a substitute for events.*/
void net_pause(int timeout_ms);

#endif
