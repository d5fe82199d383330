/*
 * caller_probe.c - receives from many places (tests/e2e/caller.sh). Each line
 * says from where, and how much of ten bytes came: "main 10".
 *
 * Linked with libone.so and libtwo.so; loads libthree.so, and, in its place,
 * libfour.so, by the paths in its arguments.
 */
#include <dlfcn.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "../mortal.h"

#define KEEP __asm__ volatile("" ::: "memory")

typedef ssize_t receive(int fd, void *buf, size_t len);
typedef ssize_t through(receive *next, int fd, void *buf, size_t len);

receive one_recv, one_static, one_jump, two_recv;
through one_through, two_through;
void one_raise(int signal);

static int ours, theirs;
static char buf[16];
static ssize_t in_handler;

static void die(const char *what)
{
	perror(what);
	exit(99);
}

static void connect_both(void)
{
	struct sockaddr_in a = {.sin_family = AF_INET,
	                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(a);
	int listener = socket(AF_INET, SOCK_STREAM, 0);

	if (bind(listener, (void *)&a, sizeof(a)) || listen(listener, 1) ||
	    getsockname(listener, (void *)&a, &len))
		die("listen");
	theirs = socket(AF_INET, SOCK_STREAM, 0);
	if (connect(theirs, (void *)&a, sizeof(a)))
		die("connect");
	ours = accept(listener, NULL, NULL);
	if (ours < 0)
		die("accept");
}

static void feed(void)
{
	if (send(theirs, "0123456789", 10, 0) != 10)
		die("send");
}

static void say(const char *where, ssize_t n)
{
	printf("%s %zd\n", where, n);
	fflush(stdout);
	for (ssize_t rest = 10 - n, more; rest > 0; rest -= more) {
		more = read(ours, buf, sizeof(buf));
		if (more <= 0)
			die("read");
	}
}

__attribute__((noinline)) ssize_t app_recv(int fd, void *to, size_t len)
{
	ssize_t n = recv(fd, to, len, 0);

	KEEP;
	return n;
}

static void from(const char *where, receive *r)
{
	ssize_t n;

	feed();
	n = r(ours, buf, sizeof(buf));
	KEEP;
	say(where, n);
}

/* So many frames of the program between libone.so and the call. */
static __attribute__((noinline)) ssize_t deeper(int frames, void *to)
{
	ssize_t n = frames > 1 ? deeper(frames - 1, to)
	                       : recv(ours, to, sizeof(buf), 0);

	KEEP;
	return n;
}

static int depth;

static ssize_t deep(int fd, void *to, size_t len)
{
	ssize_t n = deeper(depth - 1, to);

	KEEP;
	return fd >= 0 && len ? n : -1;
}

static void from_below(const char *where, through *below, receive *r)
{
	ssize_t n;

	feed();
	n = below(r, ours, buf, sizeof(buf));
	KEEP;
	say(where, n);
}

static void on_signal(int signal)
{
	(void)signal;
	in_handler = recv(ours, buf, sizeof(buf), 0);
	KEEP;
}

static void from_handler(void)
{
	signal(SIGUSR1, on_signal);
	feed();
	one_raise(SIGUSR1);
	say("handler", in_handler);
}

static void from_alternate_stack(void)
{
	static char stack[64 << 10]; /* the sanitizers' frames are large */
	const stack_t s = {.ss_sp = stack, .ss_size = sizeof(stack)};
	const struct sigaction a = {.sa_handler = on_signal,
	                            .sa_flags = SA_ONSTACK};

	sigaltstack(&s, NULL);
	sigaction(SIGUSR1, &a, NULL);
	feed();
	one_raise(SIGUSR1);
	say("alternate", in_handler);
}

static void from_child(void)
{
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid < 0)
		die("fork");
	if (!pid) {
		from("child", one_recv);
		from("child-main", app_recv);
		_exit(0);
	}
	waitpid(pid, NULL, 0);
}

static void *in_thread(void *unused)
{
	from("thread", one_recv);
	from("thread-main", app_recv);
	return unused;
}

static void from_thread(void)
{
	pthread_t t;

	if (pthread_create(&t, NULL, in_thread, NULL))
		die("pthread_create");
	pthread_join(t, NULL);
}

static void from_loaded(const char *path, const char *name)
{
	void *library = dlopen(path, RTLD_NOW);
	receive *r = library ? (receive *)dlsym(library, name) : NULL;

	if (!r)
		die(dlerror());
	from(name, r);
	dlclose(library);
}

/* ROUNDS: nothing but receives, from libone.so. */
static void only(long rounds)
{
	for (long i = 0; i < rounds; i++) {
		feed();
		if (one_recv(ours, buf, sizeof(buf)) != 10)
			die("recv");
	}
}

int main(int argc, char **argv)
{
	mortal(30);
	if (argc == 2) {
		connect_both();
		only(atol(argv[1]));
		return 0;
	}
	if (argc < 3)
		die("usage");
	connect_both();
	from("main", app_recv);
	from("one", one_recv);
	from("two", two_recv);
	from("static", one_static);
	from("jump", one_jump);
	from_below("one>main", one_through, app_recv);
	from_below("two>one", two_through, one_recv);
	depth = 7;
	from_below("one>7", one_through, deep);
	depth = 8;
	from_below("one>8", one_through, deep);
	from_handler();
	from_alternate_stack();
	from_child();
	from_thread();
	for (int i = 0; i < 3; i++) {
		from_loaded(argv[1], "three_recv");
		from_loaded(argv[2], "four_recv");
	}
	return 0;
}
