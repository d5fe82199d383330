#!/bin/sh
# The oldest glibc that loads what was built here is the one that docs/limits.md
# states: the highest version among the symbols that library and runner need.
# run: parallel
. "$(dirname "$0")/../lib.sh"
[ -e "$LIBFAULT" ] || t_skip_all "no libfault.so"
grep -qse -fsanitize -e --coverage "$BUILD/flags" &&
	t_skip_all "an instrumented build needs its run-time library"

# newest FILE: the versions of its imports, the highest; needers FILE: whose.
newest() {
	readelf -W --version-info "$1" | grep -o 'GLIBC_[0-9.]*' |
		sed 's/GLIBC_//' | sort -Vu | tail -n 1
}

needers() {
	readelf -W --dyn-syms "$1" | grep -o "[A-Za-z_0-9]*@GLIBC_$2\>" | sort -u
}

# older FILE: it can do with what the page says, or an older one.
older() {
	is=$(newest "$1")
	sentence="${1##*/} loads with glibc $stated"
	if [ -n "$is" ] && printf '%s\n' "$is" "$stated" | sort -CV; then
		t_pass "$sentence (it needs $is)"
	else
		needers "$1" "$is" >"$T/needers"
		t_fail "$sentence, it needs ${is:-what?}" "$T/needers"
	fi
}

stated=$(sed -n 's/.*oldest glibc[^0-9]* \([0-9.]*[0-9]\).*/\1/p' \
	"$top/docs/limits.md" | head -n 1)
t_match "docs/limits.md states the oldest glibc" "$stated" '^2\.[0-9]+$'
older "$LIBFAULT"
older "$FAULT"
t_no_match "and nothing that is glibc's own affair" \
	"$(readelf -W --dyn-syms "$LIBFAULT" "$FAULT")" 'GLIBC_PRIVATE'
t_done
