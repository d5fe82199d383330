/*
 * fds.c - a fuzzer of the table of descriptors: random steps of several
 * processes, after each of which the library's view is compared with the
 * kernel's (world.h).
 *
 *   fds seed FIRST COUNT [STEPS]   so many sequences, each from its number
 *   fds steps STEP...              one; prints each step as it is done
 *   fds found FILE                 each line: a name, steps; # for a comment
 *   fds member PATH N              what a process of it executes
 *
 * STEP is `name:who,a,b,c`.  Started by `fault exec`, with the rule
 * recv:short=1B:role=accepted:connection=1+2.  A sequence that shows something
 * wrong is made as short as possible and printed.  Exit status: 0, 1: something
 * is wrong, 2: usage, 3: the library cannot be looked into.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "world.h"

enum {
	STEPS = 60,
	LIMIT_S = 60 /* of one sequence */
};

struct sequence {
	unsigned n;
	struct step steps[N_STEPS];
};

/* --- sequences
 * ------------------------------------------------------------------ */

static uint64_t random_next(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

static unsigned random_op(uint64_t *state)
{
	unsigned sum = 0, at;

	for (unsigned i = 0; i < n_ops; i++)
		sum += ops[i].weight;
	at = (unsigned)(random_next(state) % sum);
	for (unsigned i = 0;; i++) {
		if (at < ops[i].weight)
			return i;
		at -= ops[i].weight;
	}
}

static void generate(uint64_t seed, unsigned n, struct sequence *q)
{
	q->n = n;
	for (unsigned i = 0; i < n; i++) {
		uint64_t r = random_next(&seed);

		q->steps[i] = (struct step){.op = (uint8_t)random_op(&seed),
		                            .who = (uint8_t)(r & 7),
		                            .a = (uint8_t)(r >> 8),
		                            .b = (uint8_t)(r >> 16),
		                            .c = (uint8_t)(r >> 24)};
		/* One step in eight is a thread's. */
		if (r >> 32 & 7)
			q->steps[i].c &= 0x7f;
	}
}

static bool parse(const char *text, struct step *s)
{
	unsigned v[4];
	const char *colon = strchr(text, ':');

	if (!colon ||
	    sscanf(colon, ":%u,%u,%u,%u", &v[0], &v[1], &v[2], &v[3]) != 4)
		return false;
	for (unsigned i = 0; i < n_ops; i++) {
		if (strlen(ops[i].name) != (size_t)(colon - text) ||
		    strncmp(ops[i].name, text, strlen(ops[i].name)))
			continue;
		*s = (struct step){(uint8_t)i, (uint8_t)v[0], (uint8_t)v[1],
		                   (uint8_t)v[2], (uint8_t)v[3]};
		return true;
	}
	return false;
}

static void print_sequence(const struct sequence *q)
{
	printf("#");
	for (unsigned i = 0; i < q->n; i++)
		printf(" %s:%u,%u,%u,%u", ops[q->steps[i].op].name,
		       q->steps[i].who, q->steps[i].a, q->steps[i].b,
		       q->steps[i].c);
	printf("\n");
}

/* --- one world
 * ------------------------------------------------------------------- */

static void one_connection(void)
{
	struct sockaddr_storage at;
	socklen_t len = sizeof(at);
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	int client = socket(AF_INET, SOCK_STREAM, 0), accepted = -1;

	if (!listen(listener, 1) && !getsockname(listener, (void *)&at, &len) &&
	    !connect(client, (void *)&at, len))
		accepted = accept(listener, NULL, NULL);
	if (accepted < 0) {
		perror("a connection");
		exit(3);
	}
	close(accepted);
	close(client);
	close(listener);
}

/*
 * Every second accepted connection has the rule: the first of each world, or a
 * sequence would be another one behind another.
 */
static void even_out(void)
{
	if (run_programs(view_run())->ordinals[ROLE_ACCEPTED] % 2)
		one_connection();
}

static void begin(const struct sequence *q, bool told)
{
	const struct fault_program_state *p = run_programs(view_run());
	struct fault_run *run = view_run();
	char path[64], program[256];

	strcpy(path, world->path);
	strcpy(program, world->program);
	memset(world, 0, sizeof(*world));
	strcpy(world->path, path);
	strcpy(world->program, program);
	world->told = told;
	world->n_steps = q->n;
	memcpy(world->steps, q->steps, sizeof(q->steps));
	for (int r = 0; r < N_ROLES; r++)
		world->ordinals[r] = p->ordinals[r];
	/* What a world before has left behind. */
	for (uint32_t i = 1; i <= run->used_socks && i < run->n_socks; i++)
		for (uint32_t n = run_refs(run)[i].refs; n; n--)
			lose(run_socks(run)[i].serial);
}

static void make_channel(void)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) ||
	    dup2(pair[0], CHANNEL) < 0 || dup2(pair[1], CHANNEL + 1) < 0) {
		perror("socketpair");
		exit(3);
	}
	close(pair[0]);
	close(pair[1]);
	world->channel = cookie_of(CHANNEL + 1);
}

/* All of them, also those whose parent has ended: we adopt them. */
static void await_all(void)
{
	int status;
	pid_t pid;

	while ((pid = wait(&status)) > 0 || errno == EINTR)
		if (pid > 0 && WIFSIGNALED(status))
			fail("a process ended by signal %d", WTERMSIG(status));
}

