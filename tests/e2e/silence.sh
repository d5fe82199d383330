#!/bin/sh
# On a path where no fault fires there is not one system call more: programs
# make exactly the calls that they make without the library, loaded without
# rules, and with 1,000 rules for ports that never come, whether those last
# (readiness) or not.
# run: parallel
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../programs/env.sh"
[ -e "$LIBFAULT" ] || t_skip_all "no libfault.so yet"
command -v strace >/dev/null || t_skip_all "no strace"
strace -f -qq -o /dev/null true 2>/dev/null || t_skip_all "strace may not trace"
command -v cc >/dev/null || t_skip_all "no compiler"

N=50 # connections
probe=$T/probe
cc -std=gnu11 -D_GNU_SOURCE -O1 -o "$probe" "$top/tests/e2e/silence_probe.c" ||
	t_skip_all "the probe does not compile"

# Each family, with its own kind of action; no port below 201 is in use here.
rules=$(awk 'BEGIN { for (i = 1; i <= 200; i++) printf \
	"recv,send:reset:port=%d;accept:delay=1ms:port=%d;close:delay=1ms:port=%d;" \
	"connect:error=ECONNREFUSED:port=%d;shutdown:delay=1ms:port=%d;", \
	i, i, i, i, i }')

# Those with which readiness has to agree: delay, stall, rate, and short reads,
# which hide RDHUP.
lasting=$(awk 'BEGIN { for (i = 1; i <= 200; i++) printf \
	"recv:delay=1s:port=%d;send:stall:port=%d;recv:rate=1kB/s:port=%d;" \
	"accept,connect:delay=1ms:port=%d;recv:short=1B:port=%d;", \
	i, i, i, i, i }')

# $T/VARIANT FILE COMMAND…: under strace; the library is loaded by the program
# alone.
loaded_variants='inert armed lasting'
variants="plain $loaded_variants"
for variant in $variants; do
	case $variant in
	plain) loaded= ;;
	inert) loaded='-E LD_PRELOAD="$LIBFAULT"' ;;
	armed) loaded='-E LD_PRELOAD="$LIBFAULT" -E FAULT_INJECT="$rules"' ;;
	lasting) loaded='-E LD_PRELOAD="$LIBFAULT" -E FAULT_INJECT="$lasting"' ;;
	esac
	{
		echo '#!/bin/sh'
		echo "export LIBFAULT='$LIBFAULT' rules='$rules' lasting='$lasting'"
		echo "file=\$1; shift"
		echo "exec strace -I 2 -f -qq -s 64 -o \"\$file\" $loaded \"\$@\""
	} >"$T/$variant"
	chmod +x "$T/$variant"
done

