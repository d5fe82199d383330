#!/bin/bash
# reference.sh - are the reference programs correct? Transfers, the client.
#
# They are the negative control of the product: a fault must not find a mistake
# in them, so here the kernel itself makes the faults: peers that reset, stay
# silent or never answer, descriptors that run out, signals.  Emits TAP.
# run: parallel limit 180
. "$(dirname "$0")/../reference.sh"

# ---- what they are for ----

# What the server is told to do, and a client of each kind: option, argument,
# what it then says.
serving() {
	case $1 in
	source) echo '--source 8MiB' ;;
	*) echo "--$1" ;;
	esac
}

asking() {
	case $1 in
	echo) cat <<-'EOF' ;;
		1 bytes sent, 1 received --echo 1B
		8388608 bytes sent, 8388608 received --echo 8MiB
		1000 bytes sent, 1000 received --echo 1KB --connections 2
	EOF
	source) cat <<-'EOF' ;;
		8388608 received
		8388608 received --source
		8388608 received --source 8MiB --connections 2
	EOF
	sink) cat <<-'EOF' ;;
		1 bytes sent, 5 received --sink 1B
		8388608 bytes sent, 11 received --sink 8MiB
		1000 bytes sent, 8 received --sink 1KB --connections 2
	EOF
	line) cat <<-'EOF' ;;
		41 bytes sent, 41 received, in 1 sends --line 1
		127642 bytes sent, 127642 received, in 500 sends --line 500
		234 bytes sent, 234 received --line 3 --connections 2
	EOF
	esac
}

transfer() {	# server style, client style, host, service
	local options said status=0
	read -ra options < <(serving "$4")
	serve "$1" --host "$3" "${options[@]}" --once 4 || return 1
	while read -r said; do
		options=()
		case $said in
		*' --'*) read -ra options <<<"--${said#* --}" ;;
		esac
		run 0 "${said%% --*}" --connect "$addr" --io "$2" \
			"${options[@]}" || { stop; return 1; }
	done < <(asking "$4")
	finish srv 0
}

# Each style with itself and with the next one, at both ends.
others=(fork thread poll select epoll-lt epoll-et blocking)
for io in $styles; do
	for other in "$io" "${others[0]}"; do
		for host in 127.0.0.1 ::1; do
			for service in echo source sink line; do
				transfer "$io" "$other" "$host" "$service"
				report $? "$io: a server gives $service to clients of style $other over $host"
			done
		done
	done
	others=("${others[@]:1}")
done

crowd() {
	local clients='' bad=0 pid
	serve "$1" || return 1
	for _ in 1 2 3 4 5 6 7 8 9 10 11 12; do
		timeout $limit "$client" --connect "$addr" --io "$1" \
			--echo 1MiB >>"$tmp/crowd" 2>&1 &
		clients="$clients $!"
	done
	for pid in $clients; do
		wait "$pid" || bad=1
	done
	stop || return 1
	[ $bad = 0 ] || why "$(cat "$tmp/crowd")"
}

by_name() {
	serve "$1" --source 64KiB || return 1
	run 0 '65536 received' --connect "localhost:$port" --io "$1"
	local status=$?
	stop && return $status
}

# A name with three addresses, of which the last one listens.  Which that is
# depends on getaddrinfo's sorting.
hosts_can_be_changed() {
	with_hosts true 2>/dev/null
}

# shellcheck disable=SC2016  # the inner shell expands it
with_hosts() {
	printf '127.0.0.%s api.test\n' 3 2 1 >"$tmp/hosts"
	timeout $limit unshare -rm sh -c \
		'mount --bind "$0" /etc/hosts && exec "$@"' "$tmp/hosts" "$@"
}

next_address() {
	local last status
	last=$(with_hosts getent ahosts api.test | awk '/STREAM/ { print $1 }' |
		tail -n 1)
	serve "$1" --host "$last" --source 64KiB || return 1
	with_hosts "$client" --connect "api.test:$port" --io "$1" \
		>"$tmp/out" 2>&1
	status=$?
	[ $status = 0 ] || why "status $status: $(cat "$tmp/out")"
	[ "$(grep -c ECONNREFUSED "$tmp/out")" = 2 ] ||
		why "not two refusals: $(cat "$tmp/out")" || status=1
	stop && return $status
}

# ---- the client's errors ----

# The peer sees the address that the client was told to use.
from_address() {
	serve "$1" --once 1 || return 1
	run 0 '1000 received' --connect "$addr" --io "$1" --echo 1KB \
		--bind 127.0.0.9 || { stop; return 1; }
	finish srv 0
	case $rest in
	*'echo from 127.0.0.9:'*) ;;
	*) why "it said: $rest" ;;
	esac
}

bind_fails() {
	serve "$1" || return 1
	run 1 'client: bind to 192.0.2.1: .*EADDRNOTAVAIL' --connect "$addr" \
		--io "$1" --bind 192.0.2.1 &&
	run 1 'client: bind to ::1: .*E(INVAL|AFNOSUPPORT)' --connect "$addr" \
		--io "$1" --bind ::1
	local status=$?
	stop && return $status
}

