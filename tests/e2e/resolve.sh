#!/bin/sh
# The resolver under faults: what a program sees of an injected answer or error
# is what it sees of a real one, from a real name server (tests/probes/dns.c).
# run: waits limit 120
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../programs/env.sh"
. "$(dirname "$0")/../programs/under"
[ -e "$LIBFAULT" ] || t_skip_all "no libfault.so yet"
dns=$BUILD/tests/probes/dns
probe=$BUILD/tests/probes/resolve
[ -x "$dns" ] && [ -x "$probe" ] || t_skip_all "the probes are not built"

# with RULES ARGUMENT…: the probe under the library alone.
with() {
	rules=$1
	shift
	LD_PRELOAD=$LIBFAULT FAULT_INJECT=$rules "$probe" "$@" 2>&1
}

# ---- the real resolver's word ---------------------------------------------------

# In the world of dns, in one go: the calls of $T/calls on one name. A line of
# output names its call, so that a difference can be read.
cat >"$T/calls" <<-'END'
	getaddrinfo NAME 80
	getaddrinfo NAME 80 stream
	getaddrinfo NAME 80 nohints
	getaddrinfo NAME - dgram
	getaddrinfo NAME domain udp
	getaddrinfo NAME http stream inet AI_CANONNAME
	getaddrinfo NAME 80 stream inet6
	getaddrinfo NAME 80 stream inet6 AI_V4MAPPED
	getaddrinfo NAME 80 stream inet6 AI_V4MAPPED AI_ALL AI_CANONNAME
	getaddrinfo NAME 80 stream AI_PASSIVE AI_NUMERICSERV
	getaddrinfo NAME 80 stream AI_ADDRCONFIG
	getaddrinfo NAME 80 stream inet AI_ADDRCONFIG
	getaddrinfo NAME nosuch stream
	getaddrinfo NAME http AI_NUMERICSERV
	getaddrinfo NAME http udp stream
	getaddrinfo NAME 80 family=77
	getaddrinfo NAME 80 socktype=77
	getaddrinfo NAME 80 stream AI_NUMERICHOST
	getaddrinfo NAME -
	getaddrinfo NAME - AI_PASSIVE
	getaddrinfo NAME 80 AI_PASSIVE AI_CANONNAME
	getaddrinfo NAME - socktype=3
	getaddrinfo NAME - socktype=5
	getaddrinfo NAME 80 socktype=3
	getaddrinfo NAME - tcp
	getaddrinfo NAME - tcp dgram
	getaddrinfo NAME domain
	getaddrinfo NAME 70000
	getaddrinfo NAME -1 stream
	getaddrinfo NAME 080 stream
	getaddrinfo NAME 80x stream
	getaddrinfo NAME 80 inet AI_V4MAPPED
	getaddrinfo NAME 80 stream AI_ALL
	getaddrinfo NAME 80 stream inet6 AI_ALL
	getaddrinfo NAME - stream inet AI_NUMERICSERV
	getaddrinfo NAME 80 family=1
	getaddrinfo NAME 80 family=-1
	gethostbyname NAME
	gethostbyname2 NAME inet
	gethostbyname2 NAME inet6
	gethostbyname_r NAME
	gethostbyname_r NAME 0
	gethostbyname_r NAME 300
	gethostbyname2_r NAME inet6
	gethostbyname2_r NAME inet6 1000
	END
cat >"$T/ask" <<-'END'
	while read -r call name rest; do
		printf '%s %s:\n' "$call" "$rest"
		# shellcheck disable=SC2086 # words are meant
		"$1" $3 "$call" "$2" $rest
	done
	END

# asked NAME [WORD..]: of the real one; asked_under RULES NAME: of the library,
# where the name does not exist. NAME is written for both.
asked() {
	"$dns" sh "$T/ask" "$probe" "$1" "${2:-}" <"$T/calls" 2>&1 |
		sed "s/$1/NAME/"
}

asked_under() {
	"$dns" env LD_PRELOAD="$LIBFAULT" FAULT_INJECT="$1" \
		sh "$T/ask" "$probe" "$2" <"$T/calls" 2>&1 | sed "s/$2/NAME/"
}

