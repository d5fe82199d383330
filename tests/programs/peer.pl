# The other end of a connection, which tells what it sees of it.
#
#	perl peer.pl ask PORT QUESTION    connects, sends the question, reads
#	perl peer.pl answer PORT ANSWER   accepts one client, reads, answers, reads
#
# One line: how the reading ended (closed, reset, another error), after how many
# bytes; after a reset also what the next read and the next write say.
use strict;
use warnings;
use Errno qw(ECONNRESET);
use Socket;

my ($what, $port, $text) = @ARGV;
$text =~ s/\\r/\r/g;
$text =~ s/\\n/\n/g;
$SIG{ALRM} = sub { print "silence for 10 s\n"; exit 1 };
$SIG{PIPE} = 'IGNORE';
alarm 10;

my $address = sockaddr_in($port, INADDR_LOOPBACK);
socket(my $s, PF_INET, SOCK_STREAM, 0) or die "socket: $!";
my $connection = $s;
my ($seen, $n) = ('', 1);
if ($what eq 'ask') {
	connect($s, $address) or die "connect: $!";
	# The RST may be here already.
	defined syswrite($s, $text) or tell_error();
} else {
	setsockopt($s, SOL_SOCKET, SO_REUSEADDR, 1);
	bind($s, $address) && listen($s, 5) or die "listen: $!";
	accept($connection, $s) or die "accept: $!";
	# The first line of a request is enough.
	$n = sysread($connection, $seen, 10000, length $seen)
		while $n && $seen !~ /\n/;
	$seen = '';
	defined syswrite($connection, $text) or tell_error();
}
$n = 1;
$n = sysread($connection, $seen, 100000, length $seen) while $n;
defined $n or tell_error();
print 'closed after ', length $seen ? 'some' : 'no', " bytes\n";

sub tell_error {
	print $! == ECONNRESET ? 'reset' : "error: $!";
	my $next = sysread($connection, my $more, 10);
	print ', then read ', defined $next ? $next : "$!";
	print ', write ', defined syswrite($connection, 'x') ? 'ok' : "$!";
	print "\n";
	exit;
}
