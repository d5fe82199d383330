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

for stage in create bind listen connect accept transfer half-close close \
	whole-life; do
	t_ok "$stage has a scenario" ls scenarios/$stage/*.yaml
done
t_done
