#!/bin/sh
# `fault run` ended from outside, as CI does it: nothing stays behind.
. "$(dirname "$0")/../lib.sh"
cd "$T" || exit 1
stubborn=$BUILD/tests/probes/stubborn
[ -x "$stubborn" ] || t_skip_all "the probe stubborn is not built"
mkdir tmp
export TMPDIR="$T/tmp"
cat >in_group <<'END'
setpgrp(0, 0);
$SIG{INT} = $SIG{QUIT} = 'DEFAULT';
exec @ARGV or die;
END
cat >s.yaml <<END
version: 1
programs:
  a: {run: "$stubborn \${pids}", ready: never}
END
sed 's/, ready: never//; s/^programs/limit: 500ms\nprograms/' s.yaml >limit.yaml

lines() { [ "$(grep -c . "$2" 2>/dev/null)" = "$1" ]; }
children() { tr ' ' '\n' <"/proc/$1/task/$1/children" | grep .; }
# segments_of WORKER
segments_of() { ipcs -m -p | awk -v pid="$1" '$3 == pid { n++ } END { print n + 0 }'; }

no_segments() { [ "$(segments_of "$1")" = 0 ]; }

# all_gone PIDFILE WORKER: every process, segment and directory.
all_gone() {
	while read -r pid; do
		wait_for not running "$pid" || t_fail "process $pid is gone"
	done <"$1"
	wait_for no_segments "$2" # they go with the last that uses them
	t_is "no process and no shared memory is left" "$(segments_of "$2")" 0
	wait_for sh -c '[ -z "$(ls tmp)" ]'
	t_is "no temporary directory is left" "$(ls tmp)" ""
}

for sig in INT TERM KILL; do
	perl in_group "$FAULT" run --var "pids=$T/$sig" s.yaml >log 2>&1 &
	fault_pid=$!
	wait_for lines 4 $sig
	worker=$(children $fault_pid)
	t_is "two segments while it runs" "$(segments_of "$worker")" 2
	kill -s $sig -- -$fault_pid
	wait $fault_pid
	t_is "SIG$sig to the group" $? "$(kill -l $sig 2>/dev/null |
		awk -v s=$sig 'BEGIN { n["INT"] = 130; n["TERM"] = 143; n["KILL"] = 137; print n[s]; exit }')"
	all_gone $sig "$worker"
done

# The same while the timeline waits, and while it runs a command: that too is
# below the guardian.
cat >steps.yaml <<END
version: 1
programs:
  a: {run: "$stubborn \${pids}"}
  b: {run: [sh, -c, 'echo \$\$ >>\${pids}.b; exec sleep 60'], attach: false, count: 3}
steps:
  - {wait: {output: a, has: never}}
END
sed "s|{wait.*|{run: [sh, -c, 'echo \$\$ >\${pids}.run; sleep 60; echo']}|" steps.yaml >command.yaml
for name in steps command; do
	for sig in INT TERM KILL; do
		pids=$T/$name$sig
		perl in_group "$FAULT" run --var "pids=$pids" $name.yaml >log 2>&1 &
		fault_pid=$!
		wait_for lines 4 "$pids"
		wait_for lines 3 "$pids.b"
		[ $name = steps ] || wait_for lines 1 "$pids.run"
		worker=$(children $fault_pid)
		kill -s $sig $fault_pid
		wait $fault_pid
		cat "$pids.b" "$pids.run" >>"$pids" 2>/dev/null
		all_gone "$name$sig" "$worker"
	done
done

t_exit 1 "the limit ends all of them" "$FAULT" run --var "pids=$T/limit" limit.yaml
t_match "... as a hang" "$(cat out)" 'hang: the limit of 0.5 s passed: a still'
all_gone limit 0

"$FAULT" run --var "pids=$T/nohup" s.yaml >log 2>&1 &
fault_pid=$!
wait_for lines 4 nohup
worker=$(children $fault_pid)
guardian=$(children "$worker")
kill -KILL "$guardian"
wait $fault_pid
t_is "kill -9 of the guardian: 3" $? 3
all_gone nohup "$worker"

# Behind its mkdir, before it has said so: `fault` knows the name.
cat >"$T/dies.c" <<'C'
#include <dlfcn.h>
#include <signal.h>
#include <sys/types.h>
int mkdir(const char *path, mode_t mode)
{
	int (*real)(const char *, mode_t) = dlsym((void *)-1L, "mkdir");
	int n = real(path, mode);

	raise(SIGKILL);
	return n;
}
C
if cc -shared -fPIC -o "$T/dies.so" "$T/dies.c" -ldl 2>"$T/out"; then
	mkdir "$T/its"
	TMPDIR=$T/its LD_PRELOAD=$T/dies.so \
		"$FAULT" exec -e recv:reset -- true >log 2>&1
	t_is "a guardian that dies with its directory: a failure of ours" $? 125
	t_match "... which is said" "$(cat log)" 'guardian is gone'
	t_is "... and nothing is left" "$(ls "$T/its")" ""
else
	t_skip "a guardian that dies with its directory" "no compiler"
fi
t_done
