#!/bin/sh
# make install and uninstall.
. "$(dirname "$0")/../lib.sh"
for file in "$FAULT" "$LIBFAULT"; do
	[ -e "$file" ] || t_skip_all "no ${file##*/} yet"
done

# With other flags than the build's, make would build it anew.
werror=$(grep -o -e -Werror "$BUILD/flags")

t_ok "make install works below DESTDIR" \
	make -s -C "$top" install DESTDIR="$T/root" ${werror:+WERROR=1}
for file in bin/fault lib/fault/libfault.so; do
	t_ok "$file is installed" test -f "$T/root/usr/local/$file"
done
if command -v scdoc >/dev/null; then
	t_ok "the manual is installed" test -s \
		"$T/root/usr/local/share/man/man1/fault.1"
else
	t_skip "the manual is installed" "no scdoc"
fi
t_ok "make uninstall works" \
	make -s -C "$top" uninstall DESTDIR="$T/root" ${werror:+WERROR=1}
t_is "and leaves no file" "$(find "$T/root" ! -type d)" ""
t_done
