# shellcheck shell=sh
# without_rules FILE OUT: the same scenario, its faults left out. A scenario that
# passes without them proves nothing. Steps that name a rule go with them, if they
# have their lines to themselves, and so does each line that ends in "# fault": a
# part of a script, where the peer does what no rule does.
without_rules() {
	awk '
		{ indent = match($0, /[^ ]/) }
		skip && (!indent || indent > skip) { next }
		{ skip = 0 }
		/^ *faults:/ { skip = indent; sub(/:.*/, ": []") }
		/^ *- \{(arm|disarm|wait: \{hit):/ || /# fault$/ { next }
		{ print }
	' "$1" >"$2"
}
