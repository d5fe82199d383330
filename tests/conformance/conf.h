/*
 * conf.h - the conformance suite: one case is one situation on a TCP socket.
 *
 * The same sequence of calls is recorded twice: once when the kernel is in the
 * situation for real, once under libfault.so with the case's rule, which has
 * to make it. Both records must be the same text; run.sh compares them.
 *
 *   state_after.c      the program: arguments, peer and probe as processes
 *   conf_cases.c       the table of cases
 *   conf_exceptions.c  lines that a preload cannot make equal, and why
 *   conf_real.c        the producers that make a situation for real
 *   conf_netns.c       routes that fail, in a network namespace of our own
 *   conf_setup.c       sockets and connections before the first call
 *   conf_steps.c       the calls of a sequence, one letter each
 *   conf_ready.c       readiness in the style of the run
 *   conf_peer.c        the far end: a process that is never under injection
 *   conf_text.c        errno names, masks and addresses as text
 *
 * One thread and one process each for probe and peer; the only state shared
 * with a signal handler is conf_signals.
 */
#ifndef TESTS_CONFORMANCE_CONF_H
#define TESTS_CONFORMANCE_CONF_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

#define CONF_SKIP    77                 /* exit status: cannot be made here */
#define CONF_PEER    "STATE_AFTER_PEER" /* the probe's end of the control */
#define CONF_WAIT_MS 3000               /* no wait of the probe is longer */

enum conf_style {
	STYLE_BLOCKING,
	STYLE_POLL,
	STYLE_SELECT,
	STYLE_EPOLL_LT,
	STYLE_EPOLL_ET,
	N_STYLES
};

enum conf_side {
	SIDE_CLIENT,   /* a connection that we opened */
	SIDE_ACCEPTED, /* a connection that we accepted */
	SIDE_LISTENER, /* a listening socket */
	SIDE_FRESH,    /* a socket, nothing more */
	N_SIDES
};

#define BIT(n)       (1U << (n))
#define NONBLOCKING_ (BIT(N_STYLES) - 1 - BIT(STYLE_BLOCKING))
#define ALL_STYLES   (BIT(N_STYLES) - 1)
#define CONNECTED    (BIT(SIDE_CLIENT) | BIT(SIDE_ACCEPTED))

enum conf_flag {
	CONF_HANDLER = 1,  /* a handler without SA_RESTART for SIGUSR1 */
	CONF_RCVTIMEO = 2, /* SO_RCVTIMEO of 50 ms */
	CONF_SNDTIMEO = 4, /* SO_SNDTIMEO of 50 ms */
	CONF_NETNS = 8,    /* the real side runs in a namespace of its own */
};

struct conf_case;

/* What a sequence works on. */
struct conf_probe {
	const struct conf_case *c;
	bool real;
	enum conf_style style;
	enum conf_side side;
	int family;
	int fd;       /* the socket under observation */
	int listener; /* ours, or -1 */
	int accepted; /* by the last accept that succeeded, or -1 */
	int epfd;     /* holds fd, or -1 */
	int peer;     /* the control socket */
	struct sockaddr_storage target; /* where the first connect goes */
	struct sockaddr_storage live;   /* the peer's listener, or ours */
	socklen_t addr_len;
	uint64_t n_sent; /* bytes that our sends were told are accepted */
	unsigned n_steps;
	long began_ms; /* the first call */
	int stand_in;  /* errno that the first accept reports, or 0 */
};

typedef void conf_producer(struct conf_probe *p);

#define CONF_ORDERS 6

/*
 * A row of the table. A producer that is NULL has nothing to do. Order: the
 * socket is made as its side says, then `real` or `trigger`, the first letter
 * of the order, `real_after` (real only), the other letters.
 */
struct conf_case {
	const char *name;
	const char *call; /* the family of calls */
	const char *what; /* errno or action */
	const char *rule; /* for FAULT_INJECT */
	unsigned styles;
	unsigned sides;
	unsigned flags;            /* enum conf_flag */
	size_t len;                /* of the first send, 0 is one byte */
	conf_producer *real;       /* make the situation */
	conf_producer *real_after; /* and what follows the first call */
	conf_producer *trigger;    /* under injection: the call must be due */
	conf_producer *peer_real;  /* the same situation for the peer */
	const char *note;          /* when the real side needs an explanation */
	const char *orders[CONF_ORDERS]; /* sequences, conf_steps.c */
};

extern const struct conf_case conf_cases[];
extern const size_t conf_n_cases;
extern const char *const conf_style_names[N_STYLES];
extern const char *const conf_side_names[N_SIDES];

const struct conf_case *conf_case_find(const char *name);

/* Prints "REGEX<TAB>REASON" for each exception of this run. */
void conf_exceptions_print(const char *name, const char *style, int family);

/* conf_text.c: static buffers, good for the next seven calls. */
const char *conf_errno(int err);
const char *conf_mask(unsigned poll_bits);
const char *conf_addr(const struct sockaddr_storage *sa);

/* One line of the record: "NN name: text". */
__attribute__((format(printf, 3, 4))) void
conf_line(struct conf_probe *p, const char *name, const char *fmt, ...);

/* Ends the program with CONF_SKIP and the reason. */
_Noreturn void conf_skip(const char *why);
/* Ends it with status 3: the test itself is broken. */
_Noreturn void conf_die(const char *what);

/* conf_setup.c */
void conf_setup(struct conf_probe *p);
int conf_listen(int family, int backlog, struct sockaddr_storage *ret_sa,
                socklen_t *ret_len);
/* A connection of p->side in p->fd, with nothing else done to it. */
void conf_open(struct conf_probe *p);
void conf_set_port(struct sockaddr_storage *sa, long port);
long conf_port(const struct sockaddr_storage *sa);
void conf_loopback(int family, struct sockaddr_storage *ret_sa,
                   socklen_t *ret_len);
void conf_reset_close(int fd);
/* Waits until poll shows any of bits (HUP and ERR always count); the edges of
 * an epoll set are not consumed by it. False when the time is over. A raw
 * system call: a rule about poll must not count it. */
bool conf_await(int fd, short bits, int ms);

/* conf_ready.c */
void conf_ready_add(struct conf_probe *p);
void conf_ready_show(struct conf_probe *p, int ms);

/* conf_steps.c */
void conf_run(struct conf_probe *p, const char *order);
/* The pattern of the stream that we send: the byte at this offset. */
unsigned char conf_pattern(uint64_t offset);

/* conf_peer.c */
_Noreturn void conf_peer_main(int ctl, int family);
/* Says "verb arg" to the peer and returns its answer; dies when none comes. */
const char *conf_peer_say(struct conf_probe *p, const char *verb, long arg);
/* The same, and the answer must be "ok", or the run is skipped. */
void conf_peer_do(struct conf_probe *p, const char *verb, long arg);

/* conf_netns.c: must be called before the peer is made; skips. */
void conf_netns_enter(void);

struct conf_signals {
	volatile sig_atomic_t n_pipe;
	volatile sig_atomic_t pipe_here; /* in the thread that sent */
	volatile sig_atomic_t pipe_code;
	volatile sig_atomic_t pipe_self; /* si_pid is our own */
	volatile sig_atomic_t n_usr;
};
extern struct conf_signals conf_signals;
void conf_signals_install(bool interruptible);

#endif
