#!/bin/sh
# `fault run -j`: scenarios beside each other, each in a worker of its own; who
# wants to be alone is; nothing stays behind, however it ends.
# run: waits
. "$(dirname "$0")/../lib.sh"
stubborn=$BUILD/tests/probes/stubborn
[ -x "$stubborn" ] || t_skip_all "the probe stubborn is not built"
cd "$T" || exit 1
mkdir tmp
export TMPDIR="$T/tmp"
unset FORCE_COLOR

lines() { [ "$(grep -c . "$2" 2>/dev/null)" = "$1" ]; }
children() { tr ' ' '\n' <"/proc/$1/task/$1/children" | grep .; }
tmp_is_empty() { [ -z "$(ls tmp)" ]; }

# Meets N others: ends when N lines are in the file, else is killed by the limit.
cat >meet.sh <<'END'
echo $$ >>"$1"
until [ "$(wc -l <"$1")" -ge "$2" ]; do sleep 0.02; done
END
cat >meet.yaml <<'END'
version: 1
limit: 20s
matrix: {n: [1, 2, 3]}
programs: {a: {run: "sh meet.sh ${file} 3"}}
END
t_exit 0 "-j 3: three at once" "$FAULT" run -j 3 --var file="$T/met" meet.yaml
t_match "... all counted" "$(tail -1 out)" '^3 scenarios: 3 passed'
sed 's/limit: 20s/limit: 500ms/' meet.yaml >never.yaml
t_exit 1 "-j 1: never more than one" "$FAULT" run -j 1 --var file="$T/met1" 'never.yaml[n=1]' 'never.yaml[n=2]'
t_is "... and no port is asked for twice" "$(
	cat >port.yaml <<'END'
version: 1
matrix: {n: [1, 2, 3, 4, 5, 6, 7, 8]}
programs: {a: {run: ["sh", "-c", "echo $0 $1 >>ports", "${port}", "${port.b}"]}}
END
	"$FAULT" run -q -j 8 port.yaml >/dev/null
	tr ' ' '\n' <ports | wc -l
)" 16

# ---- in order, and alone ------------------------------------------------------
cat >order.yaml <<'END'
version: 1
matrix: {n: [1, 2, 3, 4, 5, 6]}
programs: {a: {run: "true"}}
END
t_is "-j 1: in their order" "$("$FAULT" run -j 1 order.yaml | sed -n 's/^ok .*n=\(.\).*/\1/p' | tr -d '\n')" 123456

# Those that need not be alone go on when one of them has met another.
cat >alone.sh <<'END'
mkdir "$1/running.$2" && ls -d "$1"/running.* | wc -l >>"$1/$3" && sleep 0.1
[ "$3" != others ] || until grep -q '[23]' "$1/others"; do sleep 0.02; done
rmdir "$1/running.$2"
END
cat >alone.yaml <<'END'
version: 1
alone: true
matrix: {n: [1, 2, 3]}
programs: {a: {run: "sh alone.sh ${dir} a${n} alone"}}
END
cat >others.yaml <<'END'
version: 1
matrix: {n: [1, 2, 3, 4, 5, 6]}
programs: {a: {run: "sh alone.sh ${dir} b${n} others"}}
END
mkdir dir
t_exit 0 "alone: beside others in one run" "$FAULT" run -j 3 --var dir="$T/dir" alone.yaml others.yaml
t_is "... nothing else runs" "$(tr '\n' ' ' <dir/alone)" "1 1 1 "
t_match "... while those are not alone" "$(cat dir/others)" '[23]'

# ---- what a busy machine may have done ----------------------------------------
cat >busy.sh <<'END'
n=$(echo >>"$1"; wc -l <"$1")
[ "$n" -ge "$2" ] || exec sleep 60
END
cat >busy.yaml <<'END'
version: 1
limit: 2s
programs: {a: {run: "sh busy.sh ${file} ${at}"}}
END
cat >beside.yaml <<'END'
version: 1
programs: {a: {run: "sleep 1"}}
END
t_exit 0 "a limit that passes beside others only" \
	"$FAULT" run -j 2 --var file="$T/b1" --var at=2 busy.yaml beside.yaml
t_match "... is told" "$(cat out)" '^alone +busy.yaml'
t_match "... with what it was" "$(cat out)" 'run again alone; beside others: hang|run again alone; beside others: the limit'
t_match "... and does not count" "$(tail -1 out)" '^2 scenarios: 2 passed \('
t_exit 1 "one that passes alone, too, fails" \
	"$FAULT" run -j 2 --var file="$T/b2" --var at=9 busy.yaml beside.yaml
