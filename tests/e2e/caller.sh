#!/bin/sh
# Rules with `caller`: the module and the function that call, among the top
# eight frames, without frame pointers, from handlers, forks, threads and
# libraries that come and go.
# run: parallel
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../programs/env.sh"
[ -e "$LIBFAULT" ] || t_skip_all "no libfault.so yet"
command -v cc >/dev/null || t_skip_all "no compiler"

here=$top/tests/e2e
flags="-std=gnu11 -D_GNU_SOURCE -O2 -fomit-frame-pointer"
build() {
	# shellcheck disable=SC2086 # a list
	for lib in one two three four; do
		cc $flags $1 -shared -fPIC -DPREFIX=$lib -o "$T/lib$lib.so" \
			"$here/caller_lib.c" || return
	done
	# shellcheck disable=SC2086
	cc $flags $1 -o "$T/probe" "$here/caller_probe.c" -L"$T" -lone -ltwo \
		-Wl,-rpath,"$T"
}
build "" || t_skip_all "the probe does not compile"

# probe RULE: what the probe says, in $T/out and, if it fails, here.
probe() {
	LD_PRELOAD=$LIBFAULT FAULT_INJECT=$1 timeout 30 "$T/probe" \
		"$T/libthree.so" "$T/libfour.so" >"$T/out" 2>"$T/err" ||
		{ cat "$T/out" "$T/err"; echo "exit status $?"; }
}
# hit RULE: from where calls came that were cut to a byte, in a line.
hit() {
	probe "$1" | tr '\n' ' '
	sed -n 's/ 1$//p' "$T/out" | tr '\n' ' '
}

# is SENTENCE CALLER PLACES
is() {
	t_is "$1" "$(hit "recv:short=1B:caller=$2:hits=0..")" "$3"
}

every='main one two static jump one>main two>one one>7 one>8 handler alternate child child-main thread thread-main three_recv four_recv three_recv four_recv three_recv four_recv '

t_is "without the key every receive is meant" "$(hit recv:short=1B)" "$every"
is "a module that calls, or through which it is called" libone.so \
	'one static one>main two>one one>7 handler alternate child thread '
is "another one" libtwo.so 'two two>one '
is "the program by its own name" probe "$every"
is "a module that is nowhere" libnone.so ''
is "not a part of the name" libone ''
is "not the path" "lib" ''
is "a function" 'libone.so!one_recv' 'one two>one child thread '
is "a function that calls one without a name" 'libone.so!one_static' 'static '
is "below the program" 'libone.so!one_through' 'one>main one>7 '
is "below a handler" 'libone.so!one_raise' 'handler alternate '
is "a static function has no name" 'libone.so!hidden' ''
is "a jump leaves no frame" 'libone.so!one_jump' ''
is "a function of another module" 'libtwo.so!one_recv' ''
is "a library that is loaded later" libthree.so 'three_recv three_recv three_recv '
is "one that takes its place" 'libfour.so!four_recv' 'four_recv four_recv four_recv '
is "the library itself is nobody" libfault.so ''

t_is "the first rule that fits acts" \
	"$(hit 'recv:pass:caller=libtwo.so;recv:short=1B:caller=libone.so')" \
	'one static one>main one>7 handler alternate child thread '
t_is "nth counts the calls of the caller, over forks" \
	"$(hit 'recv:short=1B:caller=libone.so!one_recv:nth=2..3:per=program')" \
	'two>one child '
t_is "which other rules do not count" \
	"$(hit 'recv:pass:nth=1..3;recv:short=1B:caller=libone.so:nth=3')" \
	'one>main '
t_is "resets come from where they should" "$(
	probe 'recv:error=ECONNRESET:caller=libone.so' >/dev/null
	head -n 2 "$T/out" | tr '\n' ' '
)" 'main 10 one -1 '

# ---- under the runner --------------------------------------------------------

cat >"$T/rules.yaml" <<'RULES'
version: 1
faults:
  - {call: recv, inject: {short: 1B}, caller: libone.so!one_recv}
RULES
PATH=$BUILD:$PATH timeout 30 "$FAULT" exec -s "$T/rules.yaml" -- "$T/probe" \
	"$T/libthree.so" "$T/libfour.so" >"$T/out" 2>&1
t_is "the same by the runner" "$?" 0
t_is "with the same calls" "$(sed -n 's/ 1$//p' "$T/out" | tr '\n' ' ')" \
	'one two>one child thread '

