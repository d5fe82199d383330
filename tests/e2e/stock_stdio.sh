#!/bin/sh
# Programs that use stdio on a socket are reached: whois receives by fgets, gawk
# sends by fwrite.
# run: parallel
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../programs/env.sh"
[ -e "$LIBFAULT" ] || t_skip_all "no libfault.so yet"
stock_path socat >/dev/null || t_skip_all "socat was not fetched"

cat >"$T/answer" <<'END'
#!/bin/sh
read -r _
echo "an answer"
i=0
while [ $i -lt 300 ]; do
	echo "line $i of an answer that is longer than a buffer"
	i=$((i + 1))
done
END
chmod +x "$T/answer"
port=$(free_port)
spawn server env LD_LIBRARY_PATH="$STOCK_LIBS" "$(stock_path socat)" \
	"TCP-LISTEN:$port,bind=127.0.0.1,reuseaddr,fork" "EXEC:$T/answer"
wait_for listening "$port"

cat >"$T/ask.awk" <<END
BEGIN {
	server = "/inet/tcp/0/127.0.0.1/$port"
	print "example.org" |& server
	while ((status = (server |& getline line)) > 0)
		print line
	exit status < 0
}
END

# asks WHO PREFIX…
asks() {
	who=$1
	shift
	case $who in
	whois) set -- "$@" env LD_LIBRARY_PATH="$STOCK_LIBS" \
		"$(stock_path whois)" -h 127.0.0.1 -p "$port" example.org ;;
	gawk) set -- "$@" env LD_LIBRARY_PATH="$STOCK_LIBS" \
		"$(stock_path gawk)" -f "$T/ask.awk" ;;
	esac
	timeout 20 "$@"
}

for who in whois gawk; do
	if ! stock_path "$who" >/dev/null; then
		t_skip "$who is reached" "it was not fetched"
		continue
	fi
	asks "$who" >"$T/plain" 2>&1
	t_match "$who gets its answer" "$(cat "$T/plain")" 'line 299'
	for rule in recv:short=1B recv:delay=20ms:nth=1 send:delay=20ms; do
		asks "$who" "$FAULT" exec -e "$rule:port=$port" \
			--trace="$T/$who" -- >"$T/got" 2>&1
		t_is "$who under $rule ends well" $? 0
		cmp "$T/got" "$T/plain" >"$T/diff" 2>&1
		t_is "$who under $rule gets the same" "$(cat "$T/diff")" ''
	done
	"$FAULT" trace "$T/$who/trace" >"$T/calls"
	t_is "the trace of $who has each byte that it receives" \
		"$(sed -n 's/.* re[adcv]*(.*) = \([0-9]*\) .* client.*/\1/p' \
			"$T/calls" | awk '{ n += $1 } END { print n }')" \
		"$(echo "$who" | "$T/answer" | wc -c)"
	for rule in recv:reset:bytes=1000B send:reset:nth=1; do
		asks "$who" "$FAULT" exec -e "$rule:port=$port" -- >"$T/got" 2>&1
		t_match "$who under $rule fails, and the rule has hit" $? '^[12]$'
	done
done
t_done