refused() {
	peer p refuse
	await p 'port *' || return 1
	run 1 "client: connect to 127.0.0.1:${line#port }: Connection refused \\(ECONNREFUSED\\)" \
		--connect "127.0.0.1:${line#port }" --io "$1"
	local status=$?
	finish p 0 && return $status
}

# until_is TEXT COMMAND...: until it prints this
until_is() {
	local end=$((SECONDS + limit)) want=$1 got=
	shift
	until got=$("$@"); [ "$got" = "$want" ]; do
		[ $SECONDS -lt $end ] || why "$*: '$got', not '$want'" ||
			return 1
	done
}

connecting_from_9() {	# to this port
	grep -c "^ *[0-9]*: 0900007F:[0-9A-F]* 0100007F:$(printf %04X "$1") 02 " \
		/proc/net/tcp
}

state_of() {
	sed 's/.*) \(.\) .*/\1/' "/proc/$1/stat"
}

# Stopped while it connects, and continued: it goes on.  (With a time-out of the
# socket the call ends with EINTR, although there is no handler, and so does
# epoll_wait: signal(7).)
stopped_in_connect() {
	local cli_pid='' status=0
	peer p full
	await p 'port *' || return 1
	start cli "$client" --connect "127.0.0.1:${line#port }" --io "$1" \
		--bind 127.0.0.9 --timeout 3s
	until_is 1 connecting_from_9 "${line#port }" || status=1
	kill -STOP "$cli_pid" || why "it has ended" || status=1
	until_is T state_of "$cli_pid" || status=1
	kill -CONT "$cli_pid"
	await cli 'client: connect to *ETIMEDOUT*' || status=1
	finish cli 1 && finish p 0 && return $status
}

# A peer that leaves the client alone, in one way or another.
time_out() {
	peer p "$2"
	await p 'port *' || return 1
	run 1 'timed out' --connect "127.0.0.1:${line#port }" --io "$1" \
		--timeout 300ms "${@:3}"
	local status=$?
	finish p 0 && return $status
}

reset_by_peer() {
	peer p rude
	await p 'port *' || return 1
	run 1 'reset by peer \(ECONNRESET\)' \
		--connect "127.0.0.1:${line#port }" --io "$1" --echo 1B
	local status=$?
	finish p 0 && return $status
}

# relayed STYLE BYTES HOW PATTERN OPTION...
relayed() {
	local io=$1 bytes=$2 how=$3 pattern=$4 status
	shift 4
	serve "$io" --source 1MiB || return 1
	peer p relay "$port" "$bytes" "$how"
	await p 'port *' || return 1
	run 1 "$pattern" --connect "127.0.0.1:${line#port }" --io "$io" "$@"
	status=$?
	finish p 0 && stop && return $status
}

wrong_size() {
	serve "$1" --source 64KiB || return 1
	run 1 'a stream of 65536 bytes instead of 65537' \
		--connect "$addr" --io "$1" --source 65537B &&
	run 1 'a stream of (at least )?[0-9]+ bytes instead of 1000' \
		--connect "$addr" --io "$1" --source 1KB
	local status=$?
	stop && return $status
}

broken_stdout() {
	local sink reader
	serve "$1" --source 1B || return 1
	# A pipe whose reader has gone: without a child, as bash 5.2 may wait
	# for ever for one of >() that has already ended.
	mkfifo "$tmp/sink"
	exec {reader}<>"$tmp/sink"
	exec {sink}>"$tmp/sink"
	exec {reader}>&-
	rm "$tmp/sink"
	timeout $limit "$client" --connect "$addr" --io "$1" \
		1>&"$sink" 2>"$tmp/out"
	local status=$?
	exec {sink}>&-
	[ $status = 1 ] && grep -q 'EPIPE' "$tmp/out" ||
		why "status $status: $(cat "$tmp/out")" || status=2
	timeout $limit "$client" --connect "$addr" --io "$1" >&- 2>&- ||
		why "with stdout and stderr closed: status $?" || status=2
	stop && [ $status = 1 ]
}

# answered STYLE TEXT PATTERN OPTION...: a client whose peer says this text
answered() {
	local status
	peer p answer "$2"
	await p 'port *' || return 1
	run 1 "$3" --connect "127.0.0.1:${line#port }" --io "$1" "${@:4}"
	status=$?
	finish p 0 && return $status
}

