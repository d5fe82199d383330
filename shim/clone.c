/*
 * clone.c - see clone.h.
 *
 * What the child has to know lies in memory of the thread that makes it, which
 * is copied: not on its stack, of which the program may have given a part to
 * the child.  It is reached by its address, since the child may have been given
 * another thread's memory (CLONE_SETTLS).
 */
#include <sched.h>

#include "clone.h"
#include "keeper.h"
#include "notes.h"
#include "process.h"

#include "poison.h"

struct entry {
	int (*fn)(void *);
	void *arg;
	bool shares_files;
	struct process_fork fork;
};
static __thread struct entry entry __attribute__((tls_model("initial-exec")));

typedef void exit_call(int);
typedef int clone_call(int (*)(void *), void *, int, void *, ...);

/*
 * The function has returned: libc ends its thread now by a raw exit(2), and no
 * destructor runs.  That is the end of the process, but for a helper, with
 * which it would live on; and the status is that of the last thread.
 */
static void end(int status)
{
	const bool alone = keeper_is_company();

	process_exit();
	if (alone)
		((exit_call *)note__exit.next)(status);
	keeper_main_ends();
}

static int begin(void *of_parent)
{
	const struct entry e = *(const struct entry *)of_parent;
	int saved = errno;
	int result;

	process_child(&e.fork, e.shares_files);
	errno = saved;
	result = e.fn(e.arg);
	end(result);
	return result;
}

int with_clone(int (*fn)(void *), void *stack, int flags, void *arg,
               void *parent_tid, void *tls, void *child_tid)
{
	/* A handler of a signal that comes in between may clone as well. */
	const struct entry outer = entry;
	int saved = errno;
	int result;

	entry = (struct entry){
		.fn = fn, .arg = arg, .shares_files = flags & CLONE_FILES};
	process_prepare(&entry.fork);
	errno = saved;
	result = ((clone_call *)note_clone.next)(begin, stack, flags, &entry,
	                                         parent_tid, tls, child_tid);
	saved = errno;
	process_parent(&entry.fork);
	entry = outer;
	errno = saved;
	return result;
}
