#!/bin/sh
# Storms on event loops: spurious EAGAIN on each call or on every second one,
# single bytes, interrupted waits, on servers and proxies, most of which wait for
# edges. Two requests at a time; no answer of 1.2 million bytes changes, nobody
# hangs, nobody spins.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../programs/env.sh"
. "$(dirname "$0")/../programs/under"
[ -x "$FAULT" ] || t_skip_all "no fault yet"
[ -e "$LIBFAULT" ] || t_skip_all "no libfault.so yet"
stock_path nginx >/dev/null || t_skip_all "nginx was not fetched"
stock_path curl >/dev/null || t_skip_all "curl was not fetched"

big "$T/big"
wanted=$(hash <"$T/big")
seq -f 'X-Header-%g: abcdefghijklmnopqrstuvwxyz' 1 75 >"$T/headers"

node_js() {
	cat <<-END
	const big = require('fs').readFileSync('$T/big')
	require('http').createServer((request, reply) => reply.end(big))
		.listen($stock_port, '127.0.0.1')
	END
}

# A proxy before the nginx that serves without faults.
haproxy_conf() {
	cat <<-END
	defaults
		mode http
		timeout connect 10s
		timeout client 10s
		timeout server 10s
	frontend proxy
		bind 127.0.0.1:$stock_port
		default_backend nginx
	backend nginx
		server nginx 127.0.0.1:$behind
	END
}

behind=$(free_port)
mkdir -p "$T/nginx-$behind/www"
ln "$T/big" "$T/nginx-$behind/www/big"
serve nginx "$behind"

# started NAME RULE
started() {
	port=$(free_port)
	mkdir -p "$T/$1-$port/www"
	ln "$T/big" "$T/$1-$port/www/big"
	if [ "$1" = socat ]; then
		spawn "socat-$port" under exec socat "$2" \
			env LD_LIBRARY_PATH="$STOCK_LIBS" "$(stock_path socat)" \
			"TCP-LISTEN:$port,bind=127.0.0.1,reuseaddr,fork" \
			"TCP:127.0.0.1:$behind"
		wait_for listening "$port"
	else
		serve "$1" "$port" under exec "$1" "$2"
	fi
}

get() {
	stock curl -sS -m 4 -H "@$T/headers" "http://127.0.0.1:$port/big" | hash
}

# storm NAME RULE LEAST: at least so many calls are hit, and not a thousand for
# each piece of the answer, which would be a spin.
storm() {
	name=$1 rule=$2 least=$3
	if ! stock_path "$name" >"$T/path"; then
		t_skip "$name: $rule" "not fetched"
		return
	fi
	started "$name" "$rule"
	get >"$T/other" &
	other=$!
	got=$(get)
	wait "$other"
	stop "$t_pid"
	hit=$(trace_of "$name" | grep -c -e '(.*<- rule')
	if [ "$hit" -ge "$least" ] && [ "$hit" -lt 20000 ]; then
		hit=hit
	fi
	rm -r "$T/$name.trace"
	t_is "$name: $rule" "$got $(cat "$T/other") $hit" "$wanted $wanted hit"
}

for name in nginx lighttpd node haproxy; do
	storm "$name" 'recv,send:error=EAGAIN:nth=1+2' 4
	storm "$name" 'recv:error=EAGAIN;send:error=EAGAIN' 6
	storm "$name" 'accept:error=EAGAIN:nth=1+2' 1
	storm "$name" 'recv:short=1B:nth=1..500;recv:error=EAGAIN:nth=501' 1002
	storm "$name" 'recv,send:short=7B:nth=1..2000' 3000
	storm "$name" 'epoll_wait:error=EINTR:nth=1+2' 4
done
storm nginx 'accept:error=EAGAIN' 2
storm socat 'recv,send:short=7B:nth=1..2000' 3000
storm socat 'recv,send:short=90%' 200
t_done
