#!/bin/sh
# `fault exec` with rules: from the command line, from a file of faults, from a
# scenario as one of its programs.
. "$(dirname "$0")/../lib.sh"
cd "$T" || exit 1
server=$BUILD/reference/server client=$BUILD/reference/client
[ -x "$server" ] || t_skip_all "the reference programs are not built"

port=$(free_port)
spawn server "$server" --port "$port" --source 256KiB
wait_for listening "$port"
run_client() { "$FAULT" exec "$@" -- "$client" --connect "127.0.0.1:$port"; }

t_exit 0 "without rules" run_client
t_exit 1 "a rule hits: the program's own status" run_client -e recv:reset:nth=2
t_match "... and its own message" "$(cat out)" 'reset'
t_is "... only" "$(grep -c '^fault' out)" 0
t_exit 1 "-v tells the hits" run_client -v -e recv:reset:nth=2
t_match "... of each rule" "$(cat out)" '^fault exec: rule recv:reset:nth=2: 1 hit$'
t_exit 0 "a rule that the program survives" run_client -e recv:short=100B
t_exit 125 "two rules, one without a hit" \
	run_client -e recv:short=100B -e connect:error=ECONNREFUSED:nth=2
t_match "... is named, with the funnel" "$(cat out)" \
	'connect 1 -> nth 2: at most 1 in one program$'
t_no_match "... the other is not" "$(cat out)" 'short'

cat >faults.yaml <<'END'
version: 1
vars: {n: 2}
faults: [{call: recv, nth: "${n}", inject: reset}]
END
t_exit 1 "a file of faults" run_client -v -s faults.yaml
t_match "... with its values" "$(cat out)" 'nth=2: 1 hit'
t_exit 1 "--var replaces them" run_client -v -s faults.yaml --var n=1
t_match "... as it says" "$(cat out)" 'nth=1: 1 hit'
t_exit 1 "-e adds to them" run_client -v -s faults.yaml -e recv:short=1KiB:nth=1
t_is "... both hit" "$(grep -c ': 1 hit$' out)" 2

cat >suite.yaml <<'END'
version: 1
programs:
  server: {run: "server", ready: listening}
  client: {run: "client"}
faults:
  - {in: client, call: recv, nth: 1, inject: reset}
  - {in: server, call: send, nth: 1, inject: reset}
END
t_exit 1 "as a program of a scenario: only its own rules" \
	run_client -s suite.yaml --as client
t_exit 125 "... which has to be named" run_client -s suite.yaml
t_match "... with what there is" "$(cat out)" 'several programs \(server, client\): --as'
t_exit 125 "... by a name that it has" run_client -s suite.yaml --as clint
t_match "... with the nearest" "$(cat out)" 'did you mean `client`'

t_exit 1 "--trace keeps a trace" run_client --trace kept/trace -e recv:reset:nth=2
t_ok "... that fault trace reads" "$FAULT" trace kept/trace/trace
t_match "... with the hit" "$(cat out)" '<- rule recv:reset:nth=2'

once() { run_client --seed "$1" -v -e 'recv:short=1KiB:nth=30%' 2>&1 |
	sed -n 's/.*: \([0-9]*\) hits\{0,1\}$/\1/p'; }
t_is "the same seed, the same faults" "$(once 7)" "$(once 7)"
t_done
