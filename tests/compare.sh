# shellcheck shell=bash
# What the suites that compare have in common (tests/conformance/run.sh and
# tests/readiness/run.sh): a program with a table of runs makes each of them
# twice, several at a time, and the two records must be the same text.
#
#   . "$(dirname "$0")/../compare.sh"
#   bin=PROGRAM
#   one() { … }                 N CASE STYLE …, the words of a line of the plan:
#                               makes both runs, prints the result
#   compare_one "$@"            for the processes that start_runs starts
#   compare_options "$@"        --control, --stable, --once, -j N, GLOB…
#   compare_begin KEEP          the directory of the records, the plan in it
#   start_runs JOBS PLAN        each result is in $dir/N.result
#   make_again COMMAND          runs that the machine, not the fault, made differ
#   say_again                   which those were
#
# Whatever is killed here takes what it has started with it.

set -u
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
BUILD=${BUILD:-$top/build/release}
lib=${LIBFAULT:-$BUILD/libfault.so}

# Takes the excepted lines out of both records. Reads "REGEX<TAB>REASON".
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

# ---- one run: its result and the details into $dir/N.result ------------------

compare_one() { # [--one DIRECTORY MODE N CASE STYLE …]
	[ "${1:-}" = --one ] || return 0
	dir=$2 mode=$3
	shift 3
	one "$@" >"$dir/$1.result"
	exit 0
}

# start_runs JOBS PLAN: so many at a time. As a command of its own, since a
# subshell would outlive the script.
start_runs() {
	setpriv --pdeathsig KILL xargs -r -a "$2" -L 1 -P "$1" \
		setpriv --pdeathsig KILL "$0" --one "$dir" "$mode"
}

# ---- all of them --------------------------------------------------------------

# Sets $mode, $jobs, $tries and the array globs.
compare_options() {
	mode='inject' jobs=4 tries=3
	while [ $# -gt 0 ]; do
		case $1 in
		--control | --stable) mode=${1#--} ;;
		--once) tries=0 ;;
		-j)
			# shellcheck disable=SC2034 # for start_runs
			jobs=$2
			shift
			;;
		*) break ;;
		esac
		shift
	done
	globs=("$@")
	[ $# -gt 0 ] || globs=('*')
}

selected() {
	while read -r run; do
		for glob in "${globs[@]}"; do
			# shellcheck disable=SC2254 # it is meant as a pattern
			case $run in
			$glob | $glob\ *) echo "$run" && break ;;
			esac
		done
	done < <("${bin:?}" plan)
}

# Without the directory; who may still write into it is ended first (start_runs).
tidy_up() {
	read -r -a children <"/proc/$$/task/$$/children"
	[ ${#children[@]} = 0 ] || kill -KILL "${children[@]}" 2>/dev/null
	for _ in {1..100}; do
		rm -rf "$dir" 2>/dev/null && break
		sleep 0.05
	done
}

# compare_begin KEEP: with "N CASE STYLE …" of each selected run in $dir/plan.
compare_begin() {
	if [ ! -x "$bin" ]; then
		echo "1..0 # SKIP $bin is not built"
		exit 0
	fi
	if [ "$mode" = inject ] && [ ! -e "$lib" ]; then
		echo "1..0 # SKIP there is no $lib"
		exit 0
	fi
	if [ -n "$1" ]; then
		dir=$1
		mkdir -p "$dir"
	else
		dir=$(mktemp -d "${TMPDIR:-/tmp}/fault-compare.XXXXXX") || exit 1
		trap tidy_up EXIT
	fi
	export LIBFAULT=$lib
	unset LD_PRELOAD FAULT_INJECT FAULT_SCENARIO
	selected | awk '{ print NR, $0 }' >"$dir/plan"
	echo "1..$(wc -l <"$dir/plan")"
}

# make_again COMMAND: it prints lines of the plan, which are run once more, alone;
# up to three times, or with --once not at all.
make_again() {
	for ((i = 0; i < tries; i++)); do
		"$1" >"$dir/plan.again"
		[ -s "$dir/plan.again" ] || break
		cat "$dir/plan.again" >>"$dir/again"
		start_runs 1 "$dir/plan.again"
	done
}

say_again() {
	[ ! -e "$dir/again" ] ||
		sort -un "$dir/again" | sed 's/^[0-9]* /# made again, alone: /'
}
