#!/bin/sh
# The conditions of a rule hold exactly when they should: seen, turn, after a
# rule, for.  Each is computed anew from the trace of a run.
# run: parallel
. "$(dirname "$0")/../lib.sh"
[ -e "$LIBFAULT" ] || t_skip_all "no libfault.so yet"
[ -x "$BUILD/reference/client" ] || t_skip_all "no reference programs"
cd "$top" || exit 1

# traced NAME SERVER-OPTIONS CLIENT-OPTIONS RULE…: its trace is $T/NAME.trace.
# A trace is kept of what failed: the client is expected to end as it never
# does.
traced() {
	name=$1
	cat >"$T/$name.yaml" <<END
version: 1
name: $name
programs:
  server: {run: "'$BUILD/reference/server' --port \${port} $2", ready: listening}
  client: {run: "'$BUILD/reference/client' --connect \${host}:\${port} $3"}
expect: {client: {exit: 3}}
faults:
END
	shift 3
	for rule; do echo "  - {$rule}" >>"$T/$name.yaml"; done
	"$FAULT" run --out "$T/out" "$T/$name.yaml" >"$T/$name.log" 2>&1
	"$FAULT" trace "$T"/out/*"_$name.yaml/trace" >"$T/$name.trace" 2>&1
}

# holds NAME SENTENCE: the function of this name in check.py agrees.
holds() {
	if python3 "$T/check.py" "$1" "$T/$1.trace" >"$T/said" 2>&1; then
		t_pass "$2"
	else
		cat "$T/$1.log" >>"$T/said"
		t_fail "$2" "$T/said"
	fi
}

cat >"$T/check.py" <<'END'
import re, sys

LINE = re.compile(r" *(\d+\.\d+) (\w+)\[.*?\] (?:\.\.\. )?(\w+)\(.*?\) ="
                  r" (-?\d+).*conn (\d+) \w+")


class Call:
    def __init__(self, match, line):
        self.time = float(match[1])
        self.program, self.name = match[2], match[3]
        self.result, self.conn = int(match[4]), int(match[5])
        rule = re.search(r"<- rule (\S+)", line)
        self.rule = rule[1] if rule else ""


def calls(path, program, names=("send", "recv")):
    found = []
    for line in open(path):
        match = LINE.match(line)
        if match and match[2] == program and match[3] in names:
            found.append(Call(match, line))
    return found


def same(got, wanted):
    assert any(wanted), "nothing should be hit: the test is wrong"
    for i, (g, w) in enumerate(zip(got, wanted)):
        assert bool(g.rule) == bool(w), f"transfer {i + 1}: {vars(g)}"


def seen(path):
    received, wanted = {}, []
    got = [c for c in calls(path, "client") if c.name == "recv"]
    for c in got:
        before = received.get(c.conn, 0)
        wanted.append(before >= 65536 and wanted.count(True) < 20)
        received[c.conn] = before + c.result
    same(got, wanted)
    assert wanted.count(True) == 20


def turn(path):
    got, wanted, last, turns = calls(path, "client"), [], {}, {}
    for c in got:
        first = last.get(c.conn) != c.name
        key = c.conn, c.name
        turns[key] = turns.get(key, 0) + first
        wanted.append(c.name == "recv" and first and turns[key] in (2, 3))
        last[c.conn] = c.name
    same(got, wanted)
    assert wanted.count(True) == 4


def after(path):
    got = [c for c in calls(path, "client") if c.name == "recv"]
    first = [i for i, c in enumerate(got) if "connection=2" in c.rule]
    assert len(first) == 1 and got[first[0]].conn == 2, first
    behind = range(first[0] + 1, first[0] + 5)
    same(got, [i == first[0] or i in behind for i in range(len(got))])
    assert all("after=early" in got[i].rule for i in behind)


def window(path):
    got = [c for c in calls(path, "client") if c.name == "recv"]
    hits = [c for c in got if c.rule]
    n = len(hits)
    same(got, [i < n for i in range(len(got))])
    assert n + 1 < len(got), "it never ended"
    # Each decision is between the calls before and behind it, however long the
    # machine kept this one waiting. A millisecond is for what is rounded.
    before = calls(path, "client", ["getpeername"])[0]
    assert hits[0].time >= before.time
    assert n < 3 or hits[-2].time - hits[1].time < 0.101, "too long"
    assert got[n + 1].time - before.time > 0.099, "too short"


globals()[sys.argv[1]](sys.argv[2])
END

traced seen "--source 256KiB" "--source 256KiB --connections 2" \
	"in: client, call: recv, seen: 64KiB, times: 20, inject: {short: 1B}"
holds seen "seen: from the first receive after 64 KiB on, and only there"

traced turn "" "--echo 80KiB --connections 2" \
	"in: client, call: recv, turn: 2..3, inject: {short: 7B}"
holds turn "turn: the first receive after the direction has changed"

traced after "--source 64KiB" "--source 64KiB --connections 3" \
	"name: early, in: client, call: recv, connection: 2, bytes: 20KiB, inject: {short: 3B}" \
	"in: client, call: recv, after: early, times: 4, inject: {short: 5B}"
holds after "after: the other rule's first hit comes before all of this one's"

traced window "--source 1MiB" "--source 1MiB" \
	"name: slow, in: client, call: recv, for: 100ms, inject: {short: 1B}"
holds window "for: from the first hit on, for so long"
t_done
