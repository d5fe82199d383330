#!/bin/sh
# The suites with stock programs in tests/programs/suites: each passes, fails when
# its rules are removed, and finds programs that are wrong. Where a program was
# not fetched it is skipped by name.
# run: waits limit 300
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../programs/env.sh"
. "$(dirname "$0")/../bare.sh"

suites=tests/programs/suites
stock_commands "$T/commands"
PATH=$T/commands:$PATH

# run_all FOLDER [OPTION…]: all of it; its TAP is in $T/tap.
run_all() {
	"$FAULT" run --format=tap --out "$T/kept" "$@" >"$T/tap" 2>"$T/err"
	sed 's/^/# /' "$T/err"
	grep '^# [0-9]* scenario' "$T/tap"
}

# results: lines "ok|ID", "failed|ID", "skipped|ID|REASON" and, of what could
# not be judged, "error|ID", from $T/tap.
results() {
	awk '
		BEGIN { OFS = "|" }
		/^(not )?ok / {
			id = $0
			sub(/^(not )?ok [0-9]+ - /, "", id)
			reason = id
			sub(/ # SKIP.*/, "", id)
			if (sub(/.* # SKIP /, "", reason)) print "skipped", id, reason
			else if (/^ok/) print "ok", id
		}
		/^  severity:/ { print /"fail"/ ? "failed" : "error", id }
	' "$T/tap"
}

# block ID: what the TAP says of it.
block() {
	awk -v id="$1" '
		/^(not )?ok / { shown = index($0, " - " id) }
		shown && /^ / { print }' "$T/tap"
}

# judge WANTED SENTENCE: each of the results is that.
judge() {
	while IFS='|' read -r result id reason; do
		case $result in
		"$1") t_pass "$id $2" ;;
		skipped) t_skip "$id $2" "$reason" ;;
		*)
			block "$id" >"$T/block"
			t_fail "$id $2" "$T/block"
			;;
		esac
	done <"$T/results"
}

cd "$top" || exit 1
t_ok "all are valid" "$FAULT" check $suites/[!_]*.yaml
run_all $suites
results >"$T/results"
judge ok "passes"

# In a copy, since they name the programs beside them.
cp -R tests/programs "$T/programs"
for file in "$suites"/*.yaml; do
	without_rules "$file" "$T/programs/suites/${file##*/}"
done
run_all "$T/programs/suites" -j1 # what fails beside others is run again
results | sed "s|$T/|tests/|" >"$T/results"
sed -i "s|$T/programs|tests/programs|" "$T/tap"
judge failed "fails without its rules"

listed=$("$FAULT" run --list $suites 2>"$T/err" | wc -l)
t_is "each has its two results" $((t_n - 1)) $((listed * 2))

# Wrong programs, or wrong ways to use good ones: what is wrong, the scenario that
# finds it, what it says, the file of tests/programs, how to make it wrong.
while IFS='|' read -r sentence id report file edit; do
	rm -rf "$T/programs"
	cp -R tests/programs "$T/programs"
	sed -i "$edit" "$T/programs/$file"
	if cmp -s "tests/programs/$file" "$T/programs/$file"; then
		t_fail "$sentence: $edit changes nothing in $file"
		continue
	fi
	"$FAULT" run --out "$T/kept" "$T/programs/suites/$id" >"$T/log" 2>&1
	case $? in
	1) t_match "$sentence is found" "$(cat "$T/log")" "yaml:[0-9:]+: $report" ;;
	4) t_skip "$sentence is found" "a program is not in PATH" ;;
	*) t_fail "$sentence is found" "$T/log" ;;
	esac
done <<'END'
wget that does not try again|download-resumed.yaml[end=eof]|.*got: has 102[0-9]* bytes, expected|suites/download-resumed.yaml|s/-t 3/-t 1/
a worker that does a job twice|redis-outage.yaml|count: stdout has no|jobs.py|/lost redis/,$ s/number = queue.last() + 1/pass/
a pool that does not notice|pool-stale-connection.yaml[end=eof]|client: exit status 1, expected 0|pool.py|s/^    except .*/    except ZeroDivisionError as error:/; /^            BrokenPipe/d
a pool that renews everything|pool-stale-connection.yaml[end=reset]|connect in client: 6 calls that succeeded, expected 4|pool.py|s/^signal.sigwait.*/&\nfor c in pool: c.close()/
nginx that stops at once|stopped-under-load.yaml::nginx|clients .*: stdout has no `100000 bytes`|suites/stopped-under-load.yaml|s/signal: QUIT/signal: TERM/
a server that does not wait for its answers|stopped-under-load.yaml::python|clients .*: stdout has no `100000 bytes`|graceful.py|s/^server.server_close.*/import os; server.socket.close(); os._exit(0)/
nginx that asks no other|proxy-failing-upstream.yaml::refuses[proxy=nginx]|.*got: there is no such file|suites/proxy-failing-upstream.yaml|s/500ms;/& proxy_next_upstream off;/
a client that gives up early|retries-three-times.yaml|connect in client: 2 calls|retry.py|s/range(1, 5)/range(1, 3)/
a client whose pause does not grow|retries-three-times.yaml|order: call 3 of 4|retry.py|/pause \*= 2/d
haproxy that asks no other|proxy-failing-upstream.yaml::dies-in-head[proxy=haproxy]|.*got: there is no such file|suites/proxy-failing-upstream.yaml|s/empty-response//
END

for file in "$suites"/[!_]*.yaml; do
	sentences=$(sed -n 's/^about: //p' "$file" | grep -o '[.?!]\( \|$\)' | wc -l)
	t_is "$file says in two sentences what it is about" "$sentences" 2
done
t_done