# counts [BEGIN END]: stdin is strace's output; "calls name", sorted by name.
# With words: from the line that holds the first to the one with the second, of
# the thread that had the first: others (of redis, of its allocator) have their
# own clock. A call that was interrupted before it began is made again by the
# kernel, and is one. $leave says what is left out:
#
#   clock   waiting calls that ended by their time-out: how many there are
#           depends on the time that the test takes
#   files   calls on files opened by name: redis reads /proc/self/stat ten times
#           a second
#   memory  what an allocator gives back or waits for, by its own clock
#   exec    what a child does after exec, where the library starts anew; and
#           what it asks before: a thread that has called vfork, who it is,
#           and the cookies of the sockets that the new image
#           inherits
counts() {
	awk -v begin="${1:-}" -v end="${2:-}" -v leave="${leave:-}" \
		-v wait='^(poll|ppoll|select|pselect6|epoll_wait|epoll_pwait)$' '
	NR == 1 { first = $1; counting = begin == "" }
	begin && index($0, begin) { counting = 1; thread = $1 }
	end && index($0, end) { exit }
	!counting || (thread && $1 != thread) || gone[$1] { next }
	$2 ~ /^(---|\+\+\+)/ || /restart_syscall/ { next }
	{ resumed = $2 == "<..."; name = resumed ? $3 : $2 }
	{ sub(/\(.*/, "", name) }
	/ = \? ERESTART_RESTARTBLOCK/ && !resumed { n[name]++ }
	/ = \? ERESTART_RESTARTBLOCK/ { next }
	/ = \? ERESTART/ { if (resumed) n[name]--; next }
	leave ~ /exec/ && $1 != first && /execve/ && / = 0$/ { gone[$1] = 1 }
	leave ~ /exec/ && /getpid|SO_COOKIE|F_GETFD/ { next }
	leave ~ /memory/ && name ~ /^(futex|madvise|brk|m(un)?map|mprotect)$/ {
		next
	}
	leave ~ /clock/ && name ~ wait && / = 0( \(Timeout\))?$/ {
		if (resumed)
			n[name]--
		next
	}
	resumed { next }
	leave ~ /files/ && name == "openat" { file[$NF] = 1; next }
	leave ~ /files/ && match($2 $3, /\([0-9]+[,)]/) {
		fd = substr($2 $3, RSTART + 1, RLENGTH - 2)
		if (fd in file) {
			if (name == "close")
				delete file[fd]
			next
		}
	}
	{ n[name]++ }
	END { for (name in n) if (n[name]) print n[name], name }' | sort -k 2
}

# same SENTENCE FILE FILE: the second has the calls of the first.
same() {
	if [ ! -s "$2" ]; then
		echo "no calls were counted" >"$T/diff"
		t_fail "$1" "$T/diff"
	elif diff "$2" "$3" >"$T/diff"; then
		t_pass "$1"
	else
		t_fail "$1" "$T/diff"
	fi
}

# ---- a program of our own: all of it, from exec to exit -----------------------

# What attaching costs. Without connections the rest is the same, so these are
# the calls that a run of N connections may have more, and no other.
# Files: the library is mapped, its descriptors are found in /proc/self/fd, the
# plan is compiled in memory that is given back or mapped for the forks. And
# getsockname, once for a listener on port 0 while rules name ports.
known='access|brk|close|fstat|getdents64|getpid|getrandom|getrlimit|lseek|mmap'
known="$known|mprotect|munmap|newfstatat|open|openat|prctl|pread64|prlimit64"
known="$known|read|fcntl|getsockopt|getsockname|poll|epoll_create1"

# attach VARIANT: "calls name" that attaching added.
attach() {
	awk 'NR == FNR { n[$2] = $1; next }
		$1 != n[$2] { print $1 - n[$2], $2 }' "$T/plain.0" "$T/$1.0"
}

for variant in $variants; do
	for n in 0 "$N"; do
		"$T/$variant" "$T/trace" "$probe" life "$n" >"$T/out" 2>&1 ||
			cat "$T/out"
		counts <"$T/trace" >"$T/$variant.$n"
	done
	cp "$T/out" "$T/$variant.has"
done
same "the probe makes the same calls each time" "$T/plain.$N" "$(
	"$T/plain" "$T/trace" "$probe" life "$N" >"$T/out"
	counts <"$T/trace" >"$T/again"
	echo "$T/again"
)"
for variant in $loaded_variants; do
	attach "$variant" >"$T/attach"
	echo "# attaching, $variant: $(tr '\n' ',' <"$T/attach")"
	t_is "attaching ($variant) makes no call but the known ones" \
		"$(grep -vE " ($known)\$" "$T/attach")" ""
	awk 'NR == FNR { n[$2] = $1; next }
		{ $1 -= n[$2] } $1 { print }' "$T/attach" "$T/$variant.$N" \
		>"$T/rest"
	same "the whole TCP lifecycle, $variant: the same calls" \
		"$T/plain.$N" "$T/rest"
	same "... $variant: no thread and no descriptor more" \
		"$T/plain.has" "$T/$variant.has"
done

# ---- stock servers: from the first request to the last ------------------------

