#!/bin/sh
# What a scenario finds when it starts, and what clears up behind it: needs,
# files, setup, teardown; values, environment, stdin and folders of programs.
# run: limit 120
. "$(dirname "$0")/../lib.sh"
cd "$T" || exit 1
mkdir tmp
export TMPDIR="$T/tmp"
umask 077

# run STATUS SENTENCE [OPTION…] <SCENARIO: `fault run` of it ends so.
run() {
	cat >s.yaml
	status=$1 sentence=$2
	shift 2
	rm -f seen
	t_exit "$status" "$sentence" "$FAULT" run s.yaml "$@"
}

seen() {
	t_is "$1" "$(cat seen 2>/dev/null)" "$2"
}

# ---- needs ------------------------------------------------------------------

echo true >tool
run 4 "a command that is not there skips the scenario" <<'END'
version: 1
needs: [sh, no-such-command, nor-this]
files: {a: b}
setup: ["sh -c 'echo setup >>seen'"]
teardown: ["sh -c 'echo teardown >>seen'"]
programs: {a: {run: "sh -c 'echo program >>seen'"}}
END
t_match "... and says which" "$(cat out)" '^skip .*s\.yaml  \(needs no-such-command, which is not in PATH\)$'
seen "... before anything starts" ""
run 4 "a path may be needed too" <<'END'
version: 1
needs: [./tool]
programs: {a: {run: "true"}}
END
t_match "... and must be executable" "$(cat out)" 'needs ./tool, which is no executable file'
chmod 700 tool
t_ok "... then it is there" "$FAULT" run s.yaml
mkdir folder && mkdir folder/sh-folder
PATH=$T/folder:$PATH run 4 "a folder is no command" <<'END'
version: 1
needs: [sh-folder]
programs: {a: {run: "true"}}
END

# ---- files ------------------------------------------------------------------

run 0 "files are there before setup, for everybody to read" <<'END'
version: 1
files: {"a.conf": "port ${port.a}\n", "d/e/f": "", "${tmp}/g": "x: $${tmp} $HOME"}
setup:
- [sh, -c, "cd ${tmp} && stat -c '%a %n' . d d/e a.conf d/e/f && cat a.conf g >&2", ]
- [sh, -c, "cd ${tmp} && { stat -c '%a %n' . d d/e a.conf d/e/f; cat g; } >../../../seen"]
programs: {a: {run: "grep -qx 'port ${port.a}' ${tmp}/a.conf"}}
END
seen "... with their texts" '755 .
755 d
755 d/e
644 a.conf
644 d/e/f
x: ${tmp} $HOME'
t_is "... and gone behind it" "$(ls tmp)" ""
run 3 "a file that cannot be written is the environment's fault" <<END
version: 1
files: {"a/$(printf '%0300d' 1)": x}
programs: {a: {run: "true"}}
END
t_match "... and is named" "$(cat out)" 's\.yaml:2:9: files: cannot write .*File name too long'

# ---- setup ------------------------------------------------------------------

