#!/bin/sh
# The table of descriptors stays right whatever a program does: copies, numbers
# used again, fork, vfork, spawn, exec, descriptors in messages, signal
# handlers, longjmp, cancellation, a close under a waiting thread.
# run: parallel
. "$(dirname "$0")/../lib.sh"
[ -e "$LIBFAULT" ] || t_skip_all "no libfault.so yet"
probes=$BUILD/tests/probes
for probe in table_fds table_processes table_async; do
	[ -x "$probes/$probe" ] || make -s -C "$top" \
		"${probes#"$top"/}/$probe" || t_skip_all "no probes"
done

# try PROBE NAME SENTENCE [RULE]: it exits 0 under the rule; a line `skip: …`
# of its output says why it could not do what it should.
try() {
	LD_PRELOAD=$LIBFAULT FAULT_INJECT=${4:-recv:short=1B:role=accepted} \
		timeout 20 "$probes/$1" "$2" >"$T/out" 2>&1
	t_status=$?
	reason=$(sed -n 's/^skip: //p' "$T/out")
	if [ "$t_status" = 0 ] && [ -n "$reason" ]; then
		t_skip "$3" "$reason"
	elif [ "$t_status" = 0 ]; then
		t_pass "$3"
	else
		echo "exit status $t_status; again: LD_PRELOAD=\$PWD/libfault.so" \
			"FAULT_INJECT='${4:-recv:short=1B:role=accepted}'" \
			"${probes#"$top"/}/$1 $2" >>"$T/out"
		t_fail "$3" "$T/out"
	fi
}

second=recv:short=1B:nth=2:role=accepted
delay=recv:delay=100ms:role=accepted

try table_fds copies "each kind of copy is known, after the original is gone"
try table_fds failed-copies "a copy that fails changes nothing"
try table_fds replaced "dup2 of a pipe over a socket, and back"
try table_fds closed-number "a file at the number of a closed socket is a file"
try table_fds closed-by-stdio "a file at the number of a socket that fclose closed is a file"
try table_fds closed-by-stdio-again "a connection at such a number is known"
try table_fds dead-by-stdio "a connection at the number of a dead one is not dead" \
	recv:reset:nth=1:role=accepted
try table_fds ranges "close_range and closefrom, refused ones too"
try table_fds high-numbers "descriptors above 65536"
try table_fds many "three thousand connections one after another"
try table_fds any-address "a client of 0.0.0.0 is known" recv:short=1B:role=client
try table_fds so-error-of-copy "a copy shows the errno of a late connect" \
	connect:error=ETIMEDOUT
try table_fds edge-of-listener "an edge-triggered listener hears of an EAGAIN again" \
	accept:error=EAGAIN:nth=1
try table_fds mask-of-pselect "EINTR goes by the signals that ppoll and pselect let in" \
	poll:error=EINTR
try table_fds empty-pieces "a cut never asks for empty pieces only"

try table_processes fork-and-close "a forking server's connections are known in its children"
try table_processes child-closes "what a child closes stays known to its parent"
try table_processes counted-together "one connection is counted over two processes" "$second"
try table_processes fork-among-threads "fork while a thread makes and closes sockets"
try table_processes vfork-closes "what a child of vfork closes stays known"
try table_processes vfork-of-thread "vfork in a thread"
try table_processes spawn-closes "posix_spawn, system and popen"
try table_processes raw-fork "a child of syscall(SYS_clone) has its sockets known"
try table_processes exec-inherits "a socket inherited over exec is known"
try table_processes fork-exec-inherits "and over fork and exec"
try table_processes passed-on "a connection passed over a UNIX socket goes on counting" "$second"
try table_processes passed-between "and takes nothing from one made meanwhile" "$second"
try table_processes passed-copy "closing a passed copy leaves the original known"
try table_processes passed-to-worker "to a worker and back"

try table_async handler-transfers "a signal handler transfers while the program waits"
try table_async handler-waits "a delay in a handler inside a delay, SA_RESTART" "$delay"
try table_async handler-waits-norestart "and without: EINTR" "$delay"
try table_async longjmp-out "longjmp out of recv: the call was none" "$second"
try table_async longjmp-out-of-delay "longjmp out of a delay leaves no descriptor" "$delay"
try table_async cancel-recv "a thread that waits in recv can be cancelled"
try table_async cancel-delay "a thread that is delayed can be, and the data stay" "$delay"
try table_async close-under-thread "a close under a waiting thread: the number's next connection" "$second"
try table_async end-under-thread "and the entry's next connection" "$second"

# Python's subprocess closes everything in a child of vfork.
cat >"$T/children.py" <<'END'
import socket, subprocess
listener = socket.create_server(("127.0.0.1", 0))
client = socket.create_connection(listener.getsockname())
accepted, _ = listener.accept()
def cut():
    client.sendall(b"12345678")
    first = len(accepted.recv(8))
    left = 8 - first
    while left:
        left -= len(accepted.recv(left))
    return first == 1
for kwargs in ({}, {"close_fds": False}, {"stdin": subprocess.DEVNULL},
               {"pass_fds": [accepted.fileno()]}, {"start_new_session": True},
               {"preexec_fn": lambda: None}):
    subprocess.run(["true"], check=True, **kwargs)
    assert cut(), kwargs
