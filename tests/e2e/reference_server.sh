#!/bin/bash
# reference_server.sh - is the reference server correct? What reference.sh is
# for the client: shortages, resets, signals, made by the kernel.  Emits TAP.
# run: parallel limit 180
. "$(dirname "$0")/../reference.sh"

# said STYLE SERVICE TEXT REPLY COMPLAINT: a server whose peer says this text
said() {
	local status=0
	serve "$1" "--$2" || return 1
	peer p say "$port" "$3"
	if [ -n "$4" ]; then
		await p "$4" || status=1
	fi
	finish p 0 || status=1
	await srv "server: $5" || status=1
	stop && return $status
}

# ---- the server's errors ----

port_taken() {
	serve "$1" || return 1
	timeout $limit "$server" --port "$port" --io "$1" >"$tmp/out" 2>&1
	local status=$?
	[ $status = 1 ] && grep -q "bind to $addr: .*EADDRINUSE\|listen on $addr: .*EADDRINUSE" "$tmp/out" ||
		why "status $status: $(cat "$tmp/out")" || status=2
	stop && [ $status = 1 ]
}

peer_leaves() {
	serve "$1" --source 64MiB || return 1
	peer p leave "$port"
	await srv 'server: @(send|write|read|recv)*ECONNRESET*' &&
	finish p 0 &&
	run 0 '67108864 received' --connect "$addr" --io "$1"
	local status=$?
	stop && return $status
}

# Connections that were reset while they waited in the queue.  More than there
# are descriptors: none may leak.
born_dead() {
	start srv bash -c 'ulimit -Sn 40 && exec "$@"' sh "$server" --port 0 \
		--io "$1"
	await srv 'listening on *' || return 1
	addr=${line#listening on }
	kill -STOP "$srv_pid"
	peer p dead "${addr##*:}" 60
	await p ok && finish p 0
	kill -CONT "$srv_pid"
	await srv 'server: getpeername: *ENOTCONN*' &&
	run 0 '1048576 received' --connect "$addr" --io "$1" --echo 1MiB
	local status=$?
	stop || return 1
	case $rest in
	*EMFILE*) why "descriptors leak: $rest"; return 1 ;;
	esac
	return $status
}