"$dns" true
world=$?

# Per line: a name of dns.c, the rules, what is the same.
while IFS='|' read -r name rules sentence; do
	if [ "$world" != 0 ]; then
		t_skip "$sentence" "no name spaces here"
		continue
	fi
	asked "$name" >"$T/real"
	asked_under "$rules" none.test >"$T/ours"
	if diff "$T/real" "$T/ours" >"$T/diff" && [ -s "$T/real" ]; then
		t_pass "$sentence"
	else
		t_fail "$sentence" "$T/diff"
	fi
done <<-'END'
	nx.test|resolve:error=EAI_NONAME|a name that does not exist, by EAI_NONAME
	nodata.test|resolve:error=EAI_NODATA|a name without addresses, by EAI_NODATA
	servfail.test|resolve:error=EAI_AGAIN|a server that fails, by EAI_AGAIN
	refused.test|resolve:error=EAI_AGAIN|a server that refuses, by EAI_AGAIN
	two.test|resolve:answer=192.0.2.1,192.0.2.2|a name with two addresses
	six.test|resolve:answer=[2001:db8::1]|a name with an IPv6 address alone
	both.test|resolve:answer=[2001:db8::3],192.0.2.3|a name with both
	END

# Out of files: glibc's own EAI_SYSTEM and NETDB_INTERNAL.
if [ "$world" = 0 ]; then
	for call in "getaddrinfo two.test 80 stream" "gethostbyname two.test" \
		"gethostbyname_r two.test" "gethostbyname2_r two.test inet6"; do
		# shellcheck disable=SC2086
		t_is "EMFILE of $call" "$(with resolve:error=EMFILE:force=true:host=two.test $call)" \
			"$("$dns" "$probe" files 0 $call)"
	done
	t_is "no reply is EAI_AGAIN as well" \
		"$("$dns" "$probe" getaddrinfo silent.test 80 inet)" \
		"$(with resolve:error=EAI_AGAIN getaddrinfo silent.test 80 inet)"
	t_is "signals do not shorten a slow resolver" \
		"$(with resolve:delay=300ms:error=EAI_AGAIN signals silent.test)" \
		"$("$dns" "$probe" signals silent.test)"
	t_is "it can be cancelled" "$(with resolve:delay=60s cancel silent.test)" \
		"$("$dns" "$probe" cancel silent.test)"
	t_is "which storage is used again" \
		"$(with resolve:answer=192.0.2.1 twice two.test)" \
		"$("$dns" "$probe" twice two.test)"
fi

t_is "a delay is not shortened by signals" \
	"$(with resolve:delay=300ms:answer=127.0.0.1 signals api.test)" \
	"0 after the delay, handler ran"
t_is "a thread in a delay can be cancelled" \
	"$(with resolve:delay=60s cancel api.test)" "cancelled soon"

# ---- errors that no server gives ------------------------------------------------

while IFS='|' read -r err call wanted; do
	# shellcheck disable=SC2086
	t_is "$err of $call" "$(with "resolve:error=$err" $call)" "$wanted"
done <<-'END'
	EAI_FAIL|getaddrinfo api.test 80|EAI_FAIL errno kept h_errno NO_RECOVERY list kept
	EAI_FAIL|gethostbyname_r api.test|0 errno 0 h_errno NO_RECOVERY own NO_RECOVERY found NULL
	EAI_MEMORY|getaddrinfo api.test 80|EAI_MEMORY errno ENOMEM h_errno NETDB_INTERNAL list kept
	EAI_MEMORY|gethostbyname_r api.test|ENOMEM errno ENOMEM h_errno NETDB_INTERNAL own NETDB_INTERNAL found NULL
	EAI_SYSTEM|getaddrinfo api.test 80|EAI_SYSTEM errno ENFILE h_errno NETDB_INTERNAL list kept
	ENOMEM|getaddrinfo api.test 80|EAI_SYSTEM errno ENOMEM h_errno NETDB_INTERNAL list kept
	ENFILE|gethostbyname api.test|NULL errno ENFILE h_errno NETDB_INTERNAL
	EAI_ADDRFAMILY|getaddrinfo api.test 80|EAI_ADDRFAMILY errno kept h_errno kept list kept
	EAI_SERVICE:force=true|getaddrinfo api.test 80|EAI_SERVICE errno kept h_errno kept list kept
	END

