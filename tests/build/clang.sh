#!/bin/sh
# The second compiler: everything once more with clang, warnings as errors. Its
# warnings are those of the language, and do not wait for the optimizer.
# run: parallel
# run: limit 600
. "$(dirname "$0")/../lib.sh"
cc=
for tool in clang-14 clang; do
	command -v "$tool" >/dev/null && cc=$tool && break
done
[ -n "$cc" ] || t_skip_all "no clang"
t_ok "$cc compiles everything without a warning" \
	make -s -C "$top" MODE=clang CC="$cc" OPT=-O0 WERROR=1 programs
t_done
