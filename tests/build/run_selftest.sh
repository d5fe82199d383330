#!/bin/sh
# tests/run itself: whatever a test program does wrong must turn the run red.
# run: parallel
. "$(dirname "$0")/../lib.sh"

# program NAME: a test program, its body on standard input.
program() {
	{
		echo '#!/bin/sh'
		cat
	} >"$T/$1"
	chmod +x "$T/$1"
}

limit=20

# red SENTENCE WORDS PROGRAM…: the run fails, says WORDS, and its last line
# counts a failure.
red() {
	sentence=$1 words=$2
	shift 2
	t_exit 1 "$sentence" "$top/tests/run" -t "$limit" "$@"
	out=$(cat "$T/out")
	t_match "  and says why" "$out" "$words"
	t_match "  and counts it" "$(tail -n 1 "$T/out")" \
		'^[0-9]+ passed, [1-9][0-9]* failed(, [0-9]+ skipped)?$'
}

program good <<'END'
echo 'ok 1 - it works'
echo 'ok 2 - it does not work here # SKIP no such thing'
echo 1..2
END
program cmocka <<'END'
echo 1..2
echo 'ok 1 - one'
echo 'not ok 2 # SKIP two'
END
program fails <<'END'
printf 'ok 1 - a\nnot ok 2 - water is dry\n# it was wet\n1..2\n'
exit 1
END
program crashes <<'END'
printf '1..1\nok 1 - a\n'
kill -SEGV $$
END
program exits <<'END'
printf '1..1\nok 1 - a\n'
exit 3
END
program short <<'END'
printf '1..3\nok 1 - a\n'
END
program long <<'END'
printf '1..1\nok 1 - a\nok 2 - b\n'
END
program planless <<'END'
echo 'ok 1 - a'
END
program silent <<'END'
END
program hangs <<'END'
trap '' TERM
echo 'ok 1 - a'
while :; do sleep 0.2; done
END
program leaves <<'END'
printf '1..1\nok 1 - a\n'
sleep 60 >/dev/null 2>&1 &
END
program holds <<'END'
printf '1..1\nok 1 - a\n'
sleep 60 &
END

t_exit 0 "good programs pass" "$top/tests/run" "$T/good" "$T/cmocka"
t_is "  and are summed up in the last line" "$(tail -n 1 "$T/out")" \
	"2 passed, 0 failed, 2 skipped"
t_match "  and the skipped ones are named, with the reason" "$(cat "$T/out")" \
	'good: it does not work here: no such thing$'
t_match "  those of cmocka too" "$(cat "$T/out")" 'cmocka: two$'

red "a failed test is a failure" 'failed: water is dry' "$T/good" "$T/fails"
t_match "  and its output is shown" "$out" '^# it was wet'
red "a crash is a failure" 'killed by SIGSEGV' "$T/good" "$T/crashes"
red "a failing exit status is a failure" 'exit status 3' "$T/exits"
red "fewer tests than planned is a failure" 'planned 3 tests, ran 1' "$T/short"
red "more tests than planned is a failure" 'planned 1 tests, ran 2' "$T/long"
red "no plan is a failure" 'no plan, 1 tests' "$T/planless"
red "no output is a failure" 'no plan, 0 tests' "$T/silent"
limit=1
red "a hanging program is a failure" 'still running after 1 s' "$T/hangs"
limit=20
red "a process left behind is a failure" 'left behind: sleep' "$T/leaves"
red "also one that holds the output open" 'left behind: sleep' "$T/holds"
t_exit 1 "no tests at all is a failure" "$top/tests/run"
program skips <<'END'
echo '1..0 # SKIP no network'
END
t_exit 0 "a program may skip all of it" "$top/tests/run" "$T/skips"
t_is "  which is counted" "$(tail -n 1 "$T/out")" "0 passed, 0 failed, 1 skipped"

# The one waits for the other, which is not begun before it ends if they take turns.
mkfifo "$T/meet"
program meets <<END
# run: waits
# run: each a b c
case \$1 in
a) read -r word <"$T/meet" ;;
b) echo word >"$T/meet" ;;
c) echo 'not ok 1 - c'; echo 1..1; exit 1 ;;
esac
echo "ok 1 - \$1"
echo 1..1
END
t_exit 1 "who waits and has parts is run with each, at the same time" \
	"$top/tests/run" -t 20 "$T/meets"
t_is "  and each is counted" "$(tail -n 1 "$T/out")" "2 passed, 1 failed"
t_match "  and named" "$(cat "$T/out")" "again: .*/meets c$"
t_done
