#!/bin/sh
# Moments between two steps of the library, which last some microseconds: a
# library below it makes them last, so that they can be looked into. Arguments:
# only these cases.
# run: parallel
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../probes/try.sh"
need_probes between between_table

cat >"$T/below.c" <<'C'
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
enum { F_GETFL = 3 }; /* fcntl.h declares fcntl with dots */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <time.h>

void (*below_hook)(const char *what, int fd);

static void tell(const char *what, int fd)
{
	int saved = errno;

	if (below_hook)
		below_hook(what, fd);
	errno = saved;
}

static void prepared(void)
{
	tell("prepared", -1);
}

static void forked(void)
{
	tell("forked", -1);
}

/* Before the library above does the same: behind its prepare, before its end. */
__attribute__((constructor)) static void note_forks(void)
{
	pthread_atfork(prepared, forked, NULL);
}

int connect(int fd, const struct sockaddr *addr, socklen_t len)
{
	int (*real)(int, const void *, socklen_t) = dlsym(RTLD_NEXT, "connect");
	int n;

	if (addr->sa_family != AF_UNSPEC)
		tell("connect", fd);
	n = real(fd, addr, len);
	if (addr->sa_family == AF_UNSPEC)
		tell("dissolved", fd);
	return n;
}

int fcntl64(int fd, int command, long value)
{
	int (*real)(int, int, ...) = dlsym(RTLD_NEXT, "fcntl64");

	if (command == F_GETFL)
		tell("flags", fd);
	return real(fd, command, value);
}

int fcntl(int fd, int command, long value)
{
	return fcntl64(fd, command, value);
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
	static int (*real)(clockid_t, struct timespec *);

	if (!real)
		real = dlsym(RTLD_NEXT, "clock_gettime");
	tell("asks for the time", -1);
	return real(clock, now);
}

int shutdown(int fd, int how)
{
	int (*real)(int, int) = dlsym(RTLD_NEXT, "shutdown");
	int n = real(fd, how);

	tell("shut", fd);
	return n;
}

int getsockopt(int fd, int level, int name, void *value, socklen_t *len)
{
	int (*real)(int, int, int, void *, socklen_t *) =
		dlsym(RTLD_NEXT, "getsockopt");
	bool mark = level == SOL_SOCKET && name == SO_RCVLOWAT;
	int n;

	if (level == SOL_SOCKET && name == SO_PROTOCOL)
		tell("asks what it is", fd);
	if (mark)
		tell("asks for the mark", fd);
	if (level == SOL_SOCKET && name == SO_COOKIE)
		tell("asks for the cookie", fd);
	if (level == IPPROTO_TCP && name == TCP_INFO)
		tell("asks for the info", fd);
	if (level == SOL_SOCKET && name == SO_RCVBUF)
		tell("asks for the buffer", fd);
	n = real(fd, level, name, value, len);
	if (mark)
		tell("has the mark", fd);
	if (level == SOL_SOCKET && name == SO_COOKIE)
		tell("has the cookie", fd);
	if (level == IPPROTO_TCP && name == TCP_NOTSENT_LOWAT)
		tell("has the mark of sending", fd);
	return n;
}

int getpeername(int fd, struct sockaddr *addr, socklen_t *len)
{
	int (*real)(int, void *, socklen_t *) = dlsym(RTLD_NEXT, "getpeername");

	tell("asks for the peer", fd);
	return real(fd, addr, len);
}

int setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
	int (*real)(int, int, int, const void *, socklen_t) =
		dlsym(RTLD_NEXT, "setsockopt");
	int n = real(fd, level, name, value, len);

	if (level == SOL_SOCKET && name == SO_RCVLOWAT)
		tell("set the mark", fd);
	if (level == IPPROTO_TCP && name == TCP_NOTSENT_LOWAT)
		tell("set the mark of sending", fd);
	return n;
}
C
cc -shared -fPIC -o "$T/below.so" "$T/below.c" -ldl 2>"$T/out" ||
	t_skip_all "no compiler"

# Of try.sh: loaded after ours.
below=$T/below.so

probe=between

# try CASE SENTENCE RULE
try() {
	try_probe "$3" "$probe" "$1" "$2"
}

try moved "a connect between its two connects shows nothing to anyone" \
	connect:delay=100ms:nth=1
try slow "a delay that ends before the connect is made is still an end" \
	connect:delay=5ms:nth=1
try begun "a connect that is shut down before its caller waits is reset, no other begun" \
	connect:stall
try reused "a number that is another connection's by now is left alone" \
	connect:delay=100ms
try shut "a FIN that answers a shutdown at once is no error, and held as before" \
	recv:delay=300ms:nth=1:role=accepted
try mark "an edge is owed while its hold is being noted: the mark stays down" \
	read:delay=20ms:nth=1:role=accepted
try armed "a gate that is armed while a call holds it is not armed after that" \
	recv:delay=100ms:role=accepted
try looks "what comes during a hold that follows another at once is told apart" \
	recv:delay=400ms:role=accepted
try again "a thread that is woken by the edge of an EAGAIN is not refused again" \
	recv:error=EAGAIN:role=accepted
try own_mark "a mark that the program sets meanwhile is not undone" \
	recv:delay=100ms:role=accepted
try own_mark_of_sending "nor that of sending" \
	send:delay=100ms:nth=1:role=accepted

# A run's rule is disarmed while a hold of it is being noted.
cat >"$T/faults.yaml" <<'END'
version: 1
faults:
  - {name: slow, role: accepted, call: read, inject: stall, hits: 0..}
END
if wanted disarmed; then
	t_ok "a hold whose rule is disarmed before it is noted is none" \
		env PATH="$BUILD:$PATH" LD_PRELOAD="$below" timeout 20 \
		"$FAULT" exec -s "$T/faults.yaml" -- "$probes/between" disarmed
fi

probe=between_table
try replaced "a number that is closed and taken again at a call on it stays its new owner's" \
	recv:short=1B:role=accepted
try twice "a close that comes second gives back nothing that is another's" \
	recv:short=1B:role=client
try forks "two threads that fork at once give each child what it has" \
	recv:short=1B:role=accepted
try masks "and none of them the other's signals" read:delay=20ms:nth=1:role=accepted
if wanted first; then
	LD_PRELOAD=$below timeout 20 "$FAULT" trace -o "$T/trace" \
		"$probes/between_table" first >"$T/out" 2>&1
	t_status=$?
	grep -a forked "$T/trace" >>"$T/out"
	t_is "two threads of a child that begin at once are one process" \
		"$t_status $(grep -c forked "$T/trace")" "0 1"
fi
t_done
