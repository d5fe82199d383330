#!/bin/sh
# Of a long delay the helper looks at the queue seldom; what comes between two
# looks has the age that the kernel knows, and is not as late as the next look.
# (Shorter ones: tests/readiness, arrivals*.)
# run: waits
. "$(dirname "$0")/../lib.sh"
[ -e "$LIBFAULT" ] || t_skip_all "no libfault.so yet"

# Prints for each of seven messages by how many ms it came later than its delay.
# They come once the looks are a 16th of the delay apart, each at another time
# before the next look.
cat >"$T/seven.pl" <<'PERL'
use strict;
use Socket;
use Time::HiRes qw(clock_gettime CLOCK_MONOTONIC sleep);
my $delay = 3;
sub now { clock_gettime(CLOCK_MONOTONIC) }
alarm 20;
socket(my $l, PF_INET, SOCK_STREAM, 0) or die "socket: $!";
bind($l, sockaddr_in(0, INADDR_LOOPBACK)) && listen($l, 1) or die "listen: $!";
socket(my $c, PF_INET, SOCK_STREAM, 0) or die "socket: $!";
connect($c, getsockname($l)) or die "connect: $!";
accept(my $a, $l) or die "accept: $!";
if (!fork) {
	alarm 20;
	close $c;
	syswrite($a, pack 'd', now());
	for (1 .. 6) {
		sleep($_ == 1 ? 1 : 0.27);
		syswrite($a, pack 'd', now());
	}
	sysread($a, my $end, 1);
	exit;
}
close $a;
for (1 .. 7) {
	sysread($c, my $sent, 8) == 8 or die "recv: $!";
	printf "%d\n", (now() - unpack('d', $sent) - $delay) * 1000;
}
close $c;
wait;
PERL

# On a busy machine one is late now and then; without the age one always is.
on_time() {
	for _ in 1 2 3; do
		LD_PRELOAD=$LIBFAULT FAULT_INJECT=recv:delay=3s:role=client \
			perl "$T/seven.pl" >"$T/late" 2>&1 || break
		cat "$T/late"
		[ "$(wc -l <"$T/late")" = 7 ] || break
		awk '$1 < 0 || $1 >= 90 { bad = 1 } END { exit bad }' "$T/late" &&
			return 0
	done
	return 1
}
t_ok "each message is visible its own delay after it came" on_time
t_done
