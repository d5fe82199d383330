/*
 * table_processes.c - sockets over fork, vfork, spawn, exec and UNIX sockets:
 * are they still known, and is it the same connection? (tests/e2e/table.sh)
 */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <wordexp.h>

#include "table.h"
#include "tests/scm.h"

enum {
	N_CHILDREN = 40
};

static int status_of(pid_t pid)
{
	int status = -1;

	if (waitpid(pid, &status, 0) != pid)
		die("waitpid");
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + status;
}

/* --- fork ------------------------------------------------------------- */

/* The server that forks for each connection and closes its own copy at once. */
static int fork_and_close(void)
{
	int n_known = 0;

	for (int i = 0; i < N_CHILDREN; i++) {
		struct pair p = make_pair();
		pid_t pid = fork();

		if (!pid)
			_exit(known(&p));
		close(p.accepted);
		n_known += status_of(pid) == 1;
		close(p.client);
	}
	WANT(n_known, N_CHILDREN);
	return 0;
}

/* The child's end of a connection: the parent's stays. */
static int child_closes(void)
{
	struct pair p = make_pair();
	pid_t pid = fork();

	if (!pid) {
		close(p.accepted);
		closefrom(3);
		_exit(0);
	}
	WANT(status_of(pid), 0);
	WANT(known(&p), true);
	close(p.accepted);
	/* Its entry is free now, and only once. */
	for (int i = 0; i < 3; i++) {
		p = make_pair();
		WANT(known(&p), true);
	}
	return 0;
}

/* recv:short=1B:nth=2: one connection, its calls counted in two processes. */
static int counted_together(void)
{
	struct pair p = make_pair();
	pid_t pid = fork();

	if (!pid)
		_exit((int)recv_fed(p.client, p.accepted));
	WANT(status_of(pid), DATA);
	WANT(recv_fed(p.client, p.accepted), 1);
	return 0;
}

/* recv:short=1B:nth=2:per=process.  Each process has a count of its own. */
static int counted_apart(void)
{
	struct pair p = make_pair();
	pid_t pid;

	WANT(recv_fed(p.client, p.accepted), DATA);
	pid = fork();
	if (!pid) {
		ssize_t first = recv_fed(p.client, p.accepted);

		_exit(first == DATA && known(&p));
	}
	WANT(status_of(pid), 1);
	WANT(recv_fed(p.client, p.accepted), 1);
	return 0;
}

static _Atomic bool enough;

static void *churn(void *arg)
{
	(void)arg;
	while (!enough) {
		int fd = socket(AF_INET, SOCK_STREAM, 0);
		int copy = dup(fd);

		close(fd);
		close(copy);
	}
	return NULL;
}

/* A thread makes and closes sockets while others are forked off. */
static int fork_among_threads(void)
{
	struct pair p = make_pair();
	pthread_t thread;
	int n_known = 0;

	if (pthread_create(&thread, NULL, churn, NULL))
		die("pthread_create");
	for (int i = 0; i < N_CHILDREN; i++) {
		pid_t pid = fork();

		if (!pid) {
			closefrom(p.accepted + 1);
			_exit(0);
		}
		n_known += !status_of(pid) && known(&p);
	}
	enough = true;
	pthread_join(thread, NULL);
	WANT(n_known, N_CHILDREN);
	return 0;
}

/* --- vfork, spawn ----------------------------------------------------- */

static int vfork_closes(void)
{
	struct pair p = make_pair();
	pid_t pid = vfork();

	if (!pid) {
		close(p.accepted);
		close(p.client);
		dup2(0, p.accepted);
		close_range(3, 100, 0);
		execl("/bin/true", "true", (char *)NULL);
		_exit(127);
	}
	WANT(status_of(pid), 0);
	WANT(known(&p), true);
	/* This thread may change the table again. */
	close(p.accepted);
	p.accepted = open("/proc/self/exe", O_RDONLY);
	WANT(read(p.accepted, (char[DATA]){0}, DATA), DATA);
	return 0;
}

/* As many do whose exec has failed, and few should. */
static int vfork_exits(void)
{
	struct pair p = make_pair();
	pid_t pid = vfork();

	if (!pid)
		exit(3);
	WANT(status_of(pid), 3);
	WANT(known(&p), true);
	return 0;
}

/* A call of the child on what it has put there. */
static int vfork_replaces(void)
{
	struct pair p = make_pair();
	int ends[2];
	pid_t pid;

	if (pipe(ends) || write(ends[1], "12345678", DATA) != DATA)
		die("pipe");
	pid = vfork();
	if (!pid) {
		char data[DATA];

		dup2(ends[0], p.accepted);
		_exit(read(p.accepted, data, DATA) != DATA);
	}
	WANT(status_of(pid), 0);
	WANT(known(&p), true);
	return 0;
}

