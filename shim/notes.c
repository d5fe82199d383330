/*
 * notes.c - see notes.h.
 */
#include <fcntl.h>
#include <sched.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "clone.h"
#include "envp.h"
#include "exec.h"
#include "exhaust.h"
#include "next.h"
#include "notes.h"
#include "process.h"
#include "record.h"
#include "socks.h"

#include "poison.h"

#define INSTEAD_NONE(symbol)  NULL
#define INSTEAD_VFORK(symbol) NULL
#define INSTEAD_CLONE(symbol) (void *)with_clone
#define INSTEAD_EXIT(symbol)  NULL
#define INSTEAD_EXEC(symbol)  (void *)with_##symbol
#define INSTEAD_SPAWN(symbol) (void *)with_##symbol

#define STUB(symbol) NOTE(symbol, NONE)
#define NOTE(symbol, hook_)                                                    \
	struct note note_##symbol = {.instead = INSTEAD_##hook_(symbol),       \
	                             .call = FAULT_CALL_##symbol,              \
	                             .hook = HOOK_##hook_};
#include "plan/calls.def"

/* A call that is under way, with its first arguments. */
struct note_at {
	const struct note *note;
	void *caller;
	long first, second, third;
};

/* Our own pid, also in a child of vfork, where the cached one is not. */
static uint32_t pid_now(void)
{
	return (uint32_t)(fds_mine() ? shim_pid() : getpid());
}

/* An address that the kernel would refuse is left to it. */
static const char *text_at(long address)
{
	const uintptr_t page = 4096;
	const char *text;

	if ((uintptr_t)address < page || (uintptr_t)address > -page)
		return NULL;
	memcpy(&text, &address, sizeof(text));
	return text;
}

/* The file that is to be executed, NULL: it is not said by a path. */
static const char *path_of(const struct note_at *at)
{
	const char *path;

	if (at->note->call == FAULT_CALL_fexecve)
		return NULL;
	if (at->note->call != FAULT_CALL_execveat)
		return text_at(at->first);
	path = text_at(at->second);
	return path && (*path == '/' || (int)at->first == AT_FDCWD) ? path
	                                                            : NULL;
}

static void note_image(const struct note_at *at, const char *path)
{
	if (!shim.traced)
		return;
	record_image(at->note->call, pid_now(), path, at->caller);
	record_wake();
}

static void on_vfork(const struct note_at *at)
{
	(void)at;
	shim_pid();
	shim_thread.vforked = true;
	shim_thread.moved = 0;
}

/* What is refused (no function) makes no child; the kernel says the rest. */
static bool has_own_memory(const struct note_at *at)
{
	return at->first && !(at->third & CLONE_VM);
}

static void on_clone(const struct note_at *at)
{
	if (!has_own_memory(at))
		on_vfork(at);
}

static void on_exec(const struct note_at *at)
{
	note_image(at, path_of(at));
	exhaust_release();
	if (fds_mine())
		socks_exec();
	else
		socks_spawn();
}

static void on_spawn(const struct note_at *at)
{
	note_image(at, NULL);
	socks_spawn();
}

/* A child of vfork says that no exec has replaced it: the last one failed. */
static void on_exit_now(const struct note_at *at)
{
	if (fds_mine())
		process_exit();
	else
		note_image(at, NULL);
}

static void on_nothing(const struct note_at *at)
{
	(void)at;
}

static void (*const hooks[N_HOOKS])(const struct note_at *) = {
	[HOOK_VFORK] = on_vfork, [HOOK_EXEC] = on_exec,
	[HOOK_SPAWN] = on_spawn, [HOOK_EXIT] = on_exit_now,
	[HOOK_CLONE] = on_clone, [HOOK_NONE] = on_nothing,
};

static bool is_ours(const struct note_at *at)
{
	if (at->note->hook == HOOK_CLONE)
		return shim.run && has_own_memory(at);
	return envp_kept.n && at->note->instead;
}

void *note_call(const struct note *note, void *caller, long first, long second,
                long third)
{
	const struct note_at at = {note, caller, first, second, third};
	int saved = errno;

	shim_attach();
	if (shim.run)
		hooks[note->hook](&at);
	errno = saved;
	return is_ours(&at) ? note->instead : note->next;
}
