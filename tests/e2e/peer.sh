#!/bin/sh
# Scripted programs: a client is tested without a server being written, a server
# without a client, and static and Go programs are reached too. What did not run
# through fails, with its place in the file.
# run: waits
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../programs/env.sh"
cd "$T" || exit 1
reference=$BUILD/reference
[ -x "$reference/server" ] || t_skip_all "the reference programs are not built"

# scenario NAME: from stdin, with the paths of programs.
scenario() {
	{
		echo "version: 1"
		echo "${limit:-limit: 20s}"
		sed -e "s|REFERENCE|$reference|" -e "s|STOCK|$stock_program|" \
			-e "s|LIBS|LD_LIBRARY_PATH: \"$STOCK_LIBS\"|"
	} >"$1.yaml"
}
stock_program=

# passes|fails SENTENCE NAME [OPTION…]: with the scenario on stdin.
passes() {
	scenario "$2"
	t_what=$1 t_name=$2
	shift 2
	t_ok "$t_what" "$FAULT" run -v "$@" "$t_name.yaml"
}
fails() {
	scenario "$2"
	t_exit 1 "$1" "$FAULT" run "$2.yaml"
}
says() { t_match "... and says so" "$(cat out)" "$1"; }

# with NAME SENTENCE: is this stock program here? Its path goes into scenarios.
with() {
	stock_program=$(stock_path "$1") && return
	t_skip "$2" "$1 was not fetched"
	return 1
}

# ---- servers that are scripts -----------------------------------------------
web='[{recv: /\r\n\r\n/}, {send: "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"}]'
for client in "curl -sS" "wget --no-config -q -O -" "busybox wget -q -O -"; do
	name=${client%% *}
	with "$name" "$name: a scripted server" || continue
	attach=true
	[ "$name" != busybox ] || attach=false
	passes "$name: a scripted server, attach: $attach" "web_$name" <<-END
	programs:
	  server: {listen: "\${port}", steps: $web}
	  client: {run: "STOCK ${client#* } http://127.0.0.1:\${port}/", env: {LIBS}, attach: $attach}
	expect: {client: {stdout: hello}}
	END
done

if with curl "curl retries"; then
	passes "curl: the first connection is reset, the second cut off, the third served" retry <<-END
	programs:
	  server:
	    listen: 127.0.0.1:\${port}
	    steps:
	      1: [{recv: /\r\n\r\n/}, reset]
	      2: [{recv: /\r\n\r\n/}, {send: "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe"}]
	      3+: $web
	  client: {run: "STOCK -sS --retry 5 --retry-all-errors --retry-delay 1 -o ${T}/got http://127.0.0.1:\${port}/", env: {LIBS}}
	END
	t_is "... wholly" "$(cat got)" hello
	passes "curl: a server of IPv6" six <<-END
	programs:
	  server: {listen: "[::1]:\${port}", steps: $web}
	  client: {run: "STOCK -gsS http://[::1]:\${port}/", env: {LIBS}}
	expect: {client: {stdout: hello}}
	END
	passes "curl: nobody accepts" full <<-END
	programs:
	  server: {listen: "\${port}", accept: false}
	  client: {run: "STOCK -sS --connect-timeout 1 http://127.0.0.1:\${port}/", env: {LIBS}}
	expect: {client: {exit: 28, time: 900ms..}}
	END
	printf 0123456789012345678901234567890123456789 >page
	passes "curl: a file, at a rate" rate <<-END
	programs:
	  server:
	    listen: \${port}
	    steps: [{recv: /\r\n\r\n/}, {send: "HTTP/1.0 200 OK\r\n\r\n"}, {send: {file: "\${here}/page"}, rate: 100B/s}]
	  client: {run: "STOCK -sS http://127.0.0.1:\${port}/", env: {LIBS}}
	expect: {client: {stdout: "0123456789012345678901234567890123456789", time: 300ms..}}
	END
fi
if with redis-cli "redis-cli: a scripted server"; then
	passes "redis-cli: a scripted server" redis <<-END
	programs:
	  server: {listen: "\${port}", steps: [{recv: "ping\r\n"}, {send: "+PONG\r\n"}, drain]}
	  client: {run: "STOCK -p \${port} ping", env: {LIBS}}
	expect: {client: {stdout: PONG}}
	END
fi
if with python3 "python3: any number of requests on one connection"; then
	cat >client.py <<-END
	import http.client, sys
	c = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]))
	for i in range(3):
	    c.request("GET", "/")
	    print(c.getresponse().read().decode())
	END
	passes "python3: any number of requests on one connection" again <<-END
	programs:
	  server: {listen: "\${port}", steps: [{repeat: forever, steps: $web}]}
	  client: {run: "STOCK client.py \${port}", env: {LIBS}}
	expect: {client: {stdout: [hello, hello, hello]}}
	END
