#!/bin/sh
# What few programs do, and ends that few meet. Arguments: only these cases.
# run: parallel
. "$(dirname "$0")/../lib.sh"
[ -e "$LIBFAULT" ] || t_skip_all "no libfault.so yet"
probe=$BUILD/tests/probes/rare
[ -x "$probe" ] || make -s -C "$top" "${probe#"$top"/}" ||
	t_skip_all "no probes"

wanted() {
	case " $cases " in
	"  " | *" $1 "*) return 0 ;;
	*) return 1 ;;
	esac
}

# said STATUS SENTENCE: what came of it; a line `skip: …` says why it could not.
said() {
	reason=$(sed -n 's/^skip: //p' "$T/out")
	if [ "$1" = 0 ] && [ -n "$reason" ]; then
		t_skip "$2" "$reason"
	elif [ "$1" = 0 ]; then
		t_pass "$2"
	else
		echo "exit status $1" >>"$T/out"
		t_fail "$2" "$T/out"
	fi
}

# try CASE SENTENCE RULE
try() {
	wanted "$1" || return
	LD_PRELOAD=$LIBFAULT FAULT_INJECT=$3 timeout 20 "$probe" "$1" \
		>"$T/out" 2>&1
	said $? "$2"
}

# under CASE SENTENCE: by the runner, with $T/rules.yaml
under() {
	wanted "$1" || return
	PATH=$BUILD:$PATH timeout 20 "$FAULT" exec -s "$T/rules.yaml" -- \
		"$probe" "$1" >"$T/out" 2>&1
	said $? "$2"
}

cases=$*
delay=recv:delay=100ms:role=accepted

try alternate-nested "a delay in a handler on a stack of its own, inside a delay" "$delay:nth=1"
try left "a delay that was left by longjmp gives its descriptor back" "$delay"
try alternate-left "so does one on the stack of handlers" "$delay"
try timeout-of-held "a receive on a held connect has a time-out of its own" \
	connect:delay=1s:nth=1

ended='eof:age=300ms:role=accepted;setsockopt:error=ENOPROTOOPT:state='
try end-by-state "after an injected end the state is CLOSE_WAIT" "${ended}CLOSE_WAIT"
try end-of-both-by-state "and after the program's own end LAST_ACK" "${ended}LAST_ACK"
try failed-shutdown "a shutdown that fails changes no state" \
	setsockopt:error=ENOPROTOOPT:state=FIN_WAIT:role=accepted
try lost-by-count "TIOCOUTQ counts what was lost, as after a real end" \
	recv:eof:connection=1:role=accepted

try broken-message "a message of sendmmsg that breaks off is the last" \
	send:corrupt=10B:nth=1:role=client

none=socket:exhaust=descriptors:for=300ms
try exhaust-in-vfork "a child of vfork that is exhausted leaves its parent alone" \
	"$none:nth=1;$none:nth=2"
try exhaust-above "numbers above 1024 are the program's meanwhile" "$none:nth=1"

try each-in-its-time "connections of different age are reset each in its time" \
	reset:age=150ms:role=accepted

cat >"$T/rules.yaml" <<'END'
version: 1
faults:
  - {name: first, role: client, call: recv, nth: 1, inject: {short: 1B}}
  - {role: accepted, inject: reset, after: first, times: 1}
END
under told "a rule after another process's hit, and nothing stays when all is over"
echo 'version: 1
faults: [{role: accepted, call: recv, connection: 2, inject: {short: 1B}}]' \
	>"$T/rules.yaml"
under after-system "system, popen and wordexp make no connection, and take none"
echo 'version: 1
faults: [{name: slow, role: accepted, call: recv, inject: {delay: 1h}, hits: 0..}]' \
	>"$T/rules.yaml"
under armed-again "a rule that is armed again holds what arrives next"
t_done
