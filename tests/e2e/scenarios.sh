#!/bin/bash
# The suites of scenarios/: all pass, and each fails when its rules are removed.
# A scenario that passes without its fault proves nothing.
# run: limit 120
. "$(dirname "$0")/../lib.sh"

# without_rules FILE OUT: the same scenario, its faults left out.
without_rules() {
	awk '/^faults:/ {skip = 1; next} /^[a-z]/ {skip = 0} !skip' "$1" >"$2"
}

cd "$top" || exit 1
t_ok "every scenario passes" "$FAULT" run --out "$T/out" scenarios
t_ok "and once more in the same way" "$FAULT" run --out "$T/out" scenarios

for file in scenarios/*/*.yaml; do
	bare=$T/$(basename "$file")
	without_rules "$file" "$bare"
	"$FAULT" run --out "$T/out" "$bare" >"$T/log" 2>&1
	t_is "$file fails without its rules" 1 $?
done

for stage in resolve create bind listen connect accept transfer half-close close \
	whole-life; do
	t_ok "$stage has a scenario" ls scenarios/$stage/*.yaml
done

# Each action that there is, on each side that it can happen to.
"$FAULT" check --expand scenarios/*/*.yaml 2>/dev/null |
	grep '^    # line ' >"$T/rules"
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