# ---- what is no question --------------------------------------------------------

# Numeric names, none at all, arguments that are refused: as without a rule.
while read -r line; do
	# shellcheck disable=SC2086
	t_is "nobody is asked by $line" \
		"$(with 'resolve:error=EAI_AGAIN;resolve:answer=192.0.2.1' $line)" \
		"$("$probe" $line 2>&1)"
done <<-'END'
	getaddrinfo 127.0.0.1 80
	getaddrinfo 127.1 80 stream AI_CANONNAME
	getaddrinfo 0x7f.1 80 stream
	getaddrinfo ::1 80 stream
	getaddrinfo ::1 80 stream inet
	getaddrinfo 127.0.0.1 80 stream inet6 AI_V4MAPPED
	getaddrinfo fe80::1%lo 80 stream
	getaddrinfo fe80::1%nosuch 80 stream
	getaddrinfo - 80 stream AI_PASSIVE
	getaddrinfo * 80 stream
	getaddrinfo - -
	getaddrinfo api.test 80 AI_NUMERICHOST
	getaddrinfo api.test nosuch stream
	getaddrinfo api.test 80 stream udp
	getaddrinfo api.test 80 family=77
	gethostbyname 127.0.0.1
	gethostbyname 127.1
	gethostbyname 999.1.1.1
	gethostbyname ::1
	gethostbyname2 ::1 inet6
	gethostbyname_r 127.0.0.1 8
	gethostbyname_r 127.0.0.1
	END

# ---- which calls are meant ----------------------------------------------------------

ask4="times 4 getaddrinfo localhost 80 stream inet"
# codes: "EAI_AGAIN 0 0 0"
codes() {
	sed -n 's/^\(EAI_[A-Z]*\|0\).*/\1/p' | paste -s -d ' ' -
}
# shellcheck disable=SC2086
while IFS='|' read -r rules wanted; do
	t_is "$rules" "$(with "$rules" $ask4 | codes)" "$wanted"
done <<-'END'
	resolve:error=EAI_AGAIN:host=localhost:nth=1..2|EAI_AGAIN EAI_AGAIN 0 0
	resolve:error=EAI_AGAIN:host=LocalHost.:nth=2|0 EAI_AGAIN 0 0
	resolve:error=EAI_AGAIN:host=localhos|0 0 0 0
	getaddrinfo:error=EAI_FAIL:nth=4|0 0 0 EAI_FAIL
	gethostbyname:error=EAI_FAIL|0 0 0 0
	resolve:error=EAI_AGAIN:nth=1;resolve:error=EAI_NONAME:times=1|EAI_AGAIN EAI_NONAME 0 0
	resolve:error=EAI_AGAIN:times=3|EAI_AGAIN EAI_AGAIN EAI_AGAIN 0
	resolve:answer=192.0.2.1:nth=1;resolve:error=EAI_NODATA:nth=3|0 0 EAI_NODATA 0
	END
t_is "each one's answer is its own" \
	"$(with 'resolve:answer=192.0.2.1:nth=2' times 2 getaddrinfo localhost 7 stream inet |
		grep port | cut -d ' ' -f 1 | paste -s -d ' ' -)" "127.0.0.1 192.0.2.1"
t_is "an _r call that asks again with more room is answered then" \
	"$(with resolve:answer=192.0.2.1:nth=1 gethostbyname_r api.test 8 | cut -d ' ' -f 1,5)" \
	"ERANGE NETDB_INTERNAL"
t_match "the process is killed in the call" \
	"$(with resolve:kill=TERM getaddrinfo localhost 80; echo "status $?")" 'status 143$'

