#!/bin/sh
# A stream that ends, data that change, a queue that is short: as threads,
# processes, event loops and the other end see them.  What one socket sees is
# compared with the kernel in tests/conformance.  Arguments: only these cases.
# run: parallel
. "$(dirname "$0")/../lib.sh"
[ -e "$LIBFAULT" ] || t_skip_all "no libfault.so yet"
probes=$BUILD/tests/probes
for probe in stream_ends stream_changes hangup; do
	[ -x "$probes/$probe" ] || make -s -C "$top" \
		"${probes#"$top"/}/$probe" || t_skip_all "no probes"
done

below=

# probe RULE PROBE NAME: its output in $T/out. A RULE that begins with a bracket
# is a list of actions on recv of accepted connections.
probe() {
	case $1 in
	'['*)
		echo "version: 1
faults: [{call: recv, role: accepted, nth: 1, inject: $1}]" >"$T/rule.yaml"
		set -- "FAULT_SCENARIO=$T/rule.yaml" "$2" "$3"
		;;
	*) set -- "FAULT_INJECT=$1" "$2" "$3" ;;
	esac
	env LD_PRELOAD="$LIBFAULT${below:+:$below}" FAULT_SEED="${seed:-0}" "$1" \
		timeout 20 "$probes/$2" "$3" >"$T/out" 2>&1
}

wanted() {
	case " $cases " in
	"  " | *" $1 "*) return 0 ;;
	*) return 1 ;;
	esac
}

# try RULE PROBE NAME SENTENCE: it exits 0.
try() {
	wanted "$3" || return 0
	probe "$1" "$2" "$3"
	t_status=$?
	if [ "$t_status" = 0 ]; then
		t_pass "$4"
	else
		echo "exit status $t_status; again: LD_PRELOAD=\$PWD/libfault.so" \
			"FAULT_INJECT='$1' ${probes#"$top"/}/$2 $3" >>"$T/out"
		t_fail "$4" "$T/out"
	fi
}

cases=$*

# ---- the peer's end --------------------------------------------------------------

for end in eof eof=half; do
	rule=send:$end:nth=1:role=accepted
	try "$rule" stream_ends recv-woken "a thread that waits in recv is told 0 ($end)"
	try "$rule" stream_ends poll-woken "one in poll is woken ($end)"
	try "$rule" stream_ends epoll-woken "one in epoll_wait is woken ($end)"
	rule=recv:$end:nth=1:role=accepted
	try "$rule" stream_ends copies "a copy of the descriptor has ended, too ($end)"
	try "$rule" stream_ends other-process "and in another process ($end)"
	try "$rule" stream_ends lowat "SO_RCVLOWAT is the program's own ($end)"
	try "recv:$end:connection=2:role=accepted" stream_ends out-arguments \
		"recvfrom, recvmsg and recvmmsg write what they do at a real end ($end)"
	try "recv:$end:bytes=5B:role=accepted" stream_ends after-bytes \
		"the end after five bytes ($end)"
done
try recv:eof=half:nth=1:role=accepted stream_ends later-data \
	"what the peer still sends makes no event and is never read"
try '[{delay: 50ms}, {eof: half}]' stream_ends after-delay \
	"an end that is delayed comes when its time has come"
try 'recv:delay=100ms:nth=1:role=accepted;send:eof=half:nth=1:role=accepted' \
	stream_ends during-hold "an end during a delay shows at once, and once"
try recv:eof:nth=1:role=accepted stream_ends lost \
	"the first send is lost, and leaves no descriptor behind"
try recv:eof:nth=1:role=accepted stream_ends nowhere-to-lose \
	"without a descriptor the RST was earlier"
try recv:eof:nth=1:role=accepted stream_ends not-sent \
	"a send that fails is not answered with a RST"

# ---- changed data ----------------------------------------------------------------

sent=send:corrupt=150B:nth=1:role=client
received=recv:corrupt=3B:nth=1:role=accepted
try send:corrupt=10KiB:nth=1:role=client stream_changes big \
	"a blocking send is whole, however much of it is changed"
try "$sent" stream_changes pieces "and in however many pieces it is"
try "$sent" stream_changes messages "a change goes over the messages of sendmmsg"
try "$sent" stream_changes by-number "write by its number"
try send:corrupt=1MiB:nth=1:role=client stream_changes until-full \
	"a full buffer gives a short count, of bytes that are all changed"
try send:corrupt=150B:role=client stream_changes broken \
	"a send that fails raises one SIGPIPE, or none"
try send:corrupt=10KiB:role=client stream_changes broken-midway \
	"one that fails behind its beginning has sent that much, without a signal"
try "$received" stream_changes peeked "a peek shows the bytes as they came"
try "$received" stream_changes truncated "bytes that are dropped are not written"
try "$received" stream_changes empty-parts "parts of no length are none"
try "$received" stream_changes received-messages \
	"the messages of recvmmsg are one stream"
try "$sent" stream_changes by-reference "pages that are sent from are left alone"
try recv:corrupt=3B:bytes=5B:role=accepted stream_changes at-mark \
	"corruption from a byte of the stream on"
try '[{delay: 50ms}, {corrupt: 3B}]' stream_changes delayed "behind a delay"
try '[{corrupt: 3B}, {delay: 50ms}]' stream_changes delayed "and before one"

# bytes SEED RULE NAME
bytes() {
	seed=$1
	probe "$2" stream_changes "$3"
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

try recv:short=1B:state=FIN_WAIT:role=accepted hangup refused \
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
		try recv:delay=300ms:nth=1:role=accepted hangup $how \
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

try listen:backlog=0 stream_changes backlog "listen gets the backlog of the rule"
t_done
