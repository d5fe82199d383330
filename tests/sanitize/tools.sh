#!/bin/bash
# Targets under valgrind and gdb: the same results as without the library, silent
# and with rules that fire; no error that memcheck has not without; breakpoints
# at a call, and a debugger that comes to a process with the library's helper.
#
# run: parallel
# run: limit 900
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/ways.sh"
[ -x "$FAULT" ] || t_skip_all "no fault yet"
gcc -g -O1 -D_GNU_SOURCE -o "$T/target" "$top/tests/sanitize/target.c" \
	-pthread 2>"$T/cc" || t_skip_all "gcc cannot compile"

# ---- valgrind ----------------------------------------------------------------

memcheck() { # WAY BUG: as ended, in $T/is
	ended "$1" valgrind -q --vgdb=no --error-exitcode=9 --leak-check=full \
		--trace-children=yes --track-fds=no \
		--suppressions="$top/tests/sanitize/valgrind.supp" \
		"$T/target" "$2" 4 >"$T/is"
	grep '^==[0-9]*== [^ ]' "$T/stderr" |
		sed 's/==[0-9]*== //; s/ in loss record.*//' >>"$T/is"
}

if command -v valgrind >/dev/null; then
	for bug in none overflow leak; do
		memcheck plain $bug
		mv "$T/is" "$T/plain"
		for way in inert armed exec exec-armed exec-shell; do
			memcheck $way $bug
			same "valgrind: $way, bug: $bug" "$T/plain"
		done
	done
	t_match "valgrind: a leak is one without the library" \
		"$(cat "$T/plain")" 'definitely lost'
	for way in reset exec-reset; do
		ended $way "$T/target" >"$T/bare"
		ended $way valgrind -q --vgdb=no --error-exitcode=9 "$T/target" >"$T/is"
		same "valgrind: $way" "$T/bare"
	done
else
	t_skip "valgrind" "not installed"
fi

# ---- gdb ---------------------------------------------------------------------

gdb=(timeout 60 gdb -nx -batch -iex 'set debuginfod enabled off'
	-ex 'set breakpoint pending on' -ex 'set confirm off')

# stopped WAY…: gdb's account of a program that is stopped in its first recv.
stopped() {
	local way=$1 set=()
	[ "$way" = plain ] || set+=(-ex "set environment LD_PRELOAD $LIBFAULT")
	[ "$way" != armed ] ||
		set+=(-ex "set environment FAULT_INJECT $rules")
	"${gdb[@]}" "${set[@]}" -ex 'break recv' -ex run -ex bt \
		-ex 'delete' -ex continue "$T/target" >"$T/gdb" 2>&1 </dev/null
}

if command -v gdb >/dev/null; then
	"$T/target" | grep -E '^[a-z]*: [0-9]' | LC_ALL=C sort >"$T/plain"
	for way in plain inert armed; do
		stopped $way
		t_match "gdb, $way: stops at recv" "$(cat "$T/gdb")" \
			'hit Breakpoint 1.*recv'
		t_match "gdb, $way: shows who calls" "$(cat "$T/gdb")" \
			'^#[12] .* (recv_all|serve|talk) '
		t_match "gdb, $way: ends well" "$(cat "$T/gdb")" 'exited normally'
		grep -E '^[a-z]*: [0-9]' "$T/gdb" | LC_ALL=C sort >"$T/is"
		same "gdb, $way: the same results" "$T/plain"
	done

	# To a process that waits in a call that is held, with the helper.
	LD_PRELOAD=$LIBFAULT FAULT_INJECT='recv:delay=2s:nth=1:role=client:connection=2' \
		spawn held "$T/target" none 4
	held=$t_pid
	helper() { [ -e "/proc/$held/task" ] && [ "$(find "/proc/$held/task" -maxdepth 1 | wc -l)" = 4 ]; }
	t_ok "gdb -p: the target has a helper" wait_for helper
	"${gdb[@]}" -p "$held" -ex 'info threads' -ex 'thread apply all bt' \
		-ex detach >"$T/gdb" 2>&1 </dev/null
	t_match "gdb -p: shows the helper" "$(cat "$T/gdb")" 'epoll_wait'
	wait "$held"
	t_is "gdb -p: the target goes on, and ends well" "$?" 0
	"$T/target" none 4 >"$T/plain"
	cp "$T/held.log" "$T/is"
	same "gdb -p: with the same results" "$T/plain"
else
	t_skip "gdb" "not installed"
fi
t_done