fi
passes "the reference client verifies what a script sends" pattern <<'END'
programs:
  server: {listen: "${port}", steps: [{send: {size: 1MiB}}, half_close, drain]}
  client: {run: "REFERENCE/client --connect 127.0.0.1:${port}"}
END
passes "... and what it echoes" echo <<'END'
programs:
  server: {listen: "${port}", steps: [echo]}
  client: {run: "REFERENCE/client --connect 127.0.0.1:${port} --echo 4MiB"}
END

# ---- clients that are scripts -----------------------------------------------
ask='[{send: "GET / HTTP/1.0\r\n\r\n"}, {recv: /^HTTP.1.. 200/}, {recv: "hello\n"}, {recv: eof, within: 5s}]'
for server in nginx busybox websocketd; do
	with "$server" "$server: a scripted client" || continue
	port=$(free_port)
	serve "$server" "$port"
	pid=$t_pid
	passes "$server: twenty scripted clients" "ask_$server" --var "server=$port" <<-END
	programs:
	  client: {connect: "127.0.0.1:\${server}", count: 20, steps: $ask}
	END
	stop "$pid"
done
passes "the reference server: a client that resets in mid-transfer" abort <<'END'
programs:
  server: {run: "REFERENCE/server --port ${port} --source 10MiB", ready: listening}
  client: {connect: "127.0.0.1:${port}", steps: [{recv: 64KiB}, reset]}
expect: {server: {stderr: /reset/}}
END
passes "200 slow clients" slow <<'END'
programs:
  server: {run: "REFERENCE/server --port ${port} --io epoll-et", ready: listening}
  client: {connect: "127.0.0.1:${port}", count: 200, steps: [{send: {size: 100B}, rate: 200B/s}, {recv: 100B}]}
END

# ---- both -------------------------------------------------------------------
passes "both sides of a connection are scripts" both <<'END'
programs:
  server: {listen: "${port}", steps: {1..2: [{recv: PING}, {send: PONG}, {recv: eof}], 3: [{recv: reset}]}}
  client: {connect: "127.0.0.1:${port}", repeat: 2, steps: [{send: PING}, {recv: PONG}]}
  last: {connect: "127.0.0.1:${port}", started: false, steps: [reset]}
steps: [{wait: {exit: client}}, {start: last}]
END
passes "a script waits for a rule's hit, and for a file" hit <<'END'
programs:
  server: {run: "REFERENCE/server --port ${port} --source 1B", ready: listening}
  client:
    connect: 127.0.0.1:${port}
    steps: [{wait: {hit: late}, within: 10s}, {wait: {file: "${tmp}/go", has: now}, within: 10s}, {recv: 1B}]
faults:
  - {name: late, in: server, call: send, inject: {delay: 100ms}}
steps: [{wait: {hit: late}}, {run: ["sh", "-c", "echo now >${tmp}/go"]}]
END

scenario often <<'END'
programs:
  server: {run: "REFERENCE/server --port ${port} --source 1B --io epoll-et", ready: listening}
  client: {connect: "127.0.0.1:${port}", count: 3, steps: [{recv: 1B}]}
  counter: {connect: "127.0.0.1:${port}", steps: [{wait: {hit: late, count: 3..}}, {wait: {hit: late, count: 1..2}}]}
faults:
  - {name: late, in: server, call: send, inject: {delay: 10ms}}
END
t_exit 1 "a rule that has hit too often" "$FAULT" run often.yaml
says 'counter: script: expected wait for hit late, there were more hits'

# ---- what does not run through ----------------------------------------------
fails "another answer" other <<'END'
programs:
  server:
    listen: ${port}
    steps: [{recv: PING}, {send: "PONG 1\r\n"}]
  client:
    connect: 127.0.0.1:${port}
    steps:
      - {send: PING}
      - {recv: "PONG 2\r\n"}
END
says '^ +other.yaml:11:9: client: script: expected recv "PONG 2\\r\\n", got eof after 8 B: "PONG 1\\r\\n"$'
fails "a server whose second connection does not come" second <<'END'
programs:
  server: {listen: "${port}", steps: {1: [drain], 2: [drain]}}
  client: {connect: "127.0.0.1:${port}", steps: [{send: x}]}
END
says '^ +second.yaml:[0-9]+:[0-9]+: server: script: connection 2 never came$'
fails "a server that was sent another request" request <<'END'
programs:
  server: {listen: "${port}", steps: [{recv: PING}]}
  client: {connect: "127.0.0.1:${port}", steps: [{send: PONG}]}
