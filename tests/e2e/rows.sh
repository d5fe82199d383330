#!/bin/sh
# Every injectable row of calls.def, every errno it may have: called by its own
# name under the bare library, with what follows at both ends. Arguments: only
# these symbols.
# run: limit 120
. "$(dirname "$0")/../lib.sh"
[ -e "$LIBFAULT" ] || t_skip_all "no libfault.so yet"
rows=$BUILD/tests/rows/rows
[ -x "$rows" ] || make -s -C "$top" "${rows#"$top"/}" ||
	t_skip_all "no tests/rows"
nl='
'

# ---- one case ------------------------------------------------------------------

# plain SYMBOL OPTION…: without the library. Both leave their output in $got.
plain() {
	got=$("$rows" call "$@" 2>&1)
}

# under RULE SYMBOL OPTION…
under() {
	# splice_in is the row for `splice` from a socket.
	case $1 in
	*_in:*) rule=${1%%_in:*}:${1#*:} ;;
	*) rule=$1 ;;
	esac
	shift
	got=$(LD_PRELOAD=$LIBFAULT FAULT_INJECT=$rule "$rows" call "$@" 2>&1)
	status=$?
}

# say SENTENCE WANTED: a result without a number; WANTED is a shell pattern.
say() {
	# shellcheck disable=SC2254 # a pattern is meant
	case $got in
	$2) echo "ok - $1" ;;
	*)
		echo "not ok - $1"
		printf '%s\n' "got:" "$got" "wanted:" "$2" \
			"again: LD_PRELOAD=\$PWD/libfault.so FAULT_INJECT='$rule' ${rows#"$top"/} call …" |
			sed 's/^/# /'
		;;
	esac
}

# ---- what an errno means ---------------------------------------------------------

# follows HOW FAMILY ERRNO: the lines in $want; $base is the call without a
# fault: what a fault that leaves the socket alone is followed by.
follows() {
	first="result -1 $3$nl"
	none="moved 0${nl}signal -$nl"
	calm="so_error 0, then 0$nl"
	gone="peer 0 ECONNRESET"
	end="peer 0 eof"
	[ "$2" = send ] && end="peer 64 eof"
	case $1-$2 in
	RESET-send)
		want="$first${none}again -1 EPIPE${nl}moved 0${nl}signal SIGPIPE$nl$calm$gone" ;;
	BROKEN-send)
		want="result -1 EPIPE${nl}moved 0${nl}signal SIGPIPE${nl}again -1 EPIPE${nl}moved 0${nl}signal SIGPIPE$nl$calm$gone" ;;
	RESET-recv | RENAME-recv) # the number of messages, or no byte
		want="$first${none}again [02]$nl$none$calm$gone" ;;
	RESET-*) # the reset is still to be told
		want="${first}again -1 ENOTCONN${nl}so_error ECONNRESET, then 0$nl$gone" ;;
	CONSUME-*)
		want="${first}again -1 EAGAIN$nl$calm$gone" ;;
	SHUT-*)
		want="${first}again -1 EINVAL$nl$calm$gone" ;;
	REFUSE-* | REPORT-connect) # a fresh socket again
		want="${first}ready OUT HUP$nl${calm}again -1 EINPROGRESS$nl${calm}peer connected" ;;
	INTERRUPT-*) # the handshake went on
		want="${first}ready OUT$nl${calm}again 0$nl${calm}peer connected" ;;
	*-send | *-recv)
		second=${base%%"${nl}again"*}
		want="$first${none}again ${second#result }$nl$calm$end" ;;
	REPORT-bind)
		want="${first}again 0${nl}so_error*"
		[ "$3" = EINVAL ] && want="${first}again -1 EINVAL${nl}so_error*" ;;
	*)
		second=${base%%"$nl"*}
		want="${first}again ${second#result }*" ;;
	esac
}

# pair SYMBOL FAMILY ERRNO GATE HOW SITUATION: one line of `rows errnos`.
pair() {
	options=
	case $4 in
	G1) options=--handler ;;
	G2) options=--nonblock ;;
	esac
	[ "$6" = usual ] || options="$options --$6"
	if [ "$5" = CONDITION ]; then
		under "$1:error=$3" "$1"
		say "$1: $3 is a condition, not one call" "*exhaust*"
		got=$status
		say "$1: $3 stops the program with 97" 97
		return
	fi
	# shellcheck disable=SC2086 # a list of options
	plain "$1" $options
	base=$got
	# ENOTCONN is what such a socket gives by itself.
	if [ "$6" = fresh ]; then
		want=$base
	else
		follows "$5" "$2" "$3"
	fi
	# shellcheck disable=SC2086
	under "$1:error=$3:nth=1" "$1" $options
	say "$1 fails with $3 and all that follows from it" "$want"
	case $4 in
	G1 | G2) gate "$1" "$3" "$4" ;;
	esac
	[ "$6" = usual ] || gate "$1" "$3" "its state"
	[ "$5" = REFUSE ] || return
	under "$1:error=$3:nth=1" "$1" --nonblock
	say "$1 fails with $3 later when it does not block" \
		"result -1 EINPROGRESS${nl}ready IN OUT RDHUP HUP ERR${nl}so_error $3, then 0${nl}again -1 ECONNABORTED${nl}*peer nothing"
}

