/*
 * scribble.c - a program gone wild: it fills the writable segment of its run
 * with garbage, a part that is drawn from SEED, and ends with 0.
 *
 *   scribble SEED [head]    head: only the first page
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/shm.h>
#include <sys/syscall.h>

#include "tests/raw.h"

/* Past the library, which would stumble over the garbage itself. */
static _Noreturn void leave(void)
{
	raw(SYS_exit_group, 0, 0, 0, 0, 0, 0);
	__builtin_unreachable();
}

int main(int argc, char **argv)
{
	const char *ids = getenv("FAULT_SHM");
	const char *colon = ids ? strchr(ids, ':') : NULL;
	uint64_t x =
		argc > 1 ? strtoull(argv[1], NULL, 10) * 2654435761u + 1 : 1;
	struct shmid_ds info;
	size_t size;
	char *run;
	int id;

	if (!colon)
		return 2;
	id = atoi(colon + 1);
	run = shmat(id, NULL, 0);
	if (run == (char *)-1 || shmctl(id, IPC_STAT, &info) < 0)
		return 3;
	size = argc > 2 ? 4096 : info.shm_segsz;
	for (size_t i = 0; i + sizeof(x) <= size; i += sizeof(x)) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		memcpy(run + i, &x, sizeof(x));
	}
	leave();
}