static void *vfork_in_thread(void *arg)
{
	pid_t pid = vfork();

	if (!pid) {
		close_range(3, 100, 0);
		_exit(0);
	}
	waitpid(pid, arg, 0);
	return NULL;
}

static int vfork_of_thread(void)
{
	struct pair p = make_pair();
	pthread_t thread;
	int status = -1;

	if (pthread_create(&thread, NULL, vfork_in_thread, &status))
		die("pthread_create");
	pthread_join(thread, NULL);
	WANT(status, 0);
	WANT(known(&p), true);
	p = make_pair();
	WANT(known(&p), true);
	return 0;
}

static int spawn_closes(void)
{
	struct pair p = make_pair();
	char name[] = "true";
	char *argv[] = {name, NULL};
	posix_spawn_file_actions_t actions;
	pid_t pid;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addclose(&actions, p.accepted);
	posix_spawn_file_actions_addclosefrom_np(&actions, 3);
	WANT(posix_spawn(&pid, "/bin/true", &actions, NULL, argv, environ), 0);
	WANT(status_of(pid), 0);
	WANT(system("exec true"), 0);
	WANT(pclose(popen("exec true", "r")), 0);
	WANT(known(&p), true);
	return 0;
}

/* clone without CLONE_VM is a fork to the kernel, and not to libc. */
static int raw_fork(void)
{
	pid_t pid = (pid_t)syscall(SYS_clone, 17 /* SIGCHLD */, 0, 0, 0, 0);

	if (!pid) {
		struct pair p;

		mortal_begin(); /* no handler of libc's has run */
		p = make_pair();
		_exit(known(&p));
	}
	WANT(status_of(pid), 1);
	return 0;
}

/* glibc 2.34 has _Fork, which calls no handler of pthread_atfork. */
extern pid_t bare(void) __asm__("_Fork") __attribute__((weak));

/* What the child closes is not the parent's reference. */
static int bare_fork(void)
{
	struct pair p = make_pair(), q;
	pid_t pid;

	if (!bare) {
		printf("skip: this libc has no _Fork\n");
		return 0;
	}
	pid = bare();
	if (!pid) {
		mortal_begin();
		close(p.accepted);
		close(p.client);
		_exit(0);
	}
	WANT(status_of(pid), 0);
	q = make_pair();
	WANT(known(&p), true);
	WANT(known(&q), true);
	return 0;
}

/* --- exec ------------------------------------------------------------- */

/* Run as `after-exec`, the connection at 20 (accepted) and 21. */
static int after_exec(void)
{
	struct pair p = {.client = 21, .accepted = 20};

	WANT(known(&p), true);
	p = make_pair();
	WANT(known(&p), true);
	return 0;
}

static int exec_inherits(void)
{
	struct pair p = make_pair();

	WANT(dup2(p.accepted, 20), 20);
	WANT(dup2(p.client, 21), 21);
	execl("/proc/self/exe", "table_processes", "after-exec", (char *)NULL);
	return 1;
}

static int fork_exec_inherits(void)
{
	struct pair p = make_pair();
	pid_t pid = fork();

	if (!pid)
		_exit(exec_inherits());
	close(p.accepted);
	WANT(status_of(pid), 0);
	return 0;
}

/* Run as `inherited`: the connection is the one that it was. */
static int inherited(void)
{
	struct pair p = {.client = 21, .accepted = 20};

	WANT(known(&p), true);
	return 0;
}

/*
 * Under `fault`, where all images count together. Children that libc makes have
 * the connection as well, those too of which the library does not hear
 * (wordexp). It is still there when they have gone.
 */
static int relatives(void)
{
	struct pair p = make_pair();
	char path[300] = "";
	wordexp_t words;

	WANT(dup2(p.accepted, 20), 20);
	WANT(dup2(p.client, 21), 21);
	close(p.accepted);
	close(p.client);
	p = (struct pair){.client = 21, .accepted = 20};
	if (readlink("/proc/self/exe", path, sizeof(path) - 1) < 0)
		die("readlink");
	setenv("PROBE", path, 1);
	WANT(system("exec \"$PROBE\" inherited"), 0);
	WANT(known(&p), true);
	WANT(pclose(popen("exec \"$PROBE\" inherited", "w")), 0);
	WANT(known(&p), true);
	for (int i = 0; i < 3; i++)
		WANT(wordexp("$(\"$PROBE\" inherited && echo yes)", &words, 0),
		     0);
	WANT(strcmp(words.we_wordv[0], "yes"), 0);
	WANT(known(&p), true);
	return 0;
}

/* --- descriptors in messages ------------------------------------------ */

