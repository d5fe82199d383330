#!/bin/sh
# `fault run`: what passes, what fails, with which exit code, and what it says.
# run: waits
. "$(dirname "$0")/../lib.sh"
cd "$T" || exit 1
server=$BUILD/reference/server client=$BUILD/reference/client
[ -x "$server" ] || t_skip_all "the reference programs are not built"

# scenario NAME: from stdin, with the reference programs' paths.
scenario() {
	{
		echo "version: 1"
		sed "s|SERVER|$server|; s|CLIENT|$client|"
	} >"$1.yaml"
}
# run STATUS SENTENCE NAME [OPTION…]
run() {
	t_status_wanted=$1 t_what=$2 t_name=$3
	shift 3
	t_exit "$t_status_wanted" "$t_what" "$FAULT" run "$@" "$t_name.yaml"
}
says() { t_match "... and says so" "$(cat out)" "$1"; }

# ---- passing ----------------------------------------------------------------
scenario reset <<'END'
name: client reports a reset in mid-reply
tags: [client, recv]
programs:
  server: {run: "SERVER --port ${port} --source 1MiB", ready: listening}
  client: {run: "CLIENT --connect ${host}:${port}"}
faults:
  - {in: client, call: recv, connection: 1, bytes: 64KiB, inject: reset, hits: 1}
expect:
  client: {exit: 1, stderr: /reset/}
END
run 0 "a reset in mid-reply, expected: passes" reset
t_match "one line and a summary" "$(cat out)" \
	'^ok +reset.yaml  client reports a reset'
t_match "... with the seed" "$(tail -1 out)" \
	'^1 scenario: 1 passed \([0-9.]+ s, seed 0\)$'
t_is "nothing is kept of what passed" "$(ls -d fault-out 2>/dev/null)" ""
run 0 "-v tells the hits" reset -v
t_match "... and how the programs ended" "$(cat out)" 'client: exit status 1'
says ': 1 hit$'
run 0 "-q says only the summary" reset -q
t_is "... one line" "$(wc -l <out)" 1
t_no_match "no color into a file" "$(cat out)" "$(printf '\033')"
FORCE_COLOR=1 "$FAULT" run reset.yaml >out
t_match "FORCE_COLOR: color" "$(cat out)" "$(printf '\033')"
FORCE_COLOR=1 NO_COLOR=1 "$FAULT" run reset.yaml >out
t_no_match "NO_COLOR: none" "$(cat out)" "$(printf '\033')"

scenario peer <<'END'
programs:
  server: {run: "SERVER --port ${port}", attach: false, ready: listening}
  client: {run: "CLIENT --connect ${host}:${port} --echo 4KiB", attach: false}
END
run 0 "programs without the library, ready by /proc/net/tcp" peer

scenario text <<'END'
programs:
  server: {run: "SERVER --port ${port}", ready: "listening on"}
  client: {run: "CLIENT --connect ${host}:${port} --echo 4KiB"}
expect: {client: {exit: 0, time: ..5s}, server: {alive: true}}
END
run 0 "ready by what it says" text

# ---- expectations that fail ---------------------------------------------------
# fails NAME SENTENCE REGEX: the scenario of stdin exits with 1 and says so.
fails() {
	scenario "$1"
	run 1 "$2: 1" "$1"
	says "$3"
}
fails exit "another exit status" 'exit.yaml:5:.*a: exit status 3, expected 4$' <<'END'
programs:
  a: {run: "sh -c 'echo some output; echo some error >&2; exit 3'"}
expect:
  a: {exit: 4}
END
t_match "its output is shown" "$(cat out)" '\| some error'
t_match "the last line but one repeats it" "$(tail -2 out)" \
	"repeat: fault run exit.yaml --seed 0"
t_is "a directory is kept" \
	"$(cat fault-out/exit.yaml/a.stdout; cd fault-out/exit.yaml && echo *)" \
	"some output