sed -i 's/libone.*/libmissing.so!one_recv}/' "$T/rules.yaml"
PATH=$BUILD:$PATH timeout 30 "$FAULT" exec -s "$T/rules.yaml" -- "$T/probe" \
	"$T/libthree.so" "$T/libfour.so" >"$T/out" 2>&1
t_is "a rule whose caller never calls fails the run" "$?" 125
t_match "and is told who did" "$(cat "$T/out")" \
	'-> caller libmissing.so!one_recv: 0; callers seen: .*libtwo.so'

# ---- other builds ------------------------------------------------------------

if build "-g -Wl,--hash-style=sysv" 2>/dev/null; then
	is "tables of the older kind" 'libone.so!one_through' 'one>main one>7 '
else
	t_skip "tables of the older kind" "the linker has none"
fi
if build "-fsanitize=address -g" 2>/dev/null; then
	LD_PRELOAD="$LIBFAULT" timeout 30 env \
		FAULT_INJECT='recv:short=1B:caller=libone.so!one_recv' \
		ASAN_OPTIONS=detect_leaks=0 "$T/probe" "$T/libthree.so" \
		"$T/libfour.so" >"$T/out" 2>"$T/err"
	t_is "a program under AddressSanitizer ends well" "$? $(cat "$T/err")" "0 "
	t_is "and has callers" "$(sed -n 's/ 1$//p' "$T/out" | tr '\n' ' ')" \
		'one two>one child thread '
else
	t_skip "a program under AddressSanitizer" "the compiler has none"
fi
build ""

# ---- what it costs -----------------------------------------------------------

# calls ROUNDS RULE: system calls, by name.
calls() {
	# shellcheck disable=SC2086 # nothing, or two options
	strace -f -qq -o "$T/strace" ${2:+-E LD_PRELOAD="$LIBFAULT"} \
		${2:+-E FAULT_INJECT="$2"} "$T/probe" "$1"
	sed -E 's/^[0-9]+ +//; s/\(.*//' "$T/strace" | sort | uniq -c
}
# more RULE: the system calls that 100 rounds have more than 3.
more() {
	calls 3 "$1" >"$T/few"
	calls 100 "$1" >"$T/many"
	diff "$T/few" "$T/many" | sed -n 's/^> *//p'
}
if strace -f -qq -o /dev/null true 2>/dev/null; then
	t_is "looking at stacks takes no system call" \
		"$(more recv:short=1B:caller=libnone.so)" "$(more '')"
	calls 3 recv:short=1B:port=1 >"$T/few"
	t_no_match "rules that do not ask load no unwinder" \
		"$(cat "$T/strace")" libgcc_s
else
	t_skip "looking at stacks takes no system call" "strace may not trace"
fi

# ---- stock programs ----------------------------------------------------------

cat >"$T/client.py" <<'END_PY'
import socket
s = socket.create_server(("127.0.0.1", 0))
c = socket.create_connection(s.getsockname())
d, _ = s.accept()
d.sendall(b"0123456789")
print(len(c.recv(10)), flush=True)
END_PY
module=$(python3 -c 'import _socket; print(_socket.__file__)' 2>/dev/null)
python() {
	LD_PRELOAD=$LIBFAULT FAULT_INJECT=$1 timeout 30 python3 "$T/client.py" 2>&1
}
if [ -n "$module" ]; then
	t_is "python: its module for sockets" \
		"$(python "recv:short=1B:caller=${module##*/}")" 1
	t_is "python: that module does not call its module for TLS" \
		"$(python "recv:short=1B:caller=_ssl${module##*/_socket}")" 10
fi
# Debian's says that it is shared, and has it in the program nevertheless.
interpreter=$(python3 - 2>/dev/null <<'END_PY'
import os
paths = [line.split()[-1] for line in open("/proc/self/maps")]
shared = [path for path in paths if "/libpython3." in path]
print(os.path.basename((shared or [os.readlink("/proc/self/exe")])[0]))
END_PY
)
t_is "python: the interpreter above it" \
	"$(python "recv:short=1B:caller=$interpreter")" 1

if stock_path redis-server >/dev/null && stock_path redis-cli >/dev/null; then
	port=$(free_port)
	serve redis-server "$port" env LD_PRELOAD="$LIBFAULT" \
		FAULT_INJECT='recv:short=1B:caller=redis-server:role=accepted;send:reset:caller=libjemalloc.so.2'
	t_is "redis: itself, byte by byte" "$(stock redis-cli -p "$port" echo hello)" \
		hello
	t_is "redis: again" "$(stock redis-cli -p "$port" ping)" PONG
	stop "$t_pid"
else
	t_skip "redis: itself, byte by byte" "redis was not fetched"
fi
t_done