t_is "... after two runs" "$(wc -l <b2)" 2
t_exit 1 "with one at a time it counts at once" \
	"$FAULT" run -j 1 --var file="$T/b3" --var at=2 busy.yaml beside.yaml
t_is "... after one run" "$(wc -l <b3)" 1
# With -x it runs at once, so there are others that must wait for it.
cat >urgent.yaml <<'END'
version: 1
limit: 2s
programs: {a: {run: "sh urgent.sh ${dir}"}}
END
cat >urgent.sh <<'END'
[ -e "$1/tried" ] || { touch "$1/tried" && exec sleep 60; }
exec sh alone.sh "$1" u urgent
END
sed "s/{n: .*/{n: [$(seq -s , 40)]}/" others.yaml >many.yaml
t_exit 0 "-x: it is run again before the rest" \
	"$FAULT" run -x -j 2 --var dir="$T/dir" urgent.yaml many.yaml
t_is "... and alone" "$(cat dir/urgent)" 1
t_no_match "... not at the end" "$(tail -2 out)" urgent
printf 'version: 1\nprograms: {a: {run: "sh -c \\"echo >>once; exit 1\\""}}\n' >once.yaml
t_exit 1 "what does not depend on time" "$FAULT" run -j 2 once.yaml beside.yaml
t_is "... is not run again" "$(wc -l <once)" 1

# ---- on a terminal ------------------------------------------------------------
# seen VARIABLE=VALUE...: what a terminal gets, with its control bytes visible
seen() { env -u NO_COLOR "$@" script -qec "'$FAULT' run -j 2 order.yaml" /dev/null | cat -v; }
if command -v script >/dev/null; then
	seen TERM=xterm >out
	t_match "a terminal sees progress" "$(cat out)" '\^M\^\[\[K\[2/6\] 2 running, order.yaml\[n=2\]'
	t_match "... and colors" "$(cat out)" '\^\[\[32mok'
	t_match "... and a line for each that stays" "$(cat out)" 'm order.yaml\[n=6\]  \([0-9.]+ s\)\^M$'
	t_no_match "NO_COLOR: none" "$(seen TERM=xterm NO_COLOR=1)" '\^\[\[[0-9;]*m'
	t_no_match "TERM=dumb: neither" "$(seen TERM=dumb)" '\^\['
fi
t_no_match "a pipe gets neither" "$("$FAULT" run order.yaml | cat -v)" '\^'
t_match "FORCE_COLOR: a pipe gets colors" "$(FORCE_COLOR=1 "$FAULT" run order.yaml | cat -v)" '^\^\[\[32mok'
t_no_match "... but no progress" "$(FORCE_COLOR=1 "$FAULT" run order.yaml | cat -v)" '\^M'
t_is "-q: what passed is not told" "$("$FAULT" run -q order.yaml | wc -l)" 1

# ---- a worker that dies -------------------------------------------------------
cat >stay.yaml <<END
version: 1
programs: {a: {run: "$stubborn \${pids}", ready: never}}
END
"$FAULT" run -j 1 --var pids="$T/crash" stay.yaml order.yaml >log 2>&1 &
fault_pid=$!
wait_for lines 4 crash
kill -SEGV "$(children $fault_pid)"
wait $fault_pid
t_is "a worker crashes: 3" $? 3
t_match "... its scenario could not run" "$(cat log)" 'killed by SIGSEGV'
t_match "... and the run goes on" "$(tail -1 log)" '^7 scenarios: 6 passed, 1 could not run'
while read -r pid; do
	running "$pid" && t_fail "process $pid of the crashed worker is gone"
done <crash
t_ok "nothing is left of it" tmp_is_empty

# Its guardian as well: what they had started is left to `fault` itself.
"$FAULT" run -j 1 --var pids="$T/both" stay.yaml order.yaml >log 2>&1 &
fault_pid=$!
wait_for lines 4 both
worker=$(children $fault_pid)
guardian=$(children "$worker" | head -1)
kill -STOP "$guardian"
kill -KILL "$worker" "$guardian"
wait $fault_pid
t_is "a worker and its guardian are killed: 3" $? 3
t_match "... the run goes on" "$(tail -1 log)" '^7 scenarios: 6 passed, 1 could not run'
while read -r pid; do
	running "$pid" && t_fail "process $pid of the killed worker is gone"
