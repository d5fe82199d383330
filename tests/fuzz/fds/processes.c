/*
 * processes.c - members of the world: turns, children of each kind, other
 * images.  See world.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/mortal.h"
#include "world.h"

enum {
	PATIENCE_S = 20,
};

static uint32_t next_member = OVER; /* who has to act next, else by the step */

/* --- turns
 * -------------------------------------------------------------------- */

static void wait_turn(void)
{
	const struct timespec limit = {.tv_sec = PATIENCE_S};
	uint32_t turn;

	while ((turn = atomic_load(&world->turn)) != self && turn != OVER)
		if (raw(SYS_futex, (long)&world->turn, FUTEX_WAIT, turn,
		        (long)&limit, 0, 0) == -ETIMEDOUT) {
			fail("stuck");
			_exit(1);
		}
}

static uint32_t choose(unsigned who)
{
	uint32_t alive[N_MEMBERS], n = 0;

	for (uint32_t m = 0; m < N_MEMBERS; m++)
		if (world->members[m].alive)
			alive[n++] = m;
	return n ? alive[who % n] : OVER;
}

static void pass_on(void)
{
	uint32_t turn = next_member;

	next_member = OVER;
	world->at++;
	if (atomic_load(&world->failed) || world->at >= world->n_steps)
		turn = OVER;
	else if (turn == OVER)
		turn = choose(world->steps[world->at].who);
	atomic_store(&world->turn, turn);
	raw(SYS_futex, (long)&world->turn, FUTEX_WAKE, INT32_MAX, 0, 0, 0);
}

/* The one that has just left is really gone. */
static void see_off(void)
{
	struct pollfd p = {.events = POLLIN};
	int pid = world->leaving;

	world->leaving = 0;
	if (!pid)
		return;
	p.fd = (int)raw(SYS_pidfd_open, pid, 0, 0, 0, 0, 0);
	if (p.fd < 0)
		return;
	raw(SYS_poll, (long)&p, 1, -1, 0, 0, 0);
	raw(SYS_close, p.fd, 0, 0, 0, 0, 0);
}

static void *run_step(void *step)
{
	const struct step *s = step;

	ops[s->op].run(s);
	return NULL;
}

static unsigned n_threads(void)
{
	struct stat tasks;

	return stat("/proc/self/task", &tasks) ? 0 : (unsigned)tasks.st_nlink;
}

/* One that is joined is still there for a moment: close_range asks (UNSHARE).
 */
static void join(pthread_t thread, unsigned before)
{
	pthread_join(thread, NULL);
	while (n_threads() > before)
		sched_yield();
}

static void act(struct step *s)
{
	const unsigned before = n_threads();
	pthread_t thread;

	if (world->told)
		dprintf(2, "# %u: process %u (%d): %s a=%u b=%u c=%u\n",
		        world->at, self, getpid(), ops[s->op].name, s->a, s->b,
		        s->c);
	if (s->c & ALONE && ops[s->op].run != op_fork &&
	    ops[s->op].run != op_exec && ops[s->op].run != op_exit &&
	    !pthread_create(&thread, NULL, run_step, s))
		join(thread, before);
	else
		run_step(s);
}

_Noreturn void member_live(void)
{
	for (;;) {
		wait_turn();
		if (atomic_load(&world->turn) == OVER)
			exit(0);
		see_off();
		act(&world->steps[world->at]);
		/* The first thing that a new image does. */
		if (next_member == OVER)
			view_check();
		pass_on();
	}
}

struct world *world_map(const char *path)
{
	int fd = (int)raw(SYS_openat, AT_FDCWD, (long)path, O_RDWR | O_CLOEXEC,
	                  0, 0, 0);
	void *memory = mmap(NULL, sizeof(struct world), PROT_READ | PROT_WRITE,
	                    MAP_SHARED, fd, 0);

	raw(SYS_close, fd, 0, 0, 0, 0, 0);
	return memory == MAP_FAILED ? NULL : memory;
}

_Noreturn void member_begin(const char *path, unsigned member)
{
	mortal_limit_s = 0;
	world = world_map(path);
	self = member;
	if (!world)
		exit(3);
	world->members[self].pid = getpid();
	wait_turn();
	if (!view_begin())
		fail("the library is not in the new image");
	else if (atomic_load(&world->turn) == self)
		view_check();
	pass_on();
	member_live();
}

/* --- children
 * -------------------------------------------------------------------- */

static int free_member(void)
{
	for (int m = 0; m < N_MEMBERS; m++)
		if (!world->members[m].alive)
			return m;
	return -1;
}

static int live_as(void *member)
{
	memcpy(&self, member, sizeof(self));
	member_live();
}

/* It lives on a stack that nobody has who is alive. */
static pid_t clone_member(unsigned m)
{
	static char stacks[N_MEMBERS][1 << 17] __attribute__((aligned(16)));

	return clone(live_as, stacks[m] + sizeof(stacks[m]), SIGCHLD, &m);
}

