/*
 * between_table.c - what happens to the table of descriptors, and to processes,
 * between two steps of the library: see between.h.
 *
 *   LD_PRELOAD=libfault.so:below.so FAULT_INJECT=RULE between_table CASE
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

#include "between.h"

static struct pair p;
static int held_fd;

/* --- a number that is taken again ----------------------------------------- */

static struct pair fresh, last_freed;

/* Another connection, with an entry that p did not have. */
static void take_again(const char *what, int fd)
{
	if (fd != held_fd || strcmp(what, "asks what it is"))
		return;
	*below = NULL;
	close(p.accepted);
	close(last_freed.accepted);
	fresh.accepted = accept(listener(), NULL, NULL);
}

/* recv:short=1B:role=accepted.  The next owner is known. */
static int replaced(void)
{
	char data[DATA];

	p = make_pair();
	last_freed = make_pair();
	fresh.client = connect_one();
	held_fd = p.accepted;
	call_back(take_again);
	WANT(recv(held_fd, data, DATA, MSG_DONTWAIT), -1);
	WANT(errno, EAGAIN);
	WANT(fresh.accepted, held_fd);
	WANT(recv_fed(fresh.client, fresh.accepted), 1);
	return 0;
}

/* --- two threads that close the same -------------------------------------- */

static void close_first(const char *what, int fd)
{
	if (fd != held_fd || strcmp(what, "asks for the peer"))
		return;
	*below = NULL;
	close(held_fd);
	if (open("/dev/null", O_RDONLY) != held_fd)
		die("/dev/null");
	p = make_pair();
}

/* recv:short=1B:role=client.  By then the entry is that of another client. */
static int twice(void)
{
	struct sockaddr_in a;

	listener();
	full_listener(&a);
	held_fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	WANT(connect(held_fd, (void *)&a, sizeof(a)), -1);
	WANT(errno, EINPROGRESS);
	call_back(close_first);
	WANT(close(held_fd), 0);
	WANT(*below == NULL, true);
	WANT(recv_fed(p.accepted, p.client), 1);
	return 0;
}

/* --- two forks at once ---------------------------------------------------- */

static sem_t other_prepared, other_may_fork, other_forked, other_may_end;
static bool other_ends_first;
static int blocked_in_child;

static int n_blocked(void)
{
	sigset_t now;
	int n = 0;

	pthread_sigmask(SIG_SETMASK, NULL, &now);
	for (int sig = 1; sig < NSIG; sig++)
		n += sigismember(&now, sig) == 1;
	return n;
}

/* The other one forks between the program's preparation and its fork. */
static void fork_in_turn(const char *what, int fd)
{
	bool is_program = pthread_equal(pthread_self(), program);

	(void)fd;
	if (!strcmp(what, "prepared") && is_program) {
		sem_post(&other_may_fork);
		await(&other_forked);
	} else if (!strcmp(what, "prepared")) {
		sem_post(&other_prepared);
		sem_wait(&other_may_fork);
	} else if (!strcmp(what, "forked") && !is_program &&
	           !other_ends_first) {
		sem_post(&other_forked);
		await(&other_may_end);
	}
}

static void *fork_beside(void *ret)
{
	pid_t pid = fork();
	int status = -1;

	if (!pid)
		_exit(n_blocked());
	*(int *)ret = n_blocked();
	sem_post(&other_forked);
	waitpid(pid, &status, 0);
	blocked_in_child = WEXITSTATUS(status);
	return NULL;
}

/* Between the preparations of the two, `meanwhile`. */
static int fork_two(void (*meanwhile)(void))
{
	int blocked = -1, status = -1;
	pthread_t other;
	pid_t pid;

	program = pthread_self();
	sem_init(&other_prepared, 0, 0);
	sem_init(&other_may_fork, 0, 0);
	sem_init(&other_forked, 0, 0);
	sem_init(&other_may_end, 0, 0);
	call_back(fork_in_turn);
	pthread_create(&other, NULL, fork_beside, &blocked);
	sem_wait(&other_prepared);
	meanwhile();
	pid = fork();
	if (!pid)
		_exit(n_blocked());
	*below = NULL;
	sem_post(&other_may_end);
	pthread_join(other, NULL);
	waitpid(pid, &status, 0);
	WANT(WEXITSTATUS(status), 0);
	WANT(blocked_in_child, 0);
	WANT(blocked, 0);
	WANT(n_blocked(), 0);
	return 0;
}

static void connect_meanwhile(void)
{
	p = make_pair();
}

/* recv:short=1B:role=accepted.  The children have given back their own. */
static int forks(void)
{
	struct pair before = make_pair();

	WANT(fork_two(connect_meanwhile), 0);
	WANT(known(&p), true);
	WANT(known(&before), true);
	return 0;
}

static void hold_meanwhile(void)
{
	char data[DATA];

	if (send(p.client, "12345678", DATA, 0) != DATA ||
	    read(p.accepted, data, DATA) != -1)
		die("read");
}

/* read:delay=20ms:nth=1:role=accepted.  The first hold comes in between. */
static int masks(void)
{
	p = make_pair();
	fcntl(p.accepted, F_SETFL, O_NONBLOCK);
	other_ends_first = true;
	return fork_two(hold_meanwhile);
}

/* --- the first calls of a child ------------------------------------------- */

static void *make_socket(void *arg)
{
	(void)arg;
	close(socket(AF_INET, SOCK_STREAM, 0));
	return NULL;
}

static void begin_beside(const char *what, int fd)
{
	pthread_t other;

	(void)fd;
	if (strcmp(what, "asks for the time"))
		return;
	*below = NULL;
	pthread_create(&other, NULL, make_socket, NULL);
	pthread_join(other, NULL);
}

/* Traced.  The first call is in the midst of its beginning. */
static int first(void)
{
	pid_t pid = fork();
	int status = -1;

	if (!pid) {
		call_back(begin_beside);
		make_socket(NULL);
		_exit(*below != NULL);
	}
	waitpid(pid, &status, 0);
	WANT(status, 0);
	return 0;
}

int main(int argc, char **argv)
{
	const struct probe_case cases[] = {
		{"replaced", replaced}, {"twice", twice}, {"forks", forks},
		{"masks", masks},       {"first", first},
	};

	return run_case(cases, sizeof(cases) / sizeof(cases[0]), argc, argv);
}
