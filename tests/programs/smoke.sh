#!/bin/sh
# Each stock program serves a request, without the library: what a test under
# faults stands on.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/env.sh"

for name in nginx lighttpd haproxy redis-server memcached python3 node socat \
	busybox websocketd musl-hello; do
	sentence="$name serves a request"
	case $name in
	redis-server) wanted='^PONG$' ;;
	memcached) wanted='^VERSION [0-9.]+' ;;
	*) wanted='^hello$' ;;
	esac
	if ! stock_path "$name" >"$T/path"; then
		t_skip "$sentence" "not fetched (tests/programs/fetch)"
		continue
	fi
	port=$(free_port)
	if serve "$name" "$port"; then
		t_match "$sentence" "$(ask "$name" "$port" 2>&1)" "$wanted"
		stop "$t_pid"
	else
		t_fail "$sentence" "$T/$name-$port.log"
	fi
done

sentence="wget fetches a page"
if stock_path wget >"$T/path" && stock_path busybox >"$T/path"; then
	port=$(free_port)
	serve busybox "$port"
	t_is "$sentence" hello \
		"$(stock wget -qO- --no-config "http://127.0.0.1:$port/index.html" 2>&1)"
else
	t_skip "$sentence" "not fetched (tests/programs/fetch)"
fi
t_done
