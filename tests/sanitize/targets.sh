#!/bin/bash
# Targets that are built with sanitizers, by both compilers, with their run-time
# library shared and static: the same results as without the library, with rules
# that fire too; no report that there is not without; and the target's own bugs
# are reported, those that only the sanitizer's recv can see, too.
#
#   TARGETS=all   every build and every way; else what ./check has of it
# run: parallel
# run: limit 1500
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/ways.sh"
[ -x "$FAULT" ] || t_skip_all "no fault yet"
[ -e "$LIBFAULT" ] || t_skip_all "no libfault.so yet"

# name | compiler | how it is built | bugs that it reports
builds='
gcc|gcc||
gcc asan and ubsan|gcc|-fsanitize=address,undefined|overflow leak shift
gcc asan|gcc|-fsanitize=address|overflow leak
gcc asan, static|gcc|-fsanitize=address -static-libasan|overflow leak
gcc ubsan|gcc|-fsanitize=undefined|shift
gcc ubsan, static|gcc|-fsanitize=undefined -static-libubsan|shift
gcc lsan|gcc|-fsanitize=leak|leak
gcc tsan|gcc|-fsanitize=thread|race
gcc tsan, static|gcc|-fsanitize=thread -static-libtsan|race
clang asan|clang|-fsanitize=address|overflow leak
clang asan, shared|clang|-fsanitize=address -shared-libasan -Wl,-rpath,@rt@|overflow leak
clang ubsan|clang|-fsanitize=undefined|shift
clang lsan|clang|-fsanitize=leak|leak
clang msan|clang|-fsanitize=memory|
clang tsan|clang|-fsanitize=thread|race
'
ways='inert armed exec exec-armed shell exec-shell exec-env exec-perl'
if [ "${TARGETS:-}" != all ]; then
	builds=$(echo "$builds" | grep -E '^gcc(\||.asan and)')
	ways='armed exec-armed exec-shell'
fi

# compile COMPILER FLAG…: $T/target
compile() {
	local cc=$1 flags rt
	shift
	command -v "$cc" >/dev/null || cc=$cc-14
	command -v "$cc" >/dev/null || return
	rt=$(dirname "$("$cc" -print-file-name=libclang_rt.asan-x86_64.so)")
	flags=$*
	# shellcheck disable=SC2086 # words
	"$cc" -g -O1 -D_GNU_SOURCE ${flags//@rt@/$rt} \
		-o "$T/target" "$top/tests/sanitize/target.c" -pthread 2>"$T/cc"
}

# As a program that has no sanitizer ends under the faults that change something.
compile gcc || t_skip_all "gcc cannot compile $(head -n 1 "$T/cc")"
for way in reset exec-reset; do
	ended $way "$T/target" >"$T/of-$way"
done
t_match "the rules that change results do so" "$(cat "$T/of-reset")" \
	'ECONNREFUSED'

while IFS='|' read -r name cc flags bugs; do
	[ -n "$name" ] || continue
	# shellcheck disable=SC2086 # words
	if ! compile "$cc" $flags; then
		t_skip "$name" "$(head -n 1 "$T/cc" 2>/dev/null || echo "no $cc")"
		continue
	fi
	for bug in none $bugs; do
		ended plain "$T/target" "$bug" 4 >"$T/plain"
		if [ "$bug" != none ]; then
			t_match "$name: $bug is reported plain" \
				"$(cat "$T/plain")" 'SUMMARY|runtime error'
		fi
		for way in $ways; do
			ended "$way" "$T/target" "$bug" 4 >"$T/is"
			same "$name: $way, bug: $bug" "$T/plain"
		done
	done
	for way in reset exec-reset; do
		ended $way "$T/target" >"$T/is"
		same "$name: $way" "$T/of-$way"
	done
done <<<"$builds"
t_done
