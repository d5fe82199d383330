/*
 * machine.c - see machine.h.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "lang/diag.h"
#include "runner/machine.h"

static _Atomic(const char *) failed; /* what we did then */
static _Atomic int error;
static char text[256];

void machine_failed(int r, const char *doing)
{
	const char *nothing = NULL;

	if (atomic_compare_exchange_strong(&failed, &nothing, doing))
		atomic_store(&error, r);
}

const char *machine_failure(void)
{
	const char *doing = atomic_load(&failed);

	if (!doing)
		return NULL;
	snprintf(text, sizeof(text), "%s: %s", doing,
	         strerror(-atomic_load(&error)));
	return text;
}

void machine_forget(void)
{
	atomic_store(&failed, NULL);
}

bool machine_is_short(int r)
{
	return diag_of_machine(r) || r == -EAGAIN || r == -ENOSPC ||
	       r == -EDQUOT || r == -ENOBUFS || r == -EINTR;
}
