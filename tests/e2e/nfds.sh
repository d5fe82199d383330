#!/bin/sh
# select and pselect look at as many numbers as the kernel's table would have
# without the library, whose own are high: tests/probes/nfds.c sees the same with
# rules of each lasting kind as without the library. Arguments: only these cases.
# run: parallel
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../probes/try.sh"
need_probes nfds

# seen FILE CASE LIMIT [VARIABLE…]: what the probe says, in a table of 64.
seen() {
	file=$1 case=$2 limit=$3
	shift 3
	(
		# shellcheck disable=SC3045 # dash and bash have it
		[ "$limit" = all ] || ulimit -n "$limit"
		exec timeout 60 "$probe" start env "$@" "$probe" "$case"
	) >"$file" 2>&1 || echo "exit status $?" >>"$file"
}

# same CASE LIMIT RULE: false with the difference in $T/out.
same() {
	[ -s "$T/$1.$2" ] || seen "$T/$1.$2" "$1" "$2"
	seen "$T/said" "$1" "$2" LD_PRELOAD="$LIBFAULT" FAULT_INJECT="$3"
	diff "$T/$1.$2" "$T/said" >"$T/diff" && return
	{
		echo "$1, a limit of $2, rule $3:"
		cat "$T/diff"
	} >>"$T/out"
	return 1
}

# Some that hold sockets of the probe, if they came to act; some for others.
rules='recv:delay=1s:port=1
recv:delay=1s:nth=9
send:stall:nth=9
recv:rate=1kB/s:nth=9
recv:short=1B:nth=9
accept:delay=1s:nth=9
connect:delay=1s:nth=9
socket:exhaust=descriptors:for=1s:nth=999
reset:age=99s'

# try CASE SENTENCE
try() {
	wanted "$1" || return 0
	: >"$T/out"
	while read -r rule; do
		for limit in all 1024; do
			same "$1" $limit "$rule"
		done
	done <<-END
		$rules
	END
	if grep -q '^exit status' "$T/$1.all" "$T/$1.1024"; then
		cat "$T/$1.all" "$T/$1.1024" >"$T/out"
	fi
	if [ -s "$T/out" ]; then
		t_fail "$2" "$T/out"
	else
		t_pass "$2"
	fi
}

try all-there-is "all that there can be, and what is behind an fd_set is garbage"
try never-open "a number beyond the table is not looked at"
try closed "a closed one within it is refused"
try grown "so is one where the table has grown"
try by-sockets "... by sockets"
try high "an open one that only the kernel has seen is"
try seen-high "copies by dup2, high"
try one-by-one "a table that has grown by one number after the other"
try thousands "thousands of descriptors, sets that are longer than an fd_set"
try only-high "one high number, in such a set"
try rest-of-word "what is behind the last number in a word is cleared"
try at-the-edge "nothing behind an fd_set is read"
try close-range "a table does not shrink when its numbers are closed"
try fork "the table of a child fits what is open"
try exec "that of another image is the same"
t_done
