/*
 * resolve.c - one call of the resolver, and everything that can be seen of it.
 *
 *   resolve getaddrinfo NAME SERVICE [WORD..]   "-": a null pointer
 *           words: inet, inet6, stream, dgram, tcp, udp, family=N, socktype=N,
 *           AI_..., nohints
 *   resolve gethostbyname NAME
 *   resolve gethostbyname2 NAME inet|inet6
 *   resolve gethostbyname_r NAME [BYTES]
 *   resolve gethostbyname2_r NAME inet|inet6 [BYTES]
 *   resolve gethostbyname_r NAME BYTES odd      at an odd address
 *   resolve times N getaddrinfo ...     the same call N times
 *   resolve CALL , CALL ...             one after another
 *   resolve files N getaddrinfo ...     with room for N descriptors more
 *   resolve twice NAME       are the answers of two calls apart?
 *   resolve cancel NAME      a thread in the call is cancelled, which is timed
 *   resolve signals NAME     a handler runs in the middle of the call
 *
 * errno and h_errno hold marks before the call: what is not written shows.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum {
	MARK = 77,
};

static const struct {
	const char *word;
	int value;
} words[] = {
	{"inet", AF_INET},
	{"inet6", AF_INET6},
	{"stream", SOCK_STREAM},
	{"dgram", SOCK_DGRAM},
	{"tcp", IPPROTO_TCP},
	{"udp", IPPROTO_UDP},
	{"AI_PASSIVE", AI_PASSIVE},
	{"AI_CANONNAME", AI_CANONNAME},
	{"AI_NUMERICHOST", AI_NUMERICHOST},
	{"AI_NUMERICSERV", AI_NUMERICSERV},
	{"AI_V4MAPPED", AI_V4MAPPED},
	{"AI_ALL", AI_ALL},
	{"AI_ADDRCONFIG", AI_ADDRCONFIG},
};

static int value_of(const char *word)
{
	if (!strncmp(word, "family=", 7))
		return atoi(word + 7);
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (!strcmp(words[i].word, word))
			return words[i].value;
	fprintf(stderr, "resolve: what is %s?\n", word);
	exit(2);
}

static const char *eai_name(int rc)
{
	static const char *const names[] = {
		[-EAI_BADFLAGS] = "EAI_BADFLAGS",
		[-EAI_NONAME] = "EAI_NONAME",
		[-EAI_AGAIN] = "EAI_AGAIN",
		[-EAI_FAIL] = "EAI_FAIL",
		[-EAI_NODATA] = "EAI_NODATA",
		[-EAI_FAMILY] = "EAI_FAMILY",
		[-EAI_SOCKTYPE] = "EAI_SOCKTYPE",
		[-EAI_SERVICE] = "EAI_SERVICE",
		[-EAI_ADDRFAMILY] = "EAI_ADDRFAMILY",
		[-EAI_MEMORY] = "EAI_MEMORY",
		[-EAI_SYSTEM] = "EAI_SYSTEM",
	};
	size_t i = (size_t)-rc;

	return rc < 0 && i < sizeof(names) / sizeof(names[0]) && names[i]
	               ? names[i]
	               : "?";
}

static const char *errno_word(int err)
{
	return err == MARK ? "kept" : err ? strerrorname_np(err) : "0";
}

static const char *h_errno_word(int err)
{
	static const char *const names[] = {
		[HOST_NOT_FOUND] = "HOST_NOT_FOUND",
		[TRY_AGAIN] = "TRY_AGAIN",
		[NO_RECOVERY] = "NO_RECOVERY",
		[NO_DATA] = "NO_DATA",
	};

	if (err == MARK)
		return "kept";
	if (err == NETDB_INTERNAL)
		return "NETDB_INTERNAL";
	return err >= HOST_NOT_FOUND && err <= NO_DATA ? names[err] : "0";
}

static void print_node(const struct addrinfo *ai)
{
	char host[INET6_ADDRSTRLEN] = "?", name[300] = "";
	const struct sockaddr_in *in = (const void *)ai->ai_addr;
	const struct sockaddr_in6 *in6 = (const void *)ai->ai_addr;
	bool v4 = ai->ai_family == AF_INET;
	const void *addr = v4 ? (const void *)&in->sin_addr : &in6->sin6_addr;

	inet_ntop(ai->ai_family, addr, host, sizeof(host));
	if (ai->ai_canonname)
		snprintf(name, sizeof(name), " canonname %s", ai->ai_canonname);
	printf("%s port %d type %d protocol %d flags %#x length %u same %d%s\n",
	       host, ntohs(v4 ? in->sin_port : in6->sin6_port), ai->ai_socktype,
	       ai->ai_protocol, (unsigned)ai->ai_flags, ai->ai_addrlen,
	       ai->ai_addr->sa_family == ai->ai_family, name);
}

static void print_hostent(const struct hostent *h)
{
	char host[INET6_ADDRSTRLEN];

	printf("name %s family %s length %d\n", h->h_name,
	       h->h_addrtype == AF_INET6 ? "inet6" : "inet", h->h_length);
	for (char **a = h->h_aliases; *a; a++)
		printf("alias %s\n", *a);
	for (char **a = h->h_addr_list; *a; a++)
		printf("%s\n",
		       inet_ntop(h->h_addrtype, *a, host, sizeof(host)));
}

static const char *or_null(const char *s)
{
	return strcmp(s, "-") ? s : NULL;
}

static bool hint(struct addrinfo *hints, const char *word)
{
	if (!strcmp(word, "nohints"))
		return false;
	if (!strncmp(word, "flags=", 6))
		hints->ai_flags = (int)strtol(word + 6, NULL, 0);
	else if (!strncmp(word, "family=", 7))
		hints->ai_family = atoi(word + 7);
	else if (!strncmp(word, "socktype=", 9))
		hints->ai_socktype = atoi(word + 9);
	else if (!strncmp(word, "AI_", 3))
		hints->ai_flags |= value_of(word);
	else if (!strncmp(word, "inet", 4))
		hints->ai_family = value_of(word);
	else if (!strcmp(word, "tcp") || !strcmp(word, "udp"))
		hints->ai_protocol = value_of(word);
	else
		hints->ai_socktype = value_of(word);
	return true;
}

/* Nodes are given back in two parts: freeaddrinfo takes any tail. */
static void give_back(struct addrinfo *list)
{
	if (list && list->ai_next) {
		freeaddrinfo(list->ai_next);
		list->ai_next = NULL;
	}
	freeaddrinfo(list);
}

