/*
 * fortified.c - a client as a distribution builds it: -D_FORTIFY_SOURCE=2.
 *
 * The size of the buffer is known, the length is not, so that each call goes
 * to the checking twin: __recv_chk, __recvfrom_chk, __read_chk, __poll_chk.
 *
 *	fortified PORT recv|recvfrom|read LENGTH
 *
 * asks 127.0.0.1:PORT for /big and prints, to the end of what it receives, the
 * number of calls that gave something and the error that ended it.  Then the
 * bytes, on stdout; the rest goes to stderr.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void ignore(int sig)
{
	(void)sig;
}

static ssize_t receive(int fd, const char *how, char *into, size_t asked)
{
	char buf[4096];
	ssize_t n;

	if (!strcmp(how, "recvfrom"))
		n = recvfrom(fd, buf, asked, 0, NULL, NULL);
	else if (!strcmp(how, "read"))
		n = read(fd, buf, asked);
	else
		n = recv(fd, buf, asked, 0);
	if (n > 0)
		memcpy(into, buf, (size_t)n);
	return n;
}

/* Waits for input; the number of entries is not known to the compiler. */
static int await(int fd)
{
	volatile size_t n = 1;
	struct pollfd fds[2] = {{.fd = fd, .events = POLLIN}, {.fd = -1}};

	return poll(fds, n, 10000);
}

int main(int argc, char **argv)
{
	static const char request[] = "GET /big HTTP/1.0\r\n\r\n";
	struct sockaddr_in to = {.sin_family = AF_INET};
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	unsigned long calls = 0;
	char into[4096];
	ssize_t n = -1;

	if (argc != 4)
		return 2;
	to.sin_port = htons((uint16_t)atoi(argv[1]));
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) ||
	    send(fd, request, sizeof(request) - 1, 0) < 0)
		return 3;
	signal(SIGUSR1, ignore); /* so that poll can be interrupted (G1) */
	while (await(fd) == 1 &&
	       (n = receive(fd, argv[2], into, (size_t)atoi(argv[3]))) > 0) {
		calls++;
		if (fwrite(into, 1, (size_t)n, stdout) != (size_t)n)
			return 4;
	}
	/* poll failed: n is what it was before. */
	if (n > 0)
		n = -1;
	fprintf(stderr, "%lu calls, then %s\n", calls,
	        n ? strerrorname_np(errno) : "the end");
	return n ? 1 : 0;
}