run 0 "setup in its order, the programs, teardown in its order" <<'END'
version: 1
setup: ["sh -c 'echo 1 >>seen'", "sh -c 'sleep 0.1; echo 2 >>seen'"]
teardown: ["sh -c 'echo 4 >>seen'", "sh -c 'echo 5 >>seen'"]
programs: {a: {run: "sh -c 'echo 3 >>seen'"}}
END
seen "... one after another" "$(seq 5)"
run 1 "setup that fails fails the scenario" <<'END'
version: 1
setup: ["sh -c 'echo 1 >>seen; echo to stdout; echo to stderr >&2; exit 3'", "sh -c 'echo 2 >>seen'"]
teardown: ["sh -c 'echo 3 >>seen'"]
programs: {a: {run: "sh -c 'echo program >>seen'"}}
END
t_match "... is named with its place and end" "$(cat out)" 's\.yaml:2:9: setup `sh -c .*`: exit status 3, expected 0'
t_match "... with its output" "$(cat out)" '^ +\| to stderr'
seen "... nothing is started, and teardown runs" "$(printf '1\n3')"
t_ok "... what it left is kept" grep -q 'to stdout' fault-out/s.yaml/report.txt
run 1 "a signal that kills setup" <<'END'
version: 1
setup: ["sh -c 'kill -SEGV $$'"]
programs: {a: {run: "true"}}
END
t_match "... is named" "$(cat out)" 'setup .*killed by SIGSEGV'
run 3 "a command of setup that is not there" <<'END'
version: 1
setup: [no-such-command]
programs: {a: {run: "true"}}
END
t_match "... is named" "$(cat out)" 'setup `no-such-command`: No such file or directory'
run 4 "77 from setup skips" <<'END'
version: 1
setup: ["sh -c 'echo one; echo no IPv6 here; exit 77'"]
teardown: ["sh -c 'echo teardown >>seen'"]
programs: {a: {run: "sh -c 'echo program >>seen'"}}
END
t_match "... with its last line for a reason" "$(cat out)" '^skip .*\(no IPv6 here\)'
seen "... and teardown runs" teardown
run 1 "77 from a program is no skip" <<'END'
version: 1
programs: {a: {run: "sh -c 'exit 77'"}}
END
run 1 "... nor from teardown" <<'END'
version: 1
teardown: ["sh -c 'exit 77'"]
programs: {a: {run: "true"}}
END
run 3 "99 from setup is a hard error" <<'END'
version: 1
setup: ["sh -c 'echo no disk; exit 99'"]
programs: {a: {run: "sh -c 'echo program >>seen'"}}
END
t_match "... with its output" "$(cat out)" '\| no disk'
run 1 "setup counts into the limit" <<'END'
version: 1
limit: 300ms
setup: ["sh -c 'echo begun; sleep 1000'"]
teardown: ["sh -c 'echo teardown >>seen'"]
programs: {a: {run: "true"}}
END
t_match "... as a hang" "$(cat out)" 'setup `.*`: hang: the limit of 0.3 s passed'
seen "... and teardown runs" teardown
run 1 "... what is left of it is the programs'" <<'END'
version: 1
limit: 3s
setup: ["sleep 1.2"]
programs: {a: {run: "sleep 2.7"}}
END
t_match "... which are told the whole" "$(cat out)" 'hang: the limit of 3 s passed: a still runs'

# ---- what setup leaves ------------------------------------------------------

run 0 "a daemon of setup lives until teardown, and not beyond" <<'END'
version: 1
setup: ["sh -c 'sleep 1000 & echo $! >>seen; echo running'"]
teardown: ["sh -c 'kill -0 $(cat seen)'"]
programs: {a: {run: "sh -c 'kill -0 $(cat seen)'"}}
END
t_ok "... it is gone" not running "$(cat seen)"

# ---- teardown ---------------------------------------------------------------

run 1 "teardown that fails fails the scenario, and the rest of it runs" <<'END'
version: 1
teardown: ["sh -c 'echo left over; exit 1'", "sh -c 'echo 2 >>seen'"]
programs: {a: {run: "true"}}
END
t_match "... is named with its output" "$(cat out)" 'teardown `.*`: exit status 1, expected 0'
t_match "... in full" "$(cat out)" '\| left over'
seen "... the second ran" 2
run 1 "teardown runs behind a program that fails, whose fault comes last" <<'END'
version: 1
teardown: ["sh -c 'echo teardown >>seen; exit 1'"]
programs: {a: {run: "sh -c 'exit 5'"}}
END
seen "... it ran" teardown
t_match "... it is told first" "$(grep -A1 ': teardown' out | tail -1)" 'a: exit status 5, expected 0'
run 1 "teardown runs behind the limit" <<'END'
version: 1
limit: 2s
teardown: ["sh -c 'echo teardown >>seen'"]
programs: {a: {run: "sleep 1000"}}
END
seen "... it ran" teardown

# ---- their environment ------------------------------------------------------