# freeaddrinfo and the caller's buffer, under a checking allocator.
sentence="lists and buffers are sound to AddressSanitizer"
if cc -O1 -g -D_GNU_SOURCE -iquote "$top" -fsanitize=address,undefined -static-libasan \
	-o "$T/asan" "$top/tests/probes/resolve.c" -pthread 2>"$T/cc"; then
	plain=$probe
	probe=$T/asan
	for size in 0 1 7 39 40 41 47 48 49 50 51 52 53 54 55 56 57 64 80; do
		with "resolve:answer=192.0.2.1,127.0.0.1,[::1]" gethostbyname_r a.test $size
		with "resolve:answer=[::2],[::1]" gethostbyname2_r a.test inet6 $size
	done >"$T/sound"
	with "resolve:answer=192.0.2.1,127.0.0.1,[::1]" \
		times 3 getaddrinfo api.test 80 AI_CANONNAME >>"$T/sound"
	with "resolve:answer=192.0.2.1,127.0.0.1,[::1]" \
		getaddrinfo a 80 inet6 AI_V4MAPPED AI_CANONNAME >>"$T/sound"
	probe=$plain
	t_no_match "$sentence" "$(cat "$T/sound")" 'ERROR|runtime error|beyond'
else
	t_skip "$sentence" "no static libasan"
fi

# ---- with the runner --------------------------------------------------------------------

if [ ! -x "$FAULT" ]; then
	t_done
	exit
fi
# shellcheck disable=SC2086
"$FAULT" exec --trace "$T/kept" -e resolve:error=EAI_AGAIN:host=localhost:nth=2 \
	-- "$probe" times 2 getaddrinfo localhost 80 stream >"$T/out"
"$FAULT" exec --trace "$T/kept6" -- "$probe" getaddrinfo ::1 80 >"$T/out"
# A call that takes its time has two lines, the second one begins with dots.
trace=$("$FAULT" trace "$T/kept/trace" | sed 's/.*\] //'; "$FAULT" trace "$T/kept6/trace" | sed 's/.*\] //')
t_match "the trace names who was asked for" "$trace" '^(\.\.\. )?getaddrinfo\(localhost\) = 0( <[0-9.]* s>)? #1$'
t_match "... and what the rule said" "$trace" \
	'^(\.\.\. )?getaddrinfo\(localhost\) = -3 EAI_AGAIN #2  <- rule resolve:error=EAI_AGAIN:host=localhost:nth=2$'
t_match "... and counts no numeric name" "$trace" '^(\.\.\. )?getaddrinfo\(::1\) = 0( <[0-9.]* s>)?$'
t_exit 125 "a rule for another host has no hit" \
	"$FAULT" exec -e resolve:error=EAI_AGAIN:host=api.test -- \
	"$probe" getaddrinfo localhost 80
t_match "... and the funnel tells which were seen" "$(cat "$T/out")" \
	'resolve 1 -> host api.test: 0; hosts seen: localhost$'

# ---- programs ---------------------------------------------------------------------------

server=$BUILD/reference/server client=$BUILD/reference/client
port=$(free_port)
spawn server "$server" --port "$port" --source 64KiB
wait_for listening "$port"
for io in blocking epoll-et; do
	t_ok "the reference client ($io) asks again after EAI_AGAIN" \
		"$FAULT" exec -e 'resolve:error=EAI_AGAIN:host=api.test:nth=1..2' \
		-e 'resolve:answer=127.0.0.1:host=api.test:nth=3' -- \
		"$client" --connect "api.test:$port" --io "$io"
	t_ok "... and takes the next address of an answer ($io)" \
		"$FAULT" exec -e 'resolve:answer=127.0.0.3,127.0.0.2,127.0.0.1' -- \
		"$client" --connect "api.test:$port" --io "$io"
	t_is "... after two refusals ($io)" "$(grep -c ECONNREFUSED "$T/out")" 2
done
t_exit 1 "it does not ask again after EAI_NONAME" \
	"$FAULT" exec -e resolve:error=EAI_NONAME:nth=1 -- \
	"$client" --connect "api.test:$port"
t_match "... and says so" "$(cat "$T/out")" 'EAI_NONAME'

