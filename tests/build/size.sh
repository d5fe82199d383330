#!/bin/sh
# Functions of more than 70 lines and files of more than 800 are refused,
# functions of more than 40 are named.
# run: parallel
. "$(dirname "$0")/../lib.sh"
cd "$top" || exit 1

find plan engine lang shim runner reference tests bench -type f \
	\( -name '*.[chS]' -o -name '*.sh' -o -name run \) 2>/dev/null >"$T/files"

# Kernel braces: a function's body is what is between { and } in column 1.
xargs awk '
FNR == 1 { start = 0 }
/^[a-zA-Z_].*\(/ { name = $0; sub(/\(.*/, "", name); sub(/.*[ *]/, "", name) }
/^\{/ { start = FNR }
/^\}/ && start {
	n = FNR - start - 1
	if (n > 40) print n, FILENAME ":" start, name
	start = 0
}' /dev/null <"$T/files" | grep '\.[ch]:' | sort -rn >"$T/long"

awk '$1 > 70' "$T/long" >"$T/refused"
if [ -s "$T/refused" ]; then
	t_fail "no function is longer than 70 lines" "$T/refused"
else
	t_pass "no function is longer than 70 lines"
fi
sed 's/^/# look again: /' "$T/long"

xargs wc -l /dev/null <"$T/files" | awk '$1 > 800 && $2 != "total"' >"$T/refused"
if [ -s "$T/refused" ]; then
	t_fail "no file is longer than 800 lines" "$T/refused"
else
	t_pass "no file is longer than 800 lines"
fi
t_done
