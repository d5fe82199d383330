#!/bin/bash
# Readiness: each case once with a peer that is late, once with one that is held
# back by the library; both must look the same to the program.
#
#   tests/readiness/run.sh [--control | --stable] [--once] [-j N] [GLOB…]
#
#   --control   no library is loaded: the two must now differ (a case that does
#               not notice that nothing was held proves nothing)
#   --stable    the real side twice: the same text, nothing early or late
#   --once      what differs is not tried once more
#   GLOB        matches "CASE STYLE TRIGGER FAMILY", as in 'fin* epoll-et * 6'
#
# READINESS_BIN   the program; LIBFAULT the library
# READINESS_KEEP  a directory for the records: N.real, N.inject
#
# Nothing that is held may be early, ever.  What else is different, or could not
# be brought about in time, is tried up to three times more, alone, for a machine
# that was busy, and counted.
#
# run: limit 600

. "$(dirname "$0")/../compare.sh"
bin=${READINESS_BIN:-$BUILD/tests/readiness/readiness}

# ---- one run: its result and the details into $dir/N.result ------------------

# record FILE SIDE CASE STYLE TRIGGER FAMILY: the status is the program's.
record() {
	file=$1 side=$2
	shift 2
	if [ "$side" = inject ] && [ "$mode" = inject ]; then
		READINESS_FAULT=$BUILD/fault READINESS_LIB=$lib "$bin" inject "$@" >"$file" 2>&1
	else
		"$bin" "$side" "$@" >"$file" 2>&1
	fi
}

# both CASE STYLE TRIGGER FAMILY: sets $status; records without their notes in
# *.text.
both() {
	record "$real" real "$@"
	status=$?
	[ $status = 0 ] || return
	other=inject
	[ "$mode" != stable ] || other=real
	record "$inject" $other "$@"
	injected=$?
	grep -v '^#' "$real" >"$real.text"
	grep -v '^#' "$inject" >"$inject.text"
	[ $injected = 0 ] || echo "exit status $injected" >>"$inject.text"
}

same_without() {
	"$bin" list | awk -F'\t' -v name="$1" \
		'$1 == name && $5 ~ /same-without/ { n++ } END { exit !n }'
}

# What "same" does not cover: lines that are only stated, lines left out.
caveats() {
	sed -n 's/^# STATED /not compared with the kernel: /p' "$real"
	sed -n 's/^# exception: /left out: /p' "$real.notes"
}

judge() {
	if [ "$mode" = control ]; then
		if same_without "$1"; then
			echo "skipped what is compared is what a hold leaves alone"
		elif cmp -s "$real.text" "$inject.text"; then
			echo "different the same without any injection"
		else
			echo "same"
		fi
	elif [ "$mode" = stable ] &&
		grep -E ': (early|late|never)$' "$real.text" >"$real.diff"; then
		echo "different"
		sed 's/^/# /' "$real.diff"
	elif { [ "$mode" = stable ] || "$bin" exceptions "$1"; } |
		except "$real.text" "$inject.text" >"$real.notes" &&
		diff -U 6 --label real --label injected "$real.text" \
		"$inject.text" >"$real.diff"; then
		echo "same $(caveats | paste -sd ';')"
		cat "$real.notes"
	else
		echo "different"
		sed 's/^/# /' "$real.diff"
		grep '^#' "$inject"
		echo "# once more: READINESS_LIB=$lib $bin inject $*"
		echo "#   against: $bin real $*"
	fi
}

one() { # N CASE STYLE TRIGGER FAMILY
	n=$1
	shift
	real=$dir/$n.real
	inject=$dir/$n.inject
	rm -f "$real" "$inject" "$real.text" "$inject.text"
	both "$@"
	if [ $status = 77 ]; then
		echo "skipped $(sed -n 's/^SKIP //p' "$real")"
	elif [ $status != 0 ]; then
		echo "different the real side ended with status $status"
		sed 's/^/# /' "$real"
	elif grep -q '^SKIP' "$inject"; then
		echo "skipped $(sed -n 's/^SKIP //p' "$inject")"
	else
		judge "$@"
	fi
}

compare_one "$@"
compare_options "$@"
export READINESS_BIN=$bin
unset READINESS_LIB
compare_begin "${READINESS_KEEP:-}"
# What measures the whole machine runs alone, at the end.
alone=' holds-10000 '
grep -v "$alone" "$dir/plan" >"$dir/plan.together"
grep "$alone" "$dir/plan" >"$dir/plan.alone"
start_runs "$jobs" "$dir/plan.together"
start_runs 1 "$dir/plan.alone"

# Those of which one side was not what it is on an idle machine. To the control a
# difference is what it wants, but one that nothing but time has made.
again() {
	while read -r n run; do
		real=$dir/$n.real inject=$dir/$n.inject
		if [ "$mode" = inject ] && grep -qs ': early$' "$inject.text"; then
			continue
		elif grep -qs '^BROKEN' "$real" "$inject" ||
			grep -qsE ': (early|late|too long)$' "$real.text" ||
			{ [ "$mode" != control ] &&
				grep -q '^different' "$dir/$n.result"; }; then
			echo "$n $run"
		fi
	done <"$dir/plan"
}
make_again again

# ---- the report, in order ---------------------------------------------------

failed=0
while read -r n name style trigger family; do
	sentence="$name, $style, IPv$family, $trigger"
	{
		read -r result reason
		case $result in
		same) echo "ok $n - $sentence: same${reason:+ ($reason)}" ;;
		skipped) echo "ok $n - $sentence # SKIP $reason" ;;
		*)
			echo "not ok $n - $sentence: different $reason"
			failed=$((failed + 1))
			;;
		esac
		cat
	} <"$dir/$n.result"
done <"$dir/plan"
say_again
exit $((failed > 0))
