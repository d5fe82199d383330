#!/bin/sh
# The documentation that is made from tables is current, and what it names exists.
# run: parallel
. "$(dirname "$0")/../lib.sh"
[ -x "$FAULT" ] || t_skip_all "no fault yet"
cd "$top" || exit 1

for page in calls errnos actions language; do
	"$FAULT" list "$page" --markdown >"$T/page" 2>&1
	diff "docs/reference/$page.md" "$T/page" >"$T/diff" 2>&1
	if [ -s "$T/diff" ]; then
		echo "mend it: ./fault list $page --markdown >docs/reference/$page.md" \
			>>"$T/diff"
		t_fail "docs/reference/$page.md is current" "$T/diff"
	else
		t_pass "docs/reference/$page.md is current"
	fi
done

# Names of files in `backquotes` that begin with one of our folders.
# shellcheck disable=SC2016 # backquotes, not a command
grep -ohE '`(plan|lang|engine|shim|runner|reference|tests|docs)/[A-Za-z0-9_./-]+`' \
	docs/*.md | tr -d '`' | sort -u |
	while read -r file; do [ -e "$file" ] || echo "$file"; done >"$T/gone"
if [ -s "$T/gone" ]; then
	t_fail "every file that the pages name exists" "$T/gone"
else
	t_pass "every file that the pages name exists"
fi

# And the other way round: architecture.md names every source file of ours.
for file in plan/*.[ch] plan/*.def lang/*.[ch] engine/*.[ch] shim/*.[chS] \
	runner/*.[ch]; do
	[ -e "$file" ] || continue
	stem=${file##*/}
	grep -qF "${stem%.*}" docs/architecture.md || echo "$file"
done >"$T/unnamed"
if [ -s "$T/unnamed" ]; then
	t_fail "docs/architecture.md names every file" "$T/unnamed"
else
	t_pass "docs/architecture.md names every file"
fi

if command -v scdoc >/dev/null; then
	for page in docs/man/*.scd; do
		if scdoc <"$page" >"$T/page" 2>"$T/err"; then
			t_pass "$page is sound"
		else
			t_fail "$page is sound" "$T/err"
		fi
	done
else
	t_skip "man pages are sound" "no scdoc"
fi

# What is a whole scenario in a page is valid; a pair is there for `use`.
python3 - "$T" docs/man/*.scd README.md docs/*.md <<'END'
import re, sys
folder, n = sys.argv[1], 0
for page in sys.argv[2:]:
    text = open(page).read()
    if page.endswith(".scd"):
        text = text.replace("\\\\", "\\")
    for block in re.findall(r"^```\w*\n(version: 1\n.*?)^```", text, re.M | re.S):
        n += 1
        name = page.split("/")[-1].split(".")[0]
        open(f"{folder}/{name}-{n}.yaml", "w").write(block)
for part, role in ("_pair", "client"), ("_server", "other"):
    with open(f"{folder}/{part}.yaml", "w") as file:
        file.write('version: 1\nprograms:\n'
                   '  server: {run: "true ${port}", ready: listening}\n'
                   f'  {role}: {{run: "true"}}\n')
END
t_ok "the scenarios of the pages are valid" "$FAULT" check "$T"
t_match "... all of them" "$(cat "$T/out")" '^1[0-9] files'

# What docs/test-frameworks.md shows is what tests/e2e/pytest.sh and jest.sh run.
python3 - docs/test-frameworks.md tests/programs/pytest/* tests/programs/jest/* \
	>"$T/differs" 2>&1 <<'END'
import re, sys
page, *files = [open(path).read() for path in sys.argv[1:]]
blocks = re.findall(r"^```\w+\n(.*?)^```", page, re.M | re.S)
assert len(blocks) > 5
for block in blocks:
    if not any(block in file for file in files):
        print(block)
END
if [ -s "$T/differs" ]; then
	t_fail "docs/test-frameworks.md shows what is tested" "$T/differs"
else
	t_pass "docs/test-frameworks.md shows what is tested"
fi

# docs/conformance.md takes minutes to make: here it must have the cases and the
# number of runs that the programs have, and nothing that differs.
conformance=$BUILD/tests/conformance/state_after
readiness=$BUILD/tests/readiness/readiness
if [ -x "$conformance" ] && [ -x "$readiness" ]; then
	{
		"$conformance" list
		"$readiness" list
	} | cut -f1 | sort -u >"$T/cases"
	sed -n 's/^| \([a-zA-Z0-9-]*\) |.*| [0-9]* of [0-9]* |$/\1/p' \
		docs/conformance.md | sort -u >"$T/told"
	for suite in 'after a fault' 'while it is held'; do
		sed -n "s/^| $suite | \([0-9]*\) | [0-9]* | [0-9]* .*/\1/p" \
			docs/conformance.md
	done >>"$T/told"
	for program in "$conformance" "$readiness"; do
		"$program" plan | wc -l
	done >>"$T/cases"
	if diff "$T/cases" "$T/told" >"$T/diff"; then
		t_pass "docs/conformance.md has every case and every run"
	else
		echo "mend it: make conformance-table" >>"$T/diff"
		t_fail "docs/conformance.md has every case and every run" \
			"$T/diff"
	fi
	t_no_match "... and none that differs" "$(cat docs/conformance.md)" \
		'\| [^|]*different[^|]* \|'
	t_no_match "... and no path of a machine" "$(cat docs/conformance.md)" \
		'(^|[^A-Za-z0-9.])/(home|root|tmp|work|usr)/'
else
	t_skip "docs/conformance.md is current" "the suites are not built"
fi

# Each subcommand and each action is in its man page.
"$FAULT" list actions --json >"$T/actions"
python3 - "$T/actions" docs/man/fault-scenario.5.scd <<'END' >"$T/missing"
import json, sys
page = open(sys.argv[2]).read()
for row in json.load(open(sys.argv[1])):
    if row["action"] not in page:
        print(row["action"])
END
if [ -s "$T/missing" ]; then
	t_fail "fault-scenario(5) has every action" "$T/missing"
else
	t_pass "fault-scenario(5) has every action"
fi
t_done
