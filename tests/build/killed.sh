#!/bin/sh
# Whoever is killed in the middle of a suite that compares, whether the script,
# the program of a case or tests/control/table, leaves no process behind.
. "$(dirname "$0")/../lib.sh"
cd "$top" || exit 1
[ -x "$BUILD/tests/readiness/readiness" ] || t_skip_all "the suites are not built"
[ -e "$LIBFAULT" ] || t_skip_all "no libfault.so yet"

# marked [WORD]: pids of the processes whose environment has our mark, and this
# word their command line. Few have the word, and a probe lives for a moment only.
marked() {
	# shellcheck disable=SC2046 # a list of names without blanks
	grep -lsz "^KILLED_TEST=$T$" /dev/null \
		$(grep -lsz -e "${1:-.}" /proc/[0-9]*/cmdline | sed 's/cmdline$/environ/') |
		cut -d / -f 3
}
some() { [ -n "$(marked)" ]; }

# stopped: one probe is from now on, as if it hung; its pid is in $T/probe.
stopped() {
	marked '^inner$' | head -n 1 >"$T/probe"
	kill -STOP "$(cat "$T/probe")" && parent=$(parent_of "$(cat "$T/probe")")
}
parent_of() { awk '{ print $4 }' "/proc/$1/stat"; }

# begin COMMAND…: until a probe is at work, which then hangs.
begin() {
	KILLED_TEST=$T TMPDIR=$T "$@" >"$T/log" 2>&1 &
	script=$!
	wait_for -t 60 stopped || t_fail "a probe is at work" "$T/log"
}

# killed SENTENCE: the script is.
killed() {
	kill -KILL "$script"
	wait "$script" 2>/dev/null
	t_ok "$1" wait_for -t 5 not some
	for left in $(marked); do kill -KILL "$left"; done
}

for suite in readiness conformance; do
	set -- "$top/tests/$suite/run.sh" -j 4 'holder-killed-*' 'recv-*'
	begin "$@"
	killed "$suite: nothing stays when the script is killed"

	begin "$@"
	kill -KILL "$parent"
	t_ok "$suite: a probe ends when its parent is killed" \
		wait_for -t 5 not running "$(cat "$T/probe")"
	killed "... and the rest with the script"
done
begin "$top/tests/control/table" "$T/kept"
killed "the table of both: nothing stays"
t_is "... and no directory but of those that were killed themselves" \
	"$(find "$T" -name 'fault-compare.*' | wc -l)" 4
t_done
