/*
 * libc.c - see libc.h and libc.def.
 */
#include <dlfcn.h>

#include "libc.h"
#include "shim.h"

long libc_missing(void)
{
	errno = ENOSYS;
	return -1;
}

/* Where the stubs of libc_stubs.S jump. */
#define LIBC(symbol) void *libc_##symbol = (void *)libc_missing;
#include "shim/libc.def"

static const struct {
	const char *name;
	void **at;
} rows[] = {
#define LIBC(symbol) {#symbol, &libc_##symbol},
#include "shim/libc.def"
};

void libc_resolve(void)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		void *p = dlsym(RTLD_NEXT, rows[i].name);

		if (p)
			*rows[i].at = p;
	}
}
