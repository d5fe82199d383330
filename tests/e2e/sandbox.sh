#!/bin/sh
# Programs in a sandbox, out of descriptors, and whose threads and children come
# and go: the helper thread is not in their way, and what it needs is not asked
# of them.
# run: parallel
. "$(dirname "$0")/../lib.sh"
[ -e "$LIBFAULT" ] || t_skip_all "no libfault.so yet"
for probe in sandbox family; do
	[ -x "$BUILD/tests/probes/$probe" ] ||
		make -s -C "$top" "${BUILD#"$top"/}/tests/probes/$probe" ||
		t_skip_all "no probes"
done

# result SENTENCE COMMAND...
result() {
	sentence=$1
	shift
	"$@" >"$T/out" 2>&1
	t_status=$?
	reason=$(sed -n 's/^skip: //p' "$T/out")
	if [ "$t_status" != 0 ]; then
		echo "exit status $t_status: $*" >>"$T/out"
		t_fail "$sentence" "$T/out"
	elif [ -n "$reason" ]; then
		t_skip "$sentence" "$reason"
	else
		t_pass "$sentence"
	fi
}

# alone PROBE CASE RULE SENTENCE, watched likewise: with the runner.
alone() {
	result "$4" env LD_PRELOAD="$LIBFAULT" FAULT_INJECT="$3" \
		timeout 25 "$BUILD/tests/probes/$1" "$2"
}
watched() {
	result "$4, under fault" timeout 25 "$FAULT" exec -e "$3" -- \
		"$BUILD/tests/probes/$1" "$2"
}

twice=recv:delay=100ms:role=accepted:nth=1..2
alone sandbox strict-own "$twice" \
	"a thread in strict seccomp beside the helper: nothing due, nothing asked"
alone sandbox strict-child "$twice" "a child in strict seccomp"
for way in alone watched; do
	$way sandbox filter-own "$twice" \
		"a process with its helper may do little more than read and write"
	$way sandbox filter-child "$twice" \
		"a child may do little more than read and write"
done
alone sandbox no-thread "$twice" "threads are refused: holds end in time"
alone sandbox no-descriptors "$twice" \
	"timers and epoll sets are refused: holds end in time"
alone sandbox later-most "$twice" \
	"all of that is refused when the helper exists: holds end in time"
alone sandbox later-waits "$twice" "a helper that may not wait does not spin"
alone sandbox full "$twice" "no descriptor is left: holds end in time"
alone sandbox lowered "$twice" \
	"a limit below the library's descriptors: holds end in time"

each=recv:delay=50ms:role=accepted
alone family deathsig "$each" "a child dies with the parent that made it"
alone family deathsig-helper-ends "$each:times=1" \
	"and does not with the helper of the parent"
for way in alone watched; do
	$way family main-ends "$each:name=x" \
		"the last thread ends the process when its main thread has gone"
	$way family spawn "$each" "posix_spawn, system and vfork beside a helper"
	$way family handlers "$each" \
		"a handler that calls everything while holds begin and end"
done
alone family clone-vm "$each" "clone(CLONE_VM) beside a helper"
alone family daemon "$each" "daemon(3) is held before and after"
alone family first-process "$each" "the first process of a pid namespace"
alone family stopped "$each" \
	"stopped until the hold is over: woken once when it goes on"

t_done
