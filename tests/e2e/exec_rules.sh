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
	'^    connect 1 -> nth 2: at most 1 in one program$'
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

# ---- one of several cases, by exec and by the library alone
cat >cases.yaml <<'END'
version: 1
matrix: {n: [1, 2]}
cases:
  a: {faults: [{call: recv, nth: "${n}", inject: reset}]}
  b: {faults: [{call: recv, nth: "${n}", inject: {short: 100B}}]}
END
alone() { env LD_PRELOAD="$LIBFAULT" FAULT_SCENARIO="$1" "$client" --connect "127.0.0.1:$port"; }
t_exit 125 "several cases" run_client -s cases.yaml
t_is "... are listed" "$(grep -c '^    cases.yaml::[ab].n=[12].$' out)" 4
t_exit 125 "several of a matrix" run_client -s cases.yaml::a
t_is "... too" "$(grep -c '^    cases.yaml::a.n=[12].$' out)" 2
t_exit 1 "one of them" run_client -v -s 'cases.yaml::a[n=2]'
t_match "... is that" "$(cat out)" 'nth=2: 1 hit'
t_exit 97 "alone: several cases" alone cases.yaml
t_is "... are listed" "$(grep -c '^    cases.yaml::[ab].n=[12].$' out)" 4
t_match "... with what to do" "$(cat out)" '^libfault: cases.yaml: has several cases, say which$'
t_exit 97 "alone: several of a matrix" alone cases.yaml::a
t_is "... too" "$(grep -c '^    ' out)" 2
t_exit 97 "alone: none of them" alone 'cases.yaml::a[n=3]'
t_is "... what there is is listed" "$(grep -c '^    ' out)" 4
t_exit 1 "alone: one that resets" alone 'cases.yaml::a[n=2]'
t_exit 0 "alone: one that does not" alone 'cases.yaml::b[n=2]'
cp faults.yaml 'odd[x::y.yaml'
t_exit 1 "alone: a file with such a name" alone 'odd[x::y.yaml'

# ---- what is in a file beside faults
cat >whole.yaml <<'END'
version: 1
programs:
  peer: {listen: "${port}", steps: [drain]}
  client: {run: "client", stdin: /dev/null, env: {A: b}}
setup: [touch set-up]
faults: [{name: r, call: recv, nth: 1, armed: false, hits: 0.., inject: reset}]
steps: [{arm: r}]
expect: {client: {exit: 1}}
END
t_exit 0 "what exec does not do" run_client -s whole.yaml
t_is "... is said" "$(grep fault out)" \
	"fault exec: of whole.yaml only the faults count here, not: steps, setup, stdin"
t_exit 1 "... and not done" test -e set-up
t_is "... its environment is" "$("$FAULT" exec -s whole.yaml -- sh -c 'echo "$A"' 2>&1 | tail -1)" b
t_exit 125 "a script is no program of ours" run_client -s whole.yaml --as peer
t_match "... and it says so" "$(cat out)" 'has no program `peer`'

t_exit 1 "--trace keeps a trace" run_client --trace kept/trace -e recv:reset:nth=2
t_ok "... that fault trace reads" "$FAULT" trace kept/trace/trace
t_match "... with the hit" "$(cat out)" '<- rule recv:reset:nth=2'

# ---- children of clone(2)
clone=$BUILD/tests/probes/table_clone
[ -x "$clone" ] || make -s -C "$top" "${clone#"$top"/}"
t_exit 0 "rules act in children of clone" "$FAULT" exec -v --trace kept/clone \
	-e recv:short=1B:nth=1:role=accepted -- "$clone" child-is-known
t_match "... and their hits are counted" "$(cat out)" ': 3 hits$'
t_ok "... in the trace" "$FAULT" trace kept/clone/trace
t_is "... they are processes" "$(grep -c ' forked$' out)" 3
t_is "... with connections" "$(grep -c ' accept(.* ESTABLISHED$' out)" 3
t_is "... and an end" "$(grep -c ' exits$' out)" 4

once() { run_client --seed "$1" -v -e 'recv:short=1KiB:nth=30%' 2>&1 |
	sed -n 's/.*: \([0-9]*\) hits\{0,1\}$/\1/p'; }
t_is "the same seed, the same faults" "$(once 7)" "$(once 7)"
t_done
