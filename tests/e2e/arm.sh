#!/bin/sh
# fault arm, disarm, hits: rules switched from inside a run, while it goes on.
. "$(dirname "$0")/../lib.sh"
stepper=$BUILD/tests/probes/stepper scribble=$BUILD/tests/probes/scribble
[ -x "$stepper" ] || t_skip_all "the probe stepper is not built"
cd "$T" || exit 1
PATH=$BUILD:$BUILD/reference:$PATH
export stepper scribble

cat >faults.yaml <<'END'
version: 1
faults:
  - {name: outage, armed: false, role: client, call: recv, inject: reset, hits: 0..}
  - {name: outage, armed: false, call: connect, inject: {error: ECONNREFUSED}, hits: 0..}
  - {name: late, role: accepted, call: send, inject: {delay: 1ms}, hits: 0..}
  - {call: bind, nth: 9, inject: {error: EADDRINUSE}, hits: 0..}
END

# ---- one call at a time ------------------------------------------------------

# In a shell of its own, so that `fault` finds the run: ask WORD makes the
# program take one step and prints what came of it.
cat >steps.sh <<'END'
mkfifo words answers
"$stepper" <words >answers &
exec 3>words 4<answers
ask() {
	echo "$1" >&3
	read -r answer <&4
	echo "$answer"
}
END

steps() {
	rm -f words answers
	cat steps.sh - >script.sh
	echo "exec 3>&-; wait" >>script.sh
	timeout 30 "$FAULT" exec -s faults.yaml -- sh script.sh >out.txt 2>err.txt
	t_is "... and that ends well" "$?:$(cat err.txt)" "0:"
}

steps <<'END'
ask recv; ask connect
fault arm outage; echo "arm $?"
ask recv; ask connect
fault hits outage
ask new
fault disarm outage; echo "disarm $?"
ask new; ask recv; ask connect
fault arm outage
ask recv
fault hits outage
fault hits
END
t_is "rules act from arm to disarm, and not before" "$(tr '\n' ',' <out.txt)" \
	"recv 1,connect 0,arm 0,recv -1 ECONNRESET,connect -1 ECONNREFUSED,2,new -1 ECONNREFUSED,disarm 0,new 0,recv 1,connect 0,recv -1 ECONNRESET,4,outage 4,late 4,"

# Counted while they sleep; a number that passed is not made up for.
cat >faults.yaml <<'END'
version: 1
faults:
  - {name: third, armed: false, role: client, call: recv, nth: 3, inject: {error: EINTR}, force: true, hits: 0..}
  - {name: from3, armed: false, role: client, call: send, nth: 3+, inject: reset, hits: 0..}
END
steps <<'END'
ask recv; ask recv; ask recv; ask recv; ask send; ask send; ask send
fault arm third from3
ask recv; ask send
fault hits
END
t_is "numbers go on while a rule is not armed" "$(tr '\n' ',' <out.txt)" \
	"recv 1,recv 1,recv 1,recv 1,send 1,send 1,send 1,recv 1,send -1 ECONNRESET,third 0,from3 1,"

# ---- what goes on without a call ---------------------------------------------

cat >faults.yaml <<'END'
version: 1
faults:
  - {name: slow, armed: false, role: client, call: recv, inject: {delay: 1h}, hits: 0..}
END
steps <<'END'
ask recv
fault arm slow
ask data; ask try; ask try
echo wait >&3
fault disarm slow
read -r answer <&4; echo "$answer"
ask try
fault hits slow
END
t_is "disarm ends what is held back, and who waits for it wakes" \
	"$(tr '\n' ',' <out.txt)" \
	"recv 1,data 1,try -1 EAGAIN,try -1 EAGAIN,wait 1,try 1,1,"

steps <<'END'
ask data; ask try
fault arm slow
ask data
echo recv >&3
until [ "$(fault hits slow)" = 1 ]; do :; done
fault disarm slow
read -r answer <&4; echo "$answer"
END
t_is "... in a blocking call, too" "$(tr '\n' ',' <out.txt)" \
	"data 1,try 1,data 1,recv 1,"

