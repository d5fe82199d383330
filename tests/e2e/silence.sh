#!/bin/sh
# On a path where no fault fires there is not one system call more: programs
# make exactly the calls that they make without the library, loaded without
# rules, and with 1,000 rules for ports that never come.
# run: limit 60
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
	"recv,send:reset:port=%d;accept:delay=1s:port=%d;close:delay=1s:port=%d;" \
	"connect:error=ECONNREFUSED:port=%d;shutdown:delay=1s:port=%d;", \
	i, i, i, i, i }')

# traced VARIANT FILE COMMAND…: the library is loaded by the program alone.
traced() {
	variant=$1 file=$2
	shift 2
	case $variant in
	plain) ;;
	inert) set -- -E "LD_PRELOAD=$LIBFAULT" "$@" ;;
	armed) set -- -E "LD_PRELOAD=$LIBFAULT" -E "FAULT_INJECT=$rules" "$@" ;;
	esac
	strace -f -qq -s 64 -o "$file" "$@"
}

# counts [BEGIN END]: stdin is strace's output; "calls name", sorted by name.
# With words: from the line that holds the first to the one with the second.
#
#   clock   waiting calls that ended by their time-out are left out: how many
#           there are depends on the time that the test takes
#   files   so are calls on files opened by name: redis reads /proc/self/stat
#           ten times a second
#   image   so is what a child does after exec: the library starts there anew
counts() {
	awk -v begin="${1:-}" -v end="${2:-}" -v leave="${leave:-}" '
	BEGIN { counting = begin == "" }
	begin != "" && index($0, begin) { counting = 1 }
	end != "" && index($0, end) { exit }
	!counting || gone[$1] || $2 ~ /^(---|\+\+\+|[?])/ { next }
	{ resumed = $2 == "<..."; name = $2; sub(/\(.*/, "", name) }
	leave ~ /image/ && /execve/ && / = 0$/ { gone[$1] = 1; next }
	leave ~ /clock/ && / = 0( \(Timeout\))?$/ &&
		($3 ~ wait || name ~ wait) { if (resumed) n[$3]--; next }
	resumed { next }
	leave ~ /files/ && name == "openat" { file[$NF] = 1; next }
	leave ~ /files/ && match($2 $3, /\([0-9]+[,)]/) {
		fd = substr($2 $3, RSTART + 1, RLENGTH - 2)
		if (fd in file) { if (name == "close") delete file[fd]; next }
	}
	{ n[name]++ }
	END { for (name in n) if (n[name]) print n[name], name }' \
		wait='^(poll|ppoll|select|pselect6|epoll_wait|epoll_pwait)$' |
		sort -k 2
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
# plan is compiled in memory that is given back or mapped for the forks.
known='access|brk|close|fstat|getdents64|getpid|getrandom|getrlimit|lseek|mmap'
known="$known|mprotect|munmap|newfstatat|open|openat|prctl|pread64|prlimit64"
known="$known|read|fcntl|getsockopt|poll"

# attach VARIANT: "calls name" that attaching added.
attach() {
	awk 'NR == FNR { n[$2] = $1; next }
		$1 != n[$2] { print $1 - n[$2], $2 }' "$T/plain.0" "$T/$1.0"
}

for variant in plain inert armed; do
	for n in 0 $N; do
		traced $variant "$T/trace" "$probe" life $n >"$T/out" 2>&1 ||
			cat "$T/out"
		counts <"$T/trace" >"$T/$variant.$n"
	done
done
same "the probe makes the same calls each time" "$T/plain.$N" "$(
	traced plain "$T/trace" "$probe" life $N
	counts <"$T/trace" >"$T/again"
	echo "$T/again"
)"
for variant in inert armed; do
	attach $variant >"$T/attach"
	echo "# attaching, $variant: $(tr '\n' ',' <"$T/attach")"
	t_no_match "attaching ($variant) makes no call but the known ones" \
		"$(sed 's/.* //' "$T/attach")" "^($known)\$" -v
	awk 'NR == FNR { n[$2] = $1; next }
		{ $1 -= n[$2] } $1 { print }' "$T/attach" "$T/$variant.$N" \
		>"$T/rest"
	same "the whole TCP lifecycle, $variant: the same calls" \
		"$T/plain.$N" "$T/rest"
done

# ---- stock servers: from the first request to the last ------------------------

# silent SENTENCE REQUEST LEAVE IGNORE COMMAND…: `COMMAND PORT PREFIX…` starts a
# server and waits for it. IGNORE: names whose number is not the program's own
# choice but the scheduler's.
silent() {
	sentence=$1 request=$(printf "$2") leave=$3 ignore=$4
	shift 4
	for variant in plain inert armed; do
		port=$(free_port)
		"$@" "$port" traced $variant "$T/trace"
		"$probe" ask "$port" "$N" "$request
" || echo "# $variant: the client failed"
		stop "$t_pid"
		counts begin end <"$T/trace" |
			grep -vE " ($ignore)\$" >"$T/$variant"
	done
	for variant in inert armed; do
		same "$sentence, $variant: the same calls" "$T/plain" "$T/$variant"
	done
}

http='GET /?one HTTP/1.0\r\n\r\n'
if stock_path nginx >/dev/null; then
	silent "nginx" "$http" clock - serve nginx
else
	t_skip "nginx" "not fetched"
fi
if stock_path redis-server >/dev/null; then
	silent "redis-server" 'PING one\r\nQUIT\r\n' "clock files" - \
		serve redis-server
else
	t_skip "redis-server" "not fetched"
fi
t_done
