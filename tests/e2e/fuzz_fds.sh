#!/bin/sh
# The table of descriptors against the kernel's (tests/fuzz/fds): what the fuzzer
# has found, and a slice of what it does. `make fuzz TARGETS=fds` for as long as
# one likes.
# run: parallel
. "$(dirname "$0")/../lib.sh"
[ -e "$LIBFAULT" ] || t_skip_all "no libfault.so yet"
fds=$BUILD/tests/fuzz/fds/fds
[ -x "$fds" ] || make -s -C "$top" "${fds#"$top"/}" || t_skip_all "no fuzzer"
PATH=$BUILD:$PATH

# fuzz SENTENCE ARGUMENT...
fuzz() {
	sentence=$1
	shift
	t_ok "$sentence" timeout 100 "$FAULT" exec \
		-e recv:short=1B:role=accepted:connection=1+2 -- "$fds" "$@"
}

fuzz "what was found once" found "$top/tests/fuzz/fds/found"
fuzz "random steps of several processes" seed 1 60
t_done