done <both
rm -rf tmp/* # the directory that its guardian would have removed

# One that dies while it is idle is replaced: short, then alone, has slot 0.
printf 'version: 1\nprograms: {a: {run: "true"}}\n' >short.yaml
printf 'version: 1\nalone: true\nprograms: {a: {run: "true"}}\n' >last.yaml
cat >until.yaml <<'END'
version: 1
programs: {a: {run: [sh, -c, "echo >begun; until [ -e go ]; do sleep 0.02; done"]}}
END
"$FAULT" run -j 2 short.yaml until.yaml last.yaml >log 2>&1 &
fault_pid=$!
wait_for grep -q '^ok *short' log
wait_for test -e begun
idle=$(children $fault_pid | head -1)
kill -KILL "$idle"
wait_for not running "$idle"
touch go
wait $fault_pid
t_is "an idle worker that died is replaced" "$? $(grep -c ^ok log)" "0 3"

# ---- a worker that hangs ------------------------------------------------------
printf 'version: 1\nlimit: 300s\nprograms: {a: {run: "%s ${pids}"}}\n' "$stubborn" >hang.yaml
sed '1a limit: 300s' order.yaml >patient.yaml
"$FAULT" run -j 1 --slow-factor 0.01 --var pids="$T/hang" hang.yaml patient.yaml >log 2>&1 &
fault_pid=$!
wait_for lines 4 hang
kill -STOP "$(children $fault_pid)"
wait $fault_pid
t_is "a worker hangs: 3" $? 3
t_match "... its scenario could not run" "$(cat log)" 'did not come to an end long after the limit'
t_match "... after all the time that it had" "$(cat log)" '^ERROR +hang\.yaml +\(([1-9]|[0-9][0-9])'
t_match "... and the run goes on" "$(tail -1 log)" '^7 scenarios: 6 passed, 1 could not run'
while read -r pid; do
	running "$pid" && t_fail "process $pid of the worker that hung is gone"
done <hang
t_ok "nothing is left of it" tmp_is_empty

# ---- fault itself was stopped --------------------------------------------------
cat >two.yaml <<'END'
version: 1
limit: 300s
matrix: {n: [1, 2]}
programs: {a: {run: [sh, -c, "echo >begun.${n}; until [ -e go.${n} ]; do sleep 0.02; done"]}}
END
"$FAULT" run -j 1 --slow-factor 0.01 two.yaml >log 2>&1 &
fault_pid=$!
wait_for test -e begun.1
first=$(children $fault_pid)
kill -STOP $fault_pid
touch go.1
end=$(($(date +%s) + 10))
past() { [ "$(date +%s)" -gt "$end" ]; }
wait_for -t 30 past
kill -CONT $fault_pid
wait_for test -e begun.2
t_is "a worker that had its report ready did not hang" "$(children $fault_pid)" "$first"
touch go.2
wait $fault_pid
t_is "... and both pass" "$? $(grep -c ^ok log)" "0 2"

# ---- ended from outside -------------------------------------------------------
cat >several.yaml <<END
version: 1
matrix: {n: [1, 2]}
programs: {a: {run: "$stubborn \${pids}", ready: never}}
END
cat >in_group <<'END'
setpgrp(0, 0);
$SIG{INT} = $SIG{QUIT} = 'DEFAULT';
exec @ARGV or die;
END
# ended SIGNAL TARGET: `-` before the pid is its group
ended() {
	sig=$1 status=$2 name=$1$3
	perl in_group "$FAULT" run -j 2 --var pids="$T/$name" several.yaml >log 2>&1 &
	fault_pid=$!
	wait_for lines 8 "$name"
	children $fault_pid >workers
	t_is "two workers" "$(wc -l <workers)" 2
	kill -s "$sig" -- "$3$fault_pid"
	wait $fault_pid
	t_is "SIG$sig to $3fault" $? "$status"
	while read -r pid; do
		wait_for not running "$pid" || t_fail "process $pid is gone"
	done <<END
$(cat "$name" workers)
END
	wait_for tmp_is_empty
	t_is "nothing is left behind" "$(ls tmp)" ""
}
ended INT 130 ''
ended INT 130 -
ended TERM 143 ''
ended KILL 137 ''
ended KILL 137 - 2>/dev/null

# ---- the whole run's limit ----------------------------------------------------
t_exit 1 "--global-timeout" "$FAULT" run -j 2 --global-timeout 500ms --var pids="$T/whole" several.yaml order.yaml
t_match "... says so" "$(cat out)" '^stopped: --global-timeout has passed'
t_match "... and what did not run" "$(tail -1 out)" ' not run '
t_ok "... and leaves nothing" tmp_is_empty
t_exit 2 "... wants a unit" "$FAULT" run --global-timeout 5 order.yaml
t_exit 2 "-j 0" "$FAULT" run -j 0 order.yaml
t_exit 2 "-j many" "$FAULT" run -j many order.yaml
t_done
