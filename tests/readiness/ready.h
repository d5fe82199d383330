/*
 * ready.h - the readiness suite: is a fault that takes time the same to every
 * event loop as a network that takes time?
 *
 * A case is run twice: once the peer really acts RD_DELAY_MS later, once it
 * acts at once and the library holds it back.  What the program sees (results,
 * errnos, masks, order, signals, moments by class) is written down as lines,
 * and both runs must write the same.  readiness.sh compares them.  Lines that
 * begin with '#' are notes: measured times, counts that may differ.
 *
 *   readiness.c   the program: arguments, the processes of a run
 *   table.c       the table of cases
 *   peer.c        the far end: a process that is never under injection
 *   setup.c       connections, holds, the truth by raw system calls, lines
 *   watch.c       readiness in the style of the run
 *   matrix.c      styles x traffic
 *   recv.c arrivals.c epoll.c exclusive.c held.c share.c send.c open.c
 *   rare.c shut.c   the cases
 *
 * Moments are compared with strict lower and generous upper bounds: a busy
 * machine may make everything late, nothing may be early.
 */
#ifndef TESTS_READINESS_READY_H
#define TESTS_READINESS_READY_H

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define RD_SKIP      77   /* exit status: cannot be made here */
#define RD_DELAY_MS  200  /* of the rules below */
#define RD_SLACK_MS  120  /* later than that is late */
#define RD_WAIT_MS   3000 /* no wait is longer */
#define RD_PEER_ENV  "READINESS_PEER"
#define RD_SPIN_MS   30
#define RD_FLOOD_LEN 400000

enum rd_style {
	BLOCKING,
	POLL,
	SELECT,
	EPOLL_LT,
	EPOLL_ET,
	LT_THREADS,      /* two threads in one epoll set */
	ONESHOT_THREADS, /* the same with EPOLLONESHOT */
	EPOLL_50MS,      /* level-triggered, a time-out of 50 ms each */
	ANY_STYLE,       /* the case chooses for itself */
	N_STYLES
};

enum rd_trigger {
	ARMED,  /* the next receive is known to match */
	CALL,   /* only one of the symbols does: known at the call */
	ALWAYS, /* every arrival */
	SECOND, /* the second receive; the first is undelayed */
	OWN,    /* the case has a rule of its own */
	N_TRIGGERS
};

#define BIT(n) (1U << (n))

enum rd_flag {
	RD_NETNS = 1, /* in a network namespace of its own */
	/* Without a library the lines are the same too, since what is compared
	 * is what a hold must not change. */
	RD_SAME_WITHOUT = 2,
	RD_LONG = 4,    /* takes long: not in the slice */
	RD_FIRST = 8,   /* the rule is for the first connection only */
	RD_ONCE = 16,   /* ... for one time only */
	RD_RUNNER = 32, /* under `fault exec`, which can disarm its rules */
};

struct rd;

struct rd_case {
	const char *name;
	void (*run)(struct rd *r);
	const char *rule; /* of OWN */
	unsigned styles, triggers, flags;
	bool both_families;
	int ms; /* the delay of OWN; 0: RD_DELAY_MS */
};

struct rd_exception {
	const char *name, *line, *reason; /* line: a regular expression */
};

extern const struct rd_exception rd_exceptions[];
extern const size_t rd_n_exceptions;
extern const struct rd_case rd_cases[];
extern const size_t rd_n_cases;
extern const char *const rd_style_names[N_STYLES];
extern const char *const rd_trigger_names[N_TRIGGERS];

struct rd {
	const struct rd_case *c;
	bool real;
	enum rd_style style;
	enum rd_trigger trigger;
	int family;
	int ctl; /* to the peer */
	int delay_ms;
	int listener;
	int fd;      /* the connection under test */
	long conn;   /* the peer's name for it */
	uint64_t t0; /* when the hold began, or earlier */
	uint64_t received;
};

/* ---- setup.c ---- */

uint64_t rd_now(void);
/* Milliseconds from r->t0 to `at`. */
double rd_ms(const struct rd *r, uint64_t at);
/* Ends with the reason; ends since the test is broken. */
_Noreturn void rd_skip(const char *why);
_Noreturn void rd_broken(const char *what);

const char *rd_errno(int err);
const char *rd_mask(unsigned poll_bits);

__attribute__((format(printf, 1, 2))) void say(const char *fmt, ...);
__attribute__((format(printf, 1, 2))) void note(const char *fmt, ...);
/* What the real side only states, and why: shown with the result. */
__attribute__((format(printf, 1, 2))) void stated(const char *fmt, ...);
/* "what: on time" | "early" | "late": at `expected_ms` after r->t0. */
void say_at(const struct rd *r, const char *what, uint64_t at, int expected_ms);
/* "what: RESULT [ERRNO]" */
void say_result(const char *what, ssize_t n);

