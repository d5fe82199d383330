# shellcheck shell=bash
# How target.c is run, and what of its end is compared. Sourced after lib.sh.

# What changes nothing of the program's results, though each of them fires: short
# counts, delays (with the helper thread that they need), one of each side.
rules='recv:short=7B:nth=1;recv:delay=5ms:nth=2:role=client;send:delay=5ms:nth=1'
rules=$rules';accept:delay=5ms:nth=2'
# What does, in the same way in every build.
reset='recv:reset:nth=1:role=client:connection=3'
reset=$reset';recv:eof:nth=1:role=client:connection=5'
reset=$reset';connect:error=ECONNREFUSED:nth=7'

# ended WAY WORD…: output, status, and what is said on stderr, without what is
# another in each run: numbers of processes, addresses, how much of what leaked no
# stale word points to. A symbolizer that has not yet ended when the program has is
# no business of this test.
ended() {
	local way=$1
	shift
	case $way in
	plain) set -- "$@" ;;
	inert) set -- env LD_PRELOAD="$LIBFAULT" "$@" ;;
	armed) set -- env LD_PRELOAD="$LIBFAULT" FAULT_INJECT="$rules" "$@" ;;
	reset) set -- env LD_PRELOAD="$LIBFAULT" FAULT_INJECT="$reset" "$@" ;;
	exec) set -- "$FAULT" exec -- "$@" ;;
	exec-armed) set -- "$FAULT" exec -e "$rules" -- "$@" ;;
	exec-reset) set -- "$FAULT" exec -e "$reset" -- "$@" ;;
	shell) set -- env LD_PRELOAD="$LIBFAULT" sh -c '"$@"; exit $?' sh "$@" ;;
	exec-shell) set -- "$FAULT" exec -- sh -c '"$@"; exit $?' sh "$@" ;;
	exec-env) set -- "$FAULT" exec -e "$rules" -- env A=B "$@" ;;
	exec-perl) set -- "$FAULT" exec -- perl -e 'system @ARGV; exit $? >> 8' "$@" ;;
	esac
	timeout 60 "$@" >"$T/stdout" 2>"$T/stderr" </dev/null
	echo "status $?"
	cat "$T/stdout"
	grep -E 'SUMMARY|runtime error|WARNING|rror:|^libfault|^fault' "$T/stderr" |
		grep -v 'that the program left behind was ended$' |
		sed 's/==[0-9]*==//; s/0x[0-9a-f]*/ADDRESS/g; s/pid=[0-9]*/PID/
			s/(\([^ ()]*\)+ADDRESS)/(\1)/; s/ (BuildId: [0-9a-f]*)//
			s/ at pc.*//; s/data race .* in .*/data race/
			s/[0-9]* byte(s) leaked in .*/leaked/'
}

# same SENTENCE FILE: what ended is as in FILE.
same() {
	if diff "$2" "$T/is" >"$T/diff"; then
		t_pass "$1"
	else
		t_fail "$1" "$T/diff"
	fi
}
