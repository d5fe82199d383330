#!/bin/sh
# `fault run`: --retries, --flaky, --repeat, --max-fail, --slow-factor, and a
# thousand scenarios in one go.
# run: waits
. "$(dirname "$0")/../lib.sh"
cd "$T" || exit 1
mkdir tmp
export TMPDIR="$T/tmp"
unset FORCE_COLOR

# Fails until it has run N times.
cat >nth.sh <<'END'
echo "$3" >>"$1"
[ "$(wc -l <"$1")" -ge "$2" ]
END
cat >nth.yaml <<'END'
version: 1
programs: {a: {run: "sh nth.sh ${file} ${n} ${seed}"}}
END
try() {
	file=$1 n=$2
	shift 2
	"$FAULT" run --var file="$T/$file" --var n="$n" --seed 7 "$@" nth.yaml >out 2>&1
	echo $?
}
t_is "what fails once fails" "$(try r1 2)" 1
t_is "... but not with a retry" "$(try r2 2 --retries 1)" 0
t_match "... that is told" "$(cat out)" '^retry +nth.yaml'
t_match "... as flaky" "$(cat out)" '^ok +nth.yaml .*flaky: try 2\)$'
t_match "... with what it was" "$(cat out)" '^ +try 1: a: exit status 1, expected 0$'
t_match "... and counted" "$(tail -1 out)" '^1 scenario: 1 passed \(1 flaky\)'
t_is "... with the same seed" "$(sort -u r2)" 7
t_is "--flaky fail: it fails all the same" "$(try r3 2 --retries 1 --flaky fail)" 1
t_is "... and is remembered" "$(cat fault-out/.failed)" nth.yaml
t_is "a retry that fails fails" "$(try r4 9 --retries 2)" 1
t_is "... after all tries" "$(wc -l <r4)" 3
t_is "what passes is not run again" "$(try r5 1 --retries 5)$(wc -l <r5)" 01
t_is "--flaky wants fail or pass" "$(try r6 1 --flaky perhaps)" 2
"$FAULT" run --format tap --retries 1 --var file="$T/r7" --var n=2 nth.yaml >out 2>&1
t_is "TAP: a flaky one is ok" "$? $(grep -c '^ok 1 - nth.yaml' out)" "0 1"
t_match "... and says so" "$(cat out)" '^  note: "try 1: '

# ---- --repeat -----------------------------------------------------------------
t_is "--repeat" "$(try p1 1 --repeat 5)" 0
t_is "... each with its own seed" "$(sort -u p1 | wc -l)" 5
t_is "... and the same ones the next time" "$(try p2 1 --repeat 5)$(sort p1 >p3; sort p2 | cmp p3 - 2>&1)" 0
t_match "... counted" "$(cat out)" '^ok .*, 5 of 5\)$'
t_is "--repeat -x: until it fails" "$(
	sed 's/-ge/-lt/' nth.sh >until.sh
	sed 's/nth.sh/until.sh/' nth.yaml >until.yaml
	"$FAULT" run -j 1 -x --repeat 100 --var file="$T/p6" --var n=4 until.yaml >out 2>&1
	echo $?
) $(wc -l <p6)" "1 4"
repeat=$(sed -n 's/^ *repeat: fault //p' out | head -1)
t_is "... the command has that seed" "$(
	"$FAULT" run -j 1 --repeat 4 --var file="$T/p4" --var n=9 nth.yaml >/dev/null 2>&1
	sed -n 's/.*--seed \([0-9]*\).*/\1/p' <<END
$repeat
END
)" "$("$FAULT" run -j 1 --repeat 4 --var file="$T/p5" --var n=1 nth.yaml >/dev/null 2>&1; tail -1 p4)"

cat >kept.yaml <<'END'
version: 1
vars: {status: 1}
programs: {a: {run: [sh, -c, "echo ${seed}; exit ${status}"], count: 2}}
END
"$FAULT" run -j 4 --repeat 8 kept.yaml >out 2>&1
t_is "... each keeps what it leaves" "$(sed -n 's/^ *kept: //p' out | sort -u | wc -l)" 8
t_is "... with the seed that repeats it" "$(
	for dir in fault-out/kept.yaml-*; do
		[ "$(sed -n 's/^ *repeat: .*--seed //p' "$dir/report.txt")" = "$(cat "$dir/a-1.stdout")" ] || echo "$dir"
	done
)" ""
"$FAULT" run kept.yaml >/dev/null 2>&1
sed 's/, count: 2//; s/\[sh,.*\]/no-such-program/' kept.yaml >none.yaml
mv none.yaml kept.yaml
"$FAULT" run kept.yaml >out 2>&1
t_is "what an earlier failure left is gone" "$(ls fault-out/kept.yaml)" "$(printf '_scenario.yaml\nreport.txt')"