# silent SENTENCE REQUEST LEAVE COMMAND…: `COMMAND PORT PREFIX…` starts a server
# and waits for it. One thread, one request at a time: nothing is left to chance.
silent() {
	sentence=$1 request=$2 leave=$3
	shift 3
	for variant in $variants; do
		port=$(free_port)
		"$@" "$port" "$T/$variant" "$T/trace"
		"$probe" ask "$port" "$N" "$request" ||
			echo "# $variant: the client failed"
		stop "$t_pid"
		counts begin-here end-here <"$T/trace" >"$T/$variant.calls"
	done
	for variant in $loaded_variants; do
		same "$sentence, $variant: the same calls" \
			"$T/plain.calls" "$T/$variant.calls"
	done
}

# The server of `python3 -m http.server` without its threads: how often those
# wait for each other, and whose stack is used again, the scheduler decides.
python() {
	spawn python "$2" "$3" env LD_LIBRARY_PATH="$STOCK_LIBS" \
		"$(stock_path python3)" -c '
import functools, http.server, sys
handler = functools.partial(http.server.SimpleHTTPRequestHandler,
                            directory=sys.argv[2])
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), handler).serve_forever()
' "$1" "$T/www"
	wait_for listening "$1"
}

# ---- a child for each connection, and a program that it starts -----------------

cat >"$T/fork.py" <<-'END'
import socketserver, subprocess, sys
class Handler(socketserver.BaseRequestHandler):
    def handle(self):
        self.request.recv(100)
        subprocess.run(["/bin/true"])
        self.request.sendall(b"done")
socketserver.ForkingTCPServer.allow_reuse_address = True
server = socketserver.ForkingTCPServer(("127.0.0.1", int(sys.argv[1])), Handler)
for _ in range(int(sys.argv[2])):
    server.handle_request()
server.server_close()  # when all its children have ended
END

# forks VARIANT N: all calls of such a run to VARIANT.N, but wait4, with which the
# parent asks now and then which children have ended.
forks() {
	port=$(free_port)
	spawn fork "$T/$1" "$T/trace" env LD_LIBRARY_PATH="$STOCK_LIBS" \
		"$(stock_path python3)" "$T/fork.py" "$port" "$2"
	if [ "$2" != 0 ]; then
		wait_for listening "$port"
		"$probe" ask "$port" $(($2 - 2)) "one$nl"
	fi
	wait "$t_pid" || echo "# $1: the server failed"
	leave="exec memory"
	counts <"$T/trace" | grep -v ' wait4$' >"$T/$1.$2"
	leave=
}

# added VARIANT N: what N connections cost.
added() {
	awk 'NR == FNR { n[$2] = $1; next } $1 != n[$2] { print $1 - n[$2], $2 }' \
		"$T/$1.0" "$T/$1.$2"
}

nl='
'
http="GET /?one HTTP/1.0$nl$nl"
mkdir "$T/www"
if stock_path nginx >/dev/null; then
	silent "nginx" "$http" clock serve nginx
else
	t_skip "nginx" "not fetched"
fi
if stock_path redis-server >/dev/null; then
	silent "redis-server" "PING one${nl}QUIT$nl" "clock files memory" \
		serve redis-server
else
	t_skip "redis-server" "not fetched"
fi
if stock_path python3 >/dev/null; then
	silent "python's http.server" "$http" clock python
	# Once for nothing: the first run leaves compiled modules behind.
	forks plain 12
	for variant in $variants; do
		forks "$variant" 0
		forks "$variant" 12
		added "$variant" 12 >"$T/$variant.calls"
	done
	for variant in $loaded_variants; do
		same "python's forks and subprocesses, $variant: the same calls" \
			"$T/plain.calls" "$T/$variant.calls"
	done
else
	t_skip "python's http.server" "not fetched"
	t_skip "python's forks and subprocesses" "not fetched"
fi
t_done
