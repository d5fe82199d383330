#!/bin/sh
# One byte at a time: the first 3,000 receives and 3,000 sends of stock servers
# move one byte each, and answers of more than 1 MiB stay what they are. nginx
# and node register for edges only, which must come again after each byte.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../programs/env.sh"
. "$(dirname "$0")/../programs/under"
[ -e "$LIBFAULT" ] || t_skip_all "no libfault.so yet"
stock_path curl >/dev/null || t_skip_all "curl was not fetched"
under_counted || t_skip_all "the witness does not compile"

bytes='recv:short=1B:nth=1..3000;send:short=1B:nth=1..3000'
pieces='send:short=1000B' # the whole answer in more than a thousand pieces
big "$T/big"
wanted=$(hash <"$T/big")

# A request that takes 2,700 receives; nginx asks FIONREAD after 1,024, and then
# it cannot get less than it was promised (G5).
seq -f 'X-Header-%g: abcdefghijklmnopqrstuvwxyz' 1 75 >"$T/headers"

node_js() {
	cat <<-END
	const big = require('fs').readFileSync('$T/big')
	require('http').createServer((request, reply) => reply.end(big))
		.listen($stock_port, '127.0.0.1')
	END
}

# The calls that move the data of each; node 18 writes with writev or write.
received_by() {
	case $1 in
	nginx | python3 | haproxy) echo recv ;;
	*) echo read ;;
	esac
}

sent_by() {
	case $1 in
	python3 | haproxy) echo send ;;
	lighttpd) echo sendfile64 ;;
	*) echo writev ;;
	esac
}

# stopped_well NAME MODE: the server has lived until now.
stopped_well() {
	stop "$t_pid"
	case $t_status in
	0 | 143) t_pass "$1 ($2): lives until it is stopped" ;;
	*) t_fail "$1 ($2): exit status $t_status" "$T/$1-$port.log" ;;
	esac
}

http() {
	name=$1 mode=$2
	port=$(free_port)
	mkdir -p "$T/$name-$port/www"
	cp "$T/big" "$T/$name-$port/www/big"
	serve "$name" "$port" under "$mode" "$name-$mode" "$bytes"
	t_is "$name ($mode): an answer in single bytes is the same" "$wanted" \
		"$(stock curl -sS -m 20 -H "@$T/headers" \
			"http://127.0.0.1:$port/big" | hash)"
	stopped_well "$name" "$mode"
	# shellcheck disable=SC2046 # one or two names
	t_hits 1000 "$name ($mode): $(received_by "$name") of one byte" \
		"$mode" "$name-$mode" $(received_by "$name")
	t_hits 1000 "$name ($mode): $(sent_by "$name") of one byte" \
		"$mode" "$name-$mode" $(sent_by "$name")
}

# The whole answer in pieces; counted by the runner only.
in_pieces() {
	name=$1
	port=$(free_port)
	mkdir -p "$T/$name-$port/www"
	cp "$T/big" "$T/$name-$port/www/big"
	serve "$name" "$port" under exec "$name-pieces" "$pieces"
	t_is "$name: an answer in pieces is the same" "$wanted" \
		"$(stock curl -sS -m 20 "http://127.0.0.1:$port/big" | hash)"
	stopped_well "$name" pieces
	t_hits 1190 "$name: $(sent_by "$name") of 1000 bytes" \
		exec "$name-pieces" "$(sent_by "$name")"
}

redis() {
	mode=$1
	port=$(free_port)
	serve redis-server "$port" under "$mode" "redis-$mode" "$bytes"
	t_is "redis-server ($mode): takes a value in single bytes" OK \
		"$(stock redis-cli -p "$port" -x set big <"$T/big")"
	t_is "redis-server ($mode): gives it back in single bytes" "$wanted" \
		"$(stock redis-cli -p "$port" get big | head -c 1200000 | hash)"
	stopped_well redis-server "$mode"
	t_hits 3000 "redis-server ($mode): read of one byte" \
		"$mode" "redis-$mode" read
	t_hits 2900 "redis-server ($mode): writev of one byte" \
		"$mode" "redis-$mode" write writev

	port=$(free_port)
	serve redis-server "$port"
	t_is "redis-cli sends a value" OK \
		"$(stock redis-cli -p "$port" -x set big <"$T/big")"
	t_is "redis-cli ($mode): receives it in single bytes" "$wanted" \
		"$(under "$mode" "cli-$mode" recv:short=1B:nth=1..3000 \
			env LD_LIBRARY_PATH="$STOCK_LIBS" \
			"$(stock_path redis-cli)" -p "$port" get big |
			head -c 1200000 | hash)"
	stop "$t_pid"
	t_hits 3000 "redis-cli ($mode): recv of one byte" \
		"$mode" "cli-$mode" recv
}

for mode in $under_modes; do
	for name in nginx python3 node lighttpd; do
		if stock_path "$name" >"$T/path"; then
			http "$name" "$mode"
		else
			t_skip "$name ($mode): single bytes" "not fetched"
		fi
	done
	if stock_path redis-server >"$T/path"; then
		redis "$mode"
	else
		t_skip "redis ($mode): single bytes" "not fetched"
	fi
done
if [ -x "$FAULT" ]; then
	for name in nginx python3 node lighttpd; do
		if stock_path "$name" >"$T/path"; then in_pieces "$name"; fi
	done
fi
t_done
