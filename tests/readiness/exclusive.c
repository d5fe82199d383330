/*
 * exclusive.c - workers that share a listener by EPOLLEXCLUSIVE, each with a
 * set of its own: threads of one process, or processes.  However a connection
 * has come to be late, it wakes as many of them as in the kernel.
 */
#include "cases.h"
#include "tests/mortal.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "tests/mortal.h"

enum {
	N_WORKERS = 3,
	/* Ready sets are added within microseconds: all would be woken. */
	DAWDLES_MS = 10,
	SECOND_MS = 20, /* after the first: another connection */
};

enum manner {
	ACCEPTS,
	DAWDLES, /* ... a little later */
	IS_BUSY, /* the first that is woken never comes to accept */
	DIES,    /* ... is killed */
};

struct crew {
	struct rd *r;
	enum manner manner;
	unsigned events;
	bool processes;
	_Atomic int asleep[N_WORKERS]; /* tid, once about to wait */
	_Atomic unsigned early, woken, first, accepted;
	_Atomic uint64_t at; /* of the last accept */
};

struct worker {
	struct crew *crew;
	int number;
	pthread_t id;
	pid_t pid;
};

static struct crew *new_crew(struct rd *r, enum manner manner, bool processes)
{
	struct crew *c = mmap(NULL, sizeof(*c), PROT_READ | PROT_WRITE,
	                      MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (c == MAP_FAILED)
		rd_broken("mmap");
	c->r = r;
	c->manner = manner;
	c->processes = processes;
	c->events = EPOLLIN | EPOLLEXCLUSIVE |
	            (r->style == EPOLL_ET ? (unsigned)EPOLLET : 0);
	return c;
}

/* When it is over for all of them. */
static int end_ms(const struct rd *r)
{
	return r->delay_ms + 2 * RD_SLACK_MS;
}

static void accept_some(struct crew *c)
{
	while (accept4(c->r->listener, NULL, NULL, SOCK_CLOEXEC) >= 0) {
		atomic_fetch_add(&c->accepted, 1);
		atomic_store(&c->at, rd_now());
		if (!(c->events & EPOLLET))
			return;
	}
}

/* Woken at its time. */
static void serve(struct crew *c, bool fresh)
{
	if (fresh)
		atomic_fetch_add(&c->woken, 1);
	if (c->manner == DAWDLES)
		rd_until(c->r, (int)rd_ms(c->r, rd_now()) + DAWDLES_MS);
	if ((c->manner == IS_BUSY || c->manner == DIES) &&
	    !atomic_exchange(&c->first, 1)) {
		if (c->manner == DIES)
			raise(SIGKILL);
		rd_until(c->r, end_ms(c->r));
	}
	accept_some(c);
}

/* As a server's: waits, accepts, waits again; until all is over. */
static void work(struct crew *c, int number)
{
	struct epoll_event ev = {.events = c->events};
	int ep = epoll_create1(EPOLL_CLOEXEC);
	bool fresh = true;

	if (epoll_ctl(ep, EPOLL_CTL_ADD, c->r->listener, &ev))
		rd_broken("epoll_ctl ADD");
	atomic_store(&c->asleep[number], gettid());
	for (;;) {
		int left = end_ms(c->r) - (int)rd_ms(c->r, rd_now());

		if (left <= 0 || epoll_wait(ep, &ev, 1, left) != 1)
			return;
		if (rd_ms(c->r, rd_now()) < c->r->delay_ms) {
			atomic_fetch_add(&c->early, 1);
			accept_some(c);
		} else {
			serve(c, fresh);
			fresh = false;
		}
	}
}

static void *work_as_thread(void *arg)
{
	struct worker *w = arg;

	work(w->crew, w->number);
	return NULL;
}

static void start(struct crew *c, struct worker *w)
{
	for (int i = 0; i < N_WORKERS; i++) {
		w[i] = (struct worker){.crew = c, .number = i};
		if (!c->processes) {
			if (pthread_create(&w[i].id, NULL, work_as_thread,
			                   &w[i]))
				rd_broken("pthread_create");
		} else if ((w[i].pid = fork()) == 0) {
			work(c, i);
			_exit(0);
		}
		while (!atomic_load(&c->asleep[i]))
			sched_yield();
		rd_await_asleep(atomic_load(&c->asleep[i]));
	}
}

static void await(struct crew *c, struct worker *w)
{
	for (int i = 0; i < N_WORKERS; i++)
		if (c->processes)
			waitpid(w[i].pid, NULL, 0);
		else
			pthread_join(w[i].id, NULL);
}

static void say_crew(struct crew *c)
{
	c->r->trigger = CALL;
	rd_say_early(c->r, atomic_load(&c->early));
	say("accepted: %u", atomic_load(&c->accepted));
	say("workers woken: %u", atomic_load(&c->woken));
}

static void connect_at(struct rd *r, int ms)
{
	rd_peer(r, "connect", rd_port(r->listener), 0, ms);
}

/* They wait already: the first, woken by the arrival, finds that it is held. */
static void arrive_at_sleepers(struct rd *r, enum manner manner)
{
	struct crew *c = new_crew(r, manner, false);
	struct worker w[N_WORKERS];

	rd_listen(r, 16);
	r->t0 = rd_now();
	start(c, w);
	r->t0 = rd_now();
	connect_at(r, r->real ? r->delay_ms : 0);
	await(c, w);
	say_crew(c);
}

void case_exclusive_threads(struct rd *r)
{
	arrive_at_sleepers(r, DAWDLES);
}

/* They begin while it is held: each has it to itself, and none of its own. */
static void begin_held(struct rd *r, enum manner manner, bool processes)
{
	struct crew *c = new_crew(r, manner, processes);
	struct worker w[N_WORKERS];

	rd_listen(r, 16);
	r->t0 = rd_now();
	connect_at(r, r->real ? r->delay_ms : 0);
	say_result("accept", accept4(r->listener, NULL, NULL, SOCK_CLOEXEC));
	start(c, w);
	if (rd_ms(r, rd_now()) > r->delay_ms - 20)
		rd_broken("the workers are late");
	if (manner == IS_BUSY || manner == DIES) {
		rd_until(r, r->delay_ms + SECOND_MS);
		connect_at(r, 0);
	}
	await(c, w);
	say_crew(c);
	if (manner == IS_BUSY || manner == DIES)
		say_at(r, "the last", atomic_load(&c->at),
		       r->delay_ms + SECOND_MS);
}

void case_exclusive_processes(struct rd *r)
{
	begin_held(r, DAWDLES, true);
}

/* A connection that comes later finds another worker. */
void case_exclusive_busy(struct rd *r)
{
	begin_held(r, IS_BUSY, false);
}

void case_exclusive_dies(struct rd *r)
{
	begin_held(r, DIES, true);
}

/* An accept that is refused: one more is woken for the connection, not all. */
void case_exclusive_refused(struct rd *r)
{
	struct crew *c = new_crew(r, DAWDLES, false);
	struct worker w[N_WORKERS];

	r->style = EPOLL_ET;
	c->events |= (unsigned)EPOLLET;
	rd_listen(r, 16);
	r->t0 = rd_now();
	start(c, w);
	r->t0 = rd_now();
	r->delay_ms = 0;
	connect_at(r, 0);
	await(c, w);
	say("accepted: %u", atomic_load(&c->accepted));
	note("workers woken: %u", atomic_load(&c->woken));
	say("workers woken: %s",
	    atomic_load(&c->woken) <= 2 ? "few enough" : "too many");
}

/* ---- a process that goes ------------------------------------------------- */

static bool is_registered(int ep, int fd)
{
	char path[64], line[160];
	bool found = false;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", ep);
	f = fopen(path, "r");
	if (!f)
		rd_broken("fdinfo");
	while (fgets(line, sizeof(line), f)) {
		int tfd;

		found |= sscanf(line, "tfd: %d", &tfd) == 1 && tfd == fd;
	}
	fclose(f);
	return found;
}

/*
 * Its sets are inherited; of those that the end of the hold has left out for a
 * moment it leaves none behind.
 */
void case_exclusive_exits(struct rd *r)
{
	struct epoll_event ev = {.events = EPOLLIN | EPOLLEXCLUSIVE};
	int sets[N_WORKERS], gone[2];
	char byte;

	rd_listen(r, 16);
	for (int i = 0; i < N_WORKERS; i++) {
		sets[i] = epoll_create1(EPOLL_CLOEXEC);
		epoll_ctl(sets[i], EPOLL_CTL_ADD, r->listener, &ev);
	}
	if (pipe(gone))
		rd_broken("pipe");
	mortal_spare_next();
	if (!fork()) {
		close(gone[1]);
		if (read(gone[0], &byte, 1) != 0)
			rd_broken("the parent");
		for (int i = 0; i < N_WORKERS; i++)
			say("set %d: %s", i,
			    is_registered(sets[i], r->listener) ? "registered"
			                                        : "lost");
		_exit(0);
	}
	r->t0 = rd_now();
	connect_at(r, r->real ? r->delay_ms : 0);
	say_result("accept", accept4(r->listener, NULL, NULL, SOCK_CLOEXEC));
	say("event: %d", epoll_wait(sets[0], &ev, 1, RD_WAIT_MS));
	say_at(r, "event", rd_now(), r->delay_ms);
	exit(0);
}