static void by_addrinfo(int argc, char **argv)
{
	struct addrinfo hints = {0}, *list = (void *)&hints;
	bool with_hints = true;
	int rc, err;

	for (int i = 2; i < argc; i++)
		with_hints &= hint(&hints, argv[i]);
	errno = MARK;
	h_errno = MARK;
	rc = getaddrinfo(or_null(argv[0]), or_null(argv[1]),
	                 with_hints ? &hints : NULL, &list);
	err = errno;
	if (rc) {
		printf("%s errno %s h_errno %s list %s\n", eai_name(rc),
		       errno_word(err), h_errno_word(h_errno),
		       list == (void *)&hints ? "kept" : "written");
		return;
	}
	printf("0\n");
	for (const struct addrinfo *ai = list; ai; ai = ai->ai_next)
		print_node(ai);
	give_back(list);
}

static void by_name(const char *name, const char *family)
{
	const struct hostent *h;
	int err;

	errno = MARK;
	h_errno = MARK;
	h = family ? gethostbyname2(name, value_of(family))
	           : gethostbyname(name);
	err = errno;
	if (h)
		print_hostent(h);
	else
		printf("NULL errno %s h_errno %s\n", errno_word(err),
		       h_errno_word(h_errno));
}

static void by_name_r(const char *name, const char *family, const char *bytes,
                      bool odd)
{
	size_t size = bytes ? (size_t)atoi(bytes) : 2048;
	char *memory = malloc(size + 2), *buf = memory + odd;
	struct hostent h = {0}, *found = (void *)buf;
	int rc, err, herr = MARK;

	buf[size] = '!';
	errno = MARK;
	h_errno = MARK;
	rc = family ? gethostbyname2_r(name, value_of(family), &h, buf, size,
	                               &found, &herr)
	            : gethostbyname_r(name, &h, buf, size, &found, &herr);
	err = errno;
	/* After a success the thread's h_errno is of an older question. */
	printf("%s errno %s h_errno %s own %s found %s\n", errno_word(rc),
	       errno_word(err), h_errno_word(herr),
	       found ? "-" : h_errno_word(h_errno),
	       found == &h ? "it"
	       : found     ? "other"
	                   : "NULL");
	if (found)
		print_hostent(found);
	if (found && (uintptr_t)found->h_addr_list % sizeof(char *))
		printf("not aligned\n");
	if (buf[size] != '!')
		printf("written beyond the end\n");
	free(memory);
}

