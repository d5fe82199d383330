#!/bin/sh
# The linter has nothing to say about our scripts.
# run: parallel limit 180
. "$(dirname "$0")/../lib.sh"
cd "$top" || exit 1
command -v shellcheck >/dev/null || t_skip_all "no shellcheck"

find . \( -name build -path ./build -o -name .git -o -name fault-out \) -prune \
	-o -type f -print | while read -r file; do
	case $file in
	*.sh) echo "$file" ;;
	*) head -c 20 "$file" | head -n 1 | grep -aqE '^#!.*[ /](ba|da)?sh$' &&
		echo "$file" ;;
	esac
done | sort >"$T/files"
while read -r file; do
	t_ok "shellcheck accepts $file" shellcheck "$file"
done <"$T/files"
t_done
