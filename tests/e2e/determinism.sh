#!/bin/sh
# The same seed gives the same faults, whatever the threads do.
# run: parallel
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../probes/try.sh"
need_probes threads8

# hits SEED FILE: "thread-connection call send|recv" of each call that was cut.
hits() {
	LD_PRELOAD=$LIBFAULT FAULT_SEED=$1 \
		FAULT_INJECT='send,recv:short=1B:nth=10%:role=client' \
		"$probe" >"$2" 2>&1
}

# same SEED: twenty runs, all as the first.
same() {
	n=0
	while [ "$n" -lt 20 ]; do
		n=$((n + 1))
		hits "$1" "$T/run" || return
		diff "$T/seed.$1" "$T/run" || return
	done
}

"$probe" >"$T/none" 2>&1
t_is "without rules no call is cut" "$(cat "$T/none")" ""
t_ok "eight threads run under a rule of ten per cent" hits 1 "$T/seed.1"
t_ok "a second seed does" hits 2 "$T/seed.2"
# 16 connections of 80 calls and a few more.
n=$(wc -l <"$T/seed.1")
t_is "about ten per cent of the calls are cut" \
	"$([ "$n" -gt 80 ] && [ "$n" -lt 200 ] && echo yes || echo "$n")" yes
t_ok "twenty runs with one seed cut the same calls" same 1
if cmp -s "$T/seed.1" "$T/seed.2"; then
	t_fail "another seed cuts other calls" "$T/seed.2"
else
	t_pass "another seed cuts other calls"
fi
# 16 connections: with one list for all there would be one.
n=$(awk '{ l[$1] = l[$1] " " $2 $3 } END { for (i in l) print l[i] }' \
	"$T/seed.1" | sort -u | wc -l)
t_is "each connection has calls of its own cut" \
	"$([ "$n" -gt 8 ] && echo yes || echo "$n different lists")" yes
t_done
