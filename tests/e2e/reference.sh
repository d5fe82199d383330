#!/bin/bash
# reference.sh - are the reference programs correct?
#
# They are the negative control of the product: a fault must not find a mistake
# in them, so here the kernel itself makes the faults: peers that reset, stay
# silent or never answer, descriptors that run out, signals.  Emits TAP.
#
# The binaries come from $REFERENCE_DIR.  Nothing sleeps: every wait is for a
# line or an end of file from a program, with a deadline.  Peers that
# misbehave are a few lines of perl (perl-base is on every Debian).

set -u
cd "$(dirname "$0")/../.." || exit 3
dir=${REFERENCE_DIR:-build/release/reference}
server=$dir/server
client=$dir/client
limit=20			# seconds, for any single wait
tmp=$(mktemp -d) || exit 3
pids=''
srv_pid=''
n=0
failed=0
shopt -s extglob

cleanup() {
	for pid in $pids; do
		kill -KILL "$pid" 2>/dev/null
	done
	rm -rf "$tmp"
}
trap cleanup EXIT
trap : PIPE			# and not '', which the programs would inherit

if ! [ -x "$server" ] || ! [ -x "$client" ]; then
	echo "Bail out! no $server and $client; build them or set REFERENCE_DIR"
	exit 3
fi

# ---- TAP ----

# report STATUS SENTENCE: what explains a failure is in $tmp/why
report() {
	n=$((n + 1))
	if [ "$1" = 0 ]; then
		echo "ok $n - $2"
	else
		failed=$((failed + 1))
		echo "not ok $n - $2"
		sed 's/^/#   /' "$tmp/why"
		echo "#   again: REFERENCE_DIR=$dir $0"
	fi
	: >"$tmp/why"
}

skip() {
	n=$((n + 1))
	echo "ok $n - $1 # SKIP $2"
}

why() {
	echo "$*" >>"$tmp/why"
	return 1
}

# ---- programs ----

# start VARIABLE COMMAND...: its output (both) is read from the descriptor
# VARIABLE_out, what it reads is written to VARIABLE_in, its pid is
# VARIABLE_pid.
start() {
	local name=$1 fifo=$tmp/fifo out in
	shift
	rm -f "$fifo"
	mkfifo "$fifo"
	exec {out}< <(exec "$@" <"$fifo" 2>&1)
	printf -v "${name}_pid" %s $!
	pids="$pids $!"
	exec {in}>"$fifo"
	printf -v "${name}_out" %s "$out"
	printf -v "${name}_in" %s "$in"
}

# await VARIABLE PATTERN: read its lines until one matches; sets $line
await() {
	local out=${1}_out seen=
	line=
	while IFS= read -r -t $limit -u "${!out}" line; do
		# shellcheck disable=SC2053  # it is a pattern
		[[ $line == $2 ]] && return 0
		seen="$seen$line / "
	done
	why "waited for '$2', got: ${seen}end"
}

# tell VARIABLE LINE
tell() {
	local in=${1}_in
	echo "$2" >&"${!in}"
}

# finish VARIABLE STATUS: ends its input, reads its output to the end and
# compares the exit status; $rest is what it still said
finish() {
	local out=${1}_out in=${1}_in pid=${1}_pid text status
	out=${!out} in=${!in} pid=${!pid} rest=
	exec {in}>&-
	while IFS= read -r -t $limit -u "$out" text; do
		rest="$rest$text
"
	done
	# Was that the end of file (1) or the time limit (above 128)?
	IFS= read -r -t 0.01 -u "$out" text
	if [ $? -gt 128 ]; then
		kill -KILL "$pid"
		why "$1 had to be killed"
	fi
	exec {out}<&-
	wait "$pid"
	status=$?
	pids=${pids/" $pid"/}
	[ $status = "$2" ] || why "$1: status $status, not $2; it said: $rest"
}

