/*
 * table.c - calls that change which socket a descriptor means, and readiness
 * calls.  Each makes the real call and brings the table up to date; in a child
 * of vfork the table is the parent's and stays as it is (fds.h): only what a
 * number meant is remembered, for the image that follows (SO_COOKIE).
 */
#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/sched.h>
#include <linux/sockios.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "arrivals.h"
#include "correct.h"
#include "decide.h"
#include "exec.h"
#include "fdsize.h"
#include "filter.h"
#include "gates.h"
#include "keeper.h"
#include "notes.h"
#include "private_fd.h"
#include "process.h"
#include "record.h"
#include "regs.h"

#include "poison.h"

void handle_socketpair(struct shim_call *c)
{
	int *pair = (int *)c->a[3];

	call_real(c);
	if (c->result || c->a[0] != AF_UNIX || !fds_mine())
		return;
	socks_unix(pair[0]);
	socks_unix(pair[1]);
}

/* dup2(2) has closed what stood there. */
static void closed_by_dup(int fd, uint64_t word)
{
	const struct fault_sock *s = socks_of(word);

	if (s)
		regs_closed(fd, s);
	else if (fds_kind(word) == FDS_EPOLL)
		regs_set_closed(fd);
}

static void duplicate(struct shim_call *c, bool cloexec)
{
	uint64_t replaced =
		c->row->effect == EFFECT_DUP2 ? fds_word((int)c->a[1]) : 0;

	record_enter(c);
	if (replaced && private_fd_is((int)c->a[1]) && fds_mine()) {
		keeper_yield((int)c->a[1]);
		replaced = 0;
	}
	if (c->sock && !fds_mine())
		shim_thread.moved = socks_index(c->sock);
	if (replaced && !fds_mine())
		socks_remember((int)c->a[1], replaced);
	call_real(c);
	if (c->result >= 0 && c->result != c->fd && fds_mine()) {
		fdsize_raise((int)c->result);
		if (replaced)
			closed_by_dup((int)c->result, replaced);
		socks_dup(c->fd, (int)c->result);
		fds_flag((int)c->result, FDS_CLOEXEC, cloexec);
	}
	record_return(c);
}

void handle_dup(struct shim_call *c)
{
	duplicate(c, c->a[1] == F_DUPFD_CLOEXEC && c->id != FAULT_CALL_dup);
}

void handle_dup2(struct shim_call *c)
{
	c->fd = (int)c->a[0];
	call_take_sock(c, socks_of(fds_word(c->fd)));
	duplicate(c, c->id == FAULT_CALL_dup3 && c->a[2] & O_CLOEXEC);
}

void handle_fcntl(struct shim_call *c)
{
	if (c->a[1] == F_DUPFD || c->a[1] == F_DUPFD_CLOEXEC) {
		handle_dup(c);
		return;
	}
	call_real(c);
	if (c->a[1] == F_SETFD && c->result != -1 && fds_mine())
		fds_flag(c->fd, FDS_CLOEXEC, c->a[2] & FD_CLOEXEC);
}

/* Bytes that are held have not come; others are promised (G5). */
static void told_queued(struct shim_call *c)
{
	if (gates_concern(c->sock))
		gates_consider(c->fd, c->sock);
	if (atomic_load(&c->sock->rx_armed))
		gates_arrived(c->fd, c->sock);
	if (gates_held(c->sock, GATE_OF_RX, shim_now()) ||
	    atomic_load(&c->sock->flags) & SOCK_EOF)
		*(int *)c->a[2] = 0;
	else
		*(int *)c->a[2] = arrivals_queued(c->sock, *(int *)c->a[2]);
	if (*(int *)c->a[2] > 0)
		atomic_fetch_or(&c->sock->flags, SOCK_PEEKED);
}

void handle_ioctl(struct shim_call *c)
{
	call_real(c);
	if (!c->sock || c->result)
		return;
	if ((unsigned long)c->a[1] == FIOCLEX ||
	    (unsigned long)c->a[1] == FIONCLEX)
		fds_flag(c->fd, FDS_CLOEXEC, (unsigned long)c->a[1] == FIOCLEX);
	if ((unsigned long)c->a[1] == FIONREAD)
		told_queued(c);
	correct_outq(c);
}

static void forget(int fd, uint64_t word, const void *context)
{
	const struct fault_sock *s = socks_of(word);

	(void)context;
	if (private_fd_is(fd))
		return;
	if (s)
		regs_closed(fd, s);
	else if (fds_kind(word) == FDS_EPOLL)
		regs_set_closed(fd);
	socks_forget(fd);
}

/* Each number of [first, last], where the kernel has no close_range. */
static void close_each(unsigned first, unsigned last)
{
	if (last >= FDS_NEAR)
		last = FDS_NEAR - 1;
	for (unsigned fd = first; fd <= last; fd++)
		next.close((int)fd);
}

