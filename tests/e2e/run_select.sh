#!/bin/sh
# Which scenarios `fault run` takes: files, folders, cases, ids, tags; what it
# refuses before anything is started.
. "$(dirname "$0")/../lib.sh"
cd "$T" || exit 1
mkdir -p suite/more
cat >suite/a.yaml <<'END'
version: 1
tags: [quick, one]
matrix: {n: [1, 2]}
programs: {a: {run: "echo ${n} ${who}"}}
vars: {who: me}
END
cat >suite/more/b.yaml <<'END'
version: 1
tags: [slow]
matrix: {r: ["true", "false"]}
programs: {a: {run: "${r}"}}
END
cp suite/a.yaml suite/_part.yaml
echo "not a scenario" >suite/readme.txt
cat >faults.yaml <<'END'
version: 1
faults: [{call: recv, inject: reset}]
END

list() { "$FAULT" run --list "$@" 2>&1; }
t_is "a folder: every *.yaml below, but _*.yaml" "$(list suite)" \
	"suite/a.yaml[n=1]
suite/a.yaml[n=2]
suite/more/b.yaml[r=true]
suite/more/b.yaml[r=false]"
t_is "one of a matrix" "$(list "suite/more/b.yaml[r=false]")" "suite/more/b.yaml[r=false]"
t_is "an id" "$(list 'suite/a.yaml[n=2]')" "suite/a.yaml[n=2]"
t_is "several" "$(list 'suite/a.yaml[n=2]' suite/more | wc -l)" 3
t_is "a tag" "$(list --tag slow suite | wc -l)" 2
t_is "a tag and not another" "$(list --tag 'quick,!one' suite)" \
	"fault run: nothing to run: no scenario is selected; --list and no --tag name what there is"
t_is "this tag or that" "$(list --tag quick --tag slow suite | wc -l)" 4
t_match "--dry-run shows the commands" \
	"$("$FAULT" run --dry-run --var who=you suite/a.yaml)" '^ +a: echo 2 you$'
t_exit 0 "--list starts nothing and succeeds" "$FAULT" run --list suite

t_exit 1 "a suite with a failure" "$FAULT" run suite
t_match "... is summed up" "$(tail -1 out)" \
	'^4 scenarios: 3 passed, 1 failed \([0-9.]+ s, seed 0\)$'
t_exit 1 "-x stops at it" "$FAULT" run -x "suite/more/b.yaml[r=false]" suite/a.yaml
t_match "... and says what did not run" "$(tail -1 out)" '1 failed, 2 not run'
t_exit 1 "--var and --seed" "$FAULT" run --seed 7 --var "who=it's you" \
	--out kept "suite/more/b.yaml[r=false]"
t_match "... are in the command that repeats it" "$(cat out)" \
	"repeat: fault run .suite/more/b.yaml.r=false.. --seed 7 --var 'who=it'.*''s you'"
t_ok "--out is where failures are kept" \
	test -f kept/suite_more_b.yaml_r=false_/report.txt
repeat=$("$FAULT" run 'suite/more/b.yaml[r=false]' | sed -n 's/.*repeat: fault //p')
t_exit 1 "the command repeats it" sh -c "\"\$FAULT\" $repeat"

t_exit 2 "no path: 2" "$FAULT" run
t_exit 2 "an unknown option: 2" "$FAULT" run --sede 3 suite
t_exit 2 "a missing file: 2" "$FAULT" run nothing.yaml
t_match "... and it says so" "$(cat out)" 'nothing.yaml: No such file'
t_exit 2 "faults without programs: 2" "$FAULT" run faults.yaml
t_match "... with what to do" "$(cat out)" 'fault exec -s faults.yaml'
t_exit 4 "an unknown case: 4" "$FAULT" run suite/a.yaml::nothing
t_exit 4 "no scenario has this tag: 4" "$FAULT" run --tag none suite
mkdir empty
t_exit 4 "an empty folder: 4" "$FAULT" run empty

printf 'version: 1\nprograms: {a: {run: "touch started"}, b: {rnu: x}}\n' >bad.yaml
t_exit 2 "an invalid file: 2" "$FAULT" run bad.yaml
t_match "... with place and suggestion" "$(cat out)" '^bad.yaml:2:.*`run`'
printf 'version: 1\nprograms: {a: {run: "touch started"}}\n' >good.yaml
t_exit 2 "one invalid file among good ones: 2" "$FAULT" run good.yaml bad.yaml
t_ok "... and nothing was started" test ! -e started
chmod 000 good.yaml
[ -r good.yaml ] || t_exit 2 "a file that cannot be read: 2" "$FAULT" run good.yaml
chmod 644 good.yaml

# ---- where nothing can be kept ------------------------------------------------
echo >file
t_exit 1 "a failure whose traces cannot be kept is still told" \
	"$FAULT" run --out file/out suite/more
t_match "... with what to do" "$(cat out)" 'cannot keep .*--out'
t_match "... and the result" "$(tail -1 out)" '1 passed, 1 failed'
t_exit 3 "no temporary directory: 3" env TMPDIR="$T/none" "$FAULT" run good.yaml
t_match "... and it says so" "$(cat out)" 'no temporary directory'
t_done