END
says 'request.yaml:4:[0-9]+: server: script: connection 1: expected recv "PING", got eof after 4 B: "PONG"$'
fails "nobody is there" nobody <<'END'
programs:
  client: {connect: "127.0.0.1:${port}", steps: [{send: x}]}
END
says 'client: script: cannot connect to port [0-9]+: Connection refused$'
passes "... unless that is expected" expected <<'END'
programs:
  client: {connect: "127.0.0.1:${port}", steps: [{send: x}]}
expect: {client: {exit: 1, stderr: refused}}
END
mkdir taken
port=$(free_port)
spawn other "$reference/server" --port "$port"
other=$t_pid
wait_for listening "$port"
scenario taken <<'END'
programs:
  server: {listen: "${taken}", steps: [drain]}
END
t_exit 1 "a port that is taken" "$FAULT" run --var "taken=$port" taken.yaml
says 'cannot listen on port [0-9]+: Address already in use'
stop "$other"

# ---- by hand ----------------------------------------------------------------
t_no_match "not in the help" "$("$FAULT" --help)" '^ +peer'
t_ok "... but explained" "$FAULT" peer --help
scenario hand <<'END'
programs:
  server: {listen: "${port}", steps: [{repeat: 2, steps: [{recv: a}, {send: b}]}]}
  other: {run: "true"}
END
t_exit 2 "a program that is none" "$FAULT" peer hand.yaml nobody
says 'there is no program .nobody'
t_exit 2 "a program that is misspelt" "$FAULT" peer hand.yaml sever
says 'did you mean .server'
t_exit 2 "a program that is not scripted" "$FAULT" peer hand.yaml other
says 'is no scripted program'
t_exit 2 "standard input that is no program" \
	sh -c "echo x | '$FAULT' peer - server"
spawn hand "$FAULT" peer hand.yaml server
hand=$t_pid
wait_for grep -q '^listening on port' hand.log
kill -TERM "$hand"
wait_for not running "$hand"
wait "$hand"
t_is "SIGTERM before anybody came: not through" "$?" 1
t_match "... and why" "$(cat hand.log)" 'hand.yaml:4:[0-9]+: no connection came'

# ---- at the limit ---------------------------------------------------------------
limit="limit: 3s"
fails "a script that waits for what never comes" never <<'END'
programs:
  server: {listen: "${port}", steps: [{recv: "GET b"}]}
  client: {connect: "127.0.0.1:${port}", steps: [{send: "GET a"}, {recv: x}]}
END
says 'never.yaml:4:39: server: script: connection 1: expected recv "GET b", was stopped before that: "GET a"$'
t_match "... each of them" "$(cat out)" 'never.yaml:5:67: client: script: expected recv "x", was stopped before that$'
passes "... which may be, if a hang may" may <<'END'
programs:
  server: {listen: "${port}", steps: [{recv: "GET b"}]}
  client: {connect: "127.0.0.1:${port}", steps: [{send: "GET a"}, {recv: x}]}
expect: {allow: [hang]}
END
limit=

# ---- real sockets, and no processor -----------------------------------------
scenario idle <<'END'
programs:
  server: {listen: "${port}", steps: [{recv: a}, half_close, {recv: eof}, {wait: 1s}]}
  client: {connect: "127.0.0.1:${port}", steps: [{send: a}, {recv: eof}, close, {wait: 1500ms}]}
END
t_ok "a script that waits behind both FINs" sh -c "
	'$FAULT' run idle.yaml && times >'$T/times'"
# The second line is that of children: "0m0.015s 0m0.008s", user and system.
t_ok "... uses no processor" awk 'NR == 2 {
	for (i = 1; i <= 2; i++) { split($i, t, /[ms]/); sum += 60 * t[1] + t[2] }
	print "seconds:", sum
	exit sum > 0.2
}' "$T/times"

# ---- what is no file ----------------------------------------------------------
fails "a script does not wait for who writes into a FIFO" wait_fifo <<'END'
setup: ["mkfifo ${tmp}/fifo"]
programs:
  server: {listen: "${port}", steps: [{wait: {file: fifo, has: x}, within: 200ms}]}
  client: {connect: "127.0.0.1:${port}", steps: [{recv: eof}]}
END
says 'wait for file .*/fifo, it did not come within 0.2s'
fails "... and does not send from one" send_fifo <<'END'
setup: ["mkfifo ${tmp}/fifo"]
programs:
  server: {listen: "${port}", steps: [{send: {file: fifo}}]}
  client: {connect: "127.0.0.1:${port}", steps: [{recv: eof}]}
END
says 'send file .*/fifo, cannot read it: Illegal seek'
t_done