# The blocking server has no descriptor left at all, until it gets some.
no_descriptor_blocking() {
	local status=0 pid
	start srv bash -c 'ulimit -Sn 5 && exec "$@"' sh "$server" --port 0
	await srv 'listening on *' || return 1
	addr=${line#listening on }
	await srv '*accept on*EMFILE*' || return 1
	# First it is told so by a reset, then it gets what it wants.
	run 1 'ECONNRESET|EPIPE' --connect "$addr" --echo 1MiB || status=1
	[ "$(cpu_ticks "$srv_pid")" -lt 30 ] ||
		why "it spins: $(cpu_ticks "$srv_pid") ticks" || status=1
	prlimit --pid "$srv_pid" --nofile=64: ||
		why "no prlimit" || status=1
	run 0 '1048576 received' --connect "$addr" --echo 1MiB || status=1
	stop && return $status
}

# The others wait in the queue until some have gone.
no_descriptor_events() {
	local status=0
	start srv bash -c 'ulimit -Sn 16 && exec "$@"' sh "$server" --port 0 \
		--io "$1"
	await srv 'listening on *' || return 1
	addr=${line#listening on }
	peer p hold "${addr##*:}" 14
	await p held && await srv '*accept on*EMFILE*' || return 1
	tell p 'close 10'
	await p 'done' || status=1
	tell p echoes
	await p 'done' || status=1
	run 0 '1048576 received' --connect "$addr" --io "$1" --echo 1MiB ||
		status=1
	finish p 0 && stop && return $status
}

# If it lasts, some are told by a reset; no spinning meanwhile.
no_descriptor_for_long() {
	local status=0
	start srv bash -c 'ulimit -Sn 16 && exec "$@"' sh "$server" --port 0 \
		--io "$1"
	await srv 'listening on *' || return 1
	addr=${line#listening on }
	peer p hold "${addr##*:}" 14
	await p held && await srv '*accept on*EMFILE*' || return 1
	tell p reset
	await p 'done' || status=1
	[ "$(cpu_ticks "$srv_pid")" -lt 30 ] ||
		why "it spins: $(cpu_ticks "$srv_pid") ticks" || status=1
	tell p 'close 12'
	await p 'done' || status=1
	run 0 '1048576 received' --connect "$addr" --io "$1" --echo 1MiB ||
		status=1
	finish p 0 && stop && return $status
}

# A limit, set from outside, under which no more threads fit in memory.
no_thread() {
	local status=0 size
	serve thread || return 1
	size=$(awk '/^VmSize/ { print $2 * 1024 }' "/proc/$srv_pid/status")
	prlimit --pid "$srv_pid" --as=$((size + 1048576)): || return 1
	run 1 'ECONNRESET' --connect "$addr" --echo 1MiB || status=1
	await srv '*pthread_create for *EAGAIN*' || status=1
	prlimit --pid "$srv_pid" --as=unlimited: || status=1
	run 0 '1048576 received' --connect "$addr" --echo 1MiB || status=1
	stop && return $status
}

# The same for processes: as another user, because root has no such limit.
other_user=(setpriv --reuid=61234 --regid=61234 --clear-groups)
users_can_be_changed() {
	[ "$(id -u)" = 0 ] && "${other_user[@]}" test -x "$server" 2>/dev/null
}

# Here there is room within a second, and who waited is served.
no_process() {
	local status=0 other_pid='' line
	start other "${other_user[@]}" cat
	start srv "${other_user[@]}" prlimit --nproc=2: "$server" --port 0 \
		--io fork
	await srv 'listening on *' || return 1
	start peer "$client" --connect "${line#listening on }" --echo 1MiB
	await srv '*fork for *EAGAIN*' || status=1
	kill -TERM "$other_pid"
	finish other 143 || status=1
	finish peer 0 || status=1
	stop && return $status
}

# A child that is killed is reaped, named, and its server goes on.
child_killed() {
	local child status=0
	serve fork || return 1
	peer p hold "$port" 1
	await p held || return 1
	tell p echoes
	await p 'done' || return 1
	child=$(cat "/proc/$srv_pid/task/$srv_pid/children")
	kill -KILL "${child% }"
	await srv '*process for *killed by signal 9 (SIGKILL)' || status=1
	[ -z "$(cat "/proc/$srv_pid/task/$srv_pid/children")" ] ||
		why "a child is left" || status=1
	run 0 '1048576 received' --connect "$addr" --echo 1MiB || status=1
	finish p 0 && stop && return $status
}

# Descriptors that select cannot watch: their peers are reset, others served.
select_is_full() {
	local status=0
	# shellcheck disable=SC2016  # the inner shell expands it
	start srv bash -c 'ulimit -Sn 1100
		for fd in {10..1010}; do eval "exec $fd</dev/null"; done
		exec "$@"' sh "$server" --port 0 --io select
	await srv 'listening on *' || return 1
	addr=${line#listening on }
	peer p hold "${addr##*:}" 30
	await p held && await srv '*select cannot watch descriptor 1024*' ||
		status=1
	tell p reset
	await p 'done' || status=1
	tell p 'close 20'
	await p 'done' || status=1
	run 0 '1048576 received' --connect "$addr" --io select --echo 1MiB ||
		status=1
	finish p 0 && stop && return $status
}

# Silent peers do not keep an event loop from the others.
others_go_on() {
	serve "$1" || return 1
	peer p hold "$port" 5
	await p held || return 1
	run 0 '8388608 received' --connect "$addr" --io "$1" --echo 8MiB
	local status=$?
	finish p 0 && stop && return $status
}

# A peer that has all and does not end has five seconds: for all styles at once.
# Who was started later holds the inputs of those before: they end backwards.
peer_lingers() {
	local io line pid backwards='' status=0
	for io in $styles; do
		start "srv_${io/-/_}" "$server" --port 0 --io "$io" --source 1B
		await "srv_${io/-/_}" 'listening on *' || return 1
		peer "p_${io/-/_}" hold "${line##*:}" 1
		backwards="${io/-/_} $backwards"
	done
	for io in $styles; do
		await "srv_${io/-/_}" '*timed out after 1 bytes received and 1 sent' ||
			why "$io" || status=1
	done
	for io in $backwards; do
		pid=srv_${io}_pid
		kill -TERM "${!pid}"
		finish "p_$io" 0 && finish "srv_$io" 0 || status=1
	done
	return $status
}

# ---- signals ----

stops_idle() {
	local signal
	for signal in TERM INT TERM INT TERM INT TERM INT TERM INT; do
		serve "$1" || return 1
		kill -$signal "$srv_pid"
		finish srv 0 || return 1
	done
}

# A peer that does not end gets a second, and then a reset, not a FIN.
stops_busy() {
	serve "$1" || return 1
	peer p hold "$port" 1
	await p held || return 1
	tell p echoes
	await p 'done' || return 1
	stop || return 1
	case $rest in
	*'stopped after 1 bytes received and 1 sent'*) ;;
	*) why "it said: $rest"; return 1 ;;
	esac
	tell p reset
	await p 'done'
	local status=$?
	finish p 0 && return $status
}

stops_at_once() {
	serve "$1" || return 1
	peer p hold "$port" 1
	await p held || return 1
	tell p echoes
	await p 'done' || return 1
	kill -TERM "$srv_pid"
	# The listener is closed on the first, so that the order is known.
	kill -INT "$srv_pid"
	finish srv 0
	local status=$?
	finish p 0 && return $status
}

for io in $styles; do
	said "$io" sink abc 'bad: byte 0x61 at offset 0*' \
		'stream from *: byte 0x61 at offset 0*'
	report $? "$io: a server tells its client that the stream is wrong"
	said "$io" line $'1 abc\n2 d' '1 cba' \
		'*end of file in the middle of a line*'
	report $? "$io: a server does not answer half a line"
	port_taken "$io"
	report $? "$io: a server says that its port is taken"
	peer_leaves "$io"
	report $? "$io: a server reports a peer's reset and goes on"
	born_dead "$io"
	report $? "$io: a server closes connections that were reset in the queue"
	stops_idle "$io"
	report $? "$io: a server ends well on SIGTERM and SIGINT"
	stops_busy "$io"
	report $? "$io: a server resets what has not ended a second after SIGTERM"
	stops_at_once "$io"
	report $? "$io: a server does not wait after a second signal"
done
no_descriptor_blocking
report $? "blocking: a server without descriptors recovers and does not spin"
no_thread
report $? "thread: a server without room for threads recovers"
if users_can_be_changed; then
	no_process
	report $? "fork: a server without room for processes recovers"
else
	skip "fork: a server without room for processes recovers" "needs root"
fi
child_killed
report $? "fork: a server reaps a child that was killed, and goes on"
if [ "$(ulimit -Hn)" = unlimited ] || [ "$(ulimit -Hn)" -ge 1100 ]; then
	ulimit -Sn 1100
	select_is_full
	report $? "select: a server resets peers beyond FD_SETSIZE"
else
	skip "select: a server resets peers beyond FD_SETSIZE" \
		"needs 1100 descriptors"
fi
for io in $event_styles; do
	no_descriptor_events "$io"
	report $? "$io: a server serves those that waited for a descriptor"
	no_descriptor_for_long "$io"
	report $? "$io: a server resets those that waited long, without spinning"
done
for io in fork thread $event_styles; do
	others_go_on "$io"
	report $? "$io: a server serves others while some are silent"
done
peer_lingers
report $? "a server does not wait long for a peer that has all and does not end"
finish_tests
