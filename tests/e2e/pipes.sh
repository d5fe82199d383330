#!/bin/sh
# splice, sendfile from a socket, preadv2 and pwritev2: a pipe that is empty or
# full, and calls that the kernel refuses, are none of the socket's; all others
# are, in both directions. Arguments: only these cases.
# run: waits
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../probes/try.sh"
need_probes pipes

# try CASE RULE SENTENCE
try() {
	try_probe "$2:role=accepted" pipes "$1" "$3"
}

send=send:reset:nth=1
recv=recv:reset:nth=1
try empty-pipe $send "a splice that finds an empty pipe is none of the socket's"
try no-writers $send "nor is the end of what the pipe gives"
try waits-for-pipe $send "a splice waits for its pipe, and is a send then"
try full-pipe $recv "a splice into a full pipe is no receive"
try no-readers $recv "EPIPE of the pipe does not end the connection"
try refused $recv "what the kernel refuses is not hit"
try nowait recv:error=EAGAIN:nth=1 "preadv2 says EAGAIN where RWF_NOWAIT is given"
try nowait-by-number recv:error=EAGAIN:nth=1 "RWF_NOWAIT of syscall(2), too"
try bytes splice:reset:bytes=5B "a mark cuts what is spliced from a socket"
try bytes-sent splice:reset:bytes=5B "and what is spliced to one"
try held recv:delay=100ms "what is spliced can be late, and readiness says so"
try by-number $recv "splice and sendfile by their numbers"
try registered-by-number recv:delay=100ms "a set that knows the socket by syscall(2) hears of it in time"
t_done
