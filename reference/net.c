/*
 * net.c - addresses, listening, pending errors; contract in net.h.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "deadline.h"
#include "message.h"
#include "net.h"

#define RESOLVE_PAUSE_MS 100

/* getaddrinfo(3): the names that gai_strerror does not give. */
static const struct {
	int code;
	const char *name;
} resolve_errors[] = {
	{EAI_AGAIN, "EAI_AGAIN"},     {EAI_BADFLAGS, "EAI_BADFLAGS"},
	{EAI_FAIL, "EAI_FAIL"},       {EAI_FAMILY, "EAI_FAMILY"},
	{EAI_MEMORY, "EAI_MEMORY"},   {EAI_NODATA, "EAI_NODATA"},
	{EAI_NONAME, "EAI_NONAME"},   {EAI_OVERFLOW, "EAI_OVERFLOW"},
	{EAI_SERVICE, "EAI_SERVICE"}, {EAI_SOCKTYPE, "EAI_SOCKTYPE"},
};

void net_address_text(const struct sockaddr *address, socklen_t len,
                      char text[static ADDRESS_TEXT])
{
	char host[INET6_ADDRSTRLEN + 20];
	char port[8];
	int err;

	err = getnameinfo(address, len, host, sizeof(host), port, sizeof(port),
	                  NI_NUMERICHOST | NI_NUMERICSERV);
	if (err)
		snprintf(text, ADDRESS_TEXT, "(unknown address)");
	else if (address->sa_family == AF_INET6)
		snprintf(text, ADDRESS_TEXT, "[%s]:%s", host, port);
	else
		snprintf(text, ADDRESS_TEXT, "%s:%s", host, port);
}

int net_peer_text(int fd, char text[static ADDRESS_TEXT])
{
	struct sockaddr_storage address;
	socklen_t len = sizeof(address);

	if (getpeername(fd, (struct sockaddr *)&address, &len) < 0)
		return -errno;
	net_address_text((struct sockaddr *)&address, len, text);
	return 0;
}

static void say_resolve_error(const char *host, int code, int err)
{
	const char *name = "?";

	if (code == EAI_SYSTEM) {
		message_call("resolve", host, err);
		return;
	}
	for (size_t i = 0; i < sizeof(resolve_errors) / sizeof(*resolve_errors);
	     i++)
		if (resolve_errors[i].code == code)
			name = resolve_errors[i].name;
	message("resolve %s: %s (%s)", host, gai_strerror(code), name);
}

int net_resolve(const char *host, const char *port, int64_t deadline_ns,
                struct addrinfo **ret_list)
{
	const struct addrinfo hints = {
		.ai_family = AF_UNSPEC,
		.ai_socktype = SOCK_STREAM,
		.ai_flags = AI_NUMERICSERV,
	};
	int code;

	for (;;) {
		code = getaddrinfo(host, port, &hints, ret_list);
		if (code != EAI_AGAIN || now_ns() >= deadline_ns)
			break;
		net_pause(RESOLVE_PAUSE_MS);
	}
	if (code == 0)
		return 0;
	say_resolve_error(host, code, errno);
	return code == EAI_SYSTEM && errno ? -errno : -EHOSTUNREACH;
}

/* An optional option: a server runs without it, and says so. */
static void set_option(int fd, int level, int option, const char *name)
{
	const int on = 1;

	if (setsockopt(fd, level, option, &on, sizeof(on)) < 0)
		message_call("setsockopt", name, errno);
}

static int listen_on(const struct addrinfo *ai, int backlog, int type_flags,
                     const char *name, int *ret_fd)
{
	const char *call = "socket for";
	int err;
	int fd;

	fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC | type_flags, 0);
	if (fd < 0)
		goto failed;
	set_option(fd, SOL_SOCKET, SO_REUSEADDR, "SO_REUSEADDR");
	if (ai->ai_family == AF_INET6)
		set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, "IPV6_V6ONLY");
	call = "bind to";
	if (bind(fd, ai->ai_addr, ai->ai_addrlen) < 0)
		goto failed;
	call = "listen on";
	if (listen(fd, backlog) < 0)
		goto failed;
	*ret_fd = fd;
	return 0;
