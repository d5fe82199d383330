#!/bin/sh
# A reset is no mere errno: the peers of stock programs get a RST, which is
# what their kernel tells them and what a network of our own counts.
# run: waits
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../programs/env.sh"
. "$(dirname "$0")/../programs/under"
[ -e "$LIBFAULT" ] || t_skip_all "no libfault.so yet"

get='GET / HTTP/1.0\r\n\r\n'
page='HTTP/1.0 200 OK\r\n\r\nhello\n'
reset='reset, then read 0, write Broken pipe'

# Inside a network of its own: what nginx's and curl's kernel has sent.
if [ "${1:-}" = inside ]; then
	serve nginx 8080 under "$2" nginx "$3"
	sentences=$(ask nginx 8080 2>&1)
	stop "$t_pid"
	awk '/^Tcp:/ { n = split($0, f); if (!names) { for (i = 1; i <= n; i++)
		at[f[i]] = i; names = 1 } else print f[at["OutRsts"]] }' \
		/proc/net/snmp
	echo "$sentences" >&2
	exit
fi

# in_net COMMAND…: with a loopback interface and nothing else.
in_net() {
	# shellcheck disable=SC2016 # it is perl's
	unshare -rn perl -e 'use Socket; socket(my $s, PF_INET, SOCK_DGRAM, 0);
		my $up = pack("a16 s x22", "lo", 1); # SIOCSIFFLAGS, IFF_UP
		ioctl($s, 0x8914, $up) or exit 99;
		exec @ARGV' "$@"
}

question() {
	case $1 in
	redis-server) printf '%s' 'PING\r\nQUIT\r\n' ;;
	memcached) printf '%s' 'version\r\nquit\r\n' ;;
	*) printf '%s' "$get" ;;
	esac
}

# What the client of a server sees; of a reset before anything is read, and of
# one in its reply. The other way round it is closed.
server() {
	name=$1 mode=$2 rule=$3
	port=$(free_port)
	serve "$name" "$port" under "$mode" "$name" "$rule"
	seen=$(perl "$top/tests/programs/peer.pl" ask "$port" \
		"$(question "$name")")
	stop "$t_pid"
	t_is "$name ($mode), $rule: its client" "$seen" "$reset"
}

# What the server of a client sees.
client() {
	name=$1 mode=$2 rule=$3
	port=$(free_port)
	case $name in
	curl) set -- -sS "http://127.0.0.1:$port/" ;;
	wget) set -- --no-config -q -t 1 -O - "http://127.0.0.1:$port/" ;;
	redis-cli) set -- -p "$port" ping ;;
	esac
	spawn "peer-$name-$mode" perl "$top/tests/programs/peer.pl" answer \
		"$port" "$page"
	peer=$t_pid
	wait_for listening "$port"
	(under "$mode" "$name" "$rule" timeout 20 \
		env LD_LIBRARY_PATH="$STOCK_LIBS" "$(stock_path "$name")" "$@") \
		>"$T/said" 2>&1 </dev/null
	wait_for not running "$peer"
	t_is "$name ($mode), $rule: its server" \
		"$(cat "$T/peer-$name-$mode.log")" "$reset"
}

for mode in $(under_modes); do
	for name in nginx redis-server python3 node memcached lighttpd; do
		if stock_path "$name" >"$T/path"; then
			server "$name" "$mode" recv:reset:nth=1
			server "$name" "$mode" send:reset:nth=1
		else
			t_skip "$name ($mode): a reset" "not fetched"
		fi
	done
	for name in curl wget redis-cli; do
		if stock_path "$name" >"$T/path"; then
			client "$name" "$mode" recv:reset:nth=1
		else
			t_skip "$name ($mode): a reset" "not fetched"
		fi
	done

	sentence="nginx ($mode): RST segments are sent, and none without a rule"
	if ! stock_path nginx >"$T/path" || ! stock_path curl >"$T/path"; then
		t_skip "$sentence" "not fetched"
	elif ! in_net true >"$T/out" 2>&1; then
		t_skip "$sentence" "needs a network namespace"
	else
		t_is "$sentence" "$(in_net "$0" inside "$mode" recv:reset:nth=1 \
			2>"$T/said") $(NO_RULE=1 in_net "$0" inside "$mode" none \
			2>>"$T/said") $(grep -c hello "$T/said")" "1 0 1"
	fi
done
t_done
