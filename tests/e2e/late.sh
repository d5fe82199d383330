#!/bin/sh
# A connect whose answer takes its time is in SYN_SENT until then, whoever looks
# and whatever the program does meanwhile, and nobody sees how it ends. (What
# each call says is in tests/conformance, connect-late*.) Arguments: only these
# cases.
# run: parallel
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../probes/try.sh"
need_probes late

late=connect:delay=200ms
stall=connect:stall:nth=1

# try CASE SENTENCE RULE: of $probe.
try() { try_probe "$3" "${probe##*/}" "$1" "$2"; }

try copy "a copy is connected in time after the original is closed" "$late:nth=1"
try child "a child connects it after the parent has gone" "$late:nth=1"
try image "exec ends the hold, and the new image is connected" "$stall"
try descriptors "one private socket while it lasts, none afterwards" "$late:nth=1"
try closed "a program that takes the number of our socket is held again" "$late:nth=1..2"
try dissolve "AF_UNSPEC ends the hold, and its time passes unnoticed" "$late:nth=1"
try shut-by-thread "shutdown by another thread ends a blocking connect" "$stall"
try cancel "a cancelled connect stays in SYN_SENT" "$stall"
try many "sixty at once: one edge each, OUT and nothing else" "$late"
try order "each at its own time, in whichever order they began" \
	'connect:delay=300ms:nth=1;connect:delay=600ms:nth=2;connect:delay=150ms:nth=3;connect:delay=450ms:nth=4'
try waiters "threads that sleep in poll and select see OUT and nothing else" "$late"
try transfer "a blocking transfer waits for the connection" "$late:nth=1"
try address "getsockname says what it would towards the true host" "$stall"
try in-syn-sent "a rule for SYN_SENT needs no rule for connect" \
	setsockopt:error=ENOPROTOOPT:state=SYN_SENT

sentence="disarming an endless stall lets it connect, blocking or not"
! wanted disarm || t_ok "$sentence" timeout 20 "$FAULT" exec \
	-e connect:stall:name=gone -- "$probe" disarm

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
t_done
