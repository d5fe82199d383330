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
mkdir six
printf '%s\n' 'version: 1' 'matrix: {at: ["127.0.0.1", "::1"]}' \
	'programs: {a: {run: "true ${at}"}}' >six/c.yaml
t_is "an id whose value has a :: in it" "$(list 'six/c.yaml[at=::1]')" "six/c.yaml[at=::1]"
t_is "... and a glob that means it" "$(list 'six/*[at=*::1]')" "six/c.yaml[at=::1]"
t_is "several" "$(list 'suite/a.yaml[n=2]' suite/more | wc -l)" 3
t_is "a tag" "$(list --tag slow suite | wc -l)" 2
t_is "a tag and not another" "$(list --tag 'quick,!one' suite)" \
	"fault run: nothing to run: --tag selects none of the 4 scenarios"
t_is "this tag or that" "$(list --tag quick --tag slow suite | wc -l)" 4
t_match "--dry-run shows the commands" \
	"$("$FAULT" run --dry-run --var who=you suite/a.yaml)" '^ +a: echo 2 you$'
printf '%s\n' 'version: 1' 'programs:' '  a: {listen: "${port}"}' \
	'  b: {connect: "${port}"}' >six/d.yaml
t_is "... and names scripts" "$("$FAULT" run --dry-run six/d.yaml | tail -2)" \
	"    a: (listens)
    b: (connects)"

cat >words.yaml <<'END'
version: 1
programs:
  s: {listen: "${port}", steps: [{recv: eof}]}
  a: {run: [echo, "it's", "", "a b"]}
END
t_is "... each word as a shell takes it" "$("$FAULT" run --dry-run words.yaml)" "words.yaml
    s: (listens)
    a: echo 'it'\\''s' '' 'a b'"
printf 'version: 1\nfaults: [{call: recv, inject: reset}]\n' >alone.yaml
t_exit 2 "a file of faults alone has nothing to run" "$FAULT" run ./alone.yaml
t_match "... which is said" "$(cat out)" 'alone.yaml has faults but no programs; try `fault exec'

# ---- a result that nobody can be told
t_exit 3 "stdout is closed" sh -c '"$FAULT" run --list suite >&-'
t_match "... which is said" "$(cat out)" 'standard output: Bad file descriptor'
t_exit 3 "stdout is full" sh -c '"$FAULT" --help >/dev/full'
t_exit 3 "... at --version, too" sh -c '"$FAULT" --version >/dev/full'

# ---- globs and filters --------------------------------------------------------
t_is "a glob of files" "$(list 'suite/*.yaml')" \
	"suite/a.yaml[n=1]
suite/a.yaml[n=2]"
t_is "a star stays in its folder" "$(list 'suit*/b*')" \
	"fault run: nothing to run: no scenario matches suit*/b*"
t_is "two stars do not" "$(list 'suite/**/b*' | wc -l)" 2
t_is "... and may be no folder at all" "$(list 'suite/**/a*' | wc -l)" 2
t_is "a glob and one of a matrix" "$(list 'suite/**/*[n=2]')" 'suite/a.yaml[n=2]'
t_is "a question mark" "$(list 'suite/a.yaml[n=?]' | wc -l)" 2
t_is "a glob below here" "$(cd suite && list '*.yaml')" \
	"a.yaml[n=1]
a.yaml[n=2]"
t_is "what two paths mean runs once" "$(list suite/more suite 'suite/a.yaml[n=2]')" \
	"suite/more/b.yaml[r=true]
suite/more/b.yaml[r=false]
suite/a.yaml[n=1]
suite/a.yaml[n=2]"
t_is "--filter by id" "$(list --filter '*r=*' suite | wc -l)" 2
t_is "... several: any" "$(list --filter '*n=1*' --filter '*false*' suite)" \
	"suite/a.yaml[n=1]
suite/more/b.yaml[r=false]"
printf 'version: 1\nname: a client says so\nprograms: {a: {run: "true"}}\n' >named.yaml
t_is "... by name" "$(list --filter '*says*' named.yaml suite)" named.yaml
t_exit 4 "a glob that means nothing: 4" "$FAULT" run 'suite/x*'
mkdir mixed
printf 'version: 1\nprograms: {a: {run: "true"}}\n' >mixed/good.yaml
echo 'version: 2' >mixed/bad.yaml
t_exit 0 "what a glob does not mean is not read" "$FAULT" run 'mixed/g*'

# ---- order, and what failed last ----------------------------------------------
printf 'version: 1\nmatrix: {n: [1, 2, 3, 4, 5, 6, 7, 8]}\nprograms: {a: {run: "true"}}\n' >eight.yaml
list --shuffle 5 eight.yaml >one
t_is "--shuffle: all of them" "$(sort one)" "$(list eight.yaml)"
t_no_match "... in another order" "$(cmp one - 2>&1 <<END
$(list eight.yaml)
END
)" '^$'
t_is "... that the number says" "$(list --shuffle 5 eight.yaml)" "$(cat one)"
t_no_match "... and another number another" "$(list --shuffle 6 eight.yaml | cmp one -)" '^$'

