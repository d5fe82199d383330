/*
 * worker.c - see worker.h.
 */
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench/worker.h"

enum {
	NAME_SIZE = 32,
	LINE_SIZE = 64
};

int64_t worker_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

void worker_die(const char *what)
{
	perror(what);
	exit(1);
}

/* A machine that forbids it is only noisier. */
static void pin(void)
{
	cpu_set_t set;
	int last = -1;

	if (sched_getaffinity(0, sizeof(set), &set))
		return;
	for (int i = 0; i < CPU_SETSIZE; i++)
		if (CPU_ISSET((size_t)i, &set))
			last = i;
	if (last < 0)
		return;
	CPU_ZERO(&set);
	CPU_SET((size_t)last, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

static int measure(const struct worker_case *cases, const char *name,
                   unsigned count)
{
	for (const struct worker_case *c = cases; c->name; c++) {
		if (strcmp(c->name, name))
			continue;
		printf("%" PRId64 "\n", c->run(count));
		fflush(stdout);
		return 0;
	}
	fprintf(stderr, "no such case: %s\n", name);
	return 1;
}

int worker_main(int argc, char **argv, const struct worker_case *cases)
{
	char line[LINE_SIZE], name[NAME_SIZE];
	unsigned count;

	pin();
	if (argc == 3)
		return measure(cases, argv[1],
		               (unsigned)strtoul(argv[2], NULL, 10));
	while (fgets(line, sizeof(line), stdin)) {
		if (sscanf(line, "%31s %u", name, &count) != 2)
			return 1;
		if (measure(cases, name, count))
			return 1;
	}
	return 0;
}
