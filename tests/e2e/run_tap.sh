#!/bin/sh
# `fault run --format tap`: TAP 14 that `prove` accepts, and whose YAML is YAML.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../programs/env.sh"
command -v prove >/dev/null || t_skip_all "no prove"
cd "$T" || exit 1
unset FORCE_COLOR TAP_VERSION
cat >s.yaml <<'END'
version: 1
name: "a # in \\ a name"
matrix: {r: ["true", "false", "sh quotes.sh"]}
programs: {a: {run: "${r}"}}
END
cat >odd.yaml <<'END'
version: 1
matrix: {n: ["#1", 'b\s']}
expect: {a: {stdout: none}}
programs: {a: {run: [sh, -c, "printf 'quote \" back \\\\ tab\\t bell\\a \\377 \\302\\233\\n  ...\\n---\\n'; exit 3"]}}
END
"$FAULT" run -j 1 --format tap s.yaml odd.yaml >run.tap 2>err
t_is "a run with failures: 1" $? 1
t_is "the version comes first" "$(head -1 run.tap)" "TAP version 14"
t_is "then one plan" "$(sed -n 2p run.tap) $(grep -c '^1\.\.' run.tap)" "1..5 1"
t_is "results are numbered" "$(sed -n 's/^\(not \)*ok \([0-9]*\) - .*/\2/p' run.tap | tr '\n' ' ')" "1 2 3 4 5 "
t_match "a hash in an id is escaped" "$(cat run.tap)" '^not ok 4 - odd.yaml.n=\\#1\]$'
t_match "... and a backslash" "$(cat run.tap)" '^not ok 5 - odd.yaml.n=b\\\\s\]$'
t_is "nothing on stderr" "$(cat err)" ""
t_match "the summary is a comment" "$(tail -1 run.tap)" '^# 5 scenarios: 1 passed'
t_no_match "no control bytes" "$(cat run.tap)" "$(printf '[\001-\010\013-\037]')"

cat >blocks.py <<'END'
import sys, yaml
blocks, block = [], None
for line in open(sys.argv[1]):
    if line == "  ---\n":
        block = []
    elif line == "  ...\n":
        blocks.append(yaml.safe_load("".join(block)))
        block = None
    elif block is not None:
        assert line.startswith("  "), line
        block.append(line[2:])
assert block is None and len(blocks) == 4, blocks
for b in blocks:
    assert b["severity"] in ("fail", "error"), b
    assert b["repeat"].startswith("fault run "), b
    assert isinstance(b["duration_ms"], float) and b["seed"] == 0, b
odd = blocks[2]
assert odd["message"] == "a: exit status 3, expected 0", odd
assert odd["at"] == {"file": "odd.yaml", "line": 4, "column": 12}, odd
assert odd["findings"] == [
    {"message": "a: stdout has no `none`, expected",
     "at": {"file": "odd.yaml", "line": 3, "column": 22}},
    {"message": odd["message"], "at": odd["at"]}], odd
assert any('quote " back \\ tab' in line for line in odd["output"]), odd
END
stock_commands "$T/commands"
PATH=$T/commands:$PATH
if python3 -c 'import yaml' 2>/dev/null; then
	t_ok "its YAML says why, where, and how to repeat it" python3 blocks.py run.tap
else
	t_skip "its YAML says why, where, and how to repeat it" "no python3 with yaml"
fi

# ---- prove --------------------------------------------------------------------
t_ok "prove accepts a run that passes" \
	prove --exec "$FAULT run --format tap" 's.yaml[r=true]'
t_match "... and sums it up" "$(cat out)" '^Files=1, Tests=1,'
t_match "... as a pass" "$(cat out)" '^Result: PASS'
t_exit 1 "prove sees failures" prove --exec "$FAULT run --format tap" s.yaml odd.yaml
t_match "... each of them" "$(cat out)" '^odd.yaml \(Wstat: 256.* Tests: 2 Failed: 2\)'
t_match "... and all tests" "$(cat out)" '^Files=2, Tests=5,'
t_no_match "... without complaints about the format" "$(cat out)" 'Parse errors|Unknown TAP|unrecognized'
cat >parse.pl <<'END'
use TAP::Parser;
my $p = TAP::Parser->new({exec => \@ARGV});
my %n;
while (my $r = $p->next) {
	$n{$r->type}++;
	print $r->as_string, "\n" if $r->is_unknown;
}
print "errors: ", join("; ", $p->parse_errors), "\n" if $p->parse_errors;
print "tests $n{test} yaml ", $n{yaml} // 0, " unknown ", $n{unknown} // 0, "\n";
END
t_is "TAP::Parser knows each line" \
	"$(perl parse.pl "$FAULT" run -j 2 --format tap s.yaml odd.yaml)" \
	"tests 5 yaml 4 unknown 0"
t_is "what knows no TAP beyond 13 is told that" \
	"$(TAP_VERSION=13 "$FAULT" run --format tap 's.yaml[r=true]' | head -1)" "TAP version 13"

# ---- a run that is cut short --------------------------------------------------
"$FAULT" run -j 1 -x --format tap 's.yaml[r=false]' 's.yaml[r=true]' >out 2>err
t_is "-x: 1" $? 1
t_match "... bails out" "$(cat out)" '^Bail out! at the first failure'
t_exit 1 "... which prove does not take for a pass" \
	prove --exec "$FAULT run -j 1 -x --format tap" s.yaml

"$FAULT" run -x --format tap 's.yaml[r=false]' >out 2>err
t_no_match "... but not behind the last one" "$(cat out)" '^Bail out'
bash -c 'ulimit -n 7 && exec "$FAULT" run -j 2 --format tap s.yaml' >out 2>err
t_is "one that no process is there for is a result" \
	"$(sed -n 's/^\(not ok [0-9]*\) - .*/\1/p' out | tr '\n' ' ')" "not ok 1 not ok 2 "
t_match "... with the reason" "$(cat out)" '^  message: "there is no process to run it in: Too many open files"$'

printf 'version: 1\nlimit: 1s\nprograms: {a: {run: "sleep 60"}}\n' >slow.yaml
"$FAULT" run --format tap slow.yaml >out 2>err
t_match "a warning goes to stderr" "$(cat err)" '^fault run: slow: slow.yaml has run for half of its limit of 1 s'
t_no_match "... and not into the TAP" "$(cat out)" 'slow:'
t_match "the verdict has its word" "$(cat out)" '^  verdict: "hang"$'
t_exit 2 "an unknown format: 2" "$FAULT" run --format tpa slow.yaml
t_match "... with a suggestion" "$(cat out)" 'did you mean `tap`'
t_done
