/*
 * stepper.c - one socket call for each line on stdin, and a line on stdout with
 * what came of it: whoever writes the lines knows when each call happens, and
 * can arm and disarm between two of them.
 *
 *   new       a new connection to itself: "new 0"; ends the one before
 *   connect   connect(2) of another socket, which is closed again
 *   data      the peer sends one byte
 *   recv      data, and recv(2) of one byte
 *   try       recv(2) of one byte without waiting
 *   wait      epoll_wait(2) until there is something to read
 *   watch     registers the client with an epoll set that stays
 *   look      epoll_wait(2) on that set, without waiting
 *   send      send(2) of one byte
 *   exec      the same program anew: "exec 0"
 *
 * "recv 1", "recv -1 ECONNRESET", "wait 1".  The client's calls are told; those
 * of the accepted end are the role `accepted`.  It ends with stdin.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

static struct sockaddr_in address;
static int listener, client = -1, server = -1, watching;

static void listen_somewhere(void)
{
	socklen_t len = sizeof(address);

	address.sin_family = AF_INET;
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	listener = socket(AF_INET, SOCK_STREAM, 0);
	if (bind(listener, (struct sockaddr *)&address, len) ||
	    listen(listener, 8) ||
	    getsockname(listener, (struct sockaddr *)&address, &len))
		exit(2);
}

static long dial(int fd)
{
	return connect(fd, (struct sockaddr *)&address, sizeof(address));
}

static long make_connection(void)
{
	long r;

	close(client);
	close(server);
	client = socket(AF_INET, SOCK_STREAM, 0);
	r = dial(client);
	server = r ? -1 : accept(listener, NULL, NULL);
	return r;
}

static long only_connect(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	long r = dial(fd);
	int saved = errno;

	close(fd);
	if (!r) /* not the next one that `new` accepts */
		close(accept(listener, NULL, NULL));
	errno = saved;
	return r;
}

static long peer_sends(void)
{
	return send(server, "x", 1, MSG_NOSIGNAL);
}

static long receive_one(void)
{
	char c;

	peer_sends();
	return recv(client, &c, 1, 0);
}

static long try_one(void)
{
	char c;

	return recv(client, &c, 1, MSG_DONTWAIT);
}

static long await_input(void)
{
	struct epoll_event e = {.events = EPOLLIN};
	int set = epoll_create1(EPOLL_CLOEXEC);
	int n;

	epoll_ctl(set, EPOLL_CTL_ADD, client, &e);
	n = epoll_wait(set, &e, 1, -1);
	close(set);
	return n;
}

static long watch(void)
{
	struct epoll_event e = {.events = EPOLLIN};

	watching = epoll_create1(EPOLL_CLOEXEC);
	return epoll_ctl(watching, EPOLL_CTL_ADD, client, &e);
}

static long look(void)
{
	struct epoll_event e;

	return epoll_wait(watching, &e, 1, 0);
}

static long send_one(void)
{
	return send(client, "y", 1, MSG_NOSIGNAL);
}

static long become_new(void)
{
	static char name[] = "stepper", again[] = "again";
	char *argv[] = {name, again, NULL};

	return execv("/proc/self/exe", argv);
}

static const struct {
	const char *name;
	long (*step)(void);
} steps[] = {
	{"new", make_connection}, {"connect", only_connect},
	{"data", peer_sends},     {"recv", receive_one},
	{"try", try_one},         {"wait", await_input},
	{"watch", watch},         {"look", look},
	{"send", send_one},       {"exec", become_new},
};

static void take(const char *name)
{
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		long r;

		if (strcmp(steps[i].name, name) != 0)
			continue;
		errno = 0;
		r = steps[i].step();
		if (r < 0)
			printf("%s %ld %s\n", name, r, strerrorname_np(errno));
		else
			printf("%s %ld\n", name, r);
		return;
	}
	printf("%s ?\n", name);
}

int main(int argc, char **argv)
{
	char line[64];

	(void)argv;
	/* A byte at a time: what is read ahead would be lost by exec. */
	setvbuf(stdin, NULL, _IONBF, 0);
	setlinebuf(stdout);
	listen_somewhere();
	make_connection();
	if (argc > 1)
		puts("exec 0");
	while (fgets(line, sizeof(line), stdin)) {
		line[strcspn(line, "\n")] = '\0';
		take(line);
	}
	return 0;
}