# ---- --repeat --shuffle: each round in an order of its own
printf 'version: 1\nmatrix: {n: [1, 2, 3, 4, 5, 6]}\nprograms: {a: {run: "true"}}\n' >six.yaml
orders() { "$FAULT" run -j 1 --repeat 4 "$@" six.yaml | sed -n 's/^ok .*n=\(.\).*/\1/p' | tr -d '\n' | fold -w 6; }
orders --shuffle 5 >rounds
t_is "--shuffle: each round is whole" "$(sed 's/./&\n/g' rounds | sort | uniq -c | sort -u | awk 'NF > 1 { print $1 }' | sort -u)" 4
t_is "... the first is that of one round" "$(head -1 rounds)" \
	"$("$FAULT" run --list --shuffle 5 six.yaml | sed 's/.*n=\(.\).*/\1/' | tr -d '\n')"
t_is "... and they differ" "$(tr ' ' '\n' <rounds | sort -u | grep -c .)" 4
t_is "... but not from those of the same number" "$(orders --shuffle 5)" "$(cat rounds)"
t_is "without it they are the same" "$(orders)" "$(printf '123456\n%.0s' 1 2 3 4)"

# ---- --max-fail ---------------------------------------------------------------
printf 'version: 1\nmatrix: {n: [1, 2, 3, 4, 5]}\nprograms: {a: {run: "false"}}\n' >bad.yaml
t_exit 1 "--max-fail" "$FAULT" run -j 1 --max-fail 2 bad.yaml
t_match "... stops there" "$(tail -1 out)" '^2 scenarios: 0 passed, 2 failed, 3 not run'
t_match "... the commands stand together at the end" "$(tail -5 out | head -1)" '^again:$'

# ---- a finding of several lines ------------------------------------------------
cat >lines.yaml <<'END'
version: 1
programs: {a: {run: [SHELL, "-c", ": </dev/tcp/127.0.0.1/1"]}}
expect: {a: {exit: 1}, calls: [{in: a, call: connect, count: 2}]}
END
sed -i "s|SHELL|$(command -v bash)|" lines.yaml
FORCE_COLOR=1 "$FAULT" run --retries 1 lines.yaml >out 2>&1
bold=$(printf '\033[1m') plain=$(printf '\033[0m')
t_is "its sentence is bold, the calls below it are not" \
	"$(grep -cF "$bold" out) $(grep -cF "lines.yaml:3:32: ${bold}connect in a: 1 call, expected 2$plain" out)" '1 1'
t_is "... and a try that does not count has its sentence only" \
	"$(grep -c 'these are:' out) $(grep -c '^    try 1: connect in a: 1 call, expected 2$' out)" '1 1'

# ---- todo ---------------------------------------------------------------------
cat >todo.yaml <<'END'
version: 1
todo: the client takes a reset for the end
programs: {a: {run: "sh -c \"echo >>${file}; exit ${status}\""}}
END
t_exit 0 "an expected failure does not fail the run" \
	"$FAULT" run --retries 3 --var file="$T/t1" --var status=1 todo.yaml
