#!/bin/sh
# dprintf on a socket: what a program sees is the same with a rule that can touch
# the socket and never fires, and so are the writes that come of it; faults hit
# them, and the trace has each.
# run: parallel
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../probes/try.sh"
need_probes dprintf dprintf_fortify

# ---- the same in each observable ----------------------------------------------

never=send:reset:role=client:nth=1000000

same_all_ways dprintf dprintf_fortify

# ---- the writes ----------------------------------------------------------------

# writes FILE: what strace saw of the client's: sizes, results, errors.
writes() {
	sed -n 's/.* *write(\([0-9]*\), .*, \([0-9]*\)) *= /\1 \2 /p' "$1" |
		grep -v '^1 '
}

if strace -o /dev/null true 2>/dev/null; then
	for way in plain inert rules; do
		set --
		[ "$way" = plain ] || set -- -E LD_PRELOAD="$LIBFAULT"
		[ "$way" != rules ] || set -- "$@" -E FAULT_INJECT="$never"
		strace -o "$T/strace.$way" -e trace=write -s 1 "$@" \
			"$probes/dprintf" sizes errors no-memory >"$T/out" 2>&1
		writes "$T/strace.$way" >"$T/writes.$way"
	done
	t_match "there are writes of one buffer, and of many" \
		"$(tr '\n' ';' <"$T/writes.plain")" ' 4096 4096;.* 98304 98304;'
	for way in inert rules; do
		t_is "the writes are the same: $way" \
			"$(diff "$T/writes.plain" "$T/writes.$way")" ''
	done
else
	t_skip "the writes are the same" "strace may not trace"
fi

for probe in dprintf dprintf_fortify; do
	"$FAULT" exec --trace="$T/lines-$probe" -- "$probes/$probe" line two \
		>"$T/out" 2>&1
	"$FAULT" trace "$T/lines-$probe/trace" >"$T/calls"
	t_is "the trace has each write of $probe" \
		"$(sed -n 's/.* write(.*) = \([0-9]*\) .* client.*/\1/p' \
			"$T/calls" | tr '\n' ' ')" \
		'6 9 4096 905 '
done

# ---- faults -------------------------------------------------------------------

# hits SENTENCE RULE CASE WANTED: the rule fires, and that came of it.
hits() {
	for probe in dprintf dprintf_fortify; do
		timeout 20 "$FAULT" exec -e "$2" -- "$probes/$probe" "$3" \
			>"$T/out" 2>&1
		hits_status=$?
		t_is "$1 ($probe)" \
			"$hits_status $(sed 1d "$T/out" | tr '\n' ' ')" "0 $4 "
	done
}

first='one: 6 errno 0, 0 SIGPIPE'
second='two: 9 errno 0, 0 SIGPIPE'
hits "EPIPE, with its signal" send:error=EPIPE:nth=1:role=client line \
	'one: -1 errno 32, 1 SIGPIPE two: -1 errno 32, 1 SIGPIPE'
hits "by the name of the call it makes" \
	write:error=EPIPE:nth=2:role=client line \
	"$first two: -1 errno 32, 1 SIGPIPE"
hits "a reset" send:reset:nth=2:role=client line \
	"$first two: -1 errno 104, 0 SIGPIPE"
hits "the second write of one call" send:error=EPIPE:nth=2:role=client two \
	'long: -1 errno 32, 1 SIGPIPE   peer 4096 1243995895'
hits "EAGAIN of a non-blocking socket" send:error=EAGAIN:nth=1:role=client \
	nonblocking "one: -1 errno 11, 0 SIGPIPE $second   peer 9 3477304644 second 2 "
hits "short sends go on" send:short=3B:role=client nonblocking \
	"$first $second   peer 15 3998029610 first second 2 "
hits "a delay" send:delay=100ms:role=client slow \
	'late: 2 errno 0, 0 SIGPIPE waited 1'
for probe in dprintf dprintf_fortify; do
	"$FAULT" exec -e "send:error=EPIPE:nth=2:role=client:caller=$probe" -- \
		"$probes/$probe" line >"$T/out" 2>&1
	t_match "a rule that asks who calls finds the program ($probe)" \
		"$(cat "$T/out")" 'two: -1 errno 32, 1 SIGPIPE'
done
t_done
