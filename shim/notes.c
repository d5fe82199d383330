/*
 * notes.c - see notes.h.
 */
#include <unistd.h>

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
#define INSTEAD_EXIT(symbol)  NULL
#define INSTEAD_EXEC(symbol)  (void *)with_##symbol
#define INSTEAD_SPAWN(symbol) (void *)with_##symbol

#define STUB(symbol) NOTE(symbol, NONE)
#define NOTE(symbol, hook_)                                                    \
	struct note note_##symbol = {.instead = INSTEAD_##hook_(symbol),       \
	                             .call = FAULT_CALL_##symbol,              \
	                             .hook = HOOK_##hook_};
#include "plan/calls.def"

/* Our own pid, also in a child of vfork, where the cached one is not. */
static uint32_t pid_now(void)
{
	return (uint32_t)(fds_mine() ? shim_pid() : getpid());
}

static void note_image(const struct note *note, void *caller)
{
	if (!shim.traced)
		return;
	record_event(note->call, pid_now(), 0, caller);
	record_wake();
}

static void on_vfork(const struct note *note, void *caller)
{
	(void)note;
	(void)caller;
	shim_pid();
	shim_thread.vforked = true;
	shim_thread.moved = 0;
}

static void on_exec(const struct note *note, void *caller)
{
	note_image(note, caller);
	exhaust_release();
	if (fds_mine())
		socks_exec();
	else
		socks_spawn();
}

static void on_spawn(const struct note *note, void *caller)
{
	note_image(note, caller);
	socks_spawn();
}

/* A child of vfork says that no exec has replaced it: the last one failed. */
static void on_exit_now(const struct note *note, void *caller)
{
	if (fds_mine())
		process_exit();
	else
		note_image(note, caller);
}

static void on_nothing(const struct note *note, void *caller)
{
	(void)note;
	(void)caller;
}

static void (*const hooks[N_HOOKS])(const struct note *, void *) = {
	[HOOK_VFORK] = on_vfork,  [HOOK_EXEC] = on_exec,
	[HOOK_SPAWN] = on_spawn,  [HOOK_EXIT] = on_exit_now,
	[HOOK_NONE] = on_nothing,
};

void *note_call(const struct note *note, void *caller)
{
	int saved = errno;

	shim_attach();
	if (shim.run)
		hooks[note->hook](note, caller);
	errno = saved;
	return envp_kept.n && note->instead ? note->instead : note->next;
}
