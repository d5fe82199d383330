#!/bin/sh
# accept fails in stock servers, all of which use accept4: their own logs say
# so, the peer sees what belongs to it, and the next connection is served.
# run: waits
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../programs/env.sh"
. "$(dirname "$0")/../programs/under"
[ -e "$LIBFAULT" ] || t_skip_all "no libfault.so yet"

# A client that asks once and prints what becomes of it: "reset" or a reply.
cat >"$T/client.pl" <<'PERL'
use strict;
use Socket;
use Errno qw(ECONNRESET);
my ($port, $question) = @ARGV;
local $SIG{ALRM} = sub { print "nothing within 10 s\n"; exit };
alarm 10;
socket(my $s, PF_INET, SOCK_STREAM, 0) or die "socket: $!";
# The RST may come before the connect has been told.
if (!connect($s, sockaddr_in($port, INADDR_LOOPBACK))) {
	print $! == ECONNRESET ? "reset\n" : "connect: $!\n";
	exit;
}
my ($reply, $n) = ('', 1);
# The RST may come before the question has left.
my $sent = syswrite($s, $question);
$n = sysread($s, $reply, 10000, length $reply) while $sent && $n;
if (!$sent || !defined $n) {
	print $! == ECONNRESET ? "reset\n" : "error: $!\n";
} else {
	print $reply =~ /^(HTTP\/1\.\d 200|\+PONG|VERSION)/ ? "served\n"
		: "not a reply: $reply\n";
}
PERL

question() {
	case $1 in
	redis-server) printf 'PING\r\nQUIT\r\n' ;;
	memcached) printf 'version\r\nquit\r\n' ;;
	*) printf 'GET / HTTP/1.0\r\n\r\n' ;;
	esac
}

# two NAME MODE RULE LOG: what two clients see, one after the other; the first
# connection is the one that the rule is about. ", logged" when the server's log
# says so, which python's threads may do later.
two() {
	name=$1
	port=$(free_port)
	serve "$name" "$port" under "$2" "$name-$2-$3" "$3"
	for _ in 1 2; do
		perl "$T/client.pl" "$port" "$(question "$name" && echo .)"
	done >"$T/seen"
	if wait_for -t 3 grep -qE -e "$4" "$T/$name-$port.log" >"$T/late"; then
		echo ", logged" >>"$T/seen"
	fi
	stop "$t_pid"
	paste -s -d ' ' "$T/seen" | sed 's/ , /, /'
}

# Per line: server, rule, what the clients see, what the log says, what the
# trace says. python's server never mentions a failed accept: its log
# shows which requests it has not got, and what it makes of a dead connection.
while IFS='|' read -r name rule wanted log call; do
	for mode in $(under_modes); do
		sentence="$name ($mode): $rule"
		if ! stock_path "$name" >"$T/path"; then
			t_skip "$sentence" "not fetched"
			continue
		fi
		seen=$(two "$name" "$mode" "$rule" "$log")
		if [ "$mode" = exec ]; then
			traced=", $call"
			seen="$seen, $(acted "$name-$mode-$rule")"
		else
			traced=
		fi
		t_is "$sentence" "$seen" "$wanted, logged$traced"
	done
done <<-'END'
	nginx|accept:error=ECONNABORTED:nth=1|reset served|accept4\(\) failed \(103: |accept4 ECONNABORTED
	nginx|accept:error=ENFILE:nth=1|served served|accept4\(\) failed \(23: |accept4 ENFILE
	redis-server|accept:error=ENFILE:nth=1|served served|Accepting client connection: accept: Too many open files in system|accept4 ENFILE
	redis-server|accept:error=ENOBUFS:nth=1|served served|Accepting client connection: accept: No buffer space|accept4 ENOBUFS
	memcached|accept:error=ECONNABORTED:nth=1|reset served|accept4\(\): Software caused connection abort|accept4 ECONNABORTED
	memcached|accept:error=ENOMEM:nth=1|served served|accept4\(\): Cannot allocate memory|accept4 ENOMEM
	python3|accept:error=ECONNABORTED:nth=1|reset served|"GET / HTTP/1\.0" 200 -|accept4 ECONNABORTED
	python3|accept:reset:nth=1|reset served|ConnectionResetError|accept4 RESET
END
t_done
