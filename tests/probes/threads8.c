/*
 * threads8.c - eight threads, each with connections of its own to a server
 * thread, many small requests and replies; prints which calls moved one byte
 * only, sorted: "THREAD-CONNECTION CALL send|recv".
 *
 * What is cut depends on nothing but the seed, if decisions are reproducible.
 * The connections are made in order by one thread.  A request and its reply
 * are one segment each, so that without faults each call moves all of it; the
 * server is meant to be left alone (`role=client`).
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	N_THREADS = 8,
	N_CONNECTIONS = 2,
	N_ALL = N_THREADS * N_CONNECTIONS,
	N_ROUNDS = 40,
	LEN = 8,
	LIMIT_S = 30
};

struct link {
	int fd, far;
	unsigned calls;
	char text[8192];
	size_t text_len;
};

static struct link links[N_ALL];

static void die(const char *what)
{
	perror(what);
	exit(2);
}

static void note(unsigned index, const char *call)
{
	struct link *l = &links[index];

	l->text_len += (size_t)snprintf(l->text + l->text_len,
	                                sizeof(l->text) - l->text_len,
	                                "%u-%u %u %s\n", index / N_CONNECTIONS,
	                                index % N_CONNECTIONS, l->calls, call);
}

/* Moves LEN bytes by send or recv, and notes the calls that were cut. */
static void move(unsigned index, bool sends)
{
	struct link *l = &links[index];
	char data[LEN] = "request";
	size_t done = 0;

	while (done < LEN) {
		size_t want = LEN - done;
		ssize_t n = sends ? send(l->fd, data + done, want, 0)
		                  : recv(l->fd, data + done, want, 0);

		if (n <= 0)
			die(sends ? "send" : "recv");
		l->calls++;
		if (n == 1 && want > 1)
			note(index, sends ? "send" : "recv");
		done += (size_t)n;
	}
}

static void *client(void *arg)
{
	unsigned first = (unsigned)(size_t)arg * N_CONNECTIONS;

	for (int round = 0; round < N_ROUNDS; round++) {
		for (unsigned i = 0; i < N_CONNECTIONS; i++) {
			move(first + i, true);
			move(first + i, false);
		}
	}
	for (unsigned i = 0; i < N_CONNECTIONS; i++)
		close(links[first + i].fd);
	return NULL;
}

/* Answers a request that is complete; false: the connection is over. */
static bool answer(int fd, size_t *have)
{
	char data[LEN];
	ssize_t n = recv(fd, data, LEN - *have, 0);

	if (n <= 0)
		return false;
	*have += (size_t)n;
	if (*have < LEN)
		return true;
	*have = 0;
	return send(fd, "answers", LEN, 0) == LEN;
}

static void *serve(void *arg)
{
	struct pollfd fds[N_ALL];
	size_t have[N_ALL] = {0};
	int left = N_ALL;

	(void)arg;
	for (int i = 0; i < N_ALL; i++)
		fds[i] = (struct pollfd){.fd = links[i].far, .events = POLLIN};
	while (left) {
		if (poll(fds, N_ALL, -1) < 0 && errno != EINTR)
			die("poll");
		for (int i = 0; i < N_ALL; i++) {
			if (!fds[i].revents || answer(fds[i].fd, &have[i]))
				continue;
			close(fds[i].fd);
			fds[i].fd = -1;
			left--;
		}
	}
	return NULL;
}

static void connect_all(void)
{
	int yes = 1; /* the rest of a cut request must not wait for its ACK */
	struct sockaddr_in a = {.sin_family = AF_INET};
	socklen_t len = sizeof(a);
	int listener = socket(AF_INET, SOCK_STREAM, 0);

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (listener < 0 || bind(listener, (void *)&a, len) ||
	    listen(listener, N_ALL) || getsockname(listener, (void *)&a, &len))
		die("listen");
	for (int i = 0; i < N_ALL; i++) {
		links[i].fd = socket(AF_INET, SOCK_STREAM, 0);
		if (connect(links[i].fd, (void *)&a, len))
			die("connect");
		setsockopt(links[i].fd, IPPROTO_TCP, TCP_NODELAY, &yes,
		           sizeof(yes));
		links[i].far = accept(listener, NULL, NULL);
		if (links[i].far < 0)
			die("accept");
	}
	close(listener);
}

static void nothing(int sig)
{
	(void)sig;
}

int main(void)
{
	/* A handler: without one no signal could cut a blocking send short. */
	struct sigaction sa = {.sa_handler = nothing};
	pthread_t server, clients[N_THREADS];

	alarm(LIMIT_S);
	sigaction(SIGUSR1, &sa, NULL);
	connect_all();
	if (pthread_create(&server, NULL, serve, NULL))
		die("pthread_create");
	for (size_t i = 0; i < N_THREADS; i++)
		if (pthread_create(&clients[i], NULL, client, (void *)i))
			die("pthread_create");
	for (size_t i = 0; i < N_THREADS; i++)
		pthread_join(clients[i], NULL);
	pthread_join(server, NULL);
	for (int i = 0; i < N_ALL; i++)
		fputs(links[i].text, stdout);
	return 0;
}
