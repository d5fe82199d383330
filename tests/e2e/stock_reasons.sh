#!/bin/sh
# Programs that the library cannot be loaded into are refused, each with its own
# reason: exit status 125 of `fault exec`, 3 of `fault run`. With the reason
# taken away, `attach: false`, the scenario runs.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../programs/env.sh"
[ -x "$FAULT" ] || t_skip_all "no fault yet"
[ -e "$LIBFAULT" ] || t_skip_all "no libfault.so yet"

# scenario PROGRAM…: $T/one.yaml, a server with one fault that cannot come.
scenario() {
	{
		echo 'version: 1'
		printf 'programs: {server: {run: ['
		for word; do printf '"%s", ' "$word"; done
		echo '], ready: listening}, client: {run: "true"}}'
		echo 'faults: [{in: server, call: accept, inject: reset}]'
	} >"$T/one.yaml"
}

# refused SENTENCE REASON PROGRAM…
refused() {
	sentence=$1 reason=$2
	shift 2
	"$FAULT" exec -e accept:reset -- "$@" >"$T/stdout" 2>"$T/stderr" \
		</dev/null
	t_is "$sentence: exec ends with 125" "$? $(cat "$T/stdout")" '125 '
	t_match "$sentence: exec says why" "$(cat "$T/stderr")" "$reason"
	scenario "$@"
	"$FAULT" run --out "$T/out-run" "$T/one.yaml" >"$T/stdout" \
		2>"$T/stderr" </dev/null
	t_is "$sentence: run ends with 3" "$?" 3
	t_match "$sentence: run says why" "$(cat "$T/stdout")" "$reason"
}

port=$(free_port)
while IFS='|' read -r name sentence reason arguments; do
	if stock_path "$name" >"$T/path"; then
		# shellcheck disable=SC2086 # several words
		refused "$sentence" "$reason" "$(cat "$T/path")" $arguments
		if listening "$port"; then
			t_fail "$sentence: nothing was left running"
		fi
	else
		t_skip "$sentence" "not fetched"
	fi
done <<-END
	busybox|busybox, static|static: no dynamic loader|httpd -f -p 127.0.0.1:$port
	websocketd|websocketd, Go|Go program calls the kernel directly|--address=127.0.0.1 --port=$port --staticdir=/
	musl-hello|musl-hello, another C library|loader is musl's|$port
END

# A program of another user with the setuid bit: ld.so ignores LD_PRELOAD.
mkdir "$T/bin"
cp "$(command -v sleep)" "$T/bin/as-owner"
if [ "$(id -u)" = 0 ]; then chown nobody "$T/bin/as-owner"; fi
chmod u+s "$T/bin/as-owner"
refused "a setuid copy of sleep" 'setuid.*ignores LD_PRELOAD' \
	"$T/bin/as-owner" 0

# A launcher that starts a run of its own. Nothing of it shows beforehand.
refused "another run's environment" 'names another run' \
	env -i FAULT_SHM=none "$(command -v sleep)" 0

# Behind a launcher nothing shows beforehand either: seen when it is executed.
if stock_path busybox >"$T/path"; then
	refused "busybox behind a shell" 'static' \
		sh -c "exec $(cat "$T/path") sleep 0"
fi

# A peer without faults is another matter.
if stock_path busybox >"$T/path" && stock_path curl >"$T/curl"; then
	mkdir "$T/www"
	echo hello >"$T/www/index.html"
	cat >"$T/peer.yaml" <<-END
	version: 1
	programs:
	  server:
	    run: [$(cat "$T/path"), httpd, -f, -p, "\${host}:\${port}", -h, $T/www]
	    attach: false
	    ready: listening
	  client: {run: [env, LD_LIBRARY_PATH=$STOCK_LIBS, $(cat "$T/curl"), -sS, "http://\${host}:\${port}/"]}
	faults: [{in: client, call: recv, nth: 1, inject: reset}]
	expect: {client: {exit: 56}}
	END
	t_ok "busybox with attach: false is a peer" \
		"$FAULT" run --out "$T/out-run" "$T/peer.yaml"
else
	t_skip "busybox with attach: false is a peer" "not fetched"
fi
t_done
