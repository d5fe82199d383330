#!/bin/sh
# A program may have functions of its own by the names of libc's (shim/libc.def):
# the library calls libc's all the same, in every mode, and rules act on what the
# program calls. The probe's own functions end it.
# run: parallel
. "$(dirname "$0")/../lib.sh"
probe=$BUILD/tests/probes/own_names
[ -x "$probe" ] || t_skip_all "no probes"
[ -e "$LIBFAULT" ] || t_skip_all "no libfault.so yet"
grep -qse -fsanitize -e --coverage "$BUILD/flags" &&
	t_skip_all "the run-time library of this build calls the probe's functions"
unset LD_PRELOAD

# alone RULES, under RULES: what the probe says.
alone() {
	env LD_PRELOAD="$LIBFAULT" ${1:+FAULT_INJECT="$1"} timeout 20 "$probe" 2>&1
}
under() {
	timeout 20 "$FAULT" exec -e "$1" -- "$probe" 2>&1
}

plain=$("$probe" 2>&1)
t_match "the probe does what it says" "$plain" '^fputs: 0$'

# ---- the same output ----------------------------------------------------------
t_is "inert" "$(alone '')" "$plain"
t_is "traced" "$("$FAULT" trace -- "$probe" 2>"$T/trace")" "$plain"
t_match "and the trace has its calls" "$(cat "$T/trace")" ' recv\(.*= 6'
for rule in recv:reset:port=1:hits=0.. recv:delay=20ms send:delay=20ms recv:stall=20ms \
	send:rate=10kB/s accept:delay=20ms connect:delay=20ms \
	recv:delay=5ms:caller=own_names \
	'accept:exhaust=descriptors:for=20ms:nth=9:hits=0..'; do
	t_is "$rule, alone" "$(alone "$rule")" "$plain"
	t_is "$rule, under fault" "$(under "$rule")" "$plain"
done

# ---- rules that are seen --------------------------------------------------------
# hits RULE LINE: it makes this line, which is not there without.
hits() {
	t_no_match "$1 makes something new" "$plain" "$2"
	t_match "$1, alone" "$(alone "$1")" "$2"
	t_match "$1, under fault" "$(under "$1")" "$2"
}
hits recv:short=2B '^recv: 2$'
hits recv:reset:nth=2 '^recv: errno 104$'
hits accept:reset '^send: errno 104$'
hits recv:eof '^recv: errno 104$'
hits send:eof '^send: errno 32$'
hits connect:error=ECONNREFUSED '^connect: errno 111$'
hits resolve:answer=127.0.0.9 '^getaddrinfo: 0$'
hits 'socket:exhaust=descriptors:for=1s:nth=2' '^socket: errno 24$'

# ---- a scenario that the library compiles itself --------------------------------
cat >"$T/own.yaml" <<END
version: 1
name: own names
programs:
  probe: {run: $probe}
faults:
  - {call: recv, inject: {short: 2B}}
END
t_match "FAULT_SCENARIO" "$(env LD_PRELOAD="$LIBFAULT" \
	FAULT_SCENARIO="$T/own.yaml" "$probe" 2>&1)" '^recv: 2$'
t_done