static void run(int argc, char **argv)
{
	if (argc >= 3 && !strcmp(argv[0], "getaddrinfo"))
		by_addrinfo(argc - 1, argv + 1);
	else if (argc == 2 && !strcmp(argv[0], "gethostbyname"))
		by_name(argv[1], NULL);
	else if (argc == 3 && !strcmp(argv[0], "gethostbyname2"))
		by_name(argv[1], argv[2]);
	else if (argc >= 2 && !strcmp(argv[0], "gethostbyname_r"))
		by_name_r(argv[1], NULL, argv[2],
		          argc == 4 && !strcmp(argv[3], "odd"));
	else if (argc >= 3 && !strcmp(argv[0], "gethostbyname2_r"))
		by_name_r(argv[1], argv[2], argv[3], false);
	else
		exit(2);
	fflush(stdout);
}

/* Those that a comma separates. */
static void run_all(int argc, char **argv)
{
	int begin = 0;

	for (int i = 0; i <= argc; i++) {
		if (i < argc && strcmp(argv[i], ",") != 0)
			continue;
		argv[i] = NULL;
		run(i - begin, argv + begin);
		begin = i + 1;
	}
}

/* The last answer of gethostbyname is overwritten, those of the others not. */
static void twice(const char *name)
{
	const struct hostent *a = gethostbyname(name);
	const struct hostent *b = gethostbyname(name);
	const struct hostent *c = gethostbyname2(name, AF_INET);
	struct addrinfo *l1 = NULL, *l2 = NULL;

	if (getaddrinfo(name, NULL, NULL, &l1) ||
	    getaddrinfo(name, NULL, NULL, &l2))
		exit(1);
	printf("gethostbyname %s gethostbyname2 %s getaddrinfo %s\n",
	       a == b ? "same" : "apart", a == c ? "same" : "apart",
	       l1 == l2 ? "same" : "apart");
	freeaddrinfo(l1);
	freeaddrinfo(l2);
}

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static pthread_barrier_t begun;

static void *resolving(void *name)
{
	struct addrinfo *list = NULL;

	pthread_barrier_wait(&begun);
	getaddrinfo(name, NULL, NULL, &list);
	return NULL;
}

/* Cancelled: long before a delay of many seconds is over. */
static void cancel(char *name)
{
	pthread_t thread;
	void *result;
	double start = seconds();

	pthread_barrier_init(&begun, NULL, 2);
	pthread_create(&thread, NULL, resolving, name);
	pthread_barrier_wait(&begun);
	pthread_cancel(thread);
	pthread_join(thread, &result);
	printf("%s %s\n", result == PTHREAD_CANCELED ? "cancelled" : "returned",
	       seconds() - start < 5 ? "soon" : "late");
}

static volatile sig_atomic_t handled;

static void handler(int sig)
{
	(void)sig;
	handled = 1;
}

/* No handler makes the resolver give up (res_send polls again). */
static void signals(const char *name)
{
	struct sigaction sa = {.sa_handler = handler};
	struct itimerspec soon = {.it_value = {0, 50 * 1000 * 1000}};
	struct sigevent event = {.sigev_notify = SIGEV_SIGNAL,
	                         .sigev_signo = SIGUSR1};
	struct addrinfo *list = NULL;
	timer_t timer;
	double start = seconds();
	int rc;

	sigaction(SIGUSR1, &sa, NULL);
	timer_create(CLOCK_MONOTONIC, &event, &timer);
	timer_settime(timer, 0, &soon, NULL);
	rc = getaddrinfo(name, NULL, NULL, &list);
	printf("%s after %s, handler %s\n", rc ? eai_name(rc) : "0",
	       seconds() - start >= 0.29 ? "the delay" : "less",
	       handled ? "ran" : "did not run");
}

int main(int argc, char **argv)
{
	int times = 1;

	argc--;
	argv++;
	if (argc == 2 && !strcmp(argv[0], "twice")) {
		twice(argv[1]);
		return 0;
	}
	if (argc == 2 && !strcmp(argv[0], "cancel")) {
		cancel(argv[1]);
		return 0;
	}
	if (argc == 2 && !strcmp(argv[0], "signals")) {
		signals(argv[1]);
		return 0;
	}
	if (argc > 2 && !strcmp(argv[0], "files")) {
		rlim_t n = (rlim_t)(3 + atoi(argv[1]));
		struct rlimit limit = {n, n};

		/* What libc reads once for all. */
		gethostbyname("localhost");
		setrlimit(RLIMIT_NOFILE, &limit);
		argc -= 2;
		argv += 2;
	}
	if (argc > 2 && !strcmp(argv[0], "times")) {
		times = atoi(argv[1]);
		argc -= 2;
		argv += 2;
	}
	if (times == 1)
		run_all(argc, argv);
	else
		while (times-- > 0)
			run(argc, argv);
	return 0;
}
