/*
 * own_names.c - a program with functions of its own by the names of libc's:
 * each ends the program when it is called, for nothing here calls one.  It
 * makes a TCP connection to itself, and says what came of each call.
 *
 * No header of libc: the names mean something else here.
 */
#define OWN(symbol)                                                            \
	void own_##symbol(void) __asm__(#symbol);                              \
	void own_##symbol(void)                                                \
	{                                                                      \
		__builtin_trap();                                              \
	}

#define LIBC(symbol) OWN(symbol)
#include "shim/libc.def"

/* Of what is interposed, some that the library has use for itself. */
OWN(close)
OWN(read)
OWN(write)
OWN(fcntl)
OWN(fclose)
OWN(dup)
OWN(dup3)
OWN(ioctl)
OWN(syscall)
OWN(poll)
OWN(ppoll)
OWN(epoll_ctl)
OWN(epoll_wait)
OWN(getpeername)
OWN(getsockopt)
OWN(setsockopt)
OWN(sendmsg)
OWN(recvmsg)
OWN(socketpair)
OWN(dlopen)
OWN(_exit)

enum {
	INET = 2,
	STREAM = 1,
	SHUT_WRITE = 1,
	NO_SIGNAL = 0x4000,
	LEN = 6
};

struct inet {
	unsigned short family, port;
	unsigned addr;
	char pad[8];
};

int socket(int domain, int type, int protocol);
int bind(int fd, const void *addr, unsigned len);
int listen(int fd, int backlog);
int accept(int fd, void *addr, unsigned *len);
int connect(int fd, const void *addr, unsigned len);
int getsockname(int fd, void *addr, unsigned *len);
int shutdown(int fd, int how);
long send(int fd, const void *buf, unsigned long len, int flags);
long recv(int fd, void *buf, unsigned long len, int flags);
int getaddrinfo(const char *name, const char *service, const void *hints,
                void *ret);
void *fdopen(int fd, const char *mode);
void setbuf(void *stream, char *buf);
int fputs(const char *text, void *stream);
int printf(const char *format, ...);
int *__errno_location(void);
extern void *stdout;

/* What a call returned; a descriptor by whether there is one. */
static int say(const char *what, long result)
{
	if (result < 0)
		printf("%s: errno %d\n", what, *__errno_location());
	else
		printf("%s: %ld\n", what, result);
	return (int)result;
}

static int say_fd(const char *what, int fd)
{
	say(what, fd < 0 ? -1 : 0);
	return fd;
}

static int make_listener(struct inet *addr)
{
	unsigned len = sizeof(*addr);
	int fd = say_fd("socket", socket(INET, STREAM, 0));

	*addr = (struct inet){.family = INET, .addr = 0x100007f};
	say("bind", bind(fd, addr, len));
	say("listen", listen(fd, 4));
	say("getsockname", getsockname(fd, addr, &len));
	return fd;
}

static void transfer(const char *what, int from, int to)
{
	char buf[LEN + 1] = "";
	long n = 0, part = 1;

	printf("%s\n", what);
	if (say("send", send(from, "hello\n", LEN, NO_SIGNAL)) < 0)
		return;
	while (n < LEN && part > 0) {
		part = say("recv",
		           recv(to, buf + n, (unsigned long)(LEN - n), 0));
		n += part > 0 ? part : 0;
	}
	printf("%s\n", buf);
}

int main(void)
{
	struct inet addr;
	void *list, *stream;
	char buf[LEN];
	int listener, client, server;

	setbuf(stdout, 0);
	listener = make_listener(&addr);
	client = say_fd("socket", socket(INET, STREAM, 0));
	say("getaddrinfo", getaddrinfo("a.test", "80", 0, &list) ? 1 : 0);
	if (say("connect", connect(client, &addr, sizeof(addr))))
		return 0;
	server = say_fd("accept", accept(listener, 0, 0));
	if (server < 0)
		return 0;
	transfer("to the server", client, server);
	transfer("to the client", server, client);

	stream = fdopen(client, "w");
	setbuf(stream, 0);
	say("fputs", fputs("hello\n", stream) < 0 ? -1 : 0);
	say("recv", recv(server, buf, LEN, 0));
	say("shutdown", shutdown(client, SHUT_WRITE));
	say("recv", recv(server, buf, LEN, 0));
	return 0;
}