# gate SYMBOL ERRNO GATE: a blocking socket, no handler.
gate() {
	plain "$1"
	base=${got%%"$nl"*}
	under "$1:error=$2" "$1"
	say "$1 never fails with $2 where $3 forbids it" "$base$nl*"
}

# ---- the rest of a symbol ----------------------------------------------------------

# another SYMBOL FAMILY: a rule `SYMBOL:error=ERRNO` on another symbol of the
# family. A name that is the family's means all of it, and `read` means what a
# header makes of it as well: __read, __read_chk.
another() {
	{
		"$rows" list
		"$rows" errnos
	} | awk -v symbol="$1" -v family="$2" '
		function root(s) { sub(/^__/, "", s); sub(/_(chk|in)$/, "", s); sub(/64/, "", s); return s }
		NF == 2 { of[$1] = $2; next }
		of[$1] == family && $1 != family && root($1) != root(symbol) &&
			$3 != "C" && $4 != "G2" && $5 != "CONDITION" {
			print $1 ":error=" $2
			exit
		}'
}

# untouched SYMBOL FAMILY: what must not change anything.
untouched() {
	plain "$1"
	base=$got
	under "accept:delay=1ms:port=1" "$1"
	say "$1 gives the same with the library there" "$base"
	other=$(another "$1" "$2")
	[ -n "$other" ] || return 0
	plain "$1" --handler
	base=$got
	under "$other" "$1" --handler
	say "$1 is left alone by $other" "$base"
}

# transfers SYMBOL FAMILY
transfers() {
	end="peer 0 eof"
	[ "$2" = send ] && end="peer 64 eof"
	under "$1:short=1B" "$1" --nonblock --all
	say "$1 moves one byte when it is cut to one, and the rest arrives" \
		"result 1${nl}moved 1${nl}signal -${nl}rest 64 intact${nl}so_error 0, then 0$nl$end"
	plain "$1" --zero
	base=$got
	under "$1:short=1B" "$1" --zero --nonblock
	say "$1 of length 0 is as it was under a cut" "$base"
	under "$1:error=ECONNRESET" "$1" --zero
	say "$1 of length 0 is as it was under a reset" "$base"
}

# ends SYMBOL FAMILY: what a real end of the far end is followed by is what an
# injected one is followed by, but for what the far end itself sees.
ends() {
	seen="peer 0 eof"
	[ "$2" = send ] && seen="peer 0 ECONNRESET"
	plain "$1" --closed
	base=$got
	under "$1:eof:nth=1" "$1"
	say "$1 as if the peer had closed" "$base$nl$seen"
	plain "$1" --half
	base=$got
	under "$1:eof=half:nth=1" "$1"
	say "$1 as if the peer had shut down its sending side" "$base"
}

# corrupts SYMBOL FAMILY: the first bytes, and nothing but them. No buffer holds
# what sendfile and splice move.
corrupts() {
	change=" changed 0..2"
	case $1 in sendfile* | splice*) change= ;; esac
	plain "$1" --all
	base=${got%%"${nl}rest"*}
	if [ "$2" = send ]; then
		want="$base${nl}rest 64 intact${nl}so_error 0, then 0${nl}peer 64$change eof"
	else
		want="$base${nl}rest 64${change:- intact}${nl}so_error 0, then 0${nl}peer 0 eof"
	fi
	under "$1:corrupt=3B:nth=1" "$1" --all
	say "$1 corrupts the first three bytes that it moves" "$want"
	plain "$1" --zero
	base=$got
	under "$1:corrupt=3B" "$1" --zero
	say "$1 of length 0 is as it was under corruption" "$base"
}

# half N: the symbols whose number is N modulo 2.
half() {
	"$rows" list | awk -v n="$1" -v only=" $only " '
		only ~ /^ *$/ || index(only, " " $1 " ") { i++; if (i % 2 == n) print }' | while read -r symbol family; do
		untouched "$symbol" "$family"
		case $family in
		send | recv)
			transfers "$symbol" "$family"
			ends "$symbol" "$family"
			corrupts "$symbol" "$family"
			;;
		esac
		"$rows" errnos | awk -v s="$symbol" '$1 == s && $3 != "C"' |
			while read -r _ err _ gate how situation; do
				pair "$symbol" "$family" "$err" "$gate" "$how" \
					"$situation"
			done
	done
}

# ---- both halves at once, numbered when they are there ---------------------------------

only=$*
half 0 >"$T/half.0" 2>&1 &
t_pids=$!
half 1 >"$T/half.1" 2>&1
wait "$t_pids"
t_pids=
"$rows" lacking | while read -r symbol _; do
	echo "ok - $symbol # SKIP this libc has none"
done >"$T/lacking"

cat "$T/half.1" "$T/half.0" "$T/lacking" | awk '
	/^ok / || /^not ok / { n++; sub(/ok /, "ok " n " ") }
	/^not / { failed++ }
	{ print }
	END { print "1.." n; exit failed > 0 }'
