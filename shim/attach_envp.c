/*
 * attach_envp.c - what of the environment is remembered (envp.h).
 *
 * The strings are copied: programs overwrite theirs (setproctitle).  Memory of
 * its own, read-only from then on.
 */
#include <dlfcn.h>
#include <limits.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "envp.h"
#include "exec.h"
#include "plan/env.h"

/* What makes a run, under `fault` and alone. */
static bool is_ours(const char *entry)
{
	return envp_value(entry, FAULT_ENV_SHM "=") ||
	       envp_value(entry, FAULT_ENV_PROGRAM "=") ||
	       envp_value(entry, FAULT_ENV_SCENARIO "=") ||
	       envp_value(entry, FAULT_ENV_INJECT "=") ||
	       envp_value(entry, FAULT_ENV_SEED "=") ||
	       envp_value(entry, FAULT_ENV_TRUST "=") ||
	       envp_value(entry, FAULT_ENV_VAR);
}

/* ld.so takes the last of several. */
static const char *find_preload(void)
{
	const char *preload = NULL;

	for (char **v = __environ; v && *v; v++)
		if (envp_value(*v, ENVP_PRELOAD))
			preload = envp_value(*v, ENVP_PRELOAD);
	return preload && envp_has_library(preload) ? preload : NULL;
}

/* Our name as ld.so knows it; a relative one from here, where it held. */
static size_t put_library(const char *file, char *to, size_t size)
{
	size_t at = 0, len = strlen(file);

	if (file[0] != '/') {
		if (!getcwd(to, size - 1))
			return 0;
		at = strlen(to);
		to[at++] = '/';
	}
	if (at + len >= size)
		return 0;
	memcpy(to + at, file, len + 1);
	/* What would be two entries cannot be said. */
	return strcspn(to, " :") == at + len ? at + len : 0;
}

/*
 * The libraries that are to be loaded: ours, behind that of ASan if there is
 * one.  What else was preloaded is not ours to put back.
 */
static size_t put_preload(const char *preload, const char *file, char *to,
                          size_t size)
{
	size_t place = envp_preload_place(preload, strlen(preload));
	size_t at = strlen(ENVP_PRELOAD), len = 0;

	memcpy(to, ENVP_PRELOAD, at);
	for (size_t i = 0; i < place; i += len + 1) {
		len = strcspn(preload + i, " :");
		if (!envp_preload_place(preload + i, len))
			continue;
		if (at + len + 1 >= size)
			return 0;
		memcpy(to + at, preload + i, len);
		at += len;
		to[at++] = ':';
	}
	len = put_library(file, to + at, size - at);
	return len ? at + len + 1 : 0;
}

static size_t bytes_of_ours(size_t *ret_n)
{
	size_t bytes = 0, n = 0;

	for (char **v = __environ; *v; v++) {
		if (!is_ours(*v))
			continue;
		bytes += sizeof(char *) + strlen(*v) + 1;
		n++;
	}
	*ret_n = n;
	return bytes;
}

static void *memory(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
	               MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

/* In order: LD_PRELOAD, then what says which run. */
static void keep(const char *preload, size_t preload_size)
{
	size_t n, bytes = bytes_of_ours(&n) + sizeof(char *) + preload_size;
	const char **vars = memory(bytes);
	char *text;

	if (!vars)
		return;
	text = (char *)(vars + n + 1);
	memcpy(text, preload, preload_size);
	vars[0] = text;
	text += preload_size;
	n = 1;
	for (char **v = __environ; *v; v++) {
		size_t size = strlen(*v) + 1;

		if (!is_ours(*v))
			continue;
		memcpy(text, *v, size);
		vars[n++] = text;
		text += size;
	}
	mprotect(vars, bytes, PROT_READ);
	envp_kept.vars = vars;
	envp_kept.environ = &__environ;
	envp_kept.n = n;
}

void envp_keep(void)
{
	char text[2 * PATH_MAX];
	const char *preload, *slash;
	Dl_info us;
	size_t size;

	if (!dladdr(&envp_kept, &us) || !us.dli_fname)
		return;
	slash = strrchr(us.dli_fname, '/');
	envp_kept.library = slash ? slash + 1 : us.dli_fname;
	preload = find_preload();
	if (!preload)
		return;
	size = put_preload(preload, us.dli_fname, text, sizeof(text));
	if (!size)
		return;
	keep(text, size);
	exec_shell_prepare();
}
