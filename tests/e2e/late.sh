#!/bin/sh
# A connect whose answer takes its time is in SYN_SENT until then, whoever looks
# and whatever the program does meanwhile, and nobody sees how it ends. (What
# each call says is in tests/conformance, connect-late*.) Arguments: only these
# cases.
# run: waits
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../probes/try.sh"
need_probes late_same late

late=connect:delay=200ms
stall=connect:stall:nth=1

# try CASE SENTENCE RULE: of $probe.
try() { try_probe "$3" "${probe##*/}" "$1" "$2"; }

try copy "a copy is connected in time after the original is closed" "$late:nth=1"
try child "a child connects it after the parent has gone" "$late:nth=1"
try image "exec ends the hold, and the new image is connected" "$stall"
try descriptors "one private socket while it lasts, none afterwards" "$late:nth=1"
try closed "a program that takes the number of our socket is held again" \
	"$stall;$late:nth=2"
try dissolve "AF_UNSPEC ends the hold, and its time passes unnoticed" "$late:nth=1"
try shut-by-thread "shutdown by another thread ends a blocking connect" "$stall"
try cancel "a cancelled connect stays in SYN_SENT" "$stall"
try many "sixty at once: one edge each, OUT and nothing else" "$late"
try order "each at its own time, in whichever order they began" \
	'connect:delay=300ms:nth=1;connect:delay=600ms:nth=2;connect:delay=150ms:nth=3;connect:delay=450ms:nth=4'
try waiters "threads that sleep in poll and select see OUT and nothing else" "$late"
try transfer "a blocking transfer waits for the connection" connect:delay=1s:nth=1
try forked "a child gives our listener up as well" "$late:nth=1"
try toggled "a connect on a descriptor that is made to wait waits" "$late:nth=1"
try none-left "without a descriptor the connect is what it is" "$stall"
try refused-with-none-left "a refusal needs no descriptor" \
	connect:error=ETIMEDOUT:nth=1
try port-kept "a port that was bound is kept" "$late:nth=1"
try address "getsockname says what it would towards the true host" "$stall"
try in-syn-sent "a rule for SYN_SENT needs no rule for connect" \
	setsockopt:error=ENOPROTOOPT:state=SYN_SENT

# disarmed NAME SENTENCE: under `fault`.
disarmed() {
	! wanted "$1" || t_ok "$2" timeout 20 "$FAULT" exec \
		-e connect:stall:name=gone -- "$probe" "$1"
}

disarmed disarm "disarming an endless stall lets it connect, blocking or not"
disarmed relatives "and after a child of system() that had copies"
disarmed transfer-disarmed "and a transfer that waits goes on"

# ---- as the kernel's own: beside a connect to a listener that is full -------------

below=
probe=$probes/late_same
held=connect:stall:nth=2
try calls "each call says the same" "$held"
for how in receiving sending wholly; do
	try shut-$how "and when it is shut down ($how)" "$held"
done
try copies "by a copy of the descriptor" "$held"
try toggled "one that may wait waits" "$held"
try timed-out "SO_SNDTIMEO ends a connect, and the next" "$held"
try syn-count "TCP_SYNCNT ends both" "$held"
try user-timeout "TCP_USER_TIMEOUT ends both" "$held"
try sleeping-shut "threads in poll and epoll see a shutdown" "$held"
try sleeping-dissolved "and AF_UNSPEC" "$held"
try sleeping-closed "and are not woken by close" "$held"
for kind in ipv6 v6only mapped address port no-port device transparent; do
	try $kind "a socket of another kind: $kind" "$held"
done
probe=$probes/late

# A library between ours and libc that sends connects elsewhere.
cat >"$T/below.c" <<'C'
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netinet/in.h>
#include <sys/socket.h>

int connect(int fd, const struct sockaddr *addr, socklen_t len)
{
	int (*real)(int, const void *, socklen_t) = dlsym(RTLD_NEXT, "connect");
	struct sockaddr_in to = *(const struct sockaddr_in *)(const void *)addr;

	to.sin_port = htons((unsigned short)(ntohs(to.sin_port) + 1));
	return real(fd, &to, len);
}
C
if cc -shared -fPIC -o "$T/below.so" "$T/below.c" -ldl 2>"$T/out"; then
	below=$T/below.so
	try rewritten "a peer that is rewritten below us is still the program's" \
		recv:short=1B:role=client
else
	t_skip "a peer that is rewritten below us is still the program's" \
		"no compiler"
fi

# A library below ours in which each connect takes its time, and who has waited
# in poll or select as well.
cat >"$T/slow.c" <<'C'
#define _GNU_SOURCE
#include <dlfcn.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>

int connect(int fd, const struct sockaddr *addr, socklen_t len)
{
	int (*real)(int, const void *, socklen_t) = dlsym(RTLD_NEXT, "connect");

	poll(0, 0, 60);
	return real(fd, addr, len);
}

int ppoll(struct pollfd *fds, nfds_t n, const struct timespec *t,
          const sigset_t *mask)
{
	int (*real)(struct pollfd *, nfds_t, const void *, const void *) =
		dlsym(RTLD_NEXT, "ppoll");
	int ready = real(fds, n, t, mask);

	poll(0, 0, 90);
	return ready;
}
C
if cc -shared -fPIC -o "$T/slow.so" "$T/slow.c" -ldl 2>"$T/out"; then
	below=$T/slow.so
	try slow-calls "a blocking connect that comes too late for its hold is made" \
		connect:delay=20ms
	try waiters "who has seen the moment of a move is not told" "$late"
	try slow-refusal "and fails if it is to fail" \
		connect:delay=20ms:error=ETIMEDOUT
else
	t_skip "a blocking connect that comes too late for its hold" \
		"no compiler"
fi
t_done
