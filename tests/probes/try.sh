# shellcheck shell=sh
# How the tests start the probes of this folder, under the library alone.
# Sourced after lib.sh; a test's arguments are the only cases that it tries.
#
#   need_probes NAME…                   made if they are not there; $probe is the
#                                       path of the last one
#   wanted CASE                         it is one of the arguments, or there are none
#   under_rule RULE PROBE CASE          its output in $T/out. A RULE that begins with
#                                       a bracket is a list of actions on the first
#                                       recv of accepted connections
#   try_probe RULE PROBE CASE SENTENCE  it exits 0; a line `skip: …` of its output
#                                       says why it could not do what it should
#   told STATUS SENTENCE                the same of one that was started otherwise
#   run_as WAY PROGRAM NAME             one of $ways; with a trace in $T/WAY-NAME
#   same_all_ways PROBE…                what it prints is the same in each of them
#
# $below: a library to load after ours; $seed. $never: a rule for its sockets that
# does not fire.

probes=$BUILD/tests/probes
cases=$*

need_probes() {
	[ -e "$LIBFAULT" ] || t_skip_all "no libfault.so yet"
	for probe in "$@"; do
		probe=$probes/$probe
		# shellcheck disable=SC2154 # $top is of lib.sh
		[ -x "$probe" ] || make -s -C "$top" "${probe#"$top"/}" ||
			t_skip_all "no probes"
	done
}

wanted() {
	case " $cases " in
	"  " | *" $1 "*) return 0 ;;
	*) return 1 ;;
	esac
}

under_rule() {
	case $1 in
	'['*)
		echo "version: 1
faults: [{call: recv, role: accepted, nth: 1, inject: $1}]" >"$T/rule.yaml"
		set -- "FAULT_SCENARIO=$T/rule.yaml" "$2" "$3"
		;;
	*) set -- "FAULT_INJECT=$1" "$2" "$3" ;;
	esac
	env LD_PRELOAD="$LIBFAULT${below:+:$below}" FAULT_SEED="${seed:-0}" "$1" \
		timeout -k 5 30 "$probes/$2" "$3" >"$T/out" 2>&1
}

told() {
	t_reason=$(sed -n 's/^skip: //p' "$T/out")
	if [ "$1" = 0 ] && [ -n "$t_reason" ]; then
		t_skip "$2" "$t_reason"
	elif [ "$1" = 0 ]; then
		t_pass "$2"
	else
		t_fail "$2" "$T/out"
	fi
}

try_probe() {
	wanted "$3" || return 0
	under_rule "$1" "$2" "$3"
	t_status=$?
	[ "$t_status" = 0 ] ||
		echo "exit status $t_status; again: LD_PRELOAD=\$PWD/libfault.so" \
			"FAULT_INJECT='$1' ${probes#"$top"/}/$2 $3" >>"$T/out"
	told "$t_status" "$4"
}

# ---- the same in each observable ----------------------------------------------

ways='plain inert rules traced both'

run_as() {
	case $1 in
	plain) "$2" ;;
	inert) LD_PRELOAD=$LIBFAULT "$2" ;;
	rules) LD_PRELOAD=$LIBFAULT FAULT_INJECT=${never:?} "$2" ;;
	traced) "$FAULT" exec --trace="$T/traced-$3" -- "$2" ;;
	both) "$FAULT" exec --trace="$T/both-$3" -e "${never:?}" -- "$2" ;;
	esac
}

same_all_ways() {
	for probe in "$@"; do
		for way in $ways; do
			{
				run_as "$way" "$probes/$probe" "$probe"
				echo "exit status $?"
			} >"$T/$probe.$way" 2>&1 &
		done
	done
	wait
	for probe in "$@"; do
		t_is "$probe ends without the library" \
			"$(tail -n 1 "$T/$probe.plain")" 'exit status 0'
		for way in ${ways#plain }; do
			# A rule that never fired is told of, and by 125.
			sed '/^fault exec: -e:/,$d; /^exit status/d' \
				"$T/$probe.$way" >"$T/got"
			sed '/^exit status/d' "$T/$probe.plain" |
				diff -a - "$T/got" >"$T/diff"
			t_is "$probe is the same: $way" "$(cat "$T/diff")" ''
		done
	done
}
