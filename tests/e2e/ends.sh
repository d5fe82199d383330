#!/bin/sh
# A stream that ends, data that change, a queue that is short: as threads,
# processes, event loops and the other end see them.  What one socket sees is
# compared with the kernel in tests/conformance.  Arguments: only these cases.
# run: parallel
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../probes/try.sh"
need_probes stream_ends stream_changes hangup

# ---- the peer's end --------------------------------------------------------------

for end in eof eof=half; do
	rule=send:$end:nth=1:role=accepted
	try_probe "$rule" stream_ends recv-woken "a thread that waits in recv is told 0 ($end)"
	try_probe "$rule" stream_ends poll-woken "one in poll is woken ($end)"
	try_probe "$rule" stream_ends epoll-woken "one in epoll_wait is woken ($end)"
	rule=recv:$end:nth=1:role=accepted
	try_probe "$rule" stream_ends copies "a copy of the descriptor has ended, too ($end)"
	try_probe "$rule" stream_ends other-process "and in another process ($end)"
	try_probe "$rule" stream_ends lowat "SO_RCVLOWAT is the program's own ($end)"
	try_probe "recv:$end:connection=2:role=accepted" stream_ends out-arguments \
		"recvfrom, recvmsg and recvmmsg write what they do at a real end ($end)"
	try_probe "recv:$end:bytes=5B:role=accepted" stream_ends after-bytes \
		"the end after five bytes ($end)"
done
try_probe recv:eof=half:nth=1:role=accepted stream_ends later-data \
	"what the peer still sends makes no event and is never read"
try_probe '[{delay: 50ms}, {eof: half}]' stream_ends after-delay \
	"an end that is delayed comes when its time has come"
try_probe 'recv:delay=100ms:nth=1:role=accepted;send:eof=half:nth=1:role=accepted' \
	stream_ends during-hold "an end during a delay shows at once, and once"
try_probe recv:eof:nth=1:role=accepted stream_ends lost \
	"the first send is lost, and leaves no descriptor behind"
try_probe recv:eof:nth=1:role=accepted stream_ends nowhere-to-lose \
	"without a descriptor the RST was earlier"
try_probe recv:eof:nth=1:role=accepted stream_ends not-sent \
	"a send that fails is not answered with a RST"

# ---- changed data ----------------------------------------------------------------

sent=send:corrupt=150B:nth=1:role=client
received=recv:corrupt=3B:nth=1:role=accepted
try_probe send:corrupt=10KiB:nth=1:role=client stream_changes big \
	"a blocking send is whole, however much of it is changed"
try_probe "$sent" stream_changes pieces "and in however many pieces it is"
try_probe "$sent" stream_changes messages "a change goes over the messages of sendmmsg"
try_probe "$sent" stream_changes by-number "write by its number"
try_probe send:corrupt=1MiB:nth=1:role=client stream_changes until-full \
	"a full buffer gives a short count, of bytes that are all changed"
try_probe send:corrupt=150B:role=client stream_changes broken \
	"a send that fails raises one SIGPIPE, or none"
try_probe send:corrupt=10KiB:role=client stream_changes broken-midway \
	"one that fails behind its beginning has sent that much, without a signal"
try_probe "$received" stream_changes peeked "a peek shows the bytes as they came"
try_probe "$received" stream_changes truncated "bytes that are dropped are not written, nor a hit"
try_probe "$received" stream_changes empty-parts "parts of no length are none"
try_probe "$received" stream_changes received-messages \
	"the messages of recvmmsg are one stream"
try_probe "$sent" stream_changes by-reference "pages that are sent from are left alone"
try_probe recv:corrupt=3B:bytes=5B:role=accepted stream_changes at-mark \
	"corruption from a byte of the stream on"
try_probe '[{delay: 50ms}, {corrupt: 3B}]' stream_changes delayed "behind a delay"
try_probe '[{corrupt: 3B}, {delay: 50ms}]' stream_changes delayed "and before one"

# bytes SEED RULE NAME
bytes() {
	seed=$1
	under_rule "$2" stream_changes "$3"
	cat "$T/out"
	seed=
}

if wanted seed; then
	all=$(bytes 7 recv:corrupt=10B:role=accepted show-at-once)
	t_is "the same seed changes in the same way" \
		"$(bytes 7 recv:corrupt=10B:role=accepted show-at-once)" "$all"
	t_is "however the calls are cut" \
		"$(bytes 7 recv:corrupt=10B:role=accepted show-bit-by-bit)" "$all"
	t_ok "and another seed in another" [ \
		"$(bytes 8 recv:corrupt=10B:role=accepted show-at-once)" != "$all" ]
	t_match "ten bytes were shown" "$all" '^[0-9a-f]{20}$'
fi

# ---- both sides finish --------------------------------------------------------------

try_probe recv:short=1B:state=FIN_WAIT:role=accepted hangup refused \
	"a shutdown that fails changes no state"
# Below ours it returns late, when the peer has closed.
cat >"$T/below.c" <<'C'
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <time.h>

int shutdown(int fd, int how)
{
	int (*real)(int, int) = dlsym(RTLD_NEXT, "shutdown");
	const struct timespec moment = {0, 100000000};
	int result = real(fd, how), err = errno;

	nanosleep(&moment, 0);
	errno = err;
	return result;
}
C
if cc -shared -fPIC -o "$T/below.so" "$T/below.c" -ldl 2>"$T/out"; then
	below=$T/below.so
	for how in poll epoll recv; do
		try_probe recv:delay=300ms:nth=1:role=accepted hangup $how \
			"the hang-up of both sides ends no hold ($how)"
		wanted $how || continue
		t_ok "and the kernel says the same, at once" \
			env HANGUP_AT_ONCE=1 LD_PRELOAD="$below" \
			timeout 20 "$probes/hangup" $how
	done
	below=
else
	t_skip "the hang-up of both sides ends no hold" "no compiler"
fi

# ---- the queue of a listener --------------------------------------------------------

try_probe listen:backlog=0 stream_changes backlog "listen gets the backlog of the rule"
t_done
