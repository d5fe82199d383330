#!/bin/sh
# run: waits limit 240
# run: each nginx lighttpd haproxy redis memcached node asyncio
# A connection that is reset, closed, half-closed, silent or slow by a rule is to
# a stock event loop what a peer is that does so: the same lines in its log, the
# same seen by the client, at about the same time; afterwards the descriptor is
# gone and the next one is served. Each case is tried with a real peer first.
#
#	tests/e2e/stock_peers.sh [NAME...]	those loops, or all
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../programs/env.sh"
. "$(dirname "$0")/../programs/under"
. "$(dirname "$0")/../programs/loops"
[ -e "$LIBFAULT" ] || t_skip_all "no libfault.so yet"

# shellcheck disable=SC2034 # loops reads them
loop_timeout=2 loop_level=info
manners=$top/tests/programs/manners.py
page="HTTP/1.1 200 OK\r\nContent-Length: 40\r\nConnection: close\r\n\r\n"
page=${page}0123456789012345678901234567890123456789

# request PATH: of $name.
request() {
	case $name in
	redis) printf '%s' 'SET something 0123456789012345678901234567890123456789012345678901234567890123456789\r\nQUIT\r\n' ;;
	memcached) printf '%s' 'set some 0 0 60\r\n012345678901234567890123456789012345678901234567890123456789\r\nquit\r\n' ;;
	*)
		printf 'GET %s HTTP/1.1\\r\\n' "$1"
		printf '%s' 'Host: localhost\r\nConnection: close\r\n\r\n'
		;;
	esac
}

# rule MANNER CUT SELECTORS
rule() {
	case $1 in
	trickle) echo "recv:rate=120B/s:$3" ;; # RATE of manners.py
	silent) echo "recv:stall:bytes=$2B:$3" ;;
	half) echo "recv:eof=half:bytes=$2B:$3" ;;
	*) echo "recv:$1:bytes=$2B:$3" ;;
	esac
}

# plain_log: without what differs from one run to the next: time, process,
# connection, port, durations. haproxy's five timers are only -1 or not; lighttpd
# and memcached number descriptors.
plain_log() {
	sed -E -e 's/127\.0\.0\.1:[0-9]+/ADDRESS/g' \
		-e 's/^[0-9/]+ [0-9:]+ \[/[/' -e 's/[0-9]+#[0-9]+: \*[0-9]+ //' \
		-e 's/^[0-9]+:M [0-9]+ [A-Z][a-z]+ [0-9]+ [0-9:.]+ //' \
		-e 's/^[0-9]{4}-[0-9-]+ [0-9:]+: //' \
		-e 's#/(up|whole|reset|eof|half|silent|trickle)(/[a-z]+)?/[0-9]+#PATH#g' \
		-e 's/\[[0-9]+\/[A-Z][a-z]{2}\/[^]]*\]/TIME/' \
		-e '/^ADDRESS TIME/s#([ /])[0-9]+#\1N#g' \
		-e 's/^([<>]?)[0-9]+(:?) /\1N\2 /' -e 's/idle fd [0-9]+/idle/' \
		-e 's/(Client closed connection) .*( qbuf=[0-9]+) .*/\1\2/' \
		-e '/DB 0: .* keys|clients connected/d' -e '/^\(node:|^\(Use/d'
}

# Sockets: the library has descriptors of its own once a rule lasts.
n_open() {
	find "/proc/$1/fd" -lname 'socket:*' 2>/dev/null | wc -l
}

# at_most N PID: it has no more descriptors open.
at_most() {
	[ "$(n_open "$2")" -le "$1" ]
}

# talk MANNER PATH FILE: what the client sees, and what $name, which listens on
# $port and is the process $pid with $idle sockets, puts into its log; in ms in
# FILE.ms.
talk() {
	lines=$(wc -l <"$loop_log")
	seen=$(
		python3 "$manners" ask "$port" "$(request "$2")" "$1" "$cut" &
		echo "$!" >"$T/client"
	)
	echo "${seen%% *}" >"$3.ms"
	{
		echo "seen: ${seen#* }"
		# It has written its log when it has closed. Some wait for the
		# client to close first, and a silent one does not.
		wait_for -t 1 at_most "$idle" "$pid" >"$T/late" ||
			[ "$manner" = silent ] || [ "$manner" = whole ] ||
			[ "$manner" = trickle ] || echo "a descriptor is left"
		tail -n "+$((lines + 1))" "$loop_log" | plain_log
	} >"$3"
	kill "$(cat "$T/client")" 2>/dev/null
	# The end of a client that is silent by a rule is not seen either.
	[ "$mode" = rule ] || wait_for at_most "$idle" "$pid"
}

