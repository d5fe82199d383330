#!/bin/sh
# clang-format 14 has nothing to change: other versions disagree about details.
# run: parallel
. "$(dirname "$0")/../lib.sh"
cd "$top" || exit 1

for tool in clang-format-14 clang-format ''; do
	[ -n "$tool" ] || t_skip_all "no clang-format 14"
	case $($tool --version 2>/dev/null) in
	*'version 14.'*) break ;;
	esac
done

find plan engine lang shim runner reference tests bench -name '*.[ch]' \
	2>/dev/null >"$T/files"
xargs "$tool" --dry-run -Werror 2>&1 /dev/null <"$T/files" |
	sed -n 's/^\([^ :]*\):.*code should be clang-formatted.*/\1/p' |
	sort | uniq -c >"$T/out"
if [ -s "$T/out" ]; then
	t_fail "every source file is formatted (make format)" "$T/out"
else
	t_pass "every source file is formatted (make format)"
fi
t_done
