#!/bin/bash
# Kernel truth: each case of the table once for real and once under injection,
# and both records must be the same text.
#
#   tests/conformance/run.sh [--control | --stable] [--once] [-j N] [CASE-GLOB…]
#
#   --control   no library is loaded: each record must now differ (a case that
#               does not notice that nothing was injected proves nothing)
#   --stable    the real side twice, without a library: the same text
#   --once      what differs is not tried once more
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

. "$(dirname "$0")/../compare.sh"
bin=${CONFORMANCE_BIN:-$BUILD/tests/conformance/state_after}

# ---- one run: its result and the details into $dir/N.result ------------------

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

compare_one "$@"
compare_options "$@"
export CONFORMANCE_BIN=$bin
compare_begin "${CONFORMANCE_KEEP:-}"
start_runs "$jobs" "$dir/plan"

# A failed connection wakes its waiters twice, for the error and for the state; to
# an edge-triggered one that comes between them, which happens on both sides, these
# are two events. What differs because of the fault does so each time.
again() {
	[ "$mode" = control ] || while read -r n run; do
		! grep -q '^not ok' "$dir/$n.result" || echo "$n $run"
	done <"$dir/plan"
}
make_again again

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
say_again
exit $((failed > 0))