_scenario.yaml a.stderr a.stdout report.txt trace"
t_ok "fault trace reads what was kept" "$FAULT" trace fault-out/exit.yaml/trace

fails job "a job that fails" 'a: exit status 1, expected 0' <<'END'
programs: {a: {run: "false"}}
END
fails crash "a crash" 'a: killed by SIGSEGV' <<'END'
programs: {a: {run: "sh -c 'kill -SEGV $$'"}}
END
fails pipe "a death by SIGPIPE" 'a: killed by SIGPIPE' <<'END'
programs: {a: {run: "sh -c 'kill -PIPE $$'"}}
END
fails out "a text that is missing" 'stdout has no `two`' <<'END'
programs: {a: {run: "echo one"}}
expect: {a: {stdout: [one, two]}}
END
fails no_out "a text that must not be" 'stdout has /o.e/, which must not be' <<'END'
programs: {a: {run: "echo one"}}
expect: {a: {no_stdout: /o.e/}}
END
fails time "too slow" 'ran for .* expected \.\.0\.05s' <<'END'
programs: {a: {run: "sleep 0.2"}}
expect: {a: {time: ..50ms}}
END
fails hang "a hang" 'hang: the limit of 2 s passed: b still runs$' <<'END'
limit: 2s
programs: {a: {run: "true"}, b: {run: "sleep 100"}}
END
says '^    last call of b: none was seen$'
t_no_match "... of no other program" "$(cat out)" 'last call of a'
fails mute_peer "a client that waits for ever" \
	'^ {8}[0-9.]+ client\[[0-9/]+\] (recv|read)\(fd [0-9]+, [0-9]+\) \.\.\.  conn 1 client' <<'END'
limit: 1s
programs:
  peer: {listen: "${port}", steps: [drain]}
  idle: {run: "SERVER --port ${port.idle}", ready: listening}
  client: {run: "CLIENT --connect ${host}:${port}"}
END
says '^    last call of client:$'
t_no_match "... of no service that was ready" "$(cat out)" 'last call of idle'
fails never "a service that is never ready" 'hang: .*: a is not ready' <<'END'
limit: 300ms
programs: {a: {run: "sleep 100", ready: listening}}
END
fails job_that_listens "a server that does not say that it is one" \
	'server still runs \(it listens: a service says `ready: listening`\)$' <<'END'
limit: 1s
programs: {server: {run: "SERVER --port ${port}"}}
END
fails not_said "a service that does not say what is awaited" \
	'output has not had `listen` \(it listens: `ready: listening` waits for that\)$' <<'END'
limit: 1s
programs: {server: {run: "sh -c 'SERVER --port ${port} >&-'", ready: listen}}
END
fails long "a long output" '^    stdout of a, the last 20 of 30 lines:$' <<'END'
programs: {a: {run: "sh -c 'seq 30; exit 1'"}}
END
fails ports "a port that nobody has" \
	'^    ports: \$\{port\} [0-9]+, \$\{port\.srv\} [0-9]+$' <<'END'
programs:
  server: {run: "SERVER --port ${port}", ready: listening}
  client: {run: "CLIENT --connect ${host}:${port.srv}"}
END
fails early "a service that ends before it is ready" \
	'a exited with status 4 before it was ready' <<'END'
programs: {a: {run: "sh -c 'exit 4'", ready: listening}}
END
fails mute "a service that closes its output" 'a closed its output before' <<'END'
programs: {a: {run: "sh -c 'exec >&- 2>&-; sleep 100'", ready: up}}
END
fails gone "a service that ends too early" 'a: exit status 0 before the scen' <<'END'
programs: {a: {run: "sh -c 'echo up; sleep 0.1'", ready: up}, b: {run: "sleep 1.5"}}
END
fails stop "a service that ignores SIGTERM" 'did not end within 0.2 s of SIGTERM' <<'END'
programs:
  a: {run: "sh -c 'trap : TERM; echo up; while :; do sleep 1; done'", ready: up, grace: 200ms}
