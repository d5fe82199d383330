#!/bin/sh
# Stock servers without descriptors: for half a second accept4 gets EMFILE, then
# the waiting client is served, and the next. Nothing that the same shortage
# under a real limit would not do: neither more processor time, nor an end.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../programs/env.sh"
. "$(dirname "$0")/../programs/under"
[ -e "$LIBFAULT" ] || t_skip_all "no libfault.so yet"
command -v prlimit >/dev/null || t_skip_all "no prlimit"

rule=accept:exhaust=descriptors:for=500ms

# server_of PID: the process that accepts, the last of the descendants.
server_of() {
	s_pid=$1
	while
		s_child=$(sed 's/ .*//' "/proc/$s_pid/task/$s_pid/children")
		[ -n "$s_child" ]
	do
		s_pid=$s_child
	done
	echo "$s_pid"
}

# cpu PID: processor time so far, in ms.
cpu() {
	sed 's/.*) //' "/proc/$1/stat" |
		awk -v hz="$(getconf CLK_TCK)" '{ print ($12 + $13) * 1000 / hz }'
}

# lowest PID: its lowest free descriptor.
lowest() {
	lowest=0
	while [ -e "/proc/$1/fd/$lowest" ]; do lowest=$((lowest + 1)); done
	echo "$lowest"
}

# A client prints what it gets, and how long that took: "served 512".
cat >"$T/client.pl" <<'PERL'
use strict;
use Socket;
use Time::HiRes qw(time);
my ($port, $question) = @ARGV;
local $SIG{ALRM} = sub { print "nothing within 10 s\n"; exit };
alarm 10;
my ($start, $reply) = (time, '');
socket(my $s, PF_INET, SOCK_STREAM, 0) or die "socket: $!";
connect($s, sockaddr_in($port, INADDR_LOOPBACK)) or die "connect: $!";
syswrite($s, $question);
1 while sysread($s, $reply, 10000, length $reply);
printf "%s %d\n", $reply =~ /^(HTTP\/1\.\d 200|\+PONG)/ ? 'served' : 'no reply',
	(time - $start) * 1000;
PERL

client() {
	case $1 in
	redis-server) perl "$T/client.pl" "$2" "$(printf 'PING\r\nQUIT\r\n.')" ;;
	*) perl "$T/client.pl" "$2" "$(printf 'GET / HTTP/1.0\r\n\r\n.')" ;;
	esac
}

# For half a second the limit of the server is its lowest free descriptor.
real_shortage() {
	r_soft=$(prlimit --pid "$1" --nofile --noheadings --output SOFT)
	prlimit --pid "$1" --nofile="$(lowest "$1"):"
	perl -e 'select undef, undef, undef, 0.5'
	prlimit --pid "$1" --nofile="$r_soft:"
}

# shortage NAME HOW: "served LATE, served SOON, EMFILE in its log"; the
# processor time of the first is left in $T/cpu.
shortage() {
	name=$1
	port=$(free_port)
	case $2 in
	real) serve "$name" "$port" env ;;
	*) serve "$name" "$port" under "$2" "$name-$2" "$rule" ;;
	esac
	pid=$(server_of "$t_pid")
	before=$(cpu "$pid")
	if [ "$2" = real ]; then
		real_shortage "$pid" &
		shortage_pid=$!
		wait_for limited "$pid"
	fi
	client "$name" "$port" >"$T/first"
	echo $(($(cpu "$pid") - before)) >"$T/cpu"
	[ "$2" != real ] || wait "$shortage_pid"
	client "$name" "$port" >"$T/second"
	log=$(grep -cE '\(24: |Too many open files' "$T/$name-$port.log")
	stop "$t_pid"
	sed -E 's/ ([0-9]|[1-9][0-9]|[123][0-9][0-9])$/ soon/
		s/ [4-9][0-9][0-9]$/ late/; s/ 1[0-9][0-9][0-9]$/ late/' \
		"$T/first" "$T/second" | paste -s -d , -
	[ "$log" = 0 ] || echo EMFILE
}

limited() {
	[ "$(prlimit --pid "$1" --nofile --noheadings --output SOFT)" -lt 100 ]
}

for name in nginx redis-server; do
	if ! stock_path "$name" >"$T/path"; then
		t_skip "$name" "not fetched"
		continue
	fi
	wanted='served late,served soon EMFILE'
	t_is "$name, a real limit" \
		"$(shortage "$name" real | paste -s -d ' ' -)" "$wanted"
	real=$(cat "$T/cpu")
	for mode in $(under_modes); do
		t_is "$name ($mode): $rule" \
			"$(shortage "$name" "$mode" | paste -s -d ' ' -)" \
			"$wanted"
		ours=$(cat "$T/cpu")
		t_ok "$name ($mode) takes no more time: $ours ms, $real ms" \
			test "$ours" -le $((real + real / 2 + 100))
	done
done
t_done