# A peer that has gone, really or by a rule, sees nothing, or a reset.
blind() {
	sed -i -E '1s/^seen: (gone|reset|closed) 0 *$/seen: nothing/' "$1"
}

# How much of an answer has been passed on when a reset comes depends on when it
# comes.
part() {
	sed -i -E '1s/^(seen: [a-z]+) [1-9][0-9]* (HTTP.* 200.*)/\1 part of \2/' \
		"$1"
}

# peers PREFIX: all manners, by a real peer (real) or by rules (rule). The number
# of a case is the number of its connection.
peers() {
	mode=$1 n=0
	while read -r manner cut; do
		n=$((n + 1)) really=$manner
		[ "$mode" = real ] || really=whole
		case $where in
		client) talk "$really" / "$T/$mode-$n" ;;
		upstream) talk whole "/up/$really/$cut" "$T/$mode-$n" ;;
		esac
		case $where:$manner in
		client:reset | client:eof) blind "$T/$mode-$n" ;;
		upstream:reset) part "$T/$mode-$n" ;;
		esac
	done <"$T/cases"
}

# tolerance MANNER: ms between the real peer and the rule. Before it resets or
# closes the real one waits until it is read, by /proc, which may take its time:
# there only the rule can be late. Of idle connections redis and memcached think
# once a second.
tolerance() {
	case $name:$1 in
	redis:silent | memcached:silent) echo 1500 ;;
	*) echo 250 ;;
	esac
}

# serving: the pid of what listens on $port, not of what has started it.
serving() {
	"$BUILD/tests/probes/latency" "$(loop_protocol "$name")" "$port" 0 kept |
		sed 's/^pid //'
}

# compare NAME client|upstream: the server and its own client, or the server as
# a client of another one. Cases are in $T/cases.
compare() {
	name=$1 where=$2
	if ! stock_path "$(loop_program "$name")" >"$T/path"; then
		t_skip "$name: faults of a peer ($where)" "not fetched"
		return
	fi
	case $where in
	client) which=role=accepted ;;
	upstream) which=port=$loop_up ;;
	esac
	rules='' n=0
	while read -r manner cut; do
		n=$((n + 1))
		[ "$manner" = whole ] ||
			rules="$rules;$(rule "$manner" "$cut" "$which:connection=$n")"
	done <"$T/cases"
	# Of a case that time alone has made different, on a machine that was
	# busy, another try is as good.
	rm -f "$T"/same-*
	for _ in 1 2 3 4; do
		try
		[ "$(find "$T" -name 'same-*' | wc -l)" -lt "$n" ] || break
	done
	n=0
	while read -r manner cut; do
		n=$((n + 1))
		sentence="$name: $where $manner after $cut bytes"
		if [ -e "$T/same-$n" ]; then
			t_pass "$sentence, by a rule as in reality"
		else
			t_fail "$sentence, by a rule as in reality" "$T/diff-$n"
		fi
	done <"$T/cases"
}

# try: all of $T/cases, really and by $rules; $T/same-N of those that are alike,
# $T/diff-N of the others.
try() {
	port=$(free_port)
	loop "$name" "$port"
	pid=$(serving)
	idle=$(n_open "$pid")
	peers real
	stop "$t_pid"
	port=$(free_port)
	loop "$name" "$port" under alone "$name" "${rules#;}"
	pid=$(serving)
	idle=$(n_open "$pid")
	peers rule
	stop "$t_pid"
	n=0
	while read -r manner cut; do
		n=$((n + 1))
		late=$(($(cat "$T/rule-$n.ms") - $(cat "$T/real-$n.ms")))
		case $manner in
		trickle | silent | whole) late=${late#-} ;;
		esac
		if diff -u "$T/real-$n" "$T/rule-$n" >"$T/diff-$n" &&
			[ "$late" -le "$(tolerance "$manner")" ]; then
			touch "$T/same-$n"
		else
			echo "$late ms later; rules: ${rules#;}" >>"$T/diff-$n"
		fi
	done <"$T/cases"
}

# The last: it goes on serving.
cat >"$T/cases" <<-'END'
	reset 13
	eof 13
	half 13
	trickle 0
	silent 13
	whole 0
END
# shellcheck disable=SC2154,SC2086 # of loops, a list
[ $# != 0 ] || set -- $loop_names
for name; do
	compare "$name" client
done

loop_up=$(free_port)
spawn upstream python3 "$manners" answer "$loop_up" "$page"
wait_for listening "$loop_up"
# Within the header and after it. To read on, an end is an end.
cat >"$T/cases" <<-'END'
	reset 20
	reset 80
	half 20
	eof 80
	trickle 0
	silent 20
	silent 80
	whole 0
END
for name; do
	loop_passes_on "$name" || continue
	compare "$name" upstream
done
t_done
