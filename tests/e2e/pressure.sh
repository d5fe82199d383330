#!/bin/bash
# Thousands of registrations, holds, sockets and sets, at once and one after the
# other: nobody waits for ever, nothing grows, no step takes the longer the more
# there are. (A million each: PRESSURE=20, some minutes; `make pressure`.)
# Arguments: only these cases of the probe.
# run: limit 600
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../probes/try.sh"
need_probes pressure
times=${PRESSURE:-1}
# shellcheck disable=SC3045 # dash and bash have it
[ "$(ulimit -Hn)" = unlimited ] || [ "$(ulimit -Hn)" -ge 12000 ] ||
	t_skip_all "fewer than 12,000 descriptors"

# try SENTENCE RULE ARGUMENT...
try() {
	wanted "$3" || return 0
	sentence=$1 rule=$2
	shift 2
	LD_PRELOAD=$LIBFAULT FAULT_INJECT=$rule:role=accepted \
		t_ok "$sentence" timeout $((20 + 30 * times)) "$probe" "$@"
	[ -z "${PRESSURE:-}" ] || sed 's/^/#   /' "$T/out"
}

for style in lt et oneshot; do
	try "5,000 sockets in 10 sets, held at once: $style" \
		recv:delay=200ms registrations 5000 10 2 $style
done
try "more registrations than are kept in mind" \
	recv:delay=200ms registrations 5000 55 1 et
try "a loop that keeps reading 4,000 held sockets does not stall" \
	recv:stall=1h refused 4000 4 1
try "nor does one that has registered none" recv:stall=1h refused 4000 4 0
try "registered and closed again and again beside others" \
	recv:delay=200ms churn $((50000 * times)) 2000
try "holds of 20 us, by four threads" \
	recv:delay=20us holds $((50000 * times)) 4
try "holds of 1 us, by two threads" recv:delay=1us holds $((50000 * times)) 2

PATH=$BUILD:$PATH
for n in "waiters 4500" "polled 4500"; do
	wanted "${n% *}" || continue
	# shellcheck disable=SC2086 # two words
	t_ok "more that wait than can be woken hear of the end: $n" \
		timeout 50 "$FAULT" exec -e recv:stall:name=gone:role=accepted \
		-- "$probe" $n
done

t_done
