#!/bin/bash
# Kernel truth: each case of the table once for real and once under injection,
# and both records must be the same text.
#
#   tests/conformance/run.sh [--control | --stable] [-j N] [CASE-GLOB…]
#
#   --control   no library is loaded: each record must now differ (a case that
#               does not notice that nothing was injected proves nothing)
#   --stable    the real side twice, without a library: the same text
#   CASE-GLOB   matches "CASE STYLE FAMILY", as in 'recv-* epoll-et *'
#
# CONFORMANCE_BIN  the program; it is made of state_after.c and conf_*.c
# LIBFAULT         the library
# CONFORMANCE_KEEP a directory for the records: N.real, N.probe
#
# Lines that a preload cannot make equal are named with their reason in
# conf_exceptions.c. They are left out of both records, counted and printed.
#
# run: limit 600

set -u
top=$(cd "$(dirname "$0")/../.." && pwd)
BUILD=${BUILD:-$top/build/release}
bin=${CONFORMANCE_BIN:-$BUILD/tests/conformance/state_after}
lib=${LIBFAULT:-$BUILD/libfault.so}

# ---- one run: its result and the details into $dir/N.result ------------------

# Takes the excepted lines out of both records.
except() {
	while IFS=$'\t' read -r line reason; do
		if diff -q <(grep -E "$line" "$1") <(grep -E "$line" "$2") \
			>/dev/null; then
			echo "# exception not needed: /$line/ $reason"
		else
			echo "# exception: /$line/ $reason"
		fi
		sed -E -i "/$line/d" "$1" "$2"
	done
}

judge() { # CASE STYLE FAMILY, with the records in $real and $probe
	if [ "$mode" = control ]; then
		if cmp -s "$real" "$probe"; then
			echo "not ok the same without any injection"
		else
			echo "ok"
		fi
		return
	fi
	[ "$mode" = stable ] || "$bin" exceptions "$@" |
		except "$real" "$probe" >"$real.notes"
	if diff -U 4 --label real --label injected "$real" "$probe" \
		>"$real.diff"; then
		echo "ok"
	else
		echo "not ok"
		sed 's/^/# /' "$real.diff"
		echo "# once more: CONFORMANCE_LIB=$lib $bin probe $*"
		echo "#   against: $bin real $*"
	fi
	[ ! -e "$real.notes" ] || cat "$real.notes"
}

one() { # N CASE STYLE FAMILY
	n=$1
	shift
	real=$dir/$n.real
	probe=$dir/$n.probe
	"$bin" real "$@" >"$real" 2>&1
	status=$?
	if [ $status = 77 ]; then
		echo "ok # SKIP $(sed -n 's/^SKIP //p' "$real")"
		return
	elif [ $status != 0 ]; then
		echo "not ok the real side ended with status $status"
		sed 's/^/# /' "$real"
		return
	fi
	case $mode in
	control) "$bin" probe "$@" ;;
	stable) "$bin" real "$@" ;;
	*) CONFORMANCE_LIB=$lib "$bin" probe "$@" ;;
	esac >"$probe" 2>&1
	status=$?
	if [ $status != 0 ]; then
		echo "not ok the injected side ended with status $status"
		sed 's/^/# /' "$probe"
	else
		judge "$@"
	fi
}

if [ "${1:-}" = --one ]; then
	dir=$2 mode=$3
	shift 3
	one "$@" >"$dir/$1.result"
	exit 0
fi

# ---- all runs ---------------------------------------------------------------

mode='inject' jobs=4
while [ $# -gt 0 ]; do
	case $1 in
	--control | --stable) mode=${1#--} ;;
	-j)
		jobs=$2
		shift
		;;
	*) break ;;
	esac
	shift
done

if [ ! -x "$bin" ]; then
	echo "1..0 # SKIP $bin is not built"
	exit 0
fi
if [ "$mode" = inject ] && [ ! -e "$lib" ]; then
	echo "1..0 # SKIP there is no $lib"
	exit 0
fi
if [ -n "${CONFORMANCE_KEEP:-}" ]; then
	dir=$CONFORMANCE_KEEP
	mkdir -p "$dir"
else
	dir=$(mktemp -d "${TMPDIR:-/tmp}/fault-conformance.XXXXXX") || exit 1
	trap 'rm -rf "$dir"' EXIT
fi
export CONFORMANCE_BIN=$bin LIBFAULT=$lib
unset LD_PRELOAD FAULT_INJECT FAULT_SCENARIO

selected() {
	[ $# -gt 0 ] || set -- '*'
	while read -r run; do
		for glob in "$@"; do
			# shellcheck disable=SC2254 # it is meant as a pattern
			case $run in
			$glob | $glob\ *) echo "$run" && break ;;
			esac
		done
	done < <("$bin" plan)
}

selected "$@" | awk '{ print NR, $0 }' >"$dir/plan"
echo "1..$(wc -l <"$dir/plan")"
xargs -L 1 -P "$jobs" "$0" --one "$dir" "$mode" <"$dir/plan"

# ---- the report, in order ---------------------------------------------------

failed=0 exceptions=0
while read -r n name style family; do
	sentence="$name × $style × IPv$family"
	{
		read -r first
		case $first in
		'ok #'*) echo "ok $n - $sentence ${first#ok }" ;;
		ok) echo "ok $n - $sentence" ;;
		*)
			echo "not ok $n - $sentence"
			echo "# ${first#not ok}"
			failed=$((failed + 1))
			;;
		esac
		cat
	} <"$dir/$n.result"
	lines=$(grep -c '^# exception: ' "$dir/$n.result")
	exceptions=$((exceptions + lines))
done <"$dir/plan"
echo "# $exceptions lines excepted, each with its reason above"
exit $((failed > 0))
