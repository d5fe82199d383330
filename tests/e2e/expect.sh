#!/bin/sh
# `expect: calls, order, files`: what holds passes, each thing that does not hold
# fails, and says what there was instead.
# run: waits
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../programs/env.sh"
cd "$T" || exit 1
server=$BUILD/reference/server client=$BUILD/reference/client
[ -x "$server" ] || t_skip_all "the reference programs are not built"

# try STATUS SENTENCE NAME: the scenario of stdin, with what is known filled in.
try() {
	sed "s|SERVER|$server|; s|CLIENT|$client|; s|PYTHON|$python|; s|WGET|$wget|
		s|LIBS|$STOCK_LIBS|; s|WWW|${www:-}|; s|NGINX|${port:-}|" >"$3.yaml"
	t_exit "$1" "$2" "$FAULT" run "$3.yaml"
}
# wrong SENTENCE HOW REGEX: the same scenario changed by sed fails and says so.
wrong() {
	sed -E "$2" "$base.yaml" >wrong.yaml
	if cmp -s "$base.yaml" wrong.yaml; then
		t_fail "$1: nothing was changed"
		return
	fi
	t_exit 1 "$1: 1" "$FAULT" run wrong.yaml
	t_match "... and says so" "$(cat out)" "$3"
}
python=$(stock_path python3 || command -v python3) wget=$(stock_path wget)

# ---- the reference programs ---------------------------------------------------
base=ours
try 0 "both ends of an echo, as expected" ours <<'END'
version: 1
programs:
  server: {run: "SERVER --port ${port} --echo", ready: listening}
  client: {run: "CLIENT --connect ${host}:${port} --echo 4KiB --connections 3"}
faults:
  - {in: client, call: recv, connection: 2, inject: {short: 64B}, hits: 64}
expect:
  calls:
    - {in: client, call: connect, port: "${port}", count: 3}
    - {in: client, call: recv, connection: 2, bytes: 4KiB, count: 65}
    - {in: client, call: recv, connection: 2, nth: 64, result: ok, bytes: 64B}
    - {in: server, call: accept, result: ok, count: 3, gap: ..10s}
    - {in: server, call: recv, result: ECONNRESET, count: 0}
  order:
    - {in: client, call: connect}
    - {in: server, call: accept, result: ok}
    - {in: client, call: recv, connection: 2, bytes: 64B}
    - {in: client, call: close, connection: 2, gap: ..10s}
    - {in: client, call: connect}
    - {in: client, call: close, connection: 3}
END
wrong "a connection too few" 's/(connect, port.*count:) 3/\1 4/' \
	'wrong.yaml:9:7: connect in client to port [0-9]+: 3 calls, expected 4$'
t_match "... and shows the calls" "$(cat out)" \
	'^ +[0-9.]+ client\[[0-9]+/[0-9]+\] (\.\.\. )?connect\(fd [0-9]+, 127\..*#3'
wrong "one too many" 's/(connect, port.*count:) 3/\1 ..2/' \
	'to port [0-9]+: 3 calls, expected \.\.2$'
wrong "another port" 's/connect, port: "[^"]*"/connect, port: 1/' \
	'connect in client to port 1: 0 calls, expected 3$'
t_match "... and shows what came nearest" "$(cat out)" \
	'these came nearest:$'
wrong "other bytes" 's/bytes: 4KiB/bytes: 5KiB../' \
	'recv in client on connection 2: 4096 bytes in 65 calls, expected 5120\.\.$'
wrong "a result that never was" 's/ECONNRESET, count: 0/ECONNRESET/' \
	'recv in server: 0 calls with ECONNRESET, expected 1\.\.$'
wrong "a gap that is none" 's/gap: \.\.10s\}$/gap: 5s..10s}/' \
	'accept in server: [0-9.]+ s between call 1 and 2, expected 5s..10s$'
wrong "a gap that is none in an order" \
	's/connection: 2, gap: \.\.10s/connection: 2, gap: 5s../' \
	'wrong.yaml:18:7: order: call 4 of 6: no close in client on connection 2 after recv in client on connection 2 and a gap of 5s\.\.$'
wrong "another order" 's/close, connection: 3/close, connection: 1/' \
	'wrong.yaml:20:7: order: call 6 of 6: no close in client on connection 1 after connect in client$'
t_match "... and shows how far it came" "$(cat out)" 'so far:$'
t_match "... and when it was" "$(cat out)" 'seen at another time:$'

# ---- a client that must try three times -----------------------------------------
cat >retry.py <<'END'
import socket, sys, time

tries, pause, timeout = int(sys.argv[2]), float(sys.argv[3]), sys.argv[4]
for i in range(tries):
    s = socket.socket()
    s.settimeout(float(timeout) or None)
    try:
        s.connect(("127.0.0.1", int(sys.argv[1])))
    except OSError as e:
        print(e)
        s.close()
        if i < tries - 1:
            time.sleep(pause * 2**i)
        continue
    while s.recv(65536):
        pass
    sys.exit(0)
