#!/bin/sh
# curl and wget meet faults on their connections to nginx, and say so.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../programs/env.sh"
. "$(dirname "$0")/../programs/under"
[ -e "$LIBFAULT" ] || t_skip_all "no libfault.so yet"
stock_path nginx >/dev/null || t_skip_all "nginx was not fetched"

port=$(free_port)
big "$T/nginx-$port/www/big"
serve nginx "$port"

# said NAME MODE RULE: its exit status, how many bytes it got, what it said.
said() {
	name=$1
	set -- "$2" "$name-$2" "$3" \
		env LD_LIBRARY_PATH="$STOCK_LIBS" "$(stock_path "$name")"
	case $name in
	curl) set -- "$@" -sS -m 20 -o "$T/got" ;;
	wget) set -- "$@" --no-config -nv -t 1 -T 20 -O "$T/got" ;;
	esac
	: >"$T/got"
	(under "$@" "http://127.0.0.1:$port/big") >"$T/said" 2>&1
	echo "$? $(wc -c <"$T/got") $(paste -s -d ' ' "$T/said")"
}

# Per line: client, rule, its exit status, the bytes of the page that it got and
# what it says, what the trace says. Exit statuses: curl 7 not connected, 28
# timed out, 55 failed in sending, 56 in receiving; wget 4 network failure. Of
# 64 KiB received, 246 bytes are nginx's header. A connect that does not block
# is refused later.
while IFS='|' read -r name rule wanted trace; do
	for mode in $(under_modes); do
		sentence="$name ($mode): $rule"
		if ! stock_path "$name" >"$T/path"; then
			t_skip "$sentence" "not fetched"
			continue
		fi
		t_match "$sentence" "$(said "$name" "$mode" "$rule")" "^$wanted"
		[ "$mode" != exec ] ||
			t_is "$sentence: the trace" "$(acted "$name-exec")" "$trace"
	done
done <<-'END'
	curl|recv:reset:nth=1|56 0 curl: \(56\) Recv failure: Connection reset by peer|recv ECONNRESET
	curl|connect:error=ECONNREFUSED|7 0 curl: \(7\) Failed to connect|connect EINPROGRESS
	curl|connect:error=ETIMEDOUT|28 0 curl: \(28\) Failed to connect|connect EINPROGRESS
	curl|connect:error=ENETUNREACH|7 0 curl: \(7\) Failed to connect|connect ENETUNREACH
	curl|recv:reset:bytes=64KiB|56 652[89][0-9] curl: \(56\) Recv failure: Connection reset by peer|recv ECONNRESET
	curl|recv:error=ETIMEDOUT:nth=1|56 0 curl: \(56\) Recv failure: Connection timed out|recv ETIMEDOUT
	curl|send:reset:nth=1|55 0 curl: \(55\) Send failure: Connection reset by peer|send ECONNRESET
	curl|send:error=EPIPE:nth=1|55 0 curl: \(55\) Send failure: Broken pipe|send EPIPE
	wget|connect:error=ECONNREFUSED|4 0 .*Connection refused|connect ECONNREFUSED
	wget|recv:reset:nth=1|4 0 .*Connection reset by peer|read ECONNRESET
	wget|recv:reset:bytes=64KiB|4 652[89][0-9] |read ECONNRESET
END

# The same through a scenario: the server ours to start, the port the runner's.
sentence="fault run: curl reports the reset"
if ! [ -x "$FAULT" ] || ! stock_path curl >"$T/path" ||
	! stock_path python3 >"$T/path"; then
	t_skip "$sentence" "no fault, or curl or python3 was not fetched"
else
	cat >"$T/reset.yaml" <<-END
	version: 1
	programs:
	  server: {run: [env, LD_LIBRARY_PATH=$STOCK_LIBS, $(stock_path python3), -m, http.server, -b, "\${host}", "\${port}"], ready: listening}
	  client: {run: [env, LD_LIBRARY_PATH=$STOCK_LIBS, $(stock_path curl), -sS, "http://\${host}:\${port}/"]}
	faults:
	  - {in: client, call: recv, nth: 1, inject: reset}
	expect: {client: {exit: 56, stderr: Connection reset by peer}}
	END
	t_ok "$sentence" "$FAULT" run --out "$T/out-run" "$T/reset.yaml"
	sed -i 's/nth: 1,/nth: 1000,/' "$T/reset.yaml"
	t_exit 1 "fault run: without a hit it fails" \
		"$FAULT" run --out "$T/out-run" "$T/reset.yaml"
fi
t_done
