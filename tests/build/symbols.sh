#!/bin/sh
# libfault.so from outside: what it exports, what it imports, what it needs.
# run: parallel
. "$(dirname "$0")/../lib.sh"
[ -e "$LIBFAULT" ] || t_skip_all "no libfault.so"
grep -qse -fsanitize -e --coverage "$BUILD/flags" &&
	t_skip_all "an instrumented build needs its run-time library"
cd "$top" || exit 1

# same SENTENCE FILE FILE
same() {
	if diff "$2" "$3" >"$T/diff"; then t_pass "$1"; else t_fail "$1" "$T/diff"; fi
}

# The names of a kind of dynamic symbols, without versions.
dynamic() {
	nm -D "$1" "$LIBFAULT" | awk '{ print $NF }' | sed 's/@.*//' | sort -u
}

cat >"$T/rows.c" <<'END'
#define CALL(symbol, ...) symbol
#define NOTE(symbol, ...) symbol
#define STUB(symbol) symbol
#define VARIADIC(symbol, ...) symbol
#include "plan/calls.def"
END
{
	cc -E -P -undef -iquote . "$T/rows.c" | tr -s ' ' '\n'
	echo __asan_default_options # attach_asan.c
} | sort -u >"$T/rows"
dynamic --defined-only >"$T/exports"
same "the exports are exactly the rows of calls.def, and attach_asan.c's" "$T/rows" "$T/exports"
t_no_match "no export has a version, which would disable the wrapper" \
	"$(nm -D --defined-only "$LIBFAULT")" '@'

sed 's/[ 	]*#.*//; /^$/d' tests/build/imports.allow >"$T/names"
sed -n 's/^LIBC(\([^)]*\)).*/\1/p' shim/libc.def >"$T/looked_up" 2>"$T/diff"
# Fortified twins are allowed where the plain name is, or is looked up.
sed 's/.*/__&_chk/' "$T/names" "$T/looked_up" >"$T/twins"
sort -u "$T/names" "$T/twins" >"$T/allow"
# Headers of other releases rename: the plain name counts.
dynamic --undefined-only | sed 's/^__isoc[0-9]*_//' | sort -u >"$T/imports"
comm -13 "$T/allow" "$T/imports" >"$T/new"
: >"$T/nothing"
same "every import is in imports.allow" "$T/nothing" "$T/new"

# By its name it would be the program's own, if that has one.
readelf -rW "$LIBFAULT" | awk '$5 != "" { print $5 }' | sed 's/@.*//' | sort -u |
	comm -12 - "$T/exports" >"$T/own"
same "what it exports it calls without looking for it" "$T/nothing" "$T/own"

header=$(readelf -dW "$LIBFAULT")
t_no_match "libc is the only library it needs" \
	"$(echo "$header" | grep NEEDED)" \
	'\[([^l].*|l[^id].*|lib[^c].*|libc[^.].*|ld[^-].*)\]'
t_no_match "no text relocations" "$header" TEXTREL
t_match "bound at load time (relro, now)" "$header" '\<NOW\>'
t_done
