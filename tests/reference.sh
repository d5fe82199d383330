# shellcheck shell=bash disable=SC2034  # what is set here is used by the tests
# What the tests of the reference programs share: TAP, programs that are talked
# to, peers that misbehave.
#
# The binaries come from $REFERENCE_DIR.  Nothing sleeps: every wait is for a
# line or an end of file from a program, with a deadline.  Peers that
# misbehave are a few lines of perl (perl-base is on every Debian).

set -u
cd "$(dirname "$0")/../.." || exit 3
dir=${REFERENCE_DIR:-${BUILD:-build/release}/reference}
server=$dir/server
client=$dir/client
limit=20			# seconds, for any single wait
tmp=$(mktemp -d) || exit 3
pids=' '
srv_pid=''
n=0
failed=0
shopt -s extglob

# mine PID: a child of ours. What has ended may have given its number to another.
mine() {
	local stat
	read -r stat 2>/dev/null <"/proc/$1/stat" &&
		[[ ${stat##*)} == " "?" $$ "* ]]
}

cleanup() {
	for pid in $pids; do
		mine "$pid" && kill -KILL "$pid" 2>/dev/null
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
	pids="$pids$! "
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
	while
		IFS= read -r -t $limit -u "$out" text
		status=$?
		[ $status = 0 ]
	do
		rest="$rest$text
"
	done
	# Was that the end of file (1) or the time limit (above 128)?
	if [ $status -gt 128 ]; then
		kill -KILL "$pid"
		why "$1 had to be killed"
	fi
	exec {out}<&-
	wait "$pid"
	status=$?
	pids=${pids/" $pid "/ }
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
	# Reads to an end of line or of file, says a text, ends.
	answer => sub {
		my $s = bound(5); say_port($s);
		accept(my $c, $s);
		my $x;
		1 while sysread($c, $x, 65536) && $x !~ /\n/;
		syswrite($c, $args[0]); close($c); <STDIN>;
	},
	# Says a text, half-closes, prints what comes.
	say => sub {
		my $s = dial($args[0]);
		syswrite($s, $args[1]); shutdown($s, 1);
		print <$s>;
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

styles='blocking fork thread poll select epoll-lt epoll-et'
event_styles='poll select epoll-lt epoll-et'

# the plan, and a status
finish_tests() {
	echo "1..$n"
	[ $failed = 0 ]
}
