#!/bin/sh
# haproxy that splices: a reset of the server's and of the client's connection,
# by splice alone, hits and is told to the other end. What it moves is the same.
# run: waits
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../programs/env.sh"
[ -e "$LIBFAULT" ] || t_skip_all "no libfault.so yet"
stock_path haproxy >/dev/null || t_skip_all "no haproxy"
stock_path python3 >/dev/null || t_skip_all "no python3"

# start MODE [RULE]: haproxy on $port before the server on $back.
start() {
	port=$(free_port)
	mkdir -p "$T/$port"
	cat >"$T/$port/conf" <<-END
	defaults
		mode tcp
		option splice-request
		option splice-response
		timeout connect 10s
		timeout client 10s
		timeout server 10s
	listen spliced
		bind 127.0.0.1:$port
		server one 127.0.0.1:$back
	END
	set -- ${1:+LD_PRELOAD="$1"} ${2:+FAULT_INJECT="$2"} \
		LD_LIBRARY_PATH="$STOCK_LIBS" "$(stock_path haproxy)" \
		-f "$T/$port/conf"
	spawn "spliced-$port" env "$@"
	wait_for listening "$port"
}

# fetched: exit status of the client, bytes, are they the file's?
fetched() {
	stock curl -s -m 20 -o "$T/got" "http://127.0.0.1:$port/large"
	seen=$?
	cmp -s "$T/got" "$file" && same=same || same=other
	echo "$seen $(wc -c <"$T/got") $same"
	rm -f "$T/got"
}

back=$(free_port)
serve python3 "$back"
file=$T/python3-$back/www/large
head -c 4000000 /dev/urandom >"$file"

start ""
t_is "without the library" "$(fetched)" "0 4000000 same"
stop "$t_pid"
start "$LIBFAULT" "splice:short=1000B:nth=1..20"
t_is "spliced in small parts" "$(fetched)" "0 4000000 same"
stop "$t_pid"
start "$LIBFAULT" "splice:reset:role=client:bytes=100KiB"
t_match "the server's reset, after 100 KiB received" "$(fetched)" '^(18|56) '
stop "$t_pid"
start "$LIBFAULT" "splice:reset:role=accepted:bytes=100KiB"
t_match "the client's reset, after 100 KiB sent" "$(fetched)" '^56 '
stop "$t_pid"
start "$LIBFAULT" "splice:delay=300ms:role=client:nth=1"
from=$(date +%s%N)
t_is "spliced late" "$(fetched)" "0 4000000 same"
t_ok "... by 300 ms" [ $((($(date +%s%N) - from) / 1000000)) -ge 299 ]
t_done