for io in $styles; do
	crowd "$io"
	report $? "$io: a server serves a dozen clients at the same time"
	by_name "$io"
	report $? "$io: a client finds the address of localhost that listens"
	if hosts_can_be_changed; then
		next_address "$io"
		report $? "$io: a client goes on to the third address of a name"
	else
		skip "$io: a client goes on to the third address of a name" \
			"needs a mount namespace"
	fi
	from_address "$io"
	report $? "$io: a client connects from the address that it is told"
	bind_fails "$io"
	report $? "$io: a client says that it cannot have an address"
	refused "$io"
	report $? "$io: a refused client says so"
	time_out "$io" full
	report $? "$io: a client gives up when its SYN is not answered"
	time_out "$io" silent --source
	report $? "$io: a client gives up when nothing comes"
	time_out "$io" silent --echo 64MiB
	report $? "$io: a client gives up when nothing is taken"
	reset_by_peer "$io"
	report $? "$io: a client reports a reset"
	relayed "$io" 0 reset 'reset by peer \(ECONNRESET\)'
	report $? "$io: a client does not take a reset at the start for an end"
	relayed "$io" 65536 reset 'reset by peer \(ECONNRESET\)'
	report $? "$io: a client does not take a reset in the middle for an end"
	relayed "$io" 65536 close 'end of file after 65536 bytes, in the middle'
	report $? "$io: a client knows a stream cut short without its size"
	relayed "$io" 65536 close 'end of file after 65536 of 1048576 bytes' \
		--source 1MiB
	report $? "$io: a client knows a stream cut short by its size"
	relayed "$io" 8192 alter 'byte 0x.* at offset 4096 should have been 0x'
	report $? "$io: a client finds a changed byte"
	wrong_size "$io"
	report $? "$io: a client refuses a stream of another size"
	broken_stdout "$io"
	report $? "$io: a client survives a stdout that is broken or closed"
	answered "$io" '' 'without a verdict' --sink 1KiB
	report $? "$io: a client that hears no verdict does not think all is well"
	answered "$io" $'bad: so\n' "verdict on 1024 bytes is 'bad: so'" \
		--sink 1KiB
	report $? "$io: a client repeats a bad verdict"
	answered "$io" '1 a' 'end of file after 0 of 3 answers' --line 3
	report $? "$io: a client does not take half an answer for one"
	answered "$io" $'1 a\n' 'a wrong answer to request 1' --line 3
	report $? "$io: a client compares the answer"
done

for io in blocking thread epoll-et; do
	stopped_in_connect "$io"
	report $? "$io: a client that was stopped while it connects goes on"
done

# ---- usage ----

# usage PROGRAM PATTERN OPTION...
usage() {
	local program=$1 pattern=$2 status
	shift 2
	timeout $limit "$dir/$program" "$@" >"$tmp/out" 2>&1
	status=$?
	if [ $status != 2 ] || ! grep -qE -- "$pattern" "$tmp/out"; then
		why "status $status, no '$pattern': $(cat "$tmp/out")"
	fi
	report $? "'$program $*' is refused: $pattern"
}

usage server '--port PORT is missing'
usage server "unknown option '--prot'; did you mean '--port'" --prot 80
usage server "unknown I/O style 'epoll_et'; did you mean 'epoll-et'" \
	--port 0 --io epoll_et
usage server 'exclude each other' --port 0 --echo --source 1MiB
usage server 'with its unit' --port 0 --source 1000
usage server 'with its unit' --port 0 --source 0B
usage server 'with its unit' --port 0 --source 1KIB
usage server 'with its unit' --port 0 --source 99999999999999GiB
usage server 'argument is missing' --port 0 --source
usage server 'argument is missing' --port
usage server 'a port from 0 to 65535' --port 65536
usage server 'a port from 0 to 65535' --port http
usage server 'a count from 1' --port 0 --once 0
usage server 'takes no argument' --port 0 --echo=1MiB
usage server "unexpected argument '80'" 80
usage server '--sink and --line exclude each other' --port 0 --sink --line
usage server 'takes no argument' --port 0 --sink=1MiB
usage client '--echo and --line exclude each other' --connect localhost:80 \
	--echo 1B --line 3
usage client 'a count from 1' --connect localhost:80 --line 0
usage client 'with its unit' --connect localhost:80 --sink 1000
usage client 'argument is missing' --connect localhost:80 --sink
usage client '--connect HOST:PORT is missing'
usage client 'HOST:PORT or \[v6\]:PORT' --connect ::1:80
usage client 'HOST:PORT or \[v6\]:PORT' --connect localhost
usage client 'HOST:PORT or \[v6\]:PORT' --connect :80
usage client 'HOST:PORT or \[v6\]:PORT' --connect '[::1]80'
usage client 'HOST:PORT or \[v6\]:PORT' --connect localhost:0
usage client "did you mean '--connect'" --conect localhost:80
usage client 'an address: ' --connect localhost:80 --bind localhost
usage client 'with its unit' --connect localhost:80 --timeout 10
usage client 'with its unit' --connect localhost:80 --timeout 0s
usage client 'with its unit' --connect localhost:80 --echo 64K
usage client 'argument is missing' --connect localhost:80 --echo

for program in server client; do
	"$dir/$program" --help 2>&1 | grep epoll-et >"$tmp/why"
	report $? "'$program --help' lists the I/O styles"
done

finish_tests
