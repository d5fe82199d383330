#!/bin/sh
# The suites with stock programs in tests/programs/suites: each passes, and fails
# when its rules are removed. Where a program was not fetched it is skipped by
# name.
# run: limit 300
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../programs/env.sh"
. "$(dirname "$0")/../bare.sh"

suites=tests/programs/suites
stock_commands "$T/commands"
PATH=$T/commands:$PATH

# run_all FOLDER: all of it; its TAP is in $T/tap.
run_all() {
	"$FAULT" run --format=tap --out "$T/kept" "$1" >"$T/tap" 2>"$T/err"
	sed 's/^/# /' "$T/err"
	grep '^# [0-9]* scenario' "$T/tap"
}

# results: lines "ok|ID", "failed|ID", "skipped|ID|REASON" and, of what could
# not be judged, "error|ID", from $T/tap.
results() {
	awk '
		BEGIN { OFS = "|" }
		/^(not )?ok / {
			id = $0
			sub(/^(not )?ok [0-9]+ - /, "", id)
			reason = id
			sub(/ # SKIP.*/, "", id)
			if (sub(/.* # SKIP /, "", reason)) print "skipped", id, reason
			else if (/^ok/) print "ok", id
		}
		/^  severity:/ { print /"fail"/ ? "failed" : "error", id }
	' "$T/tap"
}

# block ID: what the TAP says of it.
block() {
	awk -v id="$1" '
		/^(not )?ok / { shown = index($0, " - " id) }
		shown && /^ / { print }' "$T/tap"
}

# judge WANTED SENTENCE: each of the results is that.
judge() {
	while IFS='|' read -r result id reason; do
		case $result in
		"$1") t_pass "$id $2" ;;
		skipped) t_skip "$id $2" "$reason" ;;
		*)
			block "$id" >"$T/block"
			t_fail "$id $2" "$T/block"
			;;
		esac
	done <"$T/results"
}

cd "$top" || exit 1
run_all $suites
results >"$T/results"
judge ok "passes"

# In a copy, since they name the programs beside them.
cp -R tests/programs "$T/programs"
for file in "$suites"/*.yaml; do
	without_rules "$file" "$T/programs/suites/${file##*/}"
done
run_all "$T/programs/suites"
results | sed "s|$T/|tests/|" >"$T/results"
sed -i "s|$T/programs|tests/programs|" "$T/tap"
judge failed "fails without its rules"

listed=$("$FAULT" run --list $suites | wc -l)
t_is "each has its two results" "$t_n" $((listed * 2))

for file in "$suites"/[!_]*.yaml; do
	sentences=$(sed -n 's/^about: //p' "$file" | grep -o '[.?!]\( \|$\)' | wc -l)
	t_is "$file says in two sentences what it is about" "$sentences" 2
done
t_done
