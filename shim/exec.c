/*
 * exec.c - see exec.h.
 */
#include <stdarg.h>
#include <limits.h>
#include <sys/mman.h>
#include <unistd.h>

#include "envp.h"
#include "exec.h"
#include "fds.h"
#include "next.h"
#include "notes.h"
#include "record.h"
#include "socks.h"

#include "poison.h"

enum {
	ON_STACK = 2048,
	ON_STACK_OF_VFORK = 16384
};

/*
 * In a child of vfork the frames of an exec are never left, and the stack is
 * the parent's: a library built with AddressSanitizer (make sanitize-shim) has
 * to forget what it guards there.
 */
#ifdef __SANITIZE_ADDRESS__
void __asan_handle_no_return(void);
#define MAY_NOT_RETURN() __asan_handle_no_return()
#else
#define MAY_NOT_RETURN() ((void)0)
#endif

/* One call; which of these it uses, its `go` knows. */
struct image {
	/* Makes the call: -1 and errno, or what posix_spawn returns. */
	long (*go)(const struct image *image, char *const *envp);
	const struct note *note;
	const char *path;
	char *const *argv;
	int fd, flags;
	int *pid;
	const void *actions, *attributes;
	const long *args; /* of syscall(2) */
	unsigned at;
};

/* ---- with an environment in which we are --------------------------------- */

static bool too_large(long result)
{
	return result == E2BIG || (result == -1 && errno == E2BIG);
}

static long go_with(const struct image *image, const struct envp_need *need,
                    char *const *envp, void *memory)
{
	return image->go(image, envp_copy(need, envp, memory));
}

static NOINLINE long go_on_stack(const struct image *image,
                                 const struct envp_need *need,
                                 char *const *envp)
{
	return go_with(image, need, envp, __builtin_alloca(need->bytes));
}

