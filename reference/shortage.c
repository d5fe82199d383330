/*
 * shortage.c - no room for a process or a thread; contract in shortage.h.
 */
#include <errno.h>
#include <stdbool.h>

#include "deadline.h"
#include "interrupt.h"
#include "listener.h"
#include "message.h"
#include "shortage.h"

static bool passes(int err)
{
	return err == -EAGAIN || err == -ENOMEM;
}

int shortage_wait_out(int (*attempt)(void *context), void *context,
                      const char *call, const char *name, int64_t deadline_ns)
{
	int err = attempt(context);

	if (err)
		message_call(call, name, -err);
	while (passes(err) && now_ns() < deadline_ns &&
	       interrupt_stop_ns() == NO_DEADLINE) {
		net_pause(LISTENER_PAUSE_MS);
		err = attempt(context);
	}
	return err;
}