t_match "... is told with its reason" "$(cat out)" '^todo +todo.yaml  \(the client takes a reset for the end\)$'
t_match "... and counted" "$(tail -1 out)" '^1 scenario: 0 passed, 1 todo'
t_is "... and not tried again" "$(wc -l <t1)" 1
t_exit 1 "one that passes fails" "$FAULT" run --var file="$T/t2" --var status=0 todo.yaml
t_exit 1 "... at its first try" "$FAULT" run --retries 3 --var file="$T/t8" --var status=0 todo.yaml
t_is "... which is the only one" "$(wc -l <t8)" 1
t_match "... and says what to do" "$(cat out)" 'passes now: delete its `todo`'
t_is "... and is remembered" "$(grep todo fault-out/.failed)" todo.yaml
t_exit 0 "-v shows why it fails" "$FAULT" run -v --var file="$T/t3" --var status=1 todo.yaml
t_match "... with its finding" "$(cat out)" 'exit status 1, expected 0'
"$FAULT" run --format tap --var file="$T/t4" --var status=1 todo.yaml >out
t_is "TAP: it is not ok, and a TODO" "$? $(grep -c '^not ok 1 - todo.yaml # TODO the client takes' out)" "0 1"
"$FAULT" run --format tap --var file="$T/t5" --var status=0 todo.yaml >out
t_is "... and not ok without it when it passes" "$? $(grep -c '^not ok 1 - todo.yaml$' out)" "1 1"
if command -v prove >/dev/null; then
	t_ok "prove takes it as it is meant" \
		prove --exec "$FAULT run --format tap --var file=$T/t6 --var status=1" todo.yaml
	t_exit 1 "... and does not let a pass go" \
		prove --exec "$FAULT run --format tap --var file=$T/t7 --var status=0" todo.yaml
fi

# ---- --slow-factor ------------------------------------------------------------
printf 'version: 1\nlimit: 300ms\nprograms: {a: {run: "sleep 0.6"}}\n' >limit.yaml
t_exit 1 "a limit that is too short" "$FAULT" run limit.yaml
t_exit 0 "... is longer on a slow machine" "$FAULT" run --slow-factor 10 limit.yaml
cat >grace.yaml <<'END'
version: 1
programs:
  a:
    run: [sh, -c, "trap 'sleep 0.6; exit 0' TERM; echo up; while :; do sleep 0.05; done"]
    ready: up
    grace: 200ms
END
t_exit 1 "a grace that is too short" "$FAULT" run grace.yaml
t_exit 0 "... is longer, too" "$FAULT" run --slow-factor 10 grace.yaml
t_exit 1 "the command that repeats it" "$FAULT" run --slow-factor 1.5 bad.yaml
t_match "... has the factor" "$(cat out)" 'repeat: .* --slow-factor 1.5$'
for wrong in 0 -1 x 1x nan 0x2 2000; do
	t_exit 2 "--slow-factor $wrong: 2" "$FAULT" run --slow-factor "$wrong" limit.yaml
done

# ---- a thousand in one go -----------------------------------------------------
# Names so long that the pipe holds 40 of them: it cannot come to its end while
# it is measured.
long=$(printf '%0250d/' 1 2 3 4 5 6)
mkdir -p "$long"
printf 'version: 1\nprograms: {a: {run: "true"}}\n' >"$long/true.yaml"
mkfifo lines
"$FAULT" run -j 1 --repeat 1000 "$long/true.yaml" >lines 2>err &
fault_pid=$!
tree() {
	echo "$1"
	tr ' ' '\n' <"/proc/$1/task/$1/children" 2>/dev/null | grep . |
		while read -r child; do tree "$child"; done
}
# size: resident KiB and descriptors of fault, its worker and the guardian
size() {
	tree $fault_pid | head -3 | while read -r pid; do
		echo "$(awk '/^VmRSS/ { print $2 }' "/proc/$pid/status")" \
			"$(find "/proc/$pid/fd" -mindepth 1 2>/dev/null | wc -l)"
	done
}
n=0
while read -r _; do
	n=$((n + 1))
	case $n in
	100) size >early ;;
	950) size >late ;;
	esac
done <lines
wait $fault_pid
t_is "a thousand scenarios pass" "$? $n" "0 1001"
t_is "three processes have been measured, twice" "$(cat early late | wc -l)" 6
paste early late >both
t_ok "none of them has grown: memory" awk '$3 > $1 + 64 { print; bad = 1 } END { exit bad }' both
# While a scenario runs, a few more are open than before it does.
t_ok "... descriptors" awk '$4 > $2 + 12 { print; bad = 1 } END { exit bad }' both
sed 's/^/# /' both
t_is "nothing is left in TMPDIR" "$(ls tmp)" ""
t_is "no shared memory is left" "$(ipcs -m -p | awk -v pid="$fault_pid" '$3 == pid { n++ } END { print n + 0 }')" 0
t_done
