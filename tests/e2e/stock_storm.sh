#!/bin/sh
# Storms on event loops: spurious EAGAIN on each call or on every second one,
# single bytes, interrupted waits, on servers and proxies, most of which wait for
# edges. Two requests at a time; no answer of 1.2 million bytes changes, nobody
# hangs, nobody spins.
# run: waits
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../programs/env.sh"
. "$(dirname "$0")/../programs/under"
[ -x "$FAULT" ] || t_skip_all "no fault yet"
[ -e "$LIBFAULT" ] || t_skip_all "no libfault.so yet"
stock_path nginx >/dev/null || t_skip_all "nginx was not fetched"
stock_path curl >/dev/null || t_skip_all "curl was not fetched"
. "$(dirname "$0")/../programs/big"

big_behind

# started NAME RULE
started() {
	port=$(free_port)
	big_site "$1" "$port"
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

# storm NAME RULE LEAST: at least so many calls are hit, and not a thousand for
# each piece of the answer, which would be a spin.
storm() {
	name=$1 rule=$2 least=$3
	if ! stock_path "$name" >"$T/path"; then
		t_skip "$name: $rule" "not fetched"
		return
	fi
	started "$name" "$rule"
	big_get "$port" 20 >"$T/other" &
	other=$!
	got=$(big_get "$port" 20)
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
	# One of each connection: it may be stopped before it reads the end.
	storm "$name" 'recv,send:error=EAGAIN:nth=1+2' 2
	storm "$name" 'recv:error=EAGAIN;send:error=EAGAIN' 6
	storm "$name" 'accept:error=EAGAIN:nth=1+2' 1
	storm "$name" 'recv:short=1B:nth=1..500;recv:error=EAGAIN:nth=501' 1002
	storm "$name" 'recv,send:short=7B:nth=1..2000' 3000
	# How much one wait tells of, the scheduler decides.
	storm "$name" 'epoll_wait:error=EINTR:nth=1+2' 2
done
storm nginx 'accept:error=EAGAIN' 2
storm socat 'recv,send:short=7B:nth=1..2000' 3000
storm socat 'recv,send:short=90%' 200
t_done
