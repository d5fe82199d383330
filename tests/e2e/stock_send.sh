#!/bin/sh
# Sends fail in nginx, with sendfile and without: the calls are writev and
# sendfile64, the file is larger than a MiB, the log and the client say so.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../programs/env.sh"
. "$(dirname "$0")/../programs/under"
[ -e "$LIBFAULT" ] || t_skip_all "no libfault.so yet"
stock_path nginx >/dev/null || t_skip_all "nginx was not fetched"
stock_path curl >/dev/null || t_skip_all "curl was not fetched"

under_counted || t_skip_all "the witness does not compile"
big "$T/big"

# fetched SENDFILE MODE RULE: exit status of a client of nginx under the rule,
# bytes that it got, and whether they are those of the file; log in $T/log.
fetched() {
	# shellcheck disable=SC2034 # env.sh reads them
	nginx_http="sendfile $1;" nginx_level=info
	port=$(free_port)
	mkdir -p "$T/nginx-$port/www"
	ln "$T/big" "$T/nginx-$port/www/big"
	serve nginx "$port" under "$2" "$1-$2" "$3"
	stock curl -sS -m 20 -o "$T/got" "http://127.0.0.1:$port/big" \
		2>"$T/said"
	status=$?
	# It still serves.
	again=$(stock curl -sS -m 20 "http://127.0.0.1:$port/index.html")
	stop "$t_pid"
	cp "$T/nginx-$port.log" "$T/log"
	size=$(wc -c <"$T/got")
	if [ "$(head -c "$size" "$T/big" | hash)" = "$(hash <"$T/got")" ]; then
		echo "$status $size same $again"
	else
		echo "$status $size differ $again"
	fi
}

# Per line: sendfile, rule, what the client sees, what the log says, what the
# trace says. nginx sends its header with writev: 246 bytes. What it had queued
# for a connection that is reset is lost.
while IFS='|' read -r sendfile rule client log trace; do
	for mode in $(under_modes); do
		sentence="sendfile $sendfile ($mode): $rule"
		seen=$(fetched "$sendfile" "$mode" "$rule")
		if ! grep -qE -e "$log" "$T/log"; then
			{
				echo "the log does not say: $log"
				cat "$T/log"
			} >"$T/diff"
			t_fail "$sentence" "$T/diff"
		else
			t_match "$sentence" "$seen" "$client"
		fi
		[ "$mode" != exec ] || t_is "$sentence: the trace" \
			"$(acted "$sendfile-exec")" "$trace"
	done
done <<-'END'
	on|send:reset:bytes=64KiB|^[15][68] 652[89][0-9] same hello|sendfile\(\) failed \(104: |sendfile64 ECONNRESET
	off|send:reset:bytes=64KiB|^[15][68] [0-9]+ same hello|writev\(\) failed \(104: |writev ECONNRESET
	on|sendfile64:error=EPIPE:bytes=100KiB|^[15][68] [0-9]+ same hello|sendfile\(\) failed \(32: |sendfile64 EPIPE
	off|writev:error=EPIPE:bytes=100KiB|^[15][68] [0-9]+ same hello|writev\(\) failed \(32: |writev EPIPE
	on|sendfile64:error=ENOMEM:bytes=100KiB|^18 10215[0-9] same hello|\[alert\].*sendfile\(\) failed \(12: |sendfile64 ENOMEM
	off|writev:error=ENOMEM:bytes=100KiB|^18 10215[0-9] same hello|\[alert\].*writev\(\) failed \(12: |writev ENOMEM
END

# Short sends, which nobody needs to notice: 246 for the header, then the file.
for sendfile in on off; do
	for mode in $(under_modes); do
		seen=$(fetched "$sendfile" "$mode" 'send:short=1B:nth=1..2500')
		# The second request is less than 250 sends.
		if [ "$sendfile" = on ]; then
			hit=$(enough 240 "$mode" on-"$mode" writev
				enough 2200 "$mode" on-"$mode" sendfile64)
		else
			hit=$(enough 2490 "$mode" off-"$mode" writev
				echo hit)
		fi
		t_is "sendfile $sendfile ($mode): sends of one byte change nothing" \
			"$seen $(echo "$hit" | paste -s -d ' ')" \
			"0 1200000 same hello hit hit"
	done
done
t_done
