#!/bin/sh
# The same bytes come out of another directory.
# run: parallel
# run: limit 300
. "$(dirname "$0")/../lib.sh"
for file in "$FAULT" "$LIBFAULT"; do
	[ -e "$file" ] || t_skip_all "no ${file##*/} yet"
done
grep -q -e -fsanitize -e --coverage "$BUILD/flags" &&
	t_skip_all "only a release build is told apart"

mkdir "$T/elsewhere"
cd "$top" || exit 1
for module in Makefile plan engine lang shim runner; do
	cp -r "$module" "$T/elsewhere"
done
# The flags are part of the bytes: take over what the first build was given.
werror=$(grep -o -e -Werror "$BUILD/flags")
t_ok "the project builds in another directory" \
	make -s -C "$T/elsewhere" ${werror:+WERROR=1} all
for file in fault libfault.so; do
	t_ok "$file has the same bytes there" \
		cmp "$BUILD/$file" "$T/elsewhere/build/release/$file"
done
t_done
