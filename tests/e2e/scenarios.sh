#!/bin/bash
# The suites of scenarios/: all pass, and each fails when its rules are removed.
#
# Of each scenario's matrix a slice: one case, another one for the next file, so
# that all styles and both families come up. `make suite` (SUITE=all) is the
# whole matrix.
# run: limit 600
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../bare.sh"

# nth_case N FILE: the id of one case of its matrix, counted around.
nth_case() {
	"$FAULT" run --list "$2" | awk -v n="$1" \
		'{ id[NR - 1] = $1 } END { print id[n % NR] }'
}

cd "$top" || exit 1
files=(scenarios/*/*.yaml)
slice=()
for i in "${!files[@]}"; do
	slice+=("$(nth_case "$i" "${files[i]}")")
done
t_is "each file has its case in the slice" "${#slice[@]}" "${#files[@]}"
[ "${SUITE:-}" != all ] || slice=(scenarios)
t_ok "every scenario passes" "$FAULT" run --out "$T/out" "${slice[@]}"
[ "${SUITE:-}" != all ] || tail -n 1 "$T/out"

# They wait most of their time, so that several do at once.
bare() { # N FILE: in $T/N.bare the exit status of the same case without its rules
	mkdir "$T/$1"
	without_rules "$2" "$T/$1/${2##*/}"
	"$FAULT" run --out "$T/$1/kept" "$(nth_case "$1" "$T/$1/${2##*/}")" \
		>"$T/$1/log" 2>&1
	echo $? >"$T/$1.bare"
}
for i in "${!files[@]}"; do
	[ "$i" -lt 4 ] || wait -n
	bare "$i" "${files[i]}" &
done
wait
for i in "${!files[@]}"; do
	t_is "${files[i]} fails without its rules" "$(cat "$T/$i.bare")" 1
done

# At least three for each stage and side; a server looks no name up.
for stage in create bind listen connect accept transfer half-close close; do
	for side in client server; do
		count=$(find scenarios/$stage -name "$side-*.yaml" | wc -l)
		t_match "$stage has three scenarios for the $side" \
			"$count" '^([3-9]|[1-9][0-9]+)$'
	done
done

about_is_short() {	# two sentences, or the file's name
	"$FAULT" check "$1" >"$T/log" 2>&1 || return 1
	[ "$(sed -n 's/^about: //p' "$1" | grep -o '[.?!]\( \|$\)' | wc -l)" = 2 ]
}
for file in "${files[@]}"; do
	about_is_short "$file" || echo "$file"
done >"$T/abouts"
t_is "each scenario says in two sentences what it is about" \
	"$(cat "$T/abouts")" ""

for stage in resolve create bind listen connect accept transfer half-close close \
	whole-life; do
	t_ok "$stage has a scenario" ls scenarios/$stage/*.yaml
done

# Each action that there is, on each side that it can happen to.
"$FAULT" check --expand scenarios/*/*.yaml 2>/dev/null |
	grep '^    # [^ ]*:[0-9]*: ' >"$T/rules"
for action in $("$FAULT" list actions | awk '$3 == "yes" { print $1 }'); do
	for side in client server; do
		case $action-$side in
		# A client does not listen, our server looks no name up.
		backlog-client | answer-server) continue ;;
		esac
		t_ok "a scenario has $action on the side of the $side" \
			grep -E "[ :]${action}[=:](.*:)?in=$side" "$T/rules"
	done
done
t_done
