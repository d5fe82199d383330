#!/bin/sh
# fault trace: each call with what a rule would have to say.
. "$(dirname "$0")/../lib.sh"
[ -x "$FAULT" ] || t_skip_all "no fault yet"
[ -e "$LIBFAULT" ] || t_skip_all "no libfault.so yet"
command -v python3 >/dev/null || t_skip_all "no python3"

# One process that talks to itself: every call of both ends, in order.
cat >"$T/talk.py" <<'END'
import socket
listener = socket.create_server(("127.0.0.1", 0))
client = socket.create_connection(listener.getsockname())
server, _ = listener.accept()
client.sendall(b"x" * 100)
print(len(server.recv(60)))
print(len(server.recv(60)))
server.sendall(b"y" * 10)
client.recv(5, socket.MSG_PEEK)
client.recv(100)
client.sendall(b"z" * 5)
server.recv(100)
server.setblocking(False)
try:
    server.recv(100)
except BlockingIOError:
    pass
client.shutdown(socket.SHUT_WR)
client.close()
server.close()
listener.close()
raise SystemExit(3)
END

"$FAULT" trace --raw "$T/raw" -o "$T/text" -- python3 "$T/talk.py" \
	>"$T/stdout" 2>"$T/stderr"
t_is "the program's exit status is passed on" "$?" 3
t_is "its output is its own" "$(tr '\n' ' ' <"$T/stdout")" "60 40 "
t_is "with -o, nothing is added to stderr" "$(cat "$T/stderr")" ""
text=$(cat "$T/text")
t_match "the start is seen" "$text" 'attached to python3'
t_match "listen" "$text" 'listen\(fd [0-9]+, port [0-9]+\) = 0'
t_match "connect with the address" "$text" \
	'connect\(fd [0-9]+, 127\.0\.0\.1:[0-9]+\) = 0 .*conn 1 client #1'
t_match "accept with its number" "$text" \
	'accept4?\(fd [0-9]+\) = [0-9]+ .*conn 1 accepted #1 127\.0\.0\.1:'
t_match "a peek has no number" "$text" \
	'recv.*, 5, peek\) = 5  conn 1 client E'
t_match "the first part" "$text" \
	'recv.*, 60\) = 60  conn 1 accepted #1 turn 1 bytes 0\.\.60 ESTABLISHED'
t_match "the second" "$text" \
	'recv.*, 60\) = 40  conn 1 accepted #2 turn 1 bytes 60\.\.100'
t_match "the next turn" "$text" \
	'recv.*, 100\) = 5  conn 1 accepted #3 turn 2 bytes 100\.\.105'
t_match "what does not count has no number" "$text" \
	'recv.*, 100\) = -1 EAGAIN  conn 1 accepted E'
t_match "shutdown" "$text" 'shutdown\(fd [0-9]+, WR\) = 0'
t_match "close" "$text" 'close\(fd [0-9]+\) = 0 .*conn 1 client #1'
t_is "a kept trace prints the same" "$("$FAULT" trace "$T/raw")" "$text"

# What was read off hits just that call.
"$FAULT" exec -e recv:reset:role=accepted:nth=3 -- python3 "$T/talk.py" \
	>"$T/stdout" 2>"$T/stderr"
t_match "a rule with the number hits that call" "$(cat "$T/stderr")" \
	'ConnectionResetError'
t_is "and none before it" "$(tr '\n' ' ' <"$T/stdout")" "60 40 "
for key in turn=2 bytes=100B nth=3:state=ESTABLISHED; do
	"$FAULT" exec -e "recv:reset:role=accepted:$key" -- python3 "$T/talk.py" \
		>"$T/stdout" 2>"$T/stderr"
	t_match "so does one with $key" \
		"$(cat "$T/stdout" "$T/stderr" | tr '\n' ' ')" \
		'^60 40 .*ConnectionResetError'
done

