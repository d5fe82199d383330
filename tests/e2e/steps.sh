#!/bin/sh
# The timeline: steps, the events that they wait for, programs that steps start
# and stop, several instances of one.
# run: waits
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../programs/env.sh"
command -v python3 >/dev/null || t_skip_all "no python3"
worker=$top/tests/programs/worker.py
cd "$T" || exit 1
PATH=$BUILD:$BUILD/reference:$PATH

# passes SENTENCE, fails SENTENCE [REGEX of the report]: the scenario on stdin.
verdict() {
	v_status=$1 v_sentence=$2 v_text=${3:-}
	{ echo "version: 1" && cat; } >s.yaml
	t_exit "$v_status" "$v_sentence" timeout 60 "$FAULT" run --retries "${retries:-0}" s.yaml
	if [ -n "$v_text" ]; then t_match "... and says so" "$(cat out)" "$v_text"; fi
}
passes() { verdict 0 "$1"; }
fails() { verdict 1 "$@"; }

cat >server.py <<'END'
import os, signal, socket, sys
def say(number, frame):
    os.write(1, b"got %s\n" % signal.Signals(number).name.encode())
    if number == signal.SIGUSR2:
        sys.exit(4)
for s in (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
    signal.signal(s, say)
os.write(1, b"pid %d\n" % os.getpid())
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
while True:
    connection, _ = listener.accept()
    connection.close()
END
server='server: {run: "python3 server.py ${port}", ready: listening}'
job() { echo "$1: {run: [sh, -c, '$2'], attach: false${3:+, $3}}"; }

# ---- events ------------------------------------------------------------------

passes "a timeline waits for exit, ready, output and files" <<END
programs:
  $server
  $(job writer 'sleep 0.2; echo one two >&2; echo three >\${tmp}/file.txt; sleep 0.1')
steps:
  - {wait: {ready: server}}
  - {wait: {ready: writer}}
  - {wait: {output: writer, has: [one, /tw./]}, within: 100ms..}
  - {wait: {file: "\${tmp}/file.txt", has: three}, within: 5s}
  - {wait: {exit: writer}, within: 5s}
  - {wait: {output: server, has: pid}}
END
# A try at which others have kept them from a processor does not count.
retries=3
passes "short waits are short, whatever else is looked at how often" <<END
programs: {$(job a 'sleep 2; echo late')}
steps: [{repeat: 100, steps: [{wait: 1ms}]}, {wait: {output: a, has: late}, within: 500ms..}]
END
retries=

fails "an event that does not come in time fails its step" \
	's.yaml:4:5: waited 1 s for `never` in the output of a: a still runs, its last line is `hello\\x1b\[1m`' <<END
programs: {$(job a "printf \"first\\\\nhello\\\\033[1m\\\\n\"; sleep 20")}
steps:
  - {wait: {output: a, has: never}, within: 1s}
END
fails "... so does one that comes too early" \
	'for `hello` in the output of a, which came too early' <<END
programs: {$(job a 'echo hello; sleep 20')}
steps: [{wait: {output: a, has: hello}, within: 10s..20s}]
END
fails "... and one that cannot come any more does at once" \
	'waited [0-9.]* s for `never` in the output of a, which cannot come any more: a exited with status 0' <<END
programs: {$(job a 'echo hello')}
steps: [{wait: {output: a, has: never}}]
END
t_match "... well before the limit" "$(cat out)" 'FAIL.*\([0-9]\.[0-9]* s\)'
fails "a file that is not there is told" 'it is not there' <<END
programs: {$(job a 'sleep 20')}
steps: [{wait: {file: nowhere.txt}, within: 50ms}]
END
fails "the limit names the step" \
	'hang: the limit of 0.5 s passed: step 2.1 \(round 1\) at s.yaml:7:14: waiting for a to exit, a still runs; a still runs' <<END
limit: 500ms
programs: {$(job a 'sleep 20')}
steps:
  - {wait: 10ms}
  - repeat: 2
    steps: [ {wait: {exit: a}} ]
END

# ---- calls, hits -------------------------------------------------------------

passes "it waits for calls by program, role and connection, and for hits" <<'END'
programs:
  server: {run: "server --port ${port}", ready: listening}
  client: {run: "client --connect ${host}:${port} --echo 1KiB --connections 5"}
faults: [{name: cut, in: server, call: recv, inject: {short: 1B}, times: 7, hits: 7}]
steps:
  - {wait: {call: accept, in: server, count: 3}}
  - {wait: {call: send, in: client, role: client, connection: 4}}
  - {wait: {call: [recv, send], count: 20..}}
  - {wait: {hit: cut, count: 7}}
  - {wait: {call: connect, in: client, count: 5}}
END
fails "too few of them" \
	'for 6 calls of (accept|accept4, accept|accept, accept4) in server: there were 5' <<'END'
programs:
  server: {run: "server --port ${port}", ready: listening}
  client: {run: "client --connect ${host}:${port} --echo 1KiB --connections 5"}
steps: [{wait: {call: accept, in: server, count: 6}, within: 1500ms}]
END
fails "no hit, with the reason of the rule beside it" \
	'waited 0.3 s for 1 hit of r: it has 0' <<'END'
programs:
  server: {run: "server --port ${port}", ready: listening}
faults: [{name: r, in: server, call: recv, inject: reset, hits: 0..}]
steps: [{wait: {hit: r}, within: 300ms}]
END

# ---- start, stop, signal -----------------------------------------------------

passes "a program starts at its step, and again after a stop or a kill" <<END
programs:
  server: {run: "python3 server.py \${port}", ready: listening, started: false}
steps:
  - {start: server}
  - {wait: {ready: server}}
  - {stop: server}
  - {wait: {exit: server}}
  - {start: server}
  - {wait: {ready: server}}
  - {signal: {server: KILL}}
  - {start: server}
  - {wait: {ready: server}}
expect: {server: {stdout: pid, alive: true}}
END
"$FAULT" run -v s.yaml >out 2>&1
t_is "... three times" "$(grep -c 'server (. of 3): ' out)" 3
fails "... and has to be ready: the next does not profit from the last" \
	's.yaml:[0-9:]*: waited 0.3 s for server to be ready: server is not ready' <<'END'
programs:
  server: {run: [sh, -c, "if mkdir here 2>&-; then exec python3 server.py $0; else exec sleep 20; fi", "${port}"], ready: listening}
steps:
  - {stop: server}
  - {start: server}
  - {wait: {ready: server}, within: 300ms}
END
rmdir here
fails "it cannot be started twice" 's.yaml:3:21: start: a runs already' <<END
programs: {$(job a 'sleep 20' 'started: false')}
steps: [{start: a}, {start: a}]
END
fails "a service that dies before it is ready fails though a step began it" \
	'b exited with status 3 before it was ready' <<END
programs:
  $(job a 'sleep 20')
  $(job b 'exit 3' 'ready: never, started: false')
steps: [{start: b}]
END
passes "signals reach a program, which is not ended by them" <<END
programs:
  $server
  $(job a 'sleep 20')
steps:
  - {signal: {server: HUP}}
  - {wait: {output: server, has: got SIGHUP}, within: 5s}
  - {signal: {server: USR1}}
  - {wait: {output: server, has: [SIGHUP, SIGUSR1]}, within: 5s}
  - {stop: a}
END
fails "one that ends by a signal that asks for no end has failed" \
	'server: exit status 4 before the scenario was over' <<END
programs:
  $server
steps: [{signal: {server: USR2}}, {wait: {exit: server}}]
END
passes "one that dies of a signal of a step has not" <<END
programs:
  $server
  $(job a 'sleep 20')
steps: [{signal: {a: KILL}}, {wait: {exit: a}}, {signal: {server: TERM}}, {wait: {exit: server}}]
END
fails "... unless something else is expected of it" 'a: killed by SIGKILL, expected exit status 0' <<END
programs: {$(job a 'sleep 20')}
steps: [{signal: {a: KILL}}]
expect: {a: {exit: 0}}
END
fails "one that is gone cannot be signalled" 'signal SIGHUP: a does not run' <<END
programs: {$(job a true)}
steps: [{wait: {exit: a}}, {signal: {a: HUP}}]
END
fails "a stop has its grace too" 'a: did not end within 0.2 s of SIGTERM, killed' <<END
programs: {$(job a 'trap "" TERM; echo on; while :; do sleep 0.05; done' 'grace: 200ms')}
steps: [{wait: {output: a, has: on}}, {stop: a}]
END

cat >client.py <<'END'
import os, socket, sys, time
for n in range(1, 6):
    while n > 1 and not os.path.exists(f"go.{n}"):
        time.sleep(0.01)
    try:
        socket.create_connection(("127.0.0.1", int(sys.argv[1]))).close()
        print(n, "ok", flush=True)
    except ConnectionRefusedError:
        print(n, "refused", flush=True)
END

# ---- run, arm ----------------------------------------------------------------

fails "a command that fails is shown with what it wrote" 'run `sh -c .echo out; echo err >&2; exit 3.`: exit status 3, expected 0' <<END
programs: {$(job a 'sleep 20')}
steps: [{run: [sh, -c, "echo out; echo err >&2; exit 3"]}]
END
t_is "... both streams of it" "$(grep -cE '^ +[|] (out|err)$' out)" 2
fails "one that is not there" 'run `/nowhere/x`: .*No such file or directory' <<END
programs: {$(job a 'sleep 20')}
steps: [{run: /nowhere/x}]
END
passes "fault arm, disarm and hits work in a command, and arm as a step" <<'END'
programs:
  server: {run: "server --port ${port}", ready: listening}
  client: {run: "python3 client.py ${port}"}
faults: [{name: refuse, armed: false, in: client, call: connect, inject: {error: ECONNREFUSED}}]
steps:
  - {wait: {output: client, has: "1 ok"}}
  - {arm: refuse}
  - {run: [sh, -c, "echo 2 >go.2; test -z \"$LD_PRELOAD\""]}
  - {wait: {output: client, has: "2 refused"}}
  - {run: [sh, -c, "test $(fault hits refuse) = 1 && fault disarm refuse && echo 3 >go.3"]}
  - {wait: {output: client, has: "3 ok"}}
  - {run: [sh, -c, "fault arm refuse && echo 4 >go.4"]}
  - {wait: {output: client, has: "4 refused"}}
  - {disarm: refuse}
  - {run: "touch go.5"}
expect: {client: {stdout: ["4 refused", "5 ok"]}}
END

# ---- repeat ------------------------------------------------------------------

passes "steps are repeated, for ever as long as there are jobs" <<END
programs:
  $(job a 'until grep -q b.*b.*b rounds; do sleep 0.02; done')
steps:
  - {repeat: 3, steps: [{run: [sh, -c, "printf a >>rounds"]}, {wait: 20ms}]}
  - {repeat: forever, steps: [{run: [sh, -c, "printf b >>rounds"]}, {wait: 20ms}]}
END
t_match "... as often as they say" "$(cat rounds)" '^aaabbb+$'
passes "... a wait in it ends with them" <<END
limit: 5s
programs: {$(job a 'sleep 0.1')}
steps: [{repeat: forever, steps: [{wait: 1m}]}]
END

# ---- several at once, and in turn --------------------------------------------

passes "200 clients at once and twice in turn are one program for rules" <<'END'
programs:
  server: {run: "server --port ${port} --io epoll-et --backlog 512", ready: listening}
  client: {run: "client --connect ${host}:${port} --echo 1KiB --timeout 30s", count: 200, repeat: 2}
faults: [{in: client, call: connect, nth: 1+, inject: {delay: 1ms}, hits: 400}]
expect: {client: {exit: 0}}
END
cat >odd.py <<'END'
import os, sys
slot = next(n for n in range(1, 100) if not os.path.exists(f"slot.{n}"))
open(f"slot.{slot}", "x").close()
print("I am", slot)
sys.exit(slot in (2, 5))
END
fails "each instance has to do what is expected" 'a \([1-6] of 6\): exit status 1, expected 0' <<END
programs: {a: {run: "python3 odd.py", attach: false, repeat: 6}}
END
t_is "... just those that do not are said" "$(grep -c 'expected 0' out)" 2
t_is "... and shown" "$(grep -E 'stdout of a' out | tr -s ' ')" " stdout of a (2 of 6):
 stdout of a (5 of 6):"
t_is "what each wrote is kept" "$(cat fault-out/s.yaml/a-5.stdout)" "I am 5"
fails "of many the first are said" 'a: 25 more of its 30 instances failed' <<END
programs: {a: {run: "false", attach: false, count: 30}}
END
t_exit 3 "more descriptors than there may be are refused" \
	sh -c 'ulimit -n 64 && "$FAULT" run s.yaml'
t_match "... with the number" "$(cat out)" 'need 124 descriptors, and no more than 64'

# poll(2) takes no more entries than there may be descriptors.
cat >turns.yaml <<'END'
version: 1
limit: 20s
programs:
  a: {run: "true", attach: false, repeat: 80}
  b: {run: "head -c 200000 /dev/zero", attach: false, started: false}
steps: [{wait: {exit: a}}, {start: b}]
END
t_exit 0 "those that are over cost no descriptors" \
	bash -c 'ulimit -Sn 128 && "$FAULT" run turns.yaml'

# Who listens may have been begun by any thread.
cat >thread.py <<'END'
import subprocess, sys, threading
def begin():
    subprocess.run(sys.argv[1:])
t = threading.Thread(target=begin)
t.start()
t.join()
END
cat >thread.yaml <<'END'
version: 1
limit: 20s
programs: {a: {run: "python3 thread.py server --port ${port}", attach: false, ready: listening}}
steps: [{wait: {ready: a}}, {stop: a}]
END
t_ok "a child of another thread than the first is seen to listen" \
	"$FAULT" run thread.yaml

# A wait takes its time, and not a millisecond: ten thousand are below 10 s.
cat >waits.yaml <<'END'
version: 1
limit: 60s
programs: {a: {run: "sleep 60", attach: false}}
steps: [{repeat: 10000, steps: [{wait: 1us}]}, {stop: a}]
expect: {a: {signal: TERM, time: ..9s}}
END
t_ok "ten thousand short waits are short" "$FAULT" run waits.yaml

# ---- the queue is away for two seconds ---------------------------------------

outage() {
	cat <<END
version: 1
name: two seconds without the queue
programs:
  queue:  {run: $1, ready: listening}
  worker: {run: "python3 $worker \${port}"}
faults:
  - {name: outage, armed: false, in: worker, port: "\${port}", inject: reset}
  - {name: outage, armed: false, in: worker, port: "\${port}", call: connect, inject: {error: ECONNREFUSED}}
steps: [{wait: {output: worker, has: job 10 done}}, {arm: outage}, {wait: 2s}, {disarm: outage}]
expect: {worker: {exit: 0, time: 2s.., stdout: [job 10 done, /lost the queue|no queue/, the queue is back after, 100 jobs done]}}
END
}
outage '"server --port ${port} --io epoll-et"' >outage.yaml
t_ok "a worker survives an outage of a reference server" "$FAULT" run outage.yaml
if redis=$(stock_path redis-server); then
	outage "[env, 'LD_LIBRARY_PATH=$STOCK_LIBS', $redis, --port, '\${port}', --save, '', --dir, '\${tmp}']" >redis.yaml
	t_ok "... and of redis" "$FAULT" run redis.yaml
else
	t_skip "... and of redis" "not fetched"
fi
sed 's/time.sleep(0.05)/raise/' "$worker" >hasty.py
sed "s|$worker|hasty.py|" outage.yaml >hasty.yaml
t_exit 1 "one that does not try again is found" "$FAULT" run hasty.yaml
t_done
