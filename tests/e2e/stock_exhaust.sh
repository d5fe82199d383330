#!/bin/sh
# Stock servers without descriptors: for half a second accept4 gets EMFILE, then
# the waiting client is served, and the next. Nothing that the same shortage
# under a real limit would not do: neither more processor time, nor an end.
# run: waits
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

# wanting PID: the time, in ms, for which it wanted a processor and had none:
# what spins takes all that it can get, which others may leave it little of.
wanting() {
	awk '{ print int($2 / 1000000) }' "/proc/$1/schedstat" 2>/dev/null || echo 0
}

# lowest PID: its lowest free descriptor.
lowest() {
	lowest=0
	while [ -e "/proc/$1/fd/$lowest" ]; do lowest=$((lowest + 1)); done
	echo "$lowest"
}

# A client prints what it gets, and how long that took: "served 512". It touches
# a file when its connection waits.
cat >"$T/client.pl" <<'PERL'
use strict;
use Socket;
use Time::HiRes qw(time);
my ($port, $question, $begun) = @ARGV;
local $SIG{ALRM} = sub { print "nothing within 10 s\n"; exit };
alarm 10;
my ($start, $reply) = (time, '');
socket(my $s, PF_INET, SOCK_STREAM, 0) or die "socket: $!";
connect($s, sockaddr_in($port, INADDR_LOOPBACK)) or die "connect: $!";
open(my $file, '>', $begun) or die "$begun: $!";
syswrite($s, $question);
1 while sysread($s, $reply, 10000, length $reply);
printf "%s %d\n", $reply =~ /^(HTTP\/1\.\d 200|\+PONG)/ ? 'served' : 'no reply',
	(time - $start) * 1000;
PERL

client() {
	case $1 in
	redis-server) question='PING\r\nQUIT\r\n.' ;;
	*) question='GET / HTTP/1.0\r\n\r\n.' ;;
	esac
	# shellcheck disable=SC2059 # a format is meant
	perl "$T/client.pl" "$2" "$(printf "$question")" "$T/begun"
}

# The limit of the server is its lowest free descriptor, until a client has
# waited for half a second.
real_shortage() {
	r_soft=$(prlimit --pid "$1" --nofile --noheadings --output SOFT)
	prlimit --pid "$1" --nofile="$(lowest "$1"):"
	wait_for test -e "$T/begun"
	perl -e 'select undef, undef, undef, 0.5'
	prlimit --pid "$1" --nofile="$r_soft:"
}

complaints() { grep -cE '\(24: |Too many open files' "$1"; }

# shortage NAME HOW: "served late, served at once, EMFILE in its log". What the
# first took is left in $T/cpu, and what it would have taken in $T/wanted.
shortage() {
	name=$1
	port=$(free_port)
	case $2 in
	real) serve "$name" "$port" env ;;
	*) serve "$name" "$port" under "$2" "$name-$2" "$rule" ;;
	esac
	pid=$(server_of "$t_pid")
	before=$(cpu "$pid") wanting=$(wanting "$pid")
	rm -f "$T/begun"
	if [ "$2" = real ]; then
		real_shortage "$pid" &
		shortage_pid=$!
		wait_for limited "$pid"
	fi
	client "$name" "$port" >"$T/first"
	used=$(($(cpu "$pid") - before))
	echo "$used" >"$T/cpu"
	echo $((used + $(wanting "$pid") - wanting)) >"$T/wanted"
	[ "$2" != real ] || wait "$shortage_pid"
	log=$(complaints "$T/$name-$port.log")
	client "$name" "$port" >"$T/second"
	[ "$(complaints "$T/$name-$port.log")" = "$log" ] || echo again >>"$T/second"
	stop "$t_pid"
	{
		sed -E 's/ [4-9][0-9][0-9]$/ late/; s/ [1-9][0-9]{3}$/ late/' "$T/first"
		sed -E 's/ [0-9]+$/ at once/' "$T/second"
	} | paste -s -d , -
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
	wanted='served late,served at once EMFILE'
	t_is "$name, a real limit" \
		"$(shortage "$name" real | paste -s -d ' ' -)" "$wanted"
	real=$(cat "$T/wanted")
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