# With a helper, which the first hold brings, nobody has to call in between:
# what arrives next is held, or no longer.
steps <<'END'
fault arm slow; ask data; ask try
fault disarm slow; ask try
ask watch
fault arm slow; ask data; ask look
fault disarm slow; ask look; ask try
fault arm slow; fault disarm slow; ask data; ask look
END
t_is "arm holds what arrives next, and disarm lets it through" \
	"$(tr '\n' ',' <out.txt)" \
	"data 1,try -1 EAGAIN,try 1,watch 0,data 1,look 0,look 1,try 1,data 1,look 1,"

# It has a helper thread by then, which has to answer; a signal that stops it
# is sent when kill returns, not yet obeyed by every thread.
sed -i 's/^"$stepper".*/&\npid=$!/' steps.sh
steps <<'END'
fault arm slow; ask data; ask try
kill -STOP $pid
while grep -L '^State:.T' /proc/$pid/task/*/status | grep -q .; do :; done
fault disarm --within 50ms slow 2>stopped; echo "stopped $?" $pid
kill -CONT $pid
fault arm slow; echo "continued $?"
ask exec; fault arm slow; echo "another image $?"
ask data; ask try
kill -KILL $pid
fault disarm slow; echo "killed $?"
END
pid=$(sed -n 's/^stopped 3 //p' out.txt)
t_match "a process that does not answer is named" "$(cat stopped)" \
	"^fault disarm: not followed within 0.05 s: process $pid \(stepper\); .* held back there still is"
t_is "... what is no more or another one is not asked" "$(tr '\n' ',' <out.txt)" \
	"data 1,try -1 EAGAIN,stopped 3 $pid,continued 0,exec 0,another image 0,data 1,try -1 EAGAIN,killed 0,"

# Rules without a name keep a helper busy that nobody can ring.
cat >faults.yaml <<'END'
version: 1
faults:
  - {role: client, call: recv, inject: {delay: 1h}}
  - {name: outage, armed: false, call: connect, inject: {error: ECONNREFUSED}}
END
steps <<'END'
ask data; ask try
fault arm outage; echo "arm $?"
ask connect
END
t_is "a helper that cannot be rung is not waited for" "$(tr '\n' ',' <out.txt)" \
	"data 1,try -1 EAGAIN,arm 0,connect -1 ECONNREFUSED,"

# ---- from any language, in scenarios -----------------------------------------

cat >toggle.py <<'END'
import socket, subprocess, sys
def fault(*words):
    return subprocess.run(["fault", *words], check=True, text=True,
                          stdout=subprocess.PIPE).stdout
def reply():
    try:
        s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
        return "served" if s.recv(1) else "closed"
    except OSError as e:
        return type(e).__name__
print(reply())
fault("arm", "outage")
print(reply(), reply())
fault("disarm", "outage")
print(reply(), fault("hits", "outage").strip())
END
cat >outage.yaml <<'END'
version: 1
programs:
  server: {run: "server --port ${port} --source 64KiB", ready: listening}
  client: {run: "python3 toggle.py ${port}"}
faults:
  - {name: outage, armed: false, in: client, call: connect, inject: {error: ECONNREFUSED}, hits: 2}
expect: {client: {stdout: [served, ConnectionRefusedError ConnectionRefusedError, served 2]}}
END
if command -v python3 >/dev/null; then
	t_ok "a program of a scenario switches its own faults" \
		"$FAULT" run outage.yaml
else
	t_skip "a program of a scenario switches its own faults" "no python3"
fi

# The switch in the client, the fault in the server: both are of one run.
cat >other.yaml <<'END'
version: 1
programs:
  server: {run: "server --port ${port} --source 64KiB", ready: listening}
  client: {run: [sh, -c, "client --connect 127.0.0.1:${port} && fault arm cut && ! client --connect 127.0.0.1:${port} && fault disarm cut && client --connect 127.0.0.1:${port}"]}
faults:
  - {name: cut, armed: false, in: server, role: accepted, call: send, inject: reset, hits: 1..}
END
t_ok "one program arms what happens to another" "$FAULT" run other.yaml

cat >never.yaml <<'END'
version: 1
programs:
  client: {run: "true"}
faults:
  - {name: cut, armed: false, call: send, inject: reset}
END
t_exit 1 "a rule that nobody armed is one that never fired" "$FAULT" run never.yaml
cat >late.yaml <<'END'
version: 1
programs:
  server: {run: "server --port ${port} --source 4KiB", ready: listening}
  client: {run: [sh, -c, "client --connect 127.0.0.1:${port} && $ARM"]}
faults:
  - {name: cut, armed: false, in: client, role: client, call: recv, inject: reset}
END
t_exit 1 "..." env ARM=true "$FAULT" run late.yaml
t_match "... and the funnel says so" "$(cat out)" 'recv.* -> it was never armed$'
t_exit 1 "one that was armed too late" env ARM="fault arm cut" "$FAULT" run late.yaml
t_match "... as well" "$(cat out)" 'recv.* -> never due: armed did not hold then$'
sed 's/inject: reset/&, hits: 0../' never.yaml >may.yaml
t_exit 0 "... unless it need not" "$FAULT" run may.yaml

# ---- answers -----------------------------------------------------------------

cat >faults.yaml <<'END'
version: 1
faults:
  - {name: outage, armed: false, call: recv, inject: reset, hits: 0..}
  - {name: outage, armed: false, call: send, inject: reset, hits: 0..}
  - {name: small, call: recv, inject: {short: 1B}, hits: 0..}
END
# shellcheck disable=SC2016 # these are for the shell in the run
inside() { "$FAULT" exec -s faults.yaml -- sh -c "$1"; }
t_exit 2 "an unknown name" inside 'fault arm outrage'
t_match "... with the one that was meant" "$(cat out)" \
	'no rule of this run has the name `outrage`, did you mean `outage`\?'
t_exit 2 "no rule of the command is armed then" \
	inside 'fault arm outage nobody; e=$?; fault hits --json; exit $e'
t_match "... not even the known one" "$(tr -d ' \n' <out)" \
	'"name":"outage","hits":0,"armed":false,"rules":2},{"name":"small","hits":0,"armed":true,"rules":1}'
inside 'fault arm outage && fault hits --json' >json
t_ok "--json is JSON" python3 -c 'import json, sys
v = json.load(open(sys.argv[1]))
assert v[0] == {"name": "outage", "hits": 0, "armed": True, "rules": 2}, v
assert len(v) == 2' json
t_exit 2 "no name" inside 'fault disarm'
t_exit 2 "outside of a run" "$FAULT" arm outage
t_match "... it says what is missing" "$(cat out)" 'no run here: FAULT_SHM is not set'
t_exit 2 "with the library alone" env FAULT_INJECT=recv:reset "$FAULT" arm outage
t_match "... it says what to use" "$(cat out)" 'fault exec'
inside 'echo $FAULT_SHM' >shm
t_exit 2 "after its end" env "FAULT_SHM=$(cat shm)" "$FAULT" hits
t_match "... it says so" "$(cat out)" 'this run is over'

# ---- from outside, with the environment of a program -------------------------

mkfifo go
cat >server.sh <<'END'
echo $$ >pid.new && mv pid.new pid
read -r line <go
fault hits outage >hits
END
spawn outside "$FAULT" exec -s faults.yaml -- sh server.sh
wait_for test -e pid
shm=$(tr '\0' '\n' <"/proc/$(cat pid)/environ" | grep '^FAULT_SHM=')
t_ok "another terminal arms with FAULT_SHM of a program" env "$shm" "$FAULT" arm outage
t_match "... and sees it" "$(env "$shm" "$FAULT" hits --json | tr -d ' \n')" \
	'"name":"outage","hits":0,"armed":true'
echo >go
wait_for test -e hits

# The runner, which would end such a run, stands still meanwhile.
cat >scribbles.sh <<'END'
echo "$FAULT_SHM" >shm.new && : >shm.there
read -r line <go
"$scribble" 1 head && : >written
read -r line <go
END
spawn scribbles "$FAULT" exec -s faults.yaml -- sh scribbles.sh
wait_for test -e shm.there
kill -STOP "$t_pid"
echo >go
wait_for test -e written
t_exit 3 "a run that a program wrote over" \
	env "FAULT_SHM=$(cat shm.new)" "$FAULT" arm outage
t_match "... is not touched" "$(cat out)" 'FAULT_SHM=.*: this is no run of fault'
kill -CONT "$t_pid"
t_done
