/*
 * replay.c - a fuzz target without libFuzzer: each file of the command line,
 * and of its folders, once, in front of a page that must not be touched.
 */
#include <fts.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/fuzz/fuzz.h"

enum {
	LIMIT_S = 20 /* of one input, on a slow machine */
};

static char now_at[4096];

static void too_slow(int sig)
{
	(void)sig;
	(void)!write(2, now_at, strlen(now_at));
	(void)!write(2, ": too slow\n", 11);
	_exit(1);
}

static size_t pages(size_t len)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	return (len + page - 1) / page * page;
}

static void replay(const char *path, size_t len)
{
	size_t room = pages(len), guard = pages(1);
	FILE *f = fopen(path, "re");
	uint8_t *at, *map;

	map = mmap(NULL, room + guard, PROT_READ | PROT_WRITE,
	           MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	must(f && map != MAP_FAILED, "cannot read %s", path);
	must(!mprotect(map + room, guard, PROT_NONE), "no guard page");
	at = map + room - len;
	must(fread(at, 1, len, f) == len, "cannot read %s", path);
	fclose(f);
	snprintf(now_at, sizeof(now_at), "%s", path);
	alarm(LIMIT_S);
	LLVMFuzzerTestOneInput(at, len);
	alarm(0);
	munmap(map, room + guard);
}

int main(int argc, char **argv)
{
	FTS *fts =
		argc > 1 ? fts_open(argv + 1, FTS_PHYSICAL | FTS_NOCHDIR, NULL)
			 : NULL;
	size_t n = 0;
	FTSENT *e;

	signal(SIGALRM, too_slow);
	while (fts && (e = fts_read(fts))) {
		if (e->fts_info != FTS_F)
			continue;
		fprintf(stderr, "%s\n", e->fts_path);
		replay(e->fts_path, (size_t)e->fts_statp->st_size);
		n++;
	}
	if (fts)
		fts_close(fts);
	printf("%zu inputs\n", n);
	return n ? 0 : 1;
}