# Calls that a fault holds or refuses. With epoll, which is told beforehand what
# the program waits for, a delay begins when the bytes come and not with a call.
cat >"$T/held.py" <<'END'
import fcntl, select, socket, sys, termios
listener = socket.create_server(("127.0.0.1", 0))
client = socket.create_connection(listener.getsockname())
server, _ = listener.accept()
client.setblocking(False)
waiter = getattr(select, sys.argv[1])()
waiter.register(client, select.POLLIN)
got = b""
def receive():
    global got
    try:
        got += client.recv(5)
    except BlockingIOError:
        pass
server.sendall(b"0123456789")
if sys.argv[1] == "epoll": # the bytes are noticed now, if not before
    fcntl.ioctl(client, termios.FIONREAD, bytes(4))
receive()
receive()
while len(got) < 10:
    waiter.poll()
    receive()
print(got.decode())
END
t_held() {
	"$FAULT" exec -e "$2" --trace "$T/held" -- python3 "$T/held.py" "$1" \
		>"$T/stdout" 2>"$T/stderr"
	text=$("$FAULT" trace "$T/held/trace" | grep 'recv(')
	t_is "with $2 nothing is lost" "$(cat "$T/stdout" "$T/stderr")" \
		0123456789
}
# A call that waits, or is slow, has a line of its own for its end.
late='( <[0-9.]+ s>)?'
t_held poll recv:role=client:delay=100ms:nth=1
t_match "a call that a fault delays has its number" "$text" \
	" = -1 EAGAIN$late  conn 1 client #1 turn 1 ESTABLISHED  <- rule recv:delay"
t_match "one that comes too early is held" "$text" \
	" = -1 EAGAIN$late  conn 1 client held ESTABLISHED$"
t_match "the one that gets the bytes is the same again" "$text" \
	" = 5$late  conn 1 client #1 again turn 1 bytes 0\\.\\.5 ESTABLISHED$"
t_match "and the next one the next" "$text" \
	" = 5$late  conn 1 client #2 turn 1 bytes 5\\.\\.10 ESTABLISHED$"
t_held epoll recv:role=client:delay=100ms:nth=1
t_match "when nobody has called yet, calls are held" "$text" \
	" = -1 EAGAIN$late  conn 1 client held ESTABLISHED$"
t_match "and the first that gets something has number and rule" "$text" \
	" = 5$late  conn 1 client #1 turn 1 bytes 0\\.\\.5 ESTABLISHED  <- rule recv:delay"
t_match "and the next one the next number" "$text" \
	" = 5$late  conn 1 client #2 turn 1 bytes 5\\.\\.10 ESTABLISHED$"
t_held poll recv:role=client:error=EAGAIN:nth=1
t_match "a call that was refused comes again" "$text" \
	" = 5$late  conn 1 client #1 again turn 1 bytes 0\\.\\.5 ESTABLISHED$"

"$FAULT" trace -- python3 "$T/talk.py" >"$T/stdout" 2>"$T/stderr"
t_match "without -o the lines go to stderr" "$(cat "$T/stderr")" 'turn 2 bytes'

t_exit 127 "a program that is not there" "$FAULT" trace -- no-such-program
t_exit 2 "a file that is no trace" "$FAULT" trace "$T/talk.py"
t_exit 2 "nothing to do" "$FAULT" trace
t_ok "trace --help works" "$FAULT" trace --help
head -c 3000 "$T/raw" >"$T/cut"
t_ok "a trace that was cut off prints what is whole" "$FAULT" trace "$T/cut"
t_match "and says so" "$(cat "$T/out")" 'cut off'

# The last record half a million times: 70 MB, in less memory than that.
python3 - "$T/raw" "$T/long" <<'END'
import sys
raw = open(sys.argv[1], "rb").read()
with open(sys.argv[2], "wb") as f:
    f.write(raw)
    for _ in range(500):
        f.write(raw[-136:] * 1000)
END
# shellcheck disable=SC3045 # dash and bash have it
lines=$(ulimit -v 50000 && "$FAULT" trace "$T/long" | wc -l)
t_is "a long trace needs no more memory than a short one" "$lines" \
	"$((500000 + $(wc -l <"$T/text")))"
t_done