static int take(int unix_fd)
{
	int fd = scm_recv(unix_fd, 0);

	if (fd < 0)
		die("recvmsg");
	return fd;
}

/*
 * recv:short=1B:nth=2, `between` makes another connection while the first is
 * in the message only: each keeps its own count.
 */
static int passed(bool between)
{
	struct pair p = make_pair(), other = {-1, -1};
	int u[2];

	WANT(socketpair(AF_UNIX, SOCK_STREAM, 0, u), 0);
	WANT(recv_fed(p.client, p.accepted), DATA);
	scm_send(u[0], p.accepted);
	close(p.accepted);
	if (between)
		other = make_pair();
	p.accepted = take(u[1]);
	if (between)
		WANT(recv_fed(other.client, other.accepted), DATA);
	WANT(recv_fed(p.client, p.accepted), 1);
	if (between)
		WANT(recv_fed(other.client, other.accepted), 1);
	close(p.accepted);
	for (int i = 0; i < 3; i++) {
		p = make_pair();
		WANT(recv_fed(p.client, p.accepted), DATA);
		WANT(recv_fed(p.client, p.accepted), 1);
	}
	return 0;
}

static int passed_on(void)
{
	return passed(false);
}

static int passed_between(void)
{
	return passed(true);
}

/* The sender keeps its copy; the receiver closes its own. */
static int passed_copy(void)
{
	struct pair p = make_pair();
	int u[2];

	WANT(socketpair(AF_UNIX, SOCK_STREAM, 0, u), 0);
	for (int i = 0; i < 5; i++) {
		scm_send(u[0], p.accepted);
		close(take(u[1]));
		WANT(known(&p), true);
	}
	return 0;
}

/* More than the table of sockets holds, if nothing were given back. */
static int passed_many(void)
{
	struct pair p;
	int u[2];

	WANT(socketpair(AF_UNIX, SOCK_STREAM, 0, u), 0);
	for (int i = 0; i < 70000; i++) {
		int fd = socket(AF_INET, SOCK_STREAM, 0);

		scm_send(u[0], fd);
		close(fd);
		close(take(u[1]));
	}
	p = make_pair();
	WANT(known(&p), true);
	return 0;
}

/* A message that could not be sent takes nothing with it. */
static int passed_in_vain(void)
{
	struct pair p;
	int u[2];

	WANT(socketpair(AF_UNIX, SOCK_STREAM, 0, u), 0);
	close(u[1]);
	signal(SIGPIPE, SIG_IGN);
	for (int i = 0; i < 70000; i++) {
		int fd = socket(AF_INET, SOCK_STREAM, 0);

		WANT(scm_send(u[0], fd), -1);
		close(fd);
	}
	p = make_pair();
	WANT(known(&p), true);
	return 0;
}

/* To a worker that was forked before, and back. */
static int passed_to_worker(void)
{
	struct pair p;
	int u[2];
	pid_t pid;

	WANT(socketpair(AF_UNIX, SOCK_STREAM, 0, u), 0);
	pid = fork();
	if (!pid) {
		int fd = take(u[1]);
		char data[DATA];
		bool cut = recv(fd, data, DATA, 0) == 1;

		if (cut)
			scm_send(u[1], fd);
		_exit(cut);
	}
	p = make_pair();
	WANT(send(p.client, "12345678", DATA, 0), DATA);
	scm_send(u[0], p.accepted);
	close(p.accepted);
	WANT(status_of(pid), 1);
	p.accepted = take(u[0]);
	WANT(recv(p.accepted, (char[DATA]){0}, DATA, 0), 1);
	return 0;
}

int main(int argc, char **argv)
{
	static const struct probe_case cases[] = {
		{"fork-and-close", fork_and_close},
		{"child-closes", child_closes},
		{"counted-together", counted_together},
		{"counted-apart", counted_apart},
		{"fork-among-threads", fork_among_threads},
		{"vfork-closes", vfork_closes},
		{"vfork-exits", vfork_exits},
		{"vfork-replaces", vfork_replaces},
		{"vfork-of-thread", vfork_of_thread},
		{"spawn-closes", spawn_closes},
		{"raw-fork", raw_fork},
		{"bare-fork", bare_fork},
		{"after-exec", after_exec},
		{"exec-inherits", exec_inherits},
		{"fork-exec-inherits", fork_exec_inherits},
		{"inherited", inherited},
		{"relatives", relatives},
		{"passed-on", passed_on},
		{"passed-between", passed_between},
		{"passed-copy", passed_copy},
		{"passed-many", passed_many},
		{"passed-in-vain", passed_in_vain},
		{"passed-to-worker", passed_to_worker},
	};

	return run_case(cases, sizeof(cases) / sizeof(cases[0]), argc, argv);
}