/* [*first, last] but for ours; what lies behind them is left to the caller. */
static void close_around_ours(unsigned *first, unsigned last)
{
	int ours;

	while ((ours = private_fd_next(*first)) >= 0 &&
	       (unsigned)ours <= last) {
		if ((unsigned)ours > *first &&
		    next.close_range(*first, (unsigned)ours - 1, 0))
			close_each(*first, (unsigned)ours - 1);
		*first = (unsigned)ours + 1;
	}
}

static void remember(int fd, uint64_t word, const void *context)
{
	(void)context;
	socks_remember(fd, word);
}

static void close_on_exec(int fd, uint64_t word, const void *context)
{
	(void)word;
	(void)context;
	fds_flag(fd, FDS_CLOEXEC, true);
}

/*
 * With CLOSE_RANGE_UNSHARE a thread among others gets a table of its own, of
 * which ours knows nothing: that of all the others stays.
 */
static bool of_a_thread(unsigned flags)
{
	struct stat threads;

	return flags & CLOSE_RANGE_UNSHARE &&
	       !stat("/proc/self/task", &threads) && threads.st_nlink > 3;
}

/* One that the kernel refuses (EINVAL) changes nothing. */
void handle_close_range(struct shim_call *c)
{
	unsigned first = (unsigned)c->a[0], last = (unsigned)c->a[1];
	unsigned flags = (unsigned)c->a[2];
	bool refused = first > last || flags & ~(unsigned)(CLOSE_RANGE_CLOEXEC |
	                                                   CLOSE_RANGE_UNSHARE);

	if (!refused && !of_a_thread(flags))
		fds_each(first, last,
		         !fds_mine()                   ? remember
		         : flags & CLOSE_RANGE_CLOEXEC ? close_on_exec
		                                       : forget,
		         NULL);
	/* With a table of its own (UNSHARE) a thread has no helper either. */
	if (!refused && !flags && fds_mine())
		close_around_ours(&first, last);
	c->a[0] = first;
	if (first > last && !refused) {
		c->result = 0;
		c->made = true;
		return;
	}
	call_real(c);
}

void handle_closefrom(struct shim_call *c)
{
	unsigned first = (int)c->a[0] < 0 ? 0 : (unsigned)c->a[0];

	if (fds_mine()) {
		fds_each(first, UINT32_MAX >> 1, forget, NULL);
		close_around_ours(&first, UINT32_MAX >> 1);
	} else {
		fds_each(first, UINT32_MAX >> 1, remember, NULL);
	}
	c->a[0] = (long)first;
	call_real(c);
}

/* --- syscall(2): the same calls by number --------------------------------- */

static const struct {
	long nr;
	enum fault_call call;
} by_number[] = {
	{SYS_close, FAULT_CALL_close},
	{SYS_socket, FAULT_CALL_socket},
	{SYS_bind, FAULT_CALL_bind},
	{SYS_listen, FAULT_CALL_listen},
	{SYS_accept, FAULT_CALL_accept},
	{SYS_accept4, FAULT_CALL_accept4},
	{SYS_connect, FAULT_CALL_connect},
	{SYS_shutdown, FAULT_CALL_shutdown},
	{SYS_read, FAULT_CALL_read},
	{SYS_write, FAULT_CALL_write},
	{SYS_readv, FAULT_CALL_readv},
	{SYS_writev, FAULT_CALL_writev},
	{SYS_sendto, FAULT_CALL_sendto},
	{SYS_recvfrom, FAULT_CALL_recvfrom},
	{SYS_sendmsg, FAULT_CALL_sendmsg},
	{SYS_recvmsg, FAULT_CALL_recvmsg},
	{SYS_sendmmsg, FAULT_CALL_sendmmsg},
	{SYS_recvmmsg, FAULT_CALL_recvmmsg},
	{SYS_sendfile, FAULT_CALL_sendfile},
	{SYS_splice, FAULT_CALL_splice},
	{SYS_preadv2, FAULT_CALL_preadv2},
	{SYS_pwritev2, FAULT_CALL_pwritev2},
	{SYS_dup, FAULT_CALL_dup},
#ifdef SYS_dup2
	{SYS_dup2, FAULT_CALL_dup2},
#endif
	{SYS_dup3, FAULT_CALL_dup3},
	{SYS_fcntl, FAULT_CALL_fcntl},
	{SYS_epoll_ctl, FAULT_CALL_epoll_ctl},
	{SYS_close_range, FAULT_CALL_close_range},
};

/* What a raw clone does to memory: nothing of ours is told by libc. */
enum child {
	NO_CHILD,
	SHARES_MEMORY, /* vfork, threads */
	SHARES_FILES,  /* its memory is its own, its descriptors are not */
	OWN_MEMORY     /* fork, without the handlers of pthread_atfork */
};