END
fails leaves "a service that forks away" 'keeps it in the foreground' <<'END'
programs: {a: {run: "sh -c 'sleep 100 & exit 0'", ready: listening}}
END

# ---- expectations that hold -----------------------------------------------------
holds() {
	scenario "$1"
	run 0 "$2" "$1"
}
holds segv "an expected signal" <<'END'
programs: {a: {run: "sh -c 'kill -SEGV $$'"}}
expect: {a: {signal: SEGV}}
END
holds allow "an allowed crash" <<'END'
programs: {a: {run: "sh -c 'kill -SEGV $$'"}}
expect: {allow: [crash]}
END
holds failing_service "a service that is expected to fail" <<'END'
programs: {a: {run: "sh -c 'exit 4'", ready: listening}}
expect: {a: {exit: [3, 4..5]}}
END
holds quick_stop "a service that dies by its stop signal" <<'END'
programs: {a: {run: "sh -c 'echo up; exec sleep 100'", ready: up, stop: INT}}
END
holds order "services are stopped in reverse order" <<'END'
programs:
  a: {run: "sh -c 'trap \"echo a >>${tmp}/order; exit\" TERM; echo up; while :; do sleep 0.01; done'", ready: up}
  b: {run: "sh -c 'trap \"echo b >>${tmp}/order; exit\" TERM; echo up; while :; do sleep 0.01; done'", ready: up}
  c: {run: "cp /dev/null ${tmp}/order"}
END

# ---- rules -----------------------------------------------------------------------
fails port "a rule for another port" \
	'recv [0-9]+ -> in client [0-9]+ -> port 1: 0; ports seen: [0-9]+$' <<'END'
programs:
  server: {run: "SERVER --port ${port}", ready: listening}
  client: {run: "CLIENT --connect ${host}:${port} --echo 4KiB"}
faults: [{in: client, call: recv, port: 1, inject: reset}]
END
fails nth "a rule for a call that is not made" \
	'nth 5000: at most [0-9]+ on one connection$' <<'END'
programs:
  server: {run: "SERVER --port ${port}", ready: listening}
  client: {run: "CLIENT --connect ${host}:${port} --echo 4KiB"}
faults: [{in: client, call: recv, nth: 5000, inject: reset}]
END
fails gated "a rule that a gate holds back" \
	'[0-9]+ times? due, gated by G2: blocking socket' <<'END'
programs:
  server: {run: "SERVER --port ${port}", ready: listening}
  client: {run: "CLIENT --connect ${host}:${port} --echo 4KiB"}
faults: [{in: client, call: recv, inject: {error: EAGAIN}}]
END
fails hits "a rule that fires too often" 'hits?, expected 1$' <<'END'
programs:
  server: {run: "SERVER --port ${port}", ready: listening}
  client: {run: "CLIENT --connect ${host}:${port} --echo 4KiB"}
faults: [{in: client, call: recv, inject: {short: 64B}, hits: 1}]
END

# ---- the environment ---------------------------------------------------------------
broken() {
	scenario "$1"
	run 3 "$2: 3" "$1"
	says "$3"
}
broken none "a program that does not exist" './nothing: no such program' <<'END'
programs: {a: {run: "./nothing"}}
END
broken plain "one that is not executable" 'may not be executed' <<'END'
programs: {a: {run: "/etc/passwd"}}
END
broken dir "a directory that does not exist" 'dir .*/nowhere' <<'END'
programs: {a: {run: "/bin/true", dir: "${tmp}/nowhere"}}
END
broken stdin "an input that does not exist" 'stdin .*/nothing' <<'END'
programs: {a: {run: "cat", stdin: "${tmp}/nothing"}}
END
broken scrubbed "one that is given another run's environment" 'did not attach' <<'END'
programs: {a: {run: "env -i FAULT_SHM=none sleep 0"}}
END
holds scrubbed_peer "... which is allowed with attach: false" <<'END'
programs: {a: {run: "env -i FAULT_SHM=none sleep 0", attach: false}}
END

