#!/bin/sh
# One byte at a time: the first 3,000 receives and 3,000 sends of stock servers
# move one byte each, and answers of more than 1 MiB stay what they are. nginx
# and node register for edges only, which must come again after each byte.
# run: waits
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../programs/env.sh"
. "$(dirname "$0")/../programs/under"
[ -e "$LIBFAULT" ] || t_skip_all "no libfault.so yet"
stock_path curl >/dev/null || t_skip_all "curl was not fetched"
under_counted || t_skip_all "the witness does not compile"

. "$(dirname "$0")/../programs/big"

bytes='recv:short=1B:nth=1..3000;send:short=1B:nth=1..3000'
pieces='send:short=1000B' # the whole answer in more than a thousand pieces
newline='
'

! stock_path nginx >/dev/null || big_behind

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

# ended: stop the server; $end says whether it had lived until then.
ended() {
	stop "$t_pid"
	case $t_status in
	0 | 143) end=lived ;;
	*) end="died ($t_status), see $T/$name-$port.log" ;;
	esac
}

http() {
	name=$1 mode=$2
	port=$(free_port)
	big_site "$name" "$port"
	serve "$name" "$port" under "$mode" "$name-$mode" "$bytes"
	got=$(big_get "$port" 20)
	ended
	# shellcheck disable=SC2046 # one or two names
	t_is "$name ($mode): the same answer in single bytes, recv and send" \
		"$got $end $(enough 1000 "$mode" "$name-$mode" $(received_by "$name")
			enough 1000 "$mode" "$name-$mode" $(sent_by "$name"))" \
		"$wanted lived hit${newline}hit"
}

# The whole answer in pieces; counted by the runner only.
in_pieces() {
	name=$1
	port=$(free_port)
	big_site "$name" "$port"
	serve "$name" "$port" under exec "$name-pieces" "$pieces"
	got=$(big_get "$port" 20)
	ended
	t_is "$name: the same answer in 1,150 pieces" \
		"$got $end $(enough 1150 exec "$name-pieces" "$(sent_by "$name")")" \
		"$wanted lived hit"
}

redis() {
	mode=$1
	name=redis-server
	port=$(free_port)
	serve redis-server "$port" under "$mode" "redis-$mode" "$bytes"
	got=$(
		stock redis-cli -p "$port" -x set big <"$T/big"
		stock redis-cli -p "$port" get big | head -c 1200000 | hash
	)
	ended
	t_is "redis-server ($mode): takes a value in single bytes, and gives it" \
		"$got $end $(enough 3000 "$mode" "redis-$mode" read
			enough 2900 "$mode" "redis-$mode" writev)" \
		"OK${newline}$wanted lived hit${newline}hit"

	port=$(free_port)
	serve redis-server "$port"
	stock redis-cli -p "$port" -x set big <"$T/big" >"$T/set"
	got=$(under "$mode" "cli-$mode" recv:short=1B:nth=1..3000 timeout 20 \
		env LD_LIBRARY_PATH="$STOCK_LIBS" \
		"$(stock_path redis-cli)" -p "$port" get big |
		head -c 1200000 | hash)
	ended
	t_is "redis-cli ($mode): receives a value in single bytes" \
		"$got $end $(enough 3000 "$mode" "cli-$mode" recv)" "$wanted lived hit"
}

# An item has less than a MiB: it is asked for twice.
memcached() {
	mode=$1
	name=memcached
	head -c 1000000 "$T/big" >"$T/item"
	{
		printf 'set big 0 0 1000000\r\n'
		cat "$T/item"
		printf '\r\nget big\r\nget big\r\nquit\r\n'
	} >"$T/ask"
	{
		printf 'STORED\r\n'
		for _ in 1 2; do
			printf 'VALUE big 0 1000000\r\n'
			cat "$T/item"
			printf '\r\nEND\r\n'
		done
	} >"$T/answer"
	port=$(free_port)
	serve memcached "$port" under "$mode" "memcached-$mode" "$bytes"
	got=$(stock socat -t 10 - "TCP:127.0.0.1:$port" <"$T/ask" | hash)
	ended
	t_is "memcached ($mode): takes a value in single bytes, and gives it" \
		"$got $end $(enough 3000 "$mode" "memcached-$mode" read
			enough 2900 "$mode" "memcached-$mode" sendmsg)" \
		"$(hash <"$T/answer") lived hit${newline}hit"
}

for mode in $(under_modes); do
	for name in nginx python3 node lighttpd haproxy memcached redis; do
		if ! stock_path "$name" >"$T/path" &&
			! stock_path "$name-server" >"$T/path"; then
			t_skip "$name ($mode): single bytes" "not fetched"
		elif [ "$name" = redis ] || [ "$name" = memcached ]; then
			"$name" "$mode"
		else
			http "$name" "$mode"
		fi
	done
done
for name in nginx python3 node lighttpd haproxy; do
	if ! [ -x "$FAULT" ]; then
		t_skip "$name: pieces" "no fault yet"
	elif stock_path "$name" >"$T/path"; then
		in_pieces "$name"
	else
		t_skip "$name: pieces" "not fetched"
	fi
done
t_done
