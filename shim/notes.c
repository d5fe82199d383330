/*
 * notes.c - see notes.h.
 */
#include <unistd.h>

#include "next.h"
#include "notes.h"
#include "process.h"
#include "record.h"
#include "socks.h"

#include "poison.h"

#define NOTE(symbol, hook_)                                                    \
	struct note note_##symbol = {.call = FAULT_CALL_##symbol,              \
	                             .hook = HOOK_##hook_};
#include "plan/calls.def"

/* Our own pid, also in a child of vfork, where the cached one is not. */
static uint32_t pid_now(void)
{
	return (uint32_t)(fds_mine() ? shim_pid() : getpid());
}

/* The image that follows finds its sockets by their cookies. */
static void before_exec(unsigned call, void *caller)
{
	fds_each(0, INT32_MAX, socks_remember);
	if (!shim.traced)
		return;
	record_event(call, pid_now(), 0, caller);
	record_wake();
}

void *note_call(const struct note *note, void *caller)
{
	int saved = errno;

	shim_attach();
	if (shim.run && note->hook == HOOK_VFORK) {
		shim_pid();
		shim_thread.vforked = true;
	} else if (shim.run) {
		before_exec(note->call, caller);
	}
	errno = saved;
	return note->next;
}
