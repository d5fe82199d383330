#!/bin/sh
# `fault run` when the machine fails it: of tests/adversity the points that once
# went wrong, and some that did not. All of them: make adversity.
# run: parallel
. "$(dirname "$0")/../lib.sh"
cd "$top" || exit 1
[ -e "$BUILD/tests/fail_nth.so" ] || t_skip_all "fail_nth.so is not built"

# fails CALL STEP FIRST [SCENARIO]: each STEP-th call from the FIRST on.
fails() {
	t_ok "$1 fails at every ${2}th point, ${4:-pass}" tests/adversity/run \
		--only "${4:-pass}" --step "$2" --offset $(($3 - 1)) "$1"
}

fails malloc 61 1
fails malloc 31 400 listens
fails open 17 2
fails signalfd 2 2
fails mmap 5 1
fails fork 4 2
fails send 9 2
fails sendmsg 8 7
fails dup2 11 10
fails write-eintr 150 2
fails waitpid-eintr 2 1
fails epoll_ctl 2 1 connects
t_ok "limits, full disks, signals and kills" \
	tests/adversity/situations --few --rounds 2
t_done