OUTSIDE="a b" run 0 "commands have the environment of fault, without the library" <<'END'
version: 1
setup: ["sh -c 'env >setup.env; pwd >>seen; test \"$OUTSIDE\" = \"a b\"'"]
teardown: ["sh -c 'env >teardown.env; cat >>seen; test -t 0 || echo no terminal >>seen'"]
programs: {a: {run: "true", env: {OUTSIDE: program}}}
END
t_no_match "... neither in setup" "$(cat setup.env)" '^(FAULT_|LD_PRELOAD)'
t_no_match "... nor in teardown" "$(cat teardown.env)" '^(FAULT_|LD_PRELOAD)'
seen "... where fault was started, with nothing on stdin" "$T
no terminal"

# ---- ended from outside -----------------------------------------------------

cat >endless.yaml <<'END'
version: 1
setup: ["sh -c 'sleep 1000 & echo $! >daemon; echo setup >>seen; exec ${setup}'"]
teardown: ["sh -c 'echo teardown >>seen; exec ${teardown}'", "sh -c 'echo last >>seen'"]
programs: {a: {run: "sh -c 'echo program >>seen; exec sleep 1000'"}}
END

cat >in_group <<'END'
setpgrp(0, 0);
$SIG{INT} = 'DEFAULT';
exec @ARGV or die;
END
# start NAME SETUP TEARDOWN: in a group of its own, until it has said NAME.
start() {
	rm -f seen
	spawn log perl in_group "$FAULT" run endless.yaml --var "setup=$2" --var "teardown=$3"
	wait_for grep -qs "$1" seen
	fault=$t_pid
}
# gone SENTENCE: the daemon and all directories.
gone() {
	wait_for not running "$(cat daemon)" || t_fail "$1: the daemon"
	wait_for sh -c '[ -z "$(ls tmp)" ]' || t_fail "$1: its directory"
	t_is "$1" "$(ls tmp)" ""
}

for at in setup program; do
	[ $at = setup ] && setup="sleep 1000" || setup=true
	start $at "$setup" true
	kill -INT -$fault
	wait $fault
	t_is "SIGINT in $at ends it" $? 130
	t_is "... teardown runs" "$(tail -2 seen)" "teardown
last"
	gone "... nothing is left"
	start $at "$setup" true
	kill -KILL $fault
	wait $fault 2>/dev/null
	gone "kill -9 in $at leaves nothing"
done
start program true "sleep 1000"
kill -TERM -$fault
wait_for grep -qs teardown seen
kill -TERM -$fault
wait $fault
t_is "a second signal ends teardown" $? 143
t_is "... at once" "$(tail -1 seen)" teardown
gone "... and nothing is left"
printf 'version: 1\nprograms: {a: {run: "true"}}\nteardown: ["sh -c %secho teardown >>seen; exec sleep 1000%s"]\n' \
	"'" "'" >torn.yaml
rm -f seen
spawn torn perl in_group "$FAULT" run torn.yaml
wait_for grep -qs teardown seen
kill -INT $t_pid
wait $t_pid
t_is "a signal in the teardown of what passed" $? 130
t_no_match "... it has not" "$(cat torn.log)" '^ok'
t_match "... is not counted" "$(tail -1 torn.log)" '^0 scenarios: 0 passed, 1 not run'
start teardown false "sleep 1000"
kill -KILL $fault
wait $fault 2>/dev/null
gone "kill -9 in teardown leaves nothing"

cat >input.yaml <<'END'
version: 1
files: {requests: hello}
programs: {a: {run: cat, stdin: requests}}
END
t_exit 3 "a file of files is not where fault was started" "$FAULT" run input.yaml
t_match "... which is said" "$(cat out)" \
	'a: stdin requests: No such file or directory; those of `files` are at \$\{tmp\}/NAME$'
mkfifo requests
t_exit 0 "a FIFO without a writer is nothing to wait for" timeout 30 "$FAULT" run input.yaml
t_done