/* Ours is the only table left. */
static void check_end(void)
{
	world->at = world->n_steps;
	for (unsigned m = 0; m < N_MEMBERS; m++)
		world->members[m].alive = false;
	world->n_queued = 0;
	if (!atomic_load(&world->failed))
		view_check();
}

static bool run_world(const struct sequence *q, bool told)
{
	pid_t pid;

	even_out();
	begin(q, told);
	make_channel();
	fflush(stdout);
	world->members[0].alive = true;
	self = 0;
	pid = fork();
	if (!pid) {
		signal(SIGCHLD, SIG_DFL);
		alarm(LIMIT_S);
		member_live();
	}
	world->members[0].pid = pid;
	await_all();
	messages_drain(CHANNEL + 1);
	check_end();
	close(CHANNEL);
	close(CHANNEL + 1);
	return !atomic_load(&world->failed);
}

/* --- what is found
 * ----------------------------------------------------------------- */

static void without(const struct sequence *q, unsigned at, unsigned n,
                    struct sequence *ret)
{
	*ret = *q;
	memmove(ret->steps + at, q->steps + at + n,
	        (q->n - at - n) * sizeof(q->steps[0]));
	ret->n = q->n - n;
}

static void shorten(struct sequence *q)
{
	struct sequence fewer;
	bool better = true;

	q->n = world->at < q->n ? world->at + 1 : q->n;
	while (better) {
		better = false;
		for (unsigned n = q->n / 2; n; n /= 2)
			for (unsigned at = 0; at + n <= q->n;) {
				without(q, at, n, &fewer);
				if (!run_world(&fewer, false)) {
					*q = fewer;
					better = true;
				} else {
					at += n;
				}
			}
	}
}

static int one_seed(uint64_t seed, unsigned steps)
{
	struct sequence q;

	generate(seed, steps, &q);
	if (run_world(&q, false))
		return 0;
	printf("# seed %llu: %s\n", (unsigned long long)seed, world->what);
	fflush(stdout);
	shorten(&q);
	print_sequence(&q);
	run_world(&q, false);
	printf("# %s\n", world->failed ? world->what : "not once more");
	return 1;
}

static int seeds(char **argv)
{
	uint64_t first = strtoull(argv[2], NULL, 10);
	uint64_t n = strtoull(argv[3], NULL, 10);
	unsigned steps = argv[4] ? (unsigned)atoi(argv[4]) : STEPS;

	if (!steps || steps > N_STEPS)
		return 2;
	for (uint64_t i = 0; i < n; i++)
		if (one_seed(first + i, steps))
			return 1;
	return 0;
}

static int given(int argc, char **argv)
{
	struct sequence q = {0};

	for (int i = 2; i < argc && q.n < N_STEPS; i++)
		if (!parse(argv[i], &q.steps[q.n++])) {
			fprintf(stderr, "no step: %s\n", argv[i]);
			return 2;
		}
	if (run_world(&q, true))
		return 0;
	printf("# %s\n", world->what);
	return 1;
}

/* One line: true unless something is wrong. */
static bool known_line(char *line)
{
	struct sequence q = {0};
	char *rest, *name = strtok_r(line, " \n", &rest);

	if (!name || *name == '#')
		return true;
	for (char *word = strtok_r(NULL, " \n", &rest); word && q.n < N_STEPS;
	     word = strtok_r(NULL, " \n", &rest))
		if (!parse(word, &q.steps[q.n++])) {
			printf("# %s: no step: %s\n", name, word);
			return false;
		}
	if (run_world(&q, false))
		return true;
	printf("# %s: %s\n", name, world->what);
	return false;
}

/* Read first: a child's exit would put a stream of ours back. */
static int found(const char *path)
{
	static char text[65536];
	FILE *f = fopen(path, "re");
	int status = 0;
	char *rest;

	if (!f || !fread(text, 1, sizeof(text) - 1, f))
		return 2;
	fclose(f);
	for (char *line = strtok_r(text, "\n", &rest); line;
	     line = strtok_r(NULL, "\n", &rest))
		status |= !known_line(line);
	return status;
}

static bool make_world(const char *program)
{
	int fd = memfd_create("world", MFD_CLOEXEC);
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/fd/%d", getpid(), fd);
	if (fd < 0 || ftruncate(fd, sizeof(struct world)))
		return false;
	/* Out of the way of what is looked at, and closed by a fork. */
	snprintf(path, sizeof(path), "/proc/%d/fd/%d", getpid(),
	         fcntl(fd, F_DUPFD_CLOEXEC, N_FDS));
	close(fd);
	world = world_map(path);
	if (!world)
		return false;
	strcpy(world->path, path);
	snprintf(world->program, sizeof(world->program), "%s", program);
	return true;
}

int main(int argc, char **argv)
{
	if (argc == 4 && !strcmp(argv[1], "member"))
		member_begin(argv[2], (unsigned)atoi(argv[3]));
	signal(SIGPIPE, SIG_IGN);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	if (!view_begin() || !make_world("/proc/self/exe"))
		return 3;
	if (argc >= 4 && !strcmp(argv[1], "seed"))
		return seeds(argv);
	if (argc == 3 && !strcmp(argv[1], "found"))
		return found(argv[2]);
	if (argc >= 3 && !strcmp(argv[1], "steps"))
		return given(argc, argv);
	return 2;
}
