# shellcheck shell=sh
# What shell tests share: TAP, a directory that goes away, ports, events to wait
# for, and background processes that never outlive the test.
#
#   #!/bin/sh
#   . "$(dirname "$0")/../lib.sh"
#   t_ok "fault says its version" "$FAULT" --version
#   t_done
#
# Ready to use: $top (the project), $T (a directory, removed at exit), $FAULT and
# $LIBFAULT (absolute paths of the products), $BUILD (the build directory).
# A test that dies on the way prints no plan, which tests/run counts as failed.

set -u
top=$(cd "$(dirname "$0")" && while [ ! -e Makefile ]; do cd ..; done && pwd)
BUILD=${BUILD:-$top/build/release}
FAULT=$BUILD/fault
LIBFAULT=$BUILD/libfault.so
T=$(mktemp -d "${TMPDIR:-/tmp}/fault-test.XXXXXX") || exit 1
export top BUILD FAULT LIBFAULT T

t_n=0
t_failed=0
t_pids=

# ---- results ----------------------------------------------------------------

# t_pass SENTENCE, t_fail SENTENCE [FILE]: a result by hand; FILE is shown.
t_pass() {
	t_n=$((t_n + 1))
	echo "ok $t_n - $1"
}

t_fail() {
	t_n=$((t_n + 1))
	t_failed=$((t_failed + 1))
	echo "not ok $t_n - $1"
	if [ -n "${2:-}" ]; then sed 's/^/# /' "$2"; fi
}

# t_skip SENTENCE REASON
t_skip() {
	t_n=$((t_n + 1))
	echo "ok $t_n - $1 # SKIP $2"
}

# t_skip_all REASON: none of this file can run here.
t_skip_all() {
	echo "1..0 # SKIP $1"
	exit 0
}

# t_ok SENTENCE COMMAND…: the command succeeds. Its output is in $T/out.
t_ok() {
	t_sentence=$1
	shift
	"$@" >"$T/out" 2>&1
	t_status=$?
	if [ "$t_status" = 0 ]; then
		t_pass "$t_sentence"
	else
		echo "exit status $t_status: $*" >>"$T/out"
		t_fail "$t_sentence" "$T/out"
	fi
}

# t_exit STATUS SENTENCE COMMAND…: it ends with just this status, which tells
# "failed" from "crashed" and "not found". Its output is in $T/out.
t_exit() {
	t_want=$1 t_sentence=$2
	shift 2
	"$@" >"$T/out" 2>&1
	t_status=$?
	if [ "$t_status" = "$t_want" ]; then
		t_pass "$t_sentence"
	else
		echo "exit status $t_status, not $t_want: $*" >>"$T/out"
		t_fail "$t_sentence" "$T/out"
	fi
}

# t_is SENTENCE GOT WANTED
t_is() {
	if [ "$2" = "$3" ]; then
		t_pass "$1"
	else
		printf 'got:    %s\nwanted: %s\n' "$2" "$3" >"$T/diff"
		t_fail "$1" "$T/diff"
	fi
}

# t_match SENTENCE TEXT REGEX: some line of the text matches (grep -E).
t_match() {
	if printf '%s\n' "$2" | grep -qE -e "$3"; then
		t_pass "$1"
	else
		printf '%s\nno line matches: %s\n' "$2" "$3" >"$T/diff"
		t_fail "$1" "$T/diff"
	fi
}

# t_no_match SENTENCE TEXT REGEX
t_no_match() {
	if printf '%s\n' "$2" | grep -E -e "$3" >"$T/diff"; then
		echo "should not match: $3" >>"$T/diff"
		t_fail "$1" "$T/diff"
	else
		t_pass "$1"
	fi
}

# t_done: the plan; exit status 1 if a test failed.
t_done() {
	echo "1..$t_n"
	[ "$t_failed" = 0 ]
	exit
}

# ---- events -----------------------------------------------------------------

# wait_for [-t SECONDS] COMMAND…: until the command succeeds; 1 at the deadline
# (10 s). The command is asked often, so an event is seen when it happens.
wait_for() {
	t_limit=10
	if [ "$1" = -t ]; then
		t_limit=$2
		shift 2
	fi
	t_end=$(($(date +%s) + t_limit))
	until "$@" >"$T/wait" 2>&1; do
		if [ "$(date +%s)" -gt "$t_end" ]; then
			echo "# not within $t_limit s: $*"
			sed 's/^/# /' "$T/wait"
			return 1
		fi
		sleep 0.02
	done
}

# free_port: a TCP port that nobody uses; new at each call. It is none of the
# kernel's automatic ports nor of those that `fault run` gives away (10000 and
# up), so that nobody is given it by chance before it is used; and above those
# that node's fetch refuses.
free_port() {
	t_port=$(cat "$T/port" 2>/dev/null || echo $((7000 + $$ * 61 % 3000)))
	while
		t_port=$((t_port < 9999 ? t_port + 1 : 7000))
		port_known "$t_port"
	do :; done
	echo "$t_port" | tee "$T/port"
}

# port_known PORT [STATE]: some socket has this local port (in that state).
port_known() {
	cat /proc/net/tcp /proc/net/tcp6 2>/dev/null |
		awk -v port="$(printf ':%04X' "$1")" -v state="${2:-.}" \
			'$2 ~ port "$" && $4 ~ state { n++ } END { exit !n }'
}

# listening PORT: a server listens there. Reads /proc, makes no connection.
listening() {
	port_known "$1" 0A
}

# ---- processes --------------------------------------------------------------

# spawn NAME COMMAND…: in the background, output in $T/NAME.log; pid in $t_pid.
spawn() {
	t_log=$T/$1.log
	shift
	"$@" >"$t_log" 2>&1 </dev/null &
	t_pid=$!
	t_pids="$t_pids $t_pid"
}

# running PID: it exists and is no zombie.
running() {
	case $(sed 's/.*) //' "/proc/$1/stat" 2>/dev/null) in
	'' | Z* | X*) return 1 ;;
	esac
}

# not COMMAND…: for wait_for.
not() {
	! "$@"
}

# mine PID: it is a child of this shell's. What has ended and was waited for may
# have given its number to a process that is none of ours.
mine() {
	case $(sed 's/.*) //' "/proc/$1/stat" 2>/dev/null) in
	?" $$ "*) ;;
	*) return 1 ;;
	esac
}

# stop PID: SIGTERM, SIGKILL if that does not help; its status in $t_status.
stop() {
	if running "$1"; then
		kill -TERM "$1" 2>/dev/null
		wait_for -t 5 not running "$1" || kill -KILL "$1" 2>/dev/null
	fi
	wait "$1" 2>/dev/null
	t_status=$?
}

t_cleanup() {
	t_exit_status=$?
	trap - EXIT
	for t_pid in $t_pids; do
		if mine "$t_pid"; then stop "$t_pid" >&2; fi
	done
	cd / && rm -rf "$T"
	exit "$t_exit_status"
}
trap t_cleanup EXIT
trap 'exit 143' TERM
trap 'exit 130' INT