# python: the same names through the socket module.
if stock_path python3 >"$T/path"; then
	cat >"$T/ask.py" <<-'END'
	import socket, sys, threading
	def ask(what, *args):
	    try:
	        print(what.__name__, what(*args))
	    except OSError as e:
	        print(what.__name__, type(e).__name__, e)
	ask(socket.getaddrinfo, "127.0.0.1", 80, 0, socket.SOCK_STREAM)
	ask(socket.getaddrinfo, "api.test", "nosuch")
	ask(socket.getaddrinfo, "api.test", 80, 0, socket.SOCK_STREAM)
	ask(socket.getaddrinfo, "api.test", 80, 0, socket.SOCK_STREAM, 0, socket.AI_CANONNAME)
	ask(socket.gethostbyname, "api.test")
	ask(socket.gethostbyname_ex, "api.test")
	END
	for mode in $(under_modes); do
		(under "$mode" "python-$mode" \
			'resolve:error=EAI_AGAIN:nth=1;resolve:answer=192.0.2.1,[::1],127.0.0.1' \
			env LD_LIBRARY_PATH="$STOCK_LIBS" "$(stock_path python3)" \
			"$T/ask.py") >"$T/got-$mode" 2>&1
		cat >"$T/wanted" <<-'END'
		getaddrinfo [(<AddressFamily.AF_INET: 2>, <SocketKind.SOCK_STREAM: 1>, 6, '', ('127.0.0.1', 80))]
		getaddrinfo gaierror [Errno -8] Servname not supported for ai_socktype
		getaddrinfo gaierror [Errno -3] Temporary failure in name resolution
		getaddrinfo [(<AddressFamily.AF_INET: 2>, <SocketKind.SOCK_STREAM: 1>, 6, 'api.test', ('192.0.2.1', 80)), (<AddressFamily.AF_INET6: 10>, <SocketKind.SOCK_STREAM: 1>, 6, '', ('::1', 80, 0, 0)), (<AddressFamily.AF_INET: 2>, <SocketKind.SOCK_STREAM: 1>, 6, '', ('127.0.0.1', 80))]
		gethostbyname 192.0.2.1
		gethostbyname_ex ('api.test', [], ['192.0.2.1', '127.0.0.1'])
		END
		if diff "$T/wanted" "$T/got-$mode" >"$T/diff"; then
			t_pass "python's socket module ($mode)"
		else
			t_fail "python's socket module ($mode)" "$T/diff"
		fi
	done
else
	t_skip "python's socket module" "not fetched"
fi

# curl and wget: a server by a name that does not exist.
if ! stock_path nginx >"$T/path"; then
	t_skip "curl and wget ask for names" "nginx was not fetched"
	t_done
	exit
fi
port=$(free_port)
serve nginx "$port"

# said NAME MODE RULE: its exit status and what it said.
said() {
	name=$1
	set -- "$2" "$name-$2" "$3" \
		env LD_LIBRARY_PATH="$STOCK_LIBS" "$(stock_path "$name")"
	case $name in
	curl) set -- "$@" -sS -m 20 --retry 3 --retry-delay 1 ;;
	wget) set -- "$@" --no-config -nv -t 1 -T 20 -O - ;;
	esac
	(under "$@" "http://api.test:$port/") >"$T/said" 2>&1
	echo "$? $(paste -s -d ' ' "$T/said")"
}
while IFS='|' read -r name rule wanted; do
	for mode in $(under_modes); do
		sentence="$name ($mode): $rule"
		if stock_path "$name" >"$T/path"; then
			t_match "$sentence" "$(said "$name" "$mode" "$rule")" "^$wanted"
		else
			t_skip "$sentence" "not fetched"
		fi
	done
done <<-'END'
	curl|resolve:answer=127.0.0.1:host=api.test|0 hello
	curl|resolve:answer=[::1],127.0.0.1|0 hello
	curl|resolve:error=EAI_AGAIN:host=api.test:nth=1;resolve:answer=127.0.0.1:host=api.test|0 .*hello
	curl|resolve:delay=100ms:answer=127.0.0.1|0 hello
	wget|resolve:answer=127.0.0.1|0 hello
	wget|resolve:answer=127.0.0.2,127.0.0.1|0 .*hello
	wget|resolve:error=EAI_AGAIN|4 .*unable to resolve host address
	END
t_done
