#!/bin/sh
# `hosts` of a scenario: names that the resolver of every program knows. What a
# program sees of them is what it sees of an injected answer, which resolve.sh
# compares with a real name server.
# run: waits limit 120
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../programs/env.sh"
probe=$BUILD/tests/probes/resolve
[ -x "$probe" ] || t_skip_all "the probe is not built"
cd "$T" || exit 1
stock_commands "$T/commands"

# scenario HOSTS [FAULTS]: of one program, which runs ./run.sh and writes ./seen.
scenario() {
	cat >s.yaml <<-END
		version: 1
		limit: 20s
		hosts: {$1}
		programs: {ask: {run: "sh run.sh"}}
		faults: [${2:-}]
	END
	rm -f seen
}

# ask SENTENCE WANTED: run.sh, written by the caller, sees this.
ask() {
	if "$FAULT" run s.yaml >log 2>&1; then
		t_is "$1" "$(cat seen)" "$2"
	else
		t_fail "$1" log
	fi
}

# ---- as an injected answer --------------------------------------------------

while read -r call name rest; do
	printf 'echo "%s %s:"; %s %s %s %s\n' "$call" "$rest" "$probe" "$call" "$name" "$rest"
done >calls <<'END'
getaddrinfo api.test 80
getaddrinfo api.test 80 stream
getaddrinfo api.test 80 nohints
getaddrinfo api.test http stream inet AI_CANONNAME
getaddrinfo api.test 80 stream inet6
getaddrinfo api.test 80 stream inet6 AI_V4MAPPED
getaddrinfo api.test 80 stream inet6 AI_V4MAPPED AI_ALL AI_CANONNAME
getaddrinfo api.test 80 stream AI_ADDRCONFIG
getaddrinfo api.test nosuch stream
getaddrinfo api.test 80 family=77
getaddrinfo api.test 80 socktype=77
getaddrinfo api.test -
getaddrinfo api.test 70000
gethostbyname api.test
gethostbyname2 api.test inet
gethostbyname2 api.test inet6
gethostbyname_r api.test
gethostbyname_r api.test 0
gethostbyname_r api.test 300
gethostbyname2_r api.test inet6
gethostbyname2_r api.test inet6 1000
END
echo '{ sh calls; } >seen 2>&1' >run.sh

while IFS='|' read -r addresses rule sentence; do
	scenario "api.test: [$addresses]"
	LD_PRELOAD=$LIBFAULT FAULT_INJECT=resolve:answer=$rule sh calls >wanted 2>&1
	t_is "there is something to compare" "$(grep -c '^get.*:$' wanted)" 21
	ask "$sentence" "$(cat wanted)"
done <<'END'
192.0.2.1, 192.0.2.2|192.0.2.1,192.0.2.2|a name with two addresses
"2001:db8::1"|[2001:db8::1]|a name with an IPv6 address alone
192.0.2.3, "2001:db8::3", 192.0.2.1|192.0.2.3,[2001:db8::3],192.0.2.1|a name with both
END

# ---- which names ------------------------------------------------------------

# asks NAME..: the first address of each, or how it fails.
asks() {
	for name; do
		echo "$probe getaddrinfo $name 80 stream inet | grep -m1 -oE '(EAI_[A-Z]+|[0-9]+(\.[0-9]+){3})'"
	done >body
	echo 'sh body >seen' >run.sh
}

scenario 'Api.Test: [192.0.2.1], b.test.: [192.0.2.2], localhost: [192.0.2.3]'
asks api.test API.TEST api.test. b.test localhost 127.0.0.9
ask "case and a dot at the end do not matter; numbers are not asked for" \
	"$(printf '%s\n' 192.0.2.1 192.0.2.1 192.0.2.1 192.0.2.2 192.0.2.3 127.0.0.9)"
asks xapi.test api.testx test a.api.test
"$FAULT" run s.yaml >log 2>&1
t_no_match "other names are not in it" "$(cat seen)" '192\.0\.2\.'
t_is "... and all were asked for" "$(grep -c . seen)" 4

# ---- faults come first ------------------------------------------------------

asks api.test api.test
scenario 'api.test: [192.0.2.1]' '{call: resolve, host: api.test, nth: 1, per: run, inject: {error: EAI_AGAIN}}'
ask "a name fails once, then has its address" "$(printf 'EAI_AGAIN\n192.0.2.1')"
scenario 'api.test: [192.0.2.1]' '{call: resolve, inject: {answer: [192.0.2.9]}, nth: 2, per: run}'
ask "an injected answer comes before" "$(printf '192.0.2.1\n192.0.2.9')"
asks api.test
scenario 'api.test: [192.0.2.1]' '{call: resolve, inject: {delay: 300ms}, hits: 1}'
ask "a slow resolver has the same answer" 192.0.2.1
t_match "... in its time" "$(cat log)" 'ok .*\((0\.[3-9]|[1-9])'
scenario 'api.test: [192.0.2.1]' '{call: resolve, host: other.test, inject: {error: EAI_AGAIN}}'
t_exit 1 "hosts are no hits of a rule" "$FAULT" run s.yaml
t_match "... and no rules in the report" "$(cat out)" '^ +rule .*other.test: 0 hits'
t_is "... just the one" "$(grep -c '^ *rule .*: [0-9]* hit' out)" 1

# ---- programs ---------------------------------------------------------------

PATH=$T/commands:$PATH
cat >next.py <<'END'
import socket, sys
s = socket.create_connection(("api.test", int(sys.argv[1])), 5)
print(s.getpeername()[0])
END
cat >next.yaml <<'END'
version: 1
name: next address in time
hosts: {api.test: [192.0.2.1, 127.0.0.2, 127.0.0.1]}
programs:
  server: {run: "python3 -u -m http.server --bind 127.0.0.1 ${port}", ready: Serving}
  client: {run: "COMMAND"}
faults:
  - {in: client, call: connect, peer: 192.0.2.1, inject: {error: "${error}"}}
expect: {client: {exit: 0, time: ..3s}}
END
# Per line: what it needs, the command.
while IFS='|' read -r needs command; do
	if ! command -v "$needs" >/dev/null; then
		t_skip "$needs goes on to the next address" "$needs is not there"
		continue
	fi
	sed "s|COMMAND|$command|" next.yaml >"$needs.yaml"
	for error in ECONNREFUSED ETIMEDOUT; do
		t_ok "$needs goes on to the next address after $error" \
			"$FAULT" run "$needs.yaml" --var "error=$error"
	done
done <<'END'
python3|python3 next.py ${port}
curl|curl -sS -o /dev/null --connect-timeout 5 http://api.test:${port}/
END
if command -v curl >/dev/null && command -v python3 >/dev/null; then
	# It gives the first address half of its time, the second a quarter.
	sed 's/{error: .*}}/stall}/; s/\.\.3s/2s..4900ms/' curl.yaml >stall.yaml
	t_ok "curl waits half of its time for an address that is silent" "$FAULT" run stall.yaml
else
	t_skip "curl waits half of its time for an address that is silent" "curl is not there"
fi
if command -v getent >/dev/null; then
	scenario 'api.test: [192.0.2.7, 192.0.2.8]'
	echo 'getent ahostsv4 api.test | sed -n "s/ *STREAM.*//p" >seen' >run.sh
	ask "getent knows the name, in the order of the file" "$(printf '192.0.2.7\n192.0.2.8')"
fi
t_done
