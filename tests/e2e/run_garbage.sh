#!/bin/sh
# A program may write anything into the memory that it shares with `fault`: that
# ends its own test, and nothing else.
. "$(dirname "$0")/../lib.sh"
cd "$T" || exit 1
scribble=$BUILD/tests/probes/scribble
[ -x "$scribble" ] || t_skip_all "the probe scribble is not built"
mkdir tmp
export TMPDIR="$T/tmp"

for part in "" " head"; do
	for seed in 1 2 3 4 5; do
		cat >g.yaml <<END
version: 1
limit: 5s
programs: {a: {run: "$scribble $seed$part"}, b: {run: "true"}}
faults: [{call: recv, inject: reset}]
END
		timeout 20 "$FAULT" run g.yaml >out 2>&1
		status=$?
		case $status in
		1 | 3) t_pass "garbage$part $seed: told as a failure ($status)" ;;
		*) t_fail "garbage$part $seed: told as a failure, not $status" out ;;
		esac
	done
done
t_is "nothing is left" "$(ls tmp)" ""
timeout 20 "$FAULT" exec -e recv:reset -- "$scribble" 7 >out 2>&1
status=$?
case $status in
125) t_pass "exec survives it too" ;;
*) t_fail "exec survives it too, not $status" out ;;
esac
t_done