t_exit 4 "--failed when nothing has failed: 4" "$FAULT" run --failed --out f suite
t_exit 1 "a suite with a failure" "$FAULT" run --out f suite
t_is "--failed: what failed last" "$(list --failed --out f suite)" 'suite/more/b.yaml[r=false]'
t_is "... of everywhere when no path is given" "$(list --failed --out f)" 'suite/more/b.yaml[r=false]'
t_is "--failed-first: that, then the rest" "$(list --failed-first --out f suite)" \
	"suite/more/b.yaml[r=false]
suite/a.yaml[n=1]
suite/a.yaml[n=2]
suite/more/b.yaml[r=true]"
t_exit 0 "another part passes" "$FAULT" run --out f suite/a.yaml
t_is "... which changes nothing" "$(cat f/.failed)" 'suite/more/b.yaml[r=false]'
sed -i 's/"false"/"false", .\/later/' suite/more/b.yaml
t_exit 1 "two fail" "$FAULT" run --out f suite
printf '#!/bin/sh\n' >later
chmod +x later
t_exit 1 "one is mended" "$FAULT" run --failed --out f
t_is "... and forgotten" "$(cat f/.failed)" 'suite/more/b.yaml[r=false]'
sed -i 's/, .\/later//' suite/more/b.yaml

# What failed and was deleted or renamed must not stand in the way for ever.
printf '%s\n' gone.yaml 'suite/a.yaml::old' >>f/.failed
t_exit 1 "--failed when a file and a case are gone: the rest" "$FAULT" run --failed --out f
t_match "... says so of the file" "$(cat out)" \
	'^fault run: gone.yaml failed last and is not there any more: forgotten$'
t_match "... of the case" "$(cat out)" '^fault run: suite/a.yaml::old failed last and is not'
t_is "... and forgets" "$(cat f/.failed)" 'suite/more/b.yaml[r=false]'
t_exit 2 "... but what is named has to be there" "$FAULT" run --failed --out f gone.yaml

# ---- one name for a file --------------------------------------------------------
t_is "this folder" "$(cd suite && list .)" "$(cd suite && list a.yaml more)"
t_is "a path with ./ before it" "$(list './suite/a.yaml[n=2]')" "suite/a.yaml[n=2]"
t_is "... is the same one" "$(list ./suite/a.yaml suite/a.yaml | wc -l)" 2
t_is "... a glob too" "$(list './suite/*.yaml')" "$(list 'suite/*.yaml')"

t_exit 0 "--list starts nothing and succeeds" "$FAULT" run --list suite

t_exit 1 "a suite with a failure" "$FAULT" run suite
t_match "... is summed up" "$(tail -1 out)" \
	'^4 scenarios: 3 passed, 1 failed \([0-9.]+ s, seed 0\)$'
t_exit 1 "-x stops at it" "$FAULT" run -j1 -x "suite/more/b.yaml[r=false]" suite/a.yaml
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
t_exit 2 "an unknown case: 2" "$FAULT" run suite/a.yaml::nothing
t_match "... and it says so" "$(cat out)" 'suite/a.yaml::nothing: there is no such case'
t_exit 2 "one of a matrix that is not there: 2" "$FAULT" run 'suite/a.yaml[n=3]'
t_match "... with a suggestion" "$(cat out)" 'did you mean `suite/a.yaml\[n=[12]\]`'
t_exit 2 "a case that no file of a folder has: 2" "$FAULT" run suite::nothing
t_exit 4 "no scenario has this tag: 4" "$FAULT" run --tag none suite
mkdir empty
t_exit 4 "an empty folder: 4" "$FAULT" run empty
t_match "... which is named" "$(cat out)" 'no \*\.yaml in or below empty, but for _\*'
t_exit 4 "a filter for none: 4" "$FAULT" run --filter none suite
t_match "... is not taken for an empty suite" "$(cat out)" '--filter selects none of the 4 scenarios'

printf 'version: 1\nprograms: {a: {run: "touch started"}, b: {rnu: x}}\n' >bad.yaml
t_exit 2 "an invalid file: 2" "$FAULT" run bad.yaml
t_match "... with place and suggestion" "$(cat out)" '^bad.yaml:2:.*`run`'
printf 'version: 1\nprograms: {a: {run: "touch started"}}\n' >good.yaml
t_exit 2 "one invalid file among good ones: 2" "$FAULT" run good.yaml bad.yaml
t_match "... as it says" "$(tail -1 out)" '^1 error: nothing was started$'
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