static long go_in_memory(const struct image *image,
                         const struct envp_need *need, char *const *envp)
{
	int saved = errno;
	long result;
	void *memory = mmap(NULL, need->bytes, PROT_READ | PROT_WRITE,
	                    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	errno = saved;
	if (memory == MAP_FAILED)
		return image->go(image, envp);
	result = go_with(image, need, envp, memory);
	saved = errno;
	munmap(memory, need->bytes);
	errno = saved;
	return result;
}

/* Who wonders why the next image is not of this run finds it in the trace. */
static void say_unkept(const struct image *image, unsigned why)
{
	if (!shim.traced || (image->note && image->note->hook == HOOK_SPAWN))
		return;
	record_event(why, (uint32_t)(fds_mine() ? shim_pid() : getpid()), 0,
	             NULL);
}

static long enter(const struct image *image, char *const *envp)
{
	const struct envp_need need = envp_look(envp);
	int saved = errno;
	long result;

	if (need.other)
		say_unkept(image, RECORD_OTHER_RUN);
	if (!need.bytes)
		return image->go(image, envp);
	if (need.bytes <= ON_STACK)
		result = go_on_stack(image, &need, envp);
	else if (fds_mine())
		result = go_in_memory(image, &need, envp);
	else if (need.bytes <= ON_STACK_OF_VFORK)
		result = go_on_stack(image, &need, envp);
	else
		result = E2BIG;
	if (!too_large(result))
		return result;
	say_unkept(image, RECORD_NO_ROOM);
	errno = saved;
	return image->go(image, envp);
}

/* ---- exec ---------------------------------------------------------------- */

/* It has returned, so it has failed: what note_call() gave away is ours again.
 */
static long failed(long result)
{
	int saved = errno;

	if (fds_mine())
		socks_return();
	else
		socks_not_spawned();
	errno = saved;
	return result;
}

typedef int exec_path(const char *, char *const *, char *const *);
typedef int exec_environ(const char *, char *const *);
typedef int exec_fd(int, char *const *, char *const *);
typedef int exec_at(int, const char *, char *const *, char *const *, int);

/* The row's own function where it takes an environment or is given its own. */
static long go_path(const struct image *i, char *const *envp)
{
	MAY_NOT_RETURN();
	return ((exec_path *)i->note->next)(i->path, i->argv, envp);
}

static long exec_with(const struct note *note, const char *path,
                      char *const *argv, char *const *envp)
{
	const struct image image = {
		.go = go_path, .note = note, .path = path, .argv = argv};

	return failed(enter(&image, envp));
}

/* `own` takes environ, `twin` is the same with an environment. */
static long exec_environ_with(const struct note *own, const struct note *twin,
                              const char *path, char *const *argv)
{
	char *const *envp = *envp_kept.environ;
	const struct envp_need need = envp_look(envp);

	if (!need.bytes && !need.other) {
		MAY_NOT_RETURN();
		return failed(((exec_environ *)own->next)(path, argv));
	}
	return exec_with(twin, path, argv, envp);
}

int with_execve(const char *path, char *const *argv, char *const *envp)
{
	return (int)exec_with(&note_execve, path, argv, envp);
}

int with_execv(const char *path, char *const *argv)
{
	return (int)exec_environ_with(&note_execv, &note_execve, path, argv);
}

int with_execvp(const char *file, char *const *argv)
{
	return (int)exec_environ_with(&note_execvp, &note_execvpe, file, argv);
}

int with_execvpe(const char *file, char *const *argv, char *const *envp)
{
	return (int)exec_with(&note_execvpe, file, argv, envp);
}

static long go_fd(const struct image *i, char *const *envp)
{
	MAY_NOT_RETURN();
	return ((exec_fd *)i->note->next)(i->fd, i->argv, envp);
}

int with_fexecve(int fd, char *const *argv, char *const *envp)
{
	const struct image image = {
		.go = go_fd, .note = &note_fexecve, .fd = fd, .argv = argv};

	/* EINVAL is libc's answer to NULL, here alone. */
	return (int)failed(envp ? enter(&image, envp) : go_fd(&image, envp));
}

static long go_at(const struct image *i, char *const *envp)
{
	MAY_NOT_RETURN();
	return ((exec_at *)i->note->next)(i->fd, i->path, i->argv, envp,
	                                  i->flags);
}

int with_execveat(int dir, const char *path, char *const *argv,
                  char *const *envp, int flags)
{
	const struct image image = {.go = go_at,
	                            .note = &note_execveat,
	                            .fd = dir,
	                            .path = path,
	                            .argv = argv,
	                            .flags = flags};

	return (int)failed(enter(&image, envp));
}

static long go_syscall(const struct image *i, char *const *envp)
{
	long a[MAX_ARITY];

	for (size_t at = 0; at < MAX_ARITY; at++)
		a[at] = i->args[at];
	a[i->at] = (long)envp;
	MAY_NOT_RETURN();
	return next.syscall(a[0], a[1], a[2], a[3], a[4], a[5], a[6]);
}

long with_syscall(const long *args, unsigned at)
{
	const struct image image = {.go = go_syscall, .args = args, .at = at};
	char *const *envp;

	/* The address is a number until the kernel has it. */
	__builtin_memcpy(&envp, &args[at], sizeof(envp));
	return failed(envp_kept.n ? enter(&image, envp)
	                          : go_syscall(&image, envp));
}

/* ---- exec with its arguments in a list -------------------------------------
 */

/* Those behind `first`, up to NULL; 0 if there are more than an int counts. */
static size_t count_list(va_list *list, const char *first)
{
	size_t n = 1;

	for (const char *arg = first; arg; n++) {
		if (n == INT_MAX)
			return 0;
		arg = va_arg(*list, const char *);
	}
	return n;
}

/* With the NULL; what follows it in the list is left to be taken. */
static char *const *take_list(va_list *list, const char *first, size_t n,
                              void *memory)
{
	const char **argv = memory;

	argv[0] = first;
	for (size_t i = 1; i < n; i++)
		argv[i] = va_arg(*list, const char *);
	return memory;
}

/*
 * The array of arguments is on the stack, as libc has it; LIST stands before
 * the second argument, and behind the last one afterwards.
 */
#define COLLECT(argv, list, first)                                             \
	do {                                                                   \
		va_list copy;                                                  \
		size_t n;                                                      \
                                                                               \
		va_copy(copy, list);                                           \
		n = count_list(&copy, first);                                  \
		va_end(copy);                                                  \
		if (!n) {                                                      \
			va_end(list);                                          \
			errno = E2BIG;                                         \
			return -1;                                             \
		}                                                              \
		argv = take_list(&list, first, n,                              \
		                 __builtin_alloca(n * sizeof(char *)));        \
	} while (0)

int with_execl(const char *path, const char *arg, ...)
{
	char *const *argv;
	va_list list;

	va_start(list, arg);
	COLLECT(argv, list, arg);
	va_end(list);
	return with_execv(path, argv);
}

int with_execlp(const char *file, const char *arg, ...)
{
	char *const *argv;
	va_list list;

	va_start(list, arg);
	COLLECT(argv, list, arg);
	va_end(list);
	return with_execvp(file, argv);
}

int with_execle(const char *path, const char *arg, ...)
{
	char *const *argv, *const *envp;
	va_list list;

	va_start(list, arg);
	COLLECT(argv, list, arg);
	envp = va_arg(list, char *const *);
	va_end(list);
	return with_execve(path, argv, envp);
}

/* ---- spawn --------------------------------------------------------------- */

typedef int spawn(int *, const char *, const void *, const void *,
                  char *const *, char *const *);

static long go_spawn(const struct image *i, char *const *envp)
{
	const uint64_t before = shim_now();
	const int result = ((spawn *)i->note->next)(
		i->pid, i->path, i->actions, i->attributes, i->argv, envp);

	if (!result && i->pid && shim.traced) {
		record_spawned((uint32_t)*i->pid, i->path, before);
		record_wake();
	}
	return result;
}

static int spawn_by(const struct note *note, int *pid, const char *path,
                    const void *actions, const void *attributes,
                    char *const *argv, char *const *envp)
{
	const struct image image = {.go = go_spawn,
	                            .note = note,
	                            .path = path,
	                            .argv = argv,
	                            .pid = pid,
	                            .actions = actions,
	                            .attributes = attributes};
	long result = enter(&image, envp);
	int saved = errno;

	if (result)
		socks_not_spawned();
	errno = saved;
	return (int)result;
}

int with_posix_spawn(int *pid, const char *path, const void *actions,
                     const void *attributes, char *const *argv,
                     char *const *envp)
{
	return spawn_by(&note_posix_spawn, pid, path, actions, attributes, argv,
	                envp);
}

int with_posix_spawnp(int *pid, const char *file, const void *actions,
                      const void *attributes, char *const *argv,
                      char *const *envp)
{
	return spawn_by(&note_posix_spawnp, pid, file, actions, attributes,
	                argv, envp);
}