sys.exit(1)
END
base=retry
for timeout in 0 5; do # which blocks, and which polls
	if [ -z "$python" ]; then
		t_skip "a Python client tries three times" "no python3"
		break
	fi
	sed "s/TIMEOUT/$timeout/" <<'END' >retry.in
version: 1
programs:
  server: {run: "SERVER --port ${port} --source 64KiB", ready: listening}
  client: {run: "PYTHON retry.py ${port} 3 0.2 TIMEOUT", env: {LD_LIBRARY_PATH: "LIBS"}}
faults:
  - {in: client, call: connect, nth: 1..2, inject: {error: ECONNREFUSED}, hits: 2}
expect:
  calls:
    - {in: client, call: connect, count: 3, gap: 200ms..}
    - {in: client, call: connect, result: ECONNREFUSED, count: 2, gap: 200ms..10s}
    - {in: client, call: connect, result: ok, count: 1}
  order:
    - {in: client, call: connect, result: ECONNREFUSED}
    - {in: client, call: connect, result: ECONNREFUSED, gap: 200ms..10s}
    - {in: client, call: connect, result: ok, gap: 400ms..}
END
	try 0 "a Python client tries three times (timeout $timeout)" retry <retry.in
	wrong "four times" 's/count: 3/count: 4/' \
		'connect in client: 3 calls, expected 4$'
	wrong "without a pause" \
		's/(retry.py .*) 0\.2 /\1 0 /; s/gap: 200ms\.\.\}/gap: 3s..}/' \
		'connect in client: [0-9.]+ s between call 1 and 2, expected 3s\.\.$'
	wrong "with a longer one" 's/gap: 400ms\.\./gap: 4s../' \
		'order: call 3 of 3: no connect in client that succeeded after connect in client and a gap of 4s\.\.$'
	wrong "refused three times" 's/(ECONNREFUSED, count:) 2/\1 3/' \
		'connect in client: 2 calls with ECONNREFUSED, expected 3$'
done

# ---- files -------------------------------------------------------------------------
base=files
try 0 "files that a program leaves" files <<'END'
version: 1
programs:
  a: {run: "sh -c 'printf \"one\\ntwo\\n\" >${tmp}/a; cp ${tmp}/a ${tmp}/b'"}
expect:
  files:
    a: {has: [one, /^two$/], not: three, size: 8B, same: b}
    "${tmp}/b": {size: 1B..}
END
wrong "a file that is not there" 's/    a: \{/    c: {/' \
	'wrong.yaml:6:5: .*/tmp/c: there is no such file$'
wrong "a text that is not there" 's/one, /two, one, /' \
	': has no `one` behind the texts before, expected; its first line is `one`$'
wrong "a text that must not be" 's/not: three/not: \/tw.\//' \
	': has /tw\./, which must not be'
wrong "another size" 's/size: 8B/size: ..7B/' ': has 8 bytes, expected \.\.7$'
wrong "another content" 's/cp (.*)\/a (.*)\/b/sed s\/w\/x\/ \1\/a >\2\/b/' \
	'/tmp/a: differs from .*/tmp/b at byte 5 \(line 2\): 0x77 \(w\), expected 0x78 \(x\)$'

# ---- a download that is resumed --------------------------------------------------
base=resumed
if [ -z "$wget" ] || ! stock_path nginx >/dev/null; then
	t_skip "wget resumes a download" "not fetched"
	t_done
fi
port=$(free_port)
www=$T/nginx-$port/www
mkdir -p "$www"
head -c 300000 /dev/urandom >"$www/big"
cp "$www/big" "$www/other"
printf x | dd of="$www/other" bs=1 seek=200000 conv=notrunc 2>/dev/null
printf y | dd of="$www/big" bs=1 seek=200000 conv=notrunc 2>/dev/null
serve nginx "$port"
try 0 "wget resumes a download" resumed <<'END'
version: 1
programs:
  client:
    run: "WGET --no-config -nv -t 3 --waitretry=1 -O ${tmp}/got http://127.0.0.1:NGINX/big"
    env: {LD_LIBRARY_PATH: "LIBS"}
faults:
  - {in: client, call: recv, connection: 1, bytes: 100KiB, inject: reset, hits: 1}
expect:
  calls:
    - {call: connect, port: NGINX, count: 2, gap: 900ms..}
    - {call: recv, connection: 1, bytes: 100KiB}
    - {call: recv, port: NGINX, connection: 2, bytes: 190KiB..}
  files:
    got: {same: WWW/big, size: 300000B}
END
wrong "another file" 's/www\/big, /www\/other, /' \
	'got: differs from .*/other at byte 200000 \(line [0-9]+\): 0x79 \(y\), expected 0x78 \(x\)$'
wrong "which is not resumed" 's/-t 3/-t 1/' \
	'connect to port [0-9]+: 1 call, expected 2$'
t_match "... and the file ends early" "$(cat out)" \
	'got: has [0-9]+ bytes, expected 300000$'
t_done
