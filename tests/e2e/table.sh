#!/bin/sh
# The table of descriptors stays right whatever a program does: copies, numbers
# used again, fork, vfork, spawn, exec, descriptors in messages, signal
# handlers, longjmp, cancellation, a close under a waiting thread; and gates
# and edges that need more than one call. Arguments: only these cases.
# run: parallel
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../probes/try.sh"
need_probes table_fds table_processes table_clone table_async table_gates

# try PROBE CASE SENTENCE [RULE]
try() {
	try_probe "${4:-recv:short=1B:role=accepted}" "$1" "$2" "$3"
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
try table_fds dead-unseen "nor at one that was closed behind the library's back" \
	recv:reset:nth=1:role=accepted
try table_fds ranges "close_range and closefrom, refused ones too"
try table_fds high-numbers "descriptors above 65536"
try table_fds many "more sockets one after another than the table holds"
try table_fds any-address "a client of 0.0.0.0 is known" recv:short=1B:role=client
try table_fds so-error-of-copy "a copy shows the errno of a late connect" \
	connect:error=ETIMEDOUT
try table_fds edge-of-listener "an edge-triggered listener hears of an EAGAIN again" \
	accept:error=EAGAIN:nth=1
try table_fds mask-of-pselect "EINTR goes by the signals that ppoll and pselect let in" \
	poll:error=EINTR
try table_fds empty-pieces "a cut never asks for empty pieces only"
try table_fds scattered-counts "a scattered receive counts as any other" \
	recv:short=1B:nth=2:role=accepted
try table_fds fresh-option "a socket that is nothing yet can be faulted" \
	setsockopt:error=ENOPROTOOPT:nth=2

try table_processes fork-and-close "a forking server's connections are known in its children"
try table_processes child-closes "what a child closes stays known to its parent"
try table_processes counted-together "one connection is counted over two processes" "$second"
try table_processes counted-apart "and by each alone with \`per: process\`" \
	recv:short=1B:nth=2:per=process:role=accepted
try table_processes fork-among-threads "fork while a thread makes and closes sockets"
try table_processes vfork-closes "what a child of vfork closes stays known"
try table_processes vfork-exits "and all that it has when it exits"
try table_processes vfork-replaces "and one that it has a pipe in the place of"
try table_processes vfork-of-thread "vfork in a thread"
try table_processes spawn-closes "posix_spawn, system and popen"
try table_processes raw-fork "a child of syscall(SYS_clone) has its sockets known"
try table_processes exec-inherits "a socket inherited over exec is known"
try table_processes bare-fork "what a child of _Fork closes stays known"
try table_processes fork-exec-inherits "and over fork and exec"

sentence="a connection goes on after children of system, popen, wordexp"
case " $cases " in
"  " | *" relatives "*)
	t_ok "$sentence" timeout 20 "$FAULT" exec \
		-e recv:short=1B:role=accepted:connection=1 -- \
		"$probes/table_processes" relatives
	;;
esac
for what in fork exec; do
	case " $cases " in
	"  " | *" many-$what "*)
		t_ok "$what does not touch each of thousands of sockets" \
			timeout 60 "$FAULT" exec -e connect:delay=1ms:port=9 -- \
			"$probes/many" "$what"
		;;
	esac
done
try table_processes passed-on "a connection passed over a UNIX socket goes on counting" "$second"
try table_processes passed-between "and takes nothing from one made meanwhile" "$second"
try table_processes passed-copy "closing a passed copy leaves the original known"
try table_processes passed-many "more sockets passed than the table holds"
try table_processes passed-in-vain "a message that could not be sent takes no socket along"
try table_processes passed-to-worker "to a worker and back"

try table_clone child-is-known "a child of clone has its sockets known"
try table_clone in-namespaces "also one in namespaces of its own"
try table_clone of-our-parent "and one that is its parent's sibling"
try table_clone counted-apart "and counts for itself with \`per: process\`" \
	recv:short=1B:nth=2:per=process:role=accepted
try table_clone child-of-child "and so do its own children"
try table_clone all-arguments "clone's last arguments, and errno, are the program's"
try table_clone refused "a clone that fails changes nothing"
try table_clone stack-below "clone onto the part of the stack that is free"
try table_clone child-closes "what a child of clone closes stays known"
try table_clone given-back "a child of clone that returns gives its sockets back"
every=recv:delay=100ms:nth=1+:role=accepted
try table_clone child-has-helper "a child of clone is delayed, and ends when it returns" "$every"
try table_clone shares-files "a child that shares descriptors closes none of ours" "$every"

try table_async handler-transfers "a signal handler transfers while the program waits"
try table_async handler-waits "a delay in a handler inside a delay, SA_RESTART" "$delay"
try table_async handler-waits-norestart "and without: EINTR" "$delay"
try table_async longjmp-out "longjmp out of recv: the call was none" "$second"
# Longer than it takes to count descriptors: it is the arrival that is delayed.
try table_async longjmp-out-of-delay "longjmp out of a delay leaves no descriptor" \
	recv:delay=1s:role=accepted
