#!/bin/sh
# `exhaust: descriptors` in a small program: it ends by itself, without a trace,
# and a child or what is executed has its descriptors.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../probes/try.sh"
need_probes exhaust

rule=socket:exhaust=descriptors:for=400ms:nth=2
longer=socket:exhaust=descriptors:for=700ms:nth=3

# exhausted MODE [PREFIX…]
exhausted() {
	mode=$1
	shift
	"$@" env LD_PRELOAD="$LIBFAULT" FAULT_INJECT="$rule;$longer" \
		"$probe" "$mode"
}

t_ok "the window ends and leaves nothing behind" exhausted alone
t_ok "a child of fork begins without it" exhausted fork
t_ok "what is executed has its descriptors and its limit" exhausted exec
t_ok "so has what a child of vfork executes" exhausted vfork
t_ok "a limit that the program sets meanwhile stays" exhausted setrlimit
t_ok "a program that closes everything keeps what it opens then" \
	exhausted close_range
t_ok "threads open and close meanwhile" exhausted threads
t_ok "two windows: until the last one's end" exhausted two
t_ok "with a limit of 256" exhausted alone prlimit --nofile=256
t_ok "with no more than 64" exhausted alone prlimit --nofile=64
t_ok "with a limit of 200,000, if that is allowed" \
	exhausted fork sh -c 'ulimit -n 200000 2>/dev/null; exec "$@"' sh
if [ "$(id -u)" = 0 ]; then
	# The folder of a checkout need not be another user's to read.
	mkdir -m 755 "$T/public" && chmod 711 "$T"
	cp "$probe" "$LIBFAULT" "$T/public"
	probe=$T/public/exhaust LIBFAULT=$T/public/$(basename "$LIBFAULT")
	t_ok "without privilege" exhausted vfork \
		setpriv --reuid 65534 --regid 65534 --clear-groups
fi

# Without `for`: until somebody disarms it, from inside the run.
cat >"$T/named.yaml" <<'END'
version: 1
faults: [{name: out, call: socket, nth: 2, inject: {exhaust: descriptors}}]
END
cat >"$T/disarms.pl" <<'PERL'
use Socket;
sub get { socket(my $s, PF_INET, SOCK_STREAM, 0) ? 'socket' : "$!" }
get();
print get(), ', ';
system($ARGV[0], 'disarm', 'out') == 0 or die 'disarm';
my ($got, $end) = ('', time + 5);
$got = get() while $got ne 'socket' && time < $end;
print "$got\n";
PERL
if [ -x "$FAULT" ]; then
	t_is "without an end it lasts until it is disarmed" \
		"$("$FAULT" exec -s "$T/named.yaml" -- \
			perl "$T/disarms.pl" "$FAULT")" \
		'Too many open files, socket'
fi
t_done