/* A child like us. */
void op_fork(const struct step *s)
{
	int m = free_member();
	pid_t pid;

	if (m < 0)
		return;
	view_publish();
	world->members[m] = world->members[self];
	if (s->a % 4 == 0)
		pid = _Fork();
	else if (s->a % 4 == 1)
		pid = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
	else if (s->a % 4 == 2)
		pid = clone_member((unsigned)m);
	else
		pid = fork();
	if (!pid) {
		self = (unsigned)m;
		member_live();
	}
	if (pid < 0)
		world->members[m].alive = false;
	world->members[m].pid = pid;
}

static char member_text[N_MEMBERS][12];

static char **arguments(int m)
{
	static char *argv[5], word[] = "member";

	snprintf(member_text[m], sizeof(member_text[m]), "%d", m);
	argv[0] = world->program;
	argv[1] = word;
	argv[2] = world->path;
	argv[3] = member_text[m];
	return argv;
}

/* In the new image nothing is stale; in a child of vfork nothing may wait. */
static void reborn(int m)
{
	memset(&world->members[m], 0, sizeof(world->members[m]));
	world->members[m].alive = true;
}

/* What a table had missed costs a reference in each image. */
static void lose_stale(void)
{
	for (int fd = 0; fd < N_FDS; fd++)
		if (world->members[self].stale[fd] && view_sock(fd))
			lose(view_sock(fd)->serial);
}

/* The child moves and closes some before it is another program. */
static pid_t vfork_image(const struct step *s, char **argv)
{
	const int fd = pick(KIND_TCP, s->a), other = pick(KIND_TCP, s->b);
	pid_t pid = vfork();

	if (pid)
		return pid;
	if (s->c & 1)
		close(fd);
	if (s->c & 2)
		dup2(other, 3 + s->b % 20);
	if (s->c & 4)
		fcntl(fd, F_SETFD, s->c & 8 ? FD_CLOEXEC : 0);
	execv(argv[0], argv);
	_exit(127);
}

static bool any_stale(void)
{
	for (int fd = 0; fd < N_FDS; fd++)
		if (world->members[self].stale[fd] && view_sock(fd))
			return true;
	return false;
}

/*
 * A number that was closed behind the library's back, and is another socket in
 * the child, is a mistake that nothing can find out: neither has a cookie.
 */
void op_vfork(const struct step *s)
{
	int m = free_member();

	if (m < 0 || (s->c & 2 && any_stale()))
		return;
	lose_stale();
	if (vfork_image(s, arguments(m)) < 0)
		return;
	reborn(m);
	next_member = (uint32_t)m;
}

void op_spawn(const struct step *s)
{
	posix_spawn_file_actions_t actions;
	int m = free_member(), fd = pick(KIND_TCP, s->a);
	char **argv;
	pid_t pid;

	if (m < 0)
		return;
	argv = arguments(m);
	lose_stale();
	posix_spawn_file_actions_init(&actions);
	if (s->b & 1 && fd >= 0 && view_sock(fd)) {
		posix_spawn_file_actions_addclose(&actions, fd);
		lose(view_sock(fd)->serial);
	}
	if (!posix_spawn(&pid, argv[0], &actions, NULL, argv, environ)) {
		reborn(m);
		next_member = (uint32_t)m;
	}
	posix_spawn_file_actions_destroy(&actions);
}

void op_exec(const struct step *s)
{
	char **argv = arguments((int)self);

	lose_stale();
	reborn((int)self);
	if (s->a & 1)
		execve(argv[0], argv, environ);
	else
		execv(argv[0], argv);
	fail("exec: %s", strerror(errno));
}

static void no_image(const struct step *s)
{
	char name[] = "none", *const none[] = {name, NULL};

	if (s->b & 1)
		execve("/none", none, environ);
	else
		execvp("none", none);
}

/* Another image that is not there: all stays as it was. */
void op_no_exec(const struct step *s)
{
	char name[] = "none", *const none[] = {name, NULL};
	pid_t pid;

	switch (s->a % 4) {
	case 0:
		no_image(s);
		/* The next call takes all back. */
		close(-1);
		fcntl(pick(KIND_TCP, s->c), F_GETFD);
		break;
	case 1:
		if (posix_spawn(&pid, "/none", NULL, NULL, none, environ))
			break;
		waitpid(pid, NULL, 0);
		break;
	case 2:
		pid = vfork();
		if (!pid) {
			no_image(s);
			_exit(127);
		}
		waitpid(pid, NULL, 0);
		break;
	default:
		pid = fork();
		if (!pid) {
			close(pick(KIND_TCP, s->b));
			no_image(s);
			_exit(127);
		}
		waitpid(pid, NULL, 0);
	}
}

void op_exit(const struct step *s)
{
	unsigned n = 0;

	for (unsigned m = 0; m < N_MEMBERS; m++)
		n += world->members[m].alive;
	if (n < 2)
		return;
	world->members[self].alive = false;
	world->leaving = getpid();
	pass_on();
	if (s->a & 1)
		exit(0);
	_exit(0);
}