# serve STYLE OPTION...: a server on a free port; sets $addr and $port
serve() {
	local style=$1
	shift
	start srv "$server" --port 0 --io "$style" "$@"
	await srv 'listening on *' || return 1
	addr=${line#listening on }
	port=${addr##*:}
}

# stop: the server ends well on SIGTERM
stop() {
	kill -TERM "$srv_pid"
	finish srv 0
}

# run STATUS PATTERN OPTION...: a client whose output is in $tmp/out
run() {
	local want=$1 pattern=$2 status
	shift 2
	timeout $limit "$client" "$@" >"$tmp/out" 2>&1
	status=$?
	if [ $status != "$want" ]; then
		why "client $*: status $status, not $want: $(cat "$tmp/out")"
	elif ! grep -qE -- "$pattern" "$tmp/out"; then
		why "client $*: no '$pattern' in: $(cat "$tmp/out")"
	fi
}

# CPU time of a process in ticks (usually 1/100 s)
cpu_ticks() {
	local stat
	read -r stat <"/proc/$1/stat" || return 1
	# shellcheck disable=SC2086
	set -- ${stat##*)}
	echo $((${12} + ${13}))
}

# Peers that misbehave.  Each says a line when it has got so far.
cat >"$tmp/peer.pl" <<'PERL'
use strict;
use Socket;
$| = 1;
my ($what, @args) = @ARGV;
sub tcp { socket(my $s, PF_INET, SOCK_STREAM, 0) or die "socket: $!"; $s }
sub there { sockaddr_in($_[0], INADDR_LOOPBACK) }
sub dial { my $s = tcp(); connect($s, there($_[0])) or die "connect: $!"; $s }
sub bound {
	my $s = tcp();
	bind($s, there(0)) or die "bind: $!";
	listen($s, $_[0]) or die "listen: $!" if defined $_[0];
	$s;
}
sub say_port { print "port ", (sockaddr_in(getsockname($_[0])))[0], "\n" }
sub reset_it {
	setsockopt($_[0], SOL_SOCKET, SO_LINGER, pack("ii", 1, 0)) or die;
	close($_[0]);
}
sub await_reader {
	my $set = '';
	vec($set, fileno($_), 1) = 1 for @_;
	select(my $r = $set, undef, undef, 20) > 0 or die "waited too long";
	grep { vec($r, fileno($_), 1) } @_;
}
my %peers = (
	# A port where nobody listens, and that nobody else can get.
	refuse => sub { my $s = bound(); say_port($s); <STDIN> },
	# Accepts and never says anything.
	silent => sub {
		my $s = bound(5); say_port($s); accept(my $c, $s); <STDIN>;
	},
	# Lets the client send, and resets.
	rude => sub {
		my $s = bound(5); say_port($s);
		accept(my $c, $s); sysread($c, my $x, 100); reset_it($c);
	},
	# A full accept queue: the SYN of one more is not answered.
	full => sub {
		my $s = bound(0);
		my @fill = map { tcp() } 1 .. 3;
		for (@fill) {
			use Fcntl;
			fcntl($_, F_SETFL, O_NONBLOCK);
			connect($_, getsockname($s));
		}
		say_port($s); <STDIN>;
	},
	# Passes so many bytes on from a server, then ends: reset, close, alter.
	relay => sub {
		my ($port, $left, $how) = @args;
		my $s = bound(5); say_port($s);
		accept(my $c, $s);
		my $from = dial($port);
		while ($left > 0) {
			my $got = sysread($from, my $bytes,
				$left < 4096 ? $left : 4096) or die "read: $!";
			$bytes ^= "\x01" if $how eq 'alter' && $left <= 4096;
			syswrite($c, $bytes) == $got or die "write: $!";
			$left -= $got;
		}
		# Buffered bytes come before the reset only if read before it.
		reset_it($c) if $how eq 'reset';
		close($c);
		<STDIN> if $how ne 'reset';
	},
	# Connects and resets, so many times.
	dead => sub { reset_it(dial($args[0])) for 1 .. $args[1]; print "ok\n" },
	# Reads a little and resets.
	leave => sub {
		my $s = dial($args[0]);
		sysread($s, my $x, 1) == 1 or die; reset_it($s); print "ok\n";
	},
	# So many connections, each with a byte for the echo, then as told.
	hold => sub {
		my @s = map { dial($args[0]) } 1 .. $args[1];
		syswrite($_, "x") for @s;
		print "held\n";
		while (<STDIN>) {
			if (/close (\d+)/) {
				close(shift @s) for 1 .. $1;
			} elsif (/echoes/) {
				for my $s (@s) {
					await_reader($s);
					sysread($s, my $x, 1) or die "gone: $!";
				}
			} elsif (/reset/) {
				my @gone;
				while (!@gone) {
					@gone = grep {
						!sysread($_, my $x, 1)
					} await_reader(@s);
				}
			}
			print "done\n";
		}
	},
);
$peers{$what}->();
PERL
peer() {
	local name=$1
	shift
	start "$name" perl "$tmp/peer.pl" "$@"
}

# ---- what they are for ----

transfer() {	# server style, client style, host, service
	local ask=--$4 offer=(--echo)
	[ "$4" = source ] && offer=(--source 8MiB)
	serve "$1" --host "$3" "${offer[@]}" --once 4 || return 1
	if [ "$4" = echo ]; then
		run 0 '1 bytes sent, 1 received' \
			--connect "$addr" --io "$2" "$ask" 1B &&
		run 0 '8388608 bytes sent, 8388608 received' \
			--connect "$addr" --io "$2" "$ask" 8MiB &&
		run 0 '1000 bytes sent, 1000 received' \
			--connect "$addr" --io "$2" "$ask" 1KB --connections 2
	else
		run 0 '8388608 received' --connect "$addr" --io "$2" &&
		run 0 '8388608 received' --connect "$addr" --io "$2" "$ask" &&
		run 0 '8388608 received' --connect "$addr" --io "$2" \
			"$ask" 8MiB --connections 2
	fi || { stop; return 1; }
	finish srv 0
}

styles='blocking fork thread poll select epoll-lt epoll-et'
event_styles='poll select epoll-lt epoll-et'

# Each style with itself and with the next one, at both ends.
others=(fork thread poll select epoll-lt epoll-et blocking)
for io in $styles; do
	for other in "$io" "${others[0]}"; do
		for host in 127.0.0.1 ::1; do
			for service in echo source; do
				transfer "$io" "$other" $host $service
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

refused() {
	peer p refuse
	await p 'port *' || return 1
	run 1 "client: connect to 127.0.0.1:${line#port }: Connection refused \\(ECONNREFUSED\\)" \
		--connect "127.0.0.1:${line#port }" --io "$1"
	local status=$?
	finish p 0 && return $status
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
	local sink
	serve "$1" --source 1B || return 1
	exec {sink}> >(exec true)
	wait $!
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

# Silent peers do not keep an event loop from the others.
others_go_on() {
	serve "$1" || return 1
	peer p hold "$port" 5
	await p held || return 1
	run 0 '8388608 received' --connect "$addr" --io "$1" --echo 8MiB
	local status=$?
	finish p 0 && stop && return $status
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
	crowd $io
	report $? "$io: a server serves a dozen clients at the same time"
	by_name $io
	report $? "$io: a client finds the address of localhost that listens"
	if hosts_can_be_changed; then
		next_address $io
		report $? "$io: a client goes on to the third address of a name"
	else
		skip "$io: a client goes on to the third address of a name" \
			"needs a mount namespace"
	fi
	refused $io
	report $? "$io: a refused client says so"
	time_out $io full
	report $? "$io: a client gives up when its SYN is not answered"
	time_out $io silent --source
	report $? "$io: a client gives up when nothing comes"
	time_out $io silent --echo 64MiB
	report $? "$io: a client gives up when nothing is taken"
	reset_by_peer $io
	report $? "$io: a client reports a reset"
	relayed $io 0 reset 'reset by peer \(ECONNRESET\)'
	report $? "$io: a client does not take a reset at the start for an end"
	relayed $io 65536 reset 'reset by peer \(ECONNRESET\)'
	report $? "$io: a client does not take a reset in the middle for an end"
	relayed $io 65536 close 'end of file after 65536 bytes, in the middle'
	report $? "$io: a client knows a stream cut short without its size"
	relayed $io 65536 close 'end of file after 65536 of 1048576 bytes' \
		--source 1MiB
	report $? "$io: a client knows a stream cut short by its size"
	relayed $io 8192 alter 'byte 0x.* at offset 4096 should have been 0x'
	report $? "$io: a client finds a changed byte"
	wrong_size $io
	report $? "$io: a client refuses a stream of another size"
	broken_stdout $io
	report $? "$io: a client survives a stdout that is broken or closed"
	port_taken $io
	report $? "$io: a server says that its port is taken"
	peer_leaves $io
	report $? "$io: a server reports a peer's reset and goes on"
	born_dead $io
	report $? "$io: a server closes connections that were reset in the queue"
	stops_idle $io
	report $? "$io: a server ends well on SIGTERM and SIGINT"
	stops_busy $io
	report $? "$io: a server resets what has not ended a second after SIGTERM"
	stops_at_once $io
	report $? "$io: a server does not wait after a second signal"
done
no_descriptor_blocking
report $? "blocking: a server without descriptors recovers and does not spin"
for io in $event_styles; do
	no_descriptor_events $io
	report $? "$io: a server serves those that waited for a descriptor"
	no_descriptor_for_long $io
	report $? "$io: a server resets those that waited long, without spinning"
done
for io in fork thread $event_styles; do
	others_go_on $io
	report $? "$io: a server serves others while some are silent"
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
usage client '--connect HOST:PORT is missing'
usage client 'HOST:PORT or \[v6\]:PORT' --connect ::1:80
usage client 'HOST:PORT or \[v6\]:PORT' --connect localhost
usage client 'HOST:PORT or \[v6\]:PORT' --connect :80
usage client 'HOST:PORT or \[v6\]:PORT' --connect '[::1]80'
usage client 'HOST:PORT or \[v6\]:PORT' --connect localhost:0
usage client "did you mean '--connect'" --conect localhost:80
usage client 'with its unit' --connect localhost:80 --timeout 10
usage client 'with its unit' --connect localhost:80 --timeout 0s
usage client 'with its unit' --connect localhost:80 --echo 64K
usage client 'argument is missing' --connect localhost:80 --echo

for program in server client; do
	"$dir/$program" --help 2>&1 | grep epoll-et >"$tmp/why"
	report $? "'$program --help' lists the I/O styles"
done

echo "1..$n"
[ $failed = 0 ]
