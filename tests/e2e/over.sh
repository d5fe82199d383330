#!/bin/sh
# A hit without a fault is a lie: on a connection that both ends have finished,
# and in a direction that has nothing left to move, a rule is held back, the
# report says why, and the program sees what the kernel gives. Arguments: only
# these cases.
# run: parallel
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../probes/try.sh"
need_probes over
cd "$top" || exit 1

# under CASE RULE…: the report in $T/out.
under() {
	over_case=$1
	shift
	{
		echo "version: 1"
		echo "name: over"
		echo "programs: {probe: {run: \"'$probe' $over_case\"}}"
		echo "faults:"
		for rule; do echo "  - {$rule}"; done
	} >"$T/over.yaml"
	"$FAULT" run --out "$T/runs" "$T/over.yaml" >"$T/out" 2>&1
}

# gated REASON CASE RULE SENTENCE [RULE]: the first never acts, for this reason, and
# the probe saw the kernel's truth.
gated() {
	reason=$1
	shift
	wanted "$1" || return 0
	if [ -n "${4:-}" ]; then under "$1" "$2" "$4"; else under "$1" "$2"; fi
	if grep -q '^    probe: exit status 0 ' "$T/out" &&
		grep -q ' 0 hits$' "$T/out" &&
		grep -q "gated by $reason" "$T/out"; then
		t_pass "$3"
	else
		t_fail "$3" "$T/out"
	fi
}
held() { gated 'the connection, or this direction' "$@"; }
# It has begun, and nothing came of it.
undone() { gated 'the kernel did not allow' "$@"; }

# acts CASE RULE SENTENCE: that is not too much.
acts() {
	wanted "$1" || return 0
	t_ok "$3" under "$1" "$2"
}

# ---- both ends have finished -----------------------------------------------------

for how in finished reset-by-peer unread; do
	held $how "call: recv, role: accepted, inject: reset" \
		"both ends have finished: nothing resets it ($how)"
	held $how "call: recv, role: accepted, inject: {error: ETIMEDOUT}" \
		"nor does an errno that is a reset ($how)"
done
held finished "call: shutdown, role: accepted, nth: 2, inject: reset" \
	"nor one at shutdown"
held finished "call: close, role: accepted, inject: reset" "or at close"
held finished "call: recv, role: accepted, inject: reset, force: true" \
	"\`force\` does not help"
held finished "call: recv, role: accepted, inject: eof" \
	"an end that is there is not made again"
held finished "call: recv, role: accepted, nth: 2, inject: stall" \
	"an end that was read is not taken back"
undone finished "call: shutdown, role: accepted, nth: 1, inject: [pass, reset]" \
	"a shutdown that finishes both leaves nothing to reset"
held after-eof "call: close, role: accepted, inject: reset" \
	"a peer that is gone by another rule resets nothing" \
	"call: recv, role: accepted, inject: eof"

usr1="inject: {kill: USR1}"
if wanted by-itself; then
	under by-itself "role: accepted, state: LAST_ACK, inject: reset" \
		"role: accepted, state: LAST_ACK, inject: stall" \
		"role: accepted, state: LAST_ACK, $usr1"
	t_is "nor does a rule without call" \
		"$(grep -c ' -> 1 time due, gated by the connection, or' "$T/out")" 2
	t_match "and the program sees nothing of it" "$(cat "$T/out")" \
		'probe: exit status 0 '
fi

if wanted silence-at-end; then
	ended="role: accepted, state: CLOSE_WAIT"
	t_ok "nor does silence take back an end that was read" \
		under silence-at-end "$ended, inject: stall" "$ended, $usr1"
fi

# ---- one direction has ended -----------------------------------------------------

for action in '{short: 1B}' '{rate: 1KiB/s}' '{corrupt: 1B}' '{eof: half}'; do
	held at-end "call: recv, role: accepted, inject: $action" \
		"there is nothing to be done to an end of file: $action"
done
held at-end "call: recv, role: accepted, nth: 2, inject: stall" \
	"who has read it does not wait for it again"
held at-end "call: recv, role: accepted, nth: 2, inject: {delay: 1h}" \
	"nor is it late a second time"
undone connect-alone "call: connect, inject: {delay: 1s}" \
	"a connect that cannot be held is no hit"
for action in '{delay: 10ms}' '{stall: 10ms}'; do
	acts at-end "call: recv, role: accepted, nth: 1, inject: $action" \
		"what can be done to an end of file is done: $action"
done
for action in stall '{short: 1B}' '{rate: 1KiB/s}' '{corrupt: 1B}'; do
	held after-own-end "call: send, role: accepted, inject: $action" \
		"nor to what is sent after one's own shutdown: $action"
done

# ---- nothing comes behind the mark of a rule with bytes --------------------------

if wanted silent-peer; then
	behind='-> bytes 8: reached, but no call behind them had anything to receive'
	under silent-peer "call: recv, role: accepted, bytes: 8B, inject: {short: 1B}"
	t_match "the report tells of a peer that is silent behind the mark" \
		"$(cat "$T/out")" "$behind\$"
	under silent-peer "call: recv, role: accepted, bytes: 8B, inject: reset"
	t_match "and what does not wait for it" "$(cat "$T/out")" \
		"$behind \(without \`call\`, \`seen: 8B\` does not wait for one\)\$"
	under silent-peer "call: recv, role: accepted, bytes: 9B, inject: reset"
	t_match "but not before it" "$(cat "$T/out")" \
		'-> bytes 9: at most 8 on one connection$'
fi
t_done
