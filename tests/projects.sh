# shellcheck shell=sh disable=SC2154 # from who sources it
# What tests/e2e/pytest.sh and jest.sh share: a project of tests/programs whose own
# tests switch faults. Sourced after lib.sh; $project is its name.

# fresh_project: a copy of it, which is then the working directory.
fresh_project() {
	cd "$T" && rm -rf project && cp -R "$top/tests/programs/$project" project &&
		cd project || exit 1
	# For Debian's node, see tests/programs/fetch.
	[ "$project" != jest ] || ln -s "$stock_root/usr/share/nodejs" nodejs
}

# all_pass REGEX: client_tests and server_tests do, as which their output matches.
all_pass() {
	fresh_project
	t_ok "tests of a client run under fault exec" client_tests
	t_match "... all of them" "$(cat "$T/out")" "$1"
	t_ok "tests start their server under fault exec" server_tests
	t_match "... all of them" "$(cat "$T/out")" "$1"
	t_ok "a scenario starts the server and the tests" "$FAULT" run tests.yaml
}

# find_wrong <LINES: sentence|COMMAND|regex|file|sed: so edited, the tests that the
# command runs fail, and on all their output as one line the regex matches.
find_wrong() {
	while IFS='|' read -r sentence tests said file edit; do
		fresh_project
		sed -i "$edit" "$file"
		if cmp -s "$file" "$top/tests/programs/$project/$file"; then
			t_fail "$sentence: $edit changes nothing in $file"
			continue
		fi
		t_exit 1 "$sentence" "$tests"
		t_match "... by the right tests" "$(tr '\n' ' ' <"$T/out")" "$said"
	done
}