failed:
	err = errno;
	message_call(call, name, err);
	if (fd >= 0)
		close(fd);
	return -err;
}

static int name_listener(int fd, char ret_name[static ADDRESS_TEXT])
{
	struct sockaddr_storage address;
	socklen_t len = sizeof(address);
	int err;

	if (getsockname(fd, (struct sockaddr *)&address, &len) < 0) {
		err = errno;
		message_call("getsockname", NULL, err);
		return -err;
	}
	net_address_text((struct sockaddr *)&address, len, ret_name);
	return 0;
}

int net_listen(const char *host, const char *port, int backlog, int type_flags,
               int *ret_fd, char ret_name[static ADDRESS_TEXT])
{
	struct addrinfo *list;
	char name[ADDRESS_TEXT];
	int fd = -1;
	int err;

	err = net_resolve(host, port, now_ns() + 5 * NS_PER_S, &list);
	if (err)
		return err;
	err = -EADDRNOTAVAIL;
	for (const struct addrinfo *ai = list; ai; ai = ai->ai_next) {
		net_address_text(ai->ai_addr, ai->ai_addrlen, name);
		err = listen_on(ai, backlog, type_flags, name, &fd);
		if (!err)
			break;
	}
	freeaddrinfo(list);
	if (err)
		return err;
	err = name_listener(fd, ret_name);
	if (err)
		close(fd);
	else
		*ret_fd = fd;
	return err;
}

/* Its length; 0: the text is no address. */
static socklen_t address_of(const char *text, struct sockaddr_storage *ret)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)ret;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)ret;

	memset(ret, 0, sizeof(*ret));
	if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		return sizeof(*v4);
	}
	if (inet_pton(AF_INET6, text, &v6->sin6_addr) == 1) {
		v6->sin6_family = AF_INET6;
		return sizeof(*v6);
	}
	return 0;
}

bool net_is_address(const char *text)
{
	struct sockaddr_storage address;

	return address_of(text, &address) > 0;
}

static int bind_from(int fd, const char *from)
{
	struct sockaddr_storage address;
	socklen_t len = address_of(from, &address);
	int err;

	if (bind(fd, (struct sockaddr *)&address, len) == 0)
		return 0;
	err = errno;
	message_call("bind to", from, err);
	return -err;
}

int net_socket_to(const struct addrinfo *ai, int type_flags, const char *from,
                  const char *name, int *ret_fd)
{
	int err;
	int fd;

	fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC | type_flags, 0);
	if (fd < 0) {
		err = errno;
		message_call("socket for", name, err);
		return -err;
	}
	err = from ? bind_from(fd, from) : 0;
	if (err)
		close(fd);
	else
		*ret_fd = fd;
	return err;
}

int net_socket_error(int fd)
{
	socklen_t len = sizeof(int);
	int err = 0;

	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len) < 0)
		return -errno;
	return -err;
}

bool net_connected_to_self(int fd)
{
	char here[ADDRESS_TEXT];
	char there[ADDRESS_TEXT];
	struct sockaddr_storage address;
	socklen_t len = sizeof(address);

	if (getsockname(fd, (struct sockaddr *)&address, &len) < 0)
		return false;
	net_address_text((struct sockaddr *)&address, len, here);
	return net_peer_text(fd, there) == 0 && strcmp(here, there) == 0;
}

void net_reset(int fd)
{
	const struct linger linger = {.l_onoff = 1, .l_linger = 0};

	/* When it fails, close sends a FIN, or a RST if input was unread. */
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	close(fd);
}

void net_pause(int timeout_ms)
{
	poll(NULL, 0, timeout_ms);
}