# ---- rules without a call, and what is said once ----------------------------------
scenario unnamed <<'END'
matrix: {io: [blocking, epoll-et]}
programs:
  server: {run: "SERVER --port ${port} --io ${io}", ready: listening}
  client: {run: "CLIENT --connect ${host}:${port} --io ${io} --echo 4KiB"}
faults:
  - {in: server, inject: reset, idle: 20s}
  - {in: server, role: client, inject: eof, seen: 1MB}
  - {name: late, armed: false, in: server, call: recv, inject: reset}
END
run 1 "rules without a call that never fired" unnamed
says 'connections 2 -> in server 1 -> idle never held$'
says 'connections 2 -> in server 1 -> role client: 0; roles seen: accepted$'
says 'rule recv:reset:name=late:in=server:armed=false never fired$'
t_is "what is not repeatable is no warning of a run" \
	"$(grep -c 'depends on time' out)" 0
t_match "a scenario without a name is called by its file" "$(cat out)" \
	'^FAIL +unnamed.yaml\[io=blocking\]  \('

# ---- more processes than a run can follow -------------------------------------
# As if a script had begun so many before it executes the next.
cat >fill.c <<'END'
#include <stdlib.h>
#include <string.h>
#include <sys/shm.h>
#include <unistd.h>

#include "plan/run.h"

int main(int argc, char **argv)
{
	const char *id = strchr(getenv("FAULT_SHM"), ':') + 1;
	struct fault_run *run = shmat(atoi(id), NULL, 0);

	if (argc < 2 || run == (void *)-1)
		return 1;
	atomic_store(&run->used_processes, (uint32_t)atoi(argv[1]));
	execlp("true", "true", (char *)NULL);
	return 1;
}
END
cat >many.yaml <<END
version: 1
programs:
  a: {run: "./fill \${n}"}
END
if cc -D_GNU_SOURCE -I"$top" -o fill fill.c 2>out; then
	run 0 "30,000 processes" many --var n=30000
	run 3 "32,768 processes" many --var n=32768
	says 'many.yaml:3:3: the library did not attach to ./fill: the run has had 32768 processes, and no more can be followed'
else
	t_skip "more processes than a run can follow" "no cc here"
fi

# As on a busy machine: the limit is over before the program has come to anything.
cat >late.c <<'END'
#include <unistd.h>
unsigned la_version(unsigned version) { sleep(30); return version; }
END
if cc -shared -fPIC -o late.so late.c 2>out; then
	sed "s|AUDIT|$T/late.so|" >late.yaml <<-'END'
		version: 1
		limit: 300ms
		programs: {a: {run: "sleep 1000", env: {LD_AUDIT: AUDIT}}}
	END
	run 1 "a program that the limit ended before it could be reached" late
	says 'hang: the limit of 0.3 s passed: a still runs'
else
	t_skip "a program that the limit ended before it could be reached" "no compiler"
fi

# ---- files may not grow -------------------------------------------------------
printf 'version: 1\nprograms: {a: {run: "head -c 3000000 /dev/zero"}}\nexpect: {a: {exit: 1}}\n' >big.yaml
{
	t_exit 3 "no file may be written: 3" bash -c '(ulimit -f 0; exec "$FAULT" run big.yaml) 2>&1 | cat; exit "${PIPESTATUS[0]}"'
	t_match "... and why" "$(cat out)" 'cannot start head: File too large'
	t_exit 1 "what is kept may not be so large" bash -c '(ulimit -f 1024; exec "$FAULT" run big.yaml) 2>&1 | cat; exit "${PIPESTATUS[0]}"'
	t_match "... which is said" "$(cat out)" 'cannot keep .*: File too large; --out'
}
# 32 and 33 are libc's own, which no program can change.
printf 'version: 1\nprograms: {a: {run: "grep SigIgn /proc/self/status"}}\nexpect: {a: {stdout: "/0000000[01][08]0000000/"}}\n' >ignored.yaml
run 0 "programs start with all signals as they are by default" ignored
t_done