try table_async cancel-recv "a thread that waits in recv can be cancelled"
try table_async cancel-delay "a thread that is delayed can be, and the data stay" \
	recv:delay=300ms:nth=1+:role=accepted
try table_async cancel-anywhere "a cancelled delay leaves no descriptor, wherever it is" \
	recv:delay=100ms:nth=1+:role=accepted
try table_async close-under-thread "a close under a waiting thread: the number's next connection" "$second"
try table_async close-under-delay "a delayed call whose socket is closed takes nothing from the next" \
	"$delay"
try table_async end-under-thread "and the entry's next connection" "$second"
try table_async second-reader "a second thread that receives does not wait for all it asks for" \
	recv:delay=300ms:nth=1:role=accepted
try table_async close-under-connect "a connect whose socket is closed ends without the next one" \
	recv:short=1B:role=client
if wanted close-under-accept; then
	try table_async close-under-accept "an accept whose listener is closed gives a connection of that one" \
		"recv:short=1B:role=accepted:port=$(free_port)"
fi
if wanted traced-under-thread; then
	"$FAULT" trace -o "$T/trace" "$probes/table_async" close-under-thread \
		>"$T/out" 2>&1
	t_ok "and what it received is told of its own connection" \
		grep -q '\.\.\. recv.* conn 1 accepted' "$T/trace"
fi
try table_async reset-under-thread "a thread that waits in recv hears of another's reset" \
	send:reset:nth=1:role=client

try table_async fork-while-flushed "a fork beside fflush(NULL) waits for a delay, and no longer" \
	send:delay=100ms:role=client

again=recv:error=EAGAIN:nth=1:role=accepted
try table_gates promise "what a peek or FIONREAD promised is there" # G5
try table_gates promise-of-again "and no EAGAIN says otherwise" "$again"
try table_gates length "a call for one byte is not cut, the next one is" \
	recv:short=1B:nth=1:role=accepted
try table_gates blocking-send "a blocking send is cut only if something could" \
	send:short=1B:role=accepted # G4
try table_gates blocking-recv "EAGAIN waits for a call that may not block" "$again"
try table_gates empty-queue "a call on an empty queue is none" \
	recv:reset:nth=1:role=accepted
try table_gates second-rule "a rule that a gate holds does not hold the next" \
	'recv:error=EINTR;recv:error=ECONNRESET:nth=3'
try table_gates dead "a reset leaves what a received one leaves" \
	recv:reset:nth=1:role=client # G12
try table_gates dead-after-fin "and after the peer's end, what belongs to that" \
	recv:reset:nth=1:role=accepted
try table_gates before-a-reset "what came before a reset is received as ever" "$second"
try table_gates before-a-reset "and so it is when a send has told of the reset" \
	"$second;send:reset:nth=99:role=accepted" # rules that see both directions
try table_gates born-dead "accept hands out a connection that is dead" accept:reset:nth=1
try table_gates close-resets "close as a reset, at the last copy" close:reset:role=accepted
try table_gates interrupted "an interrupted connect leaves the socket blocking" \
	connect:error=EINTR
try table_gates edge-of-short-recv "the edge comes again after a short recv" \
	recv:short=1B:nth=1:role=accepted # G3
try table_gates edge-of-again "after EAGAIN from recv" "$again"
try table_gates edge-of-short-hold "after EAGAIN from an accept held for a moment" \
	accept:delay=1us:nth=1
try table_gates edge-of-rest "for what came during a hold, after a short count" \
	read:delay=100ms:role=accepted
try table_gates edge-of-short-send "after a short send" \
	send:short=1B:nth=1:role=accepted
try table_gates edge-of-send-again "after EAGAIN from send" \
	send:error=EAGAIN:nth=1:role=accepted
try table_gates listens-again "a listener that was shut down and listens again is held" \
	accept:delay=200ms
try table_gates connects-again "and a socket that was, with its next connection" \
	recv:delay=200ms:role=client
try table_gates accept-of-nobody "an accept that waits for nobody hears of its shutdown" \
	accept:delay=200ms
try table_gates send-that-fails-late "an error that was to come is not that of a shutdown" \
	send:delay=60s:error=ECONNRESET:role=client

if [ -n "$cases" ]; then
	t_done
elif command -v python3 >/dev/null; then
	t_ok "python's subprocess, in each of its ways" env \
		LD_PRELOAD="$LIBFAULT" FAULT_INJECT=recv:short=1B:role=accepted \
		timeout 20 python3 "$top/tests/probes/subprocesses.py"
else
	t_skip "python's subprocess, in each of its ways" "no python3"
fi
t_done
