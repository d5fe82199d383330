#!/bin/sh
# Signals to `fault exec`: the program gets them first, a second one kills; and
# whatever happens to `fault` itself, nothing stays behind.
. "$(dirname "$0")/../lib.sh"
cd "$T" || exit 1
stubborn=$BUILD/tests/probes/stubborn
[ -x "$stubborn" ] || t_skip_all "the probe stubborn is not built"

# in_group COMMAND…: a process group of its own that does not ignore SIGINT, as
# a shell's background jobs do.
cat >in_group <<'END'
setpgrp(0, 0);
$SIG{INT} = $SIG{QUIT} = 'DEFAULT';
exec @ARGV or die;
END
in_group() { exec perl in_group "$@"; }

has() { grep -q "$1" "$2" 2>/dev/null; }
lines() { [ "$(grep -c . "$2" 2>/dev/null)" = "$1" ]; }
# child PID: the only child of its first thread.
child() { tr -d ' ' <"/proc/$1/task/$1/children"; }

# gone FILE: none of these processes is there, at once or soon.
gone() {
	while read -r pid; do
		wait_for not running "$pid" || t_fail "process $pid is gone"
	done <"$1"
}

# taken PID: it has taken its SIGINT; two that wait are one.
taken() { ! grep -q '^ShdPnd:.*[2367abef]$' "/proc/$1/status"; }

# segments_of PID: the segments that this process made.
segments_of() { ipcs -m -p | awk -v pid="$1" '$3 == pid { n++ } END { print n + 0 }'; }
export TMPDIR="$T/tmp"
mkdir tmp

# ---- the program's own handling ----------------------------------------------
cat >polite <<'END'
$| = 1;
$SIG{INT} = sub { print "got INT\n"; exit 5 };
$SIG{TERM} = sub { print "got TERM\n"; exit 6 };
print "up\n";
sleep 1 while 1;
END
for sig in INT TERM; do
	in_group "$FAULT" exec -- perl polite >"$sig.log" 2>&1 &
	wait_for has up "$sig.log"
	kill -s "$sig" -- -$!
	wait $!
	t_is "SIG$sig reaches the program, which decides" "$?" \
		"$([ $sig = INT ] && echo 5 || echo 6)"
	t_is "... once" "$(grep -c got "$sig.log")" 1
done

# ---- one that ignores them ---------------------------------------------------
in_group "$FAULT" exec -- "$stubborn" "$T/pids1" >log 2>&1 &
wait_for lines 4 pids1
kill -s INT -- -$!
wait_for taken $!
sleep 0.1
t_ok "the first SIGINT is the program's to ignore" running $!
kill -s INT -- -$!
wait $!
t_is "the second one kills" $? 137
gone pids1
t_is "no shared memory is left" "$(segments_of $!)" 0

# ---- a default end -----------------------------------------------------------
in_group "$FAULT" exec -- sleep 100 >log 2>&1 &
sleep_runs() { grep -qx sleep "/proc/$(child "$(child "$1")")/comm"; }
wait_for sleep_runs $!
kill -TERM $!
wait $!
t_is "SIGTERM ends a program without a handler: 143" $? 143

# ---- kill -9 of fault ---------------------------------------------------------
in_group "$FAULT" exec -e recv:reset -- "$stubborn" "$T/pids2" >log 2>&1 &
wait_for lines 4 pids2
guardian=$(child $!)
t_match "there is a temporary directory" "$(ls tmp)" '^fault\.'
t_is "there are two segments" "$(segments_of $!)" 2
kill -KILL $!
wait $!
echo "$guardian" >>pids2
gone pids2
t_pass "kill -9 of fault: forked twice, setsid, stopped, ignoring: all end"
t_is "no shared memory is left" "$(segments_of $!)" 0
wait_for sh -c '[ -z "$(ls tmp)" ]'
t_is "no temporary directory is left" "$(ls tmp)" ""

# ---- kill -9 of the guardian ----------------------------------------------------
in_group "$FAULT" exec -e recv:reset -- "$stubborn" "$T/pids3" >log 2>&1 &
wait_for lines 4 pids3
kill -KILL "$(child $!)"
wait $!
t_is "kill -9 of the guardian: a failure of ours" $? 125
gone pids3
t_is "no shared memory is left" "$(segments_of $!)" 0
t_is "no temporary directory is left" "$(ls tmp)" ""
t_done
