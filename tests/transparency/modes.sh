# shellcheck shell=sh
# The ways in which tests of transparency run a program. Sourced after lib.sh.
#
#   plain   without the library
#   inert   the library, without a plan
#   rules   1,000 rules of five families for ports that never come, among them
#           such as last (delay, stall, rate), with which readiness has to agree
#   traced  under the runner: each call returns through the wrapper and leaves a
#           record; the trace is kept in $T/trace.NAME
#
# What a program does and what it gets has to be the same in all four.

# shellcheck disable=SC2034 # for those who source this
modes='plain inert rules traced'

# Ports 1 to 200 are nobody's here, and clients' own ports are far above.
silent_rules() {
	awk 'BEGIN { for (i = 1; i <= 200; i++) printf \
		"recv:delay=1s:port=%d;send:stall:port=%d;accept:delay=1ms:port=%d;" \
		"close:delay=1ms:port=%d;connect:error=ECONNREFUSED:port=%d;", \
		i, i, i, i, i }'
}

# become MODE NAME COMMAND…: become the command; NAME tells traces apart. For
# what runs in the background, whose pid is then the shell's that asked.
become() {
	under_mode=$1 under_name=$2
	shift 2
	case $under_mode in
	plain) exec "$@" ;;
	inert) exec env LD_PRELOAD="$LIBFAULT" "$@" ;;
	rules) exec env LD_PRELOAD="$LIBFAULT" FAULT_INJECT="$(silent_rules)" "$@" ;;
	traced) exec "$FAULT" exec --trace "$T/trace.$under_name" -- "$@" ;;
	esac
}

# under MODE NAME COMMAND…: with COMMAND's status.
under() {
	(become "$@")
}
