/*
 * attach_stack.c - what stacks stand on, found in our constructor: libgcc's
 * unwinder and ld.so's index of modules (stack.h).
 *
 * Loading libgcc_s allocates, and so does the first walk:
 * both happen here, only for plans that look at stacks.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "stack.h"

static void keep_basename(const char *path, char *ret, size_t size)
{
	const char *slash = strrchr(path, '/');

	path = slash ? slash + 1 : path;
	if (strlen(path) < size)
		memcpy(ret, path, strlen(path) + 1);
}

/*
 * Both of what ran and of what was asked for: python3 is a link to python3.11.
 */
static void name_program(void)
{
	const char *called = (const char *)getauxval(AT_EXECFN);
	char path[4096];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);

	if (n > 0) {
		path[n] = '\0';
		keep_basename(path, stack_tools.file, sizeof(stack_tools.file));
	}
	if (called)
		keep_basename(called, stack_tools.called,
		              sizeof(stack_tools.called));
}

static _Unwind_Reason_Code nothing(struct _Unwind_Context *context, void *data)
{
	(void)context;
	(void)data;
	return _URC_NO_REASON;
}

const char *stack_prepare(void)
{
	void *libgcc, *backtrace;
	struct dl_find_object o;

	stack_tools.find = (__typeof__(stack_tools.find))dlsym(
		RTLD_DEFAULT, "_dl_find_object");
	if (!stack_tools.find || stack_tools.find((void *)stack_prepare, &o))
		return "stacks need glibc 2.35";
	libgcc = dlopen("libgcc_s.so.1", RTLD_NOW | RTLD_LOCAL);
	if (!libgcc)
		return "stacks need libgcc_s.so.1";
	stack_tools.address = (__typeof__(stack_tools.address))dlsym(
		libgcc, "_Unwind_GetIPInfo");
	backtrace = dlsym(libgcc, "_Unwind_Backtrace");
	if (!stack_tools.address || !backtrace)
		return "libgcc_s.so.1 has no unwinder";
	stack_tools.begin = (uintptr_t)o.dlfo_map_start;
	stack_tools.end = (uintptr_t)o.dlfo_map_end;
	name_program();
	stack_tools.backtrace = (__typeof__(stack_tools.backtrace))backtrace;
	stack_tools.backtrace(nothing, NULL);
	return NULL;
}
