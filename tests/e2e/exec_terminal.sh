#!/bin/sh
# `fault exec` on a terminal: the program has the foreground, ^C and ^Z are its
# own affair, and the others of a pipeline keep the terminal too.
. "$(dirname "$0")/../lib.sh"
cd "$T" || exit 1
command -v script >/dev/null || t_skip_all "script(1) makes the terminal"

cat >program <<'END'
$| = 1;
$SIG{INT} = sub { print "got INT\n"; exit 9 };
print "up\n";
sleep 1 while !-e 'go';
print "went\n";
END
mkfifo keys
has() { grep -q "$1" log; }

# seen SENTENCE REGEX: the terminal shows it, sooner or later.
seen() {
	if wait_for has "$2"; then t_pass "$1"; else t_fail "$1" log; fi
}

# on_terminal COMMAND: its terminal's keys are what is written to fd 9.
on_terminal() {
	: >log
	script -qefc "$1" /dev/null <keys >log 2>&1 &
	script_pid=$!
	exec 9>keys
}

cat >groups <<'END'
use POSIX;
print -t STDIN ? getpgrp(0) : 0, " ", POSIX::tcgetpgrp(0), "\n";
exit 4;
END
on_terminal "$FAULT exec -- perl groups"
wait $script_pid
t_is "the status passes through" $? 4
# shellcheck disable=SC2046 # words
set -- $(cat log)
t_is "the program's group is the foreground" "$1" "$(echo "${2:-}" | tr -d '\r')"
exec 9>&-

on_terminal "$FAULT exec -- perl program"
seen "it runs" up
printf '\003' >&9
wait $script_pid
t_is "^C is the program's" $? 9
t_is "... once" "$(grep -c 'got INT' log)" 1
exec 9>&-

on_terminal "$FAULT exec -- perl program | cat"
seen "it runs" up
printf '\003' >&9
wait $script_pid
exec 9>&-
t_pass "^C ends a pipeline"

on_terminal "bash --norc -i"
printf 'PS1=\n%s exec -- perl program\n' "$FAULT" >&9
seen "a shell's job" 'up'
printf '\032' >&9
seen "^Z stops it, and the shell has the terminal" 'Stopped'
touch go
echo fg >&9
seen "fg lets it go on" 'went'
echo 'echo status $?' >&9
seen "... to its end" 'status 0'
echo exit >&9
wait $script_pid
exec 9>&-
t_done