/* Tells the peer; returns its number, and is broken when it cannot. */
long rd_peer(struct rd *r, const char *verb, long a, long b, long ms);

/* A listener of ours; its port. */
int rd_listen(struct rd *r, int backlog);
int rd_port(int fd);
/* r->fd: accepted from the peer, non-blocking (unless the style blocks). */
void rd_open(struct rd *r);
/* One more; the peer's name for it. */
int rd_open_another(struct rd *r, long *ret_conn);
void rd_blocking(int fd, bool blocking);

/*
 * The hold begins: n bytes (the end of the stream) arrive now and are held, or
 * really come later.  With trigger CALL the receive that triggers is made.
 */
void rd_hold(struct rd *r, long n);
void rd_hold_fin(struct rd *r);
/* The two parts of it: rd_arrive leaves out the receive. */
void rd_arrive(struct rd *r, long n);
void rd_provoke(struct rd *r);

/* recvfrom, as every receive of this suite is; checks the pattern. */
ssize_t rd_recv(struct rd *r, int fd, size_t len, int flags);
unsigned char rd_pattern(uint64_t offset);

/* By raw system calls, which no library sees. */
long rd_raw(long nr, long a, long b, long c, long d, long e);
int rd_queued(int fd);
int rd_raw_lowat(int fd);
int rd_tcp_state(int fd);
void rd_raw_await_queued(int fd, int n);
/* ... or until RD_WAIT_MS are over. */
void rd_raw_await_lowat(int fd, int n);
void rd_raw_await_state(int fd, int state);

/* User and system time of the process, ms. */
double rd_cpu_ms(void);
void rd_say_spin(double before_ms);

/* ---- processes of a case ---- */

pid_t rd_child(void);
/* Waits for it and says how it ended. */
void rd_await_child(pid_t pid);

/* ---- threads of a case ---- */

/* A blocking receive (or send) in a thread of its own. */
struct rd_thread {
	struct rd *r;
	pthread_t id;
	int fd, flags;
	size_t len;
	ssize_t n;
	int err;
	uint64_t at;
	_Atomic int tid;
};
void rd_thread_recv(struct rd_thread *t, struct rd *r, size_t len, int flags);
void rd_thread_join(struct rd_thread *t);
/* Waits until that thread, of any process, sleeps in the kernel. */
void rd_await_asleep(int tid);
/* Sleeps until so many ms after r->t0: time is the event here. */
void rd_until(const struct rd *r, int ms);

/* ---- watch.c ---- */

struct rd_watch {
	enum rd_style style;
	int ep; /* or -1 */
	int fd;
	unsigned want;        /* poll bits */
	unsigned early, late; /* time-outs that were not kept */
};
void rd_watch(struct rd_watch *w, enum rd_style style, int fd, unsigned want);
/* Poll bits, 0 at the time-out. */
unsigned rd_watch_wait(struct rd_watch *w, int ms);
void rd_watch_end(struct rd_watch *w);
/* The style of the run, or level-triggered epoll if it has none. */
enum rd_style rd_style(const struct rd *r);

/* Waits for `n` bytes, or the end (n 0); how many events came too early. */
struct rd_take {
	size_t n;
	bool eof;
	int err;
	uint64_t first, last, ended; /* moments; 0: not */
	unsigned events, early;
};
void rd_take(struct rd *r, struct rd_watch *w, size_t n, struct rd_take *ret);
/* The usual lines about it, expected at this time. */
void rd_say_take(struct rd *r, const struct rd_take *t, int expected_ms);
/* rd_watch, rd_take, rd_say_take. */
void rd_take_all(struct rd *r, int fd, size_t n);
/* "early events: few enough": none, or two where the hold begins at a call. */
void rd_say_early(const struct rd *r, unsigned early);

/* Registers fd in a new set. */
int rd_set_with(int fd, unsigned events, uint64_t data);
/* Waits for one event of a set and says what it was and when. */
void rd_say_event(struct rd *r, const char *what, int ep, int expected_ms);

/* ---- peer.c ---- */

_Noreturn void rd_peer_main(int ctl, int family);

/* ---- what a second image does: readiness.c ---- */
int rd_resume(int argc, char **argv);
void rd_loopback(int family, int port, struct sockaddr_storage *ret_sa,
                 socklen_t *ret_len);

#endif