static enum child by_flags(uint64_t flags)
{
	if (flags & CLONE_VM)
		return SHARES_MEMORY;
	return flags & CLONE_FILES ? SHARES_FILES : OWN_MEMORY;
}

static enum child child_of(const struct shim_call *c)
{
	switch (c->a[0]) {
	case SYS_clone:
		return by_flags((uint64_t)c->a[1]);
	case SYS_clone3:
		/* NULL, 0 asks whether the call exists. */
		return c->a[1] && c->a[2] >= CLONE_ARGS_SIZE_VER0
		               ? by_flags(((const struct clone_args *)c->a[1])
		                                  ->flags)
		               : NO_CHILD;
#ifdef SYS_fork
	case SYS_fork:
		return OWN_MEMORY;
#endif
#ifdef SYS_vfork
	case SYS_vfork:
		return SHARES_MEMORY;
#endif
	default:
		return NO_CHILD;
	}
}

static void make_process(struct shim_call *c, bool shares_files)
{
	struct process_fork f;

	process_prepare(&f);
	call_real(c);
	if (c->result)
		process_parent(&f);
	else
		process_child(&f, shares_files);
}

void handle_fork(struct shim_call *c)
{
	make_process(c, false);
}

/* As exec.h has it for libc's functions. */
static void exec_by_number(struct shim_call *c, const struct note *note,
                           unsigned envp_at)
{
	note_call(note, c->caller, c->a[1], c->a[2], c->a[3]);
	c->result = with_syscall(c->a, envp_at);
	c->err = errno; /* it has returned, so it has failed */
	c->made = true;
}

/* What goes through it we do not see: that there is one is all. */
static void make_uring(struct shim_call *c)
{
	call_real(c);
	if (c->result >= 0 && shim.traced)
		record_event(RECORD_URING, 0, 0, c->caller);
}

/* ... but for the numbers of select. */
static void make_untouched(struct shim_call *c)
{
	bool selects = c->a[0] == SYS_pselect6;

#ifdef SYS_select
	selects |= c->a[0] == SYS_select;
#endif
	if (selects && shim.readiness)
		c->a[1] = fdsize_cut(&c->a[1]);
	call_real(c);
}

static void make_child(struct shim_call *c, enum child child)
{
	if (child != SHARES_MEMORY) {
		make_process(c, child == SHARES_FILES);
		return;
	}
	shim_pid();
	shim_thread.vforked = true;
	shim_thread.moved = 0;
	call_real(c);
}

/* Its descriptor (a: behind the number) is tracked, or it makes one. */
static bool concerns_us(enum fault_call call, const long *a)
{
	const enum fault_call twin = fault_call_twins[call];

	return fault_calls[call].fd < 0 ||
	       fds_word((int)a[(int)fault_calls[call].fd]) ||
	       (twin && fds_word((int)a[(int)fault_calls[twin].fd]));
}

static bool run_by_number(struct shim_call *c, enum fault_call call)
{
	if (!concerns_us(call, &c->a[1]))
		return false;
	c->number = c->a[0] + 1;
	for (size_t i = 0; i + 1 < MAX_ARITY; i++)
		c->a[i] = c->a[i + 1];
	c->id = call;
	c->row = &fault_calls[call];
	call_run(c);
	return true;
}

void handle_syscall(struct shim_call *c)
{
	long nr = c->a[0];
	enum child child;

	for (size_t i = 0; i < sizeof(by_number) / sizeof(by_number[0]); i++)
		if (by_number[i].nr == nr &&
		    run_by_number(c, by_number[i].call))
			return;
	child = child_of(c);
	if (nr == SYS_io_uring_setup)
		make_uring(c);
	else if (nr == SYS_execve)
		exec_by_number(c, &note_execve, 3);
	else if (nr == SYS_execveat)
		exec_by_number(c, &note_execveat, 4);
	else if (child != NO_CHILD)
		make_child(c, child);
	else
		make_untouched(c);
}

/* --- readiness ------------------------------------------------------------ */

void handle_epoll_ctl(struct shim_call *c)
{
	if (!c->sock) {
		call_real(c);
		return;
	}
	c->e.want = (uint64_t)c->a[1];
	decide_and_make_by(c, regs_ctl);
	record_return(c);
}

/* Waiting calls are many and long: only those that a rule hit are recorded. */
void handle_wait(struct shim_call *c)
{
	bool counted = false;
	bool due = decide_look(c) && c->choice.rule >= 0;

	keeper_revive(NULL);
	if (shim.readiness)
		filter_cut(c);
	if (due && decide_claim(c, &counted)) {
		record_enter(c);
		act(c);
		record_return(c);
	} else if (!shim.readiness || !filter_wait(c)) {
		call_real(c);
	}
	if (!counted)
		decide_count(c);
}
