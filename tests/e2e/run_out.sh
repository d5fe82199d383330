#!/bin/sh
# The directory of --out: one for each scenario, one `fault run` at a time, and a
# list of what failed that anybody may have written.
# run: waits
. "$(dirname "$0")/../lib.sh"
cd "$T" || exit 1
mkdir tmp a
export TMPDIR="$T/tmp"
unset FORCE_COLOR

# ---- one directory each -------------------------------------------------------
says() { # TEXT FILE
	printf 'version: 1\nprograms: {p: {run: "sh -c \\"echo %s; exit 1\\""}}\n' "$1" >"$2"
}
says one a/b.yaml
says two a_b.yaml
kept() { sed -n 's/^ *kept: //p' out; }
"$FAULT" run a/b.yaml >out 2>&1
t_is "a scenario's directory has its name" "$(kept)" fault-out/a_b.yaml
rm -r fault-out
"$FAULT" run -j 1 a/b.yaml a_b.yaml >out 2>&1
kept >dirs
t_is "two of one name have a directory each" "$(sort -u dirs | wc -l)" 2
t_is "... with what each of them wrote" \
	"$(while read -r dir; do cat "$dir/p.stdout"; done <dirs)" "one
two"
"$FAULT" run -j 1 a_b.yaml a/b.yaml >out 2>&1
t_is "... in whatever order they run" "$(kept | sort)" "$(sort dirs)"

rm -r fault-out

# ---- one at a time ------------------------------------------------------------
cat >long.yaml <<'END'
version: 1
limit: 60s
programs: {p: {run: "sh -c \"echo $$ >${pid}; exec sleep 60\""}}
END
echo 'version: 1
programs: {p: {run: "true"}}' >true.yaml
spawn long "$FAULT" run --var pid="$T/pid" long.yaml
run=$t_pid
t_ok "the long one runs" wait_for test -s pid
t_exit 3 "the directory of another run is not taken" "$FAULT" run true.yaml
t_match "... which is named" "$(cat out)" "^fault run: process $run runs scenarios with fault-out/, too: nothing was started"
t_ok "... but another directory" "$FAULT" run --out other true.yaml
t_exit 1 "... of which nothing is left" test -e other
t_ok "... and what runs nothing needs none" "$FAULT" run --list true.yaml
# Who ends what it has started lives on for a while, and has no part in it.
guardian=$(pgrep -P "$(pgrep -P "$run")")
# shellcheck disable=SC2086 # several
kill -STOP $guardian
kill -9 "$run"
wait "$run" 2>/dev/null
t_ok "kill -9 leaves no lock" "$FAULT" run true.yaml
# shellcheck disable=SC2086 # several
kill -CONT $guardian
t_ok "what it ran has ended" wait_for not running "$(cat pid)"
t_is "a directory that was there stays" "$(ls -d fault-out 2>/dev/null)" fault-out
rmdir fault-out
t_ok "a path whose folders are not there" "$FAULT" run --out x/y/z true.yaml
t_exit 1 "... leaves none of them" test -e x
mkdir x
t_ok "... in one that is" "$FAULT" run --out x/y/z/ true.yaml
t_is "... leaves that" "$(ls x 2>&1)" ""

# ---- what failed --------------------------------------------------------------
mkdir fault-out
perl -e 'print "s", $_ * 7919 % 300007, ".yaml\n" for 1 .. 300000' >fault-out/.failed
printf 'true.yaml\ntrue.yaml\n' >>fault-out/.failed
t_ok "300,000 that have failed, in any order" \
	timeout 20 "$FAULT" run --failed-first true.yaml
t_is "... are remembered but for the one that passes" \
	"$(wc -l <fault-out/.failed) $(grep -c '^true' fault-out/.failed)" "300000 0"
rm -r fault-out
mkdir -p fault-out/.failed
t_exit 2 "a folder of that name is no list" "$FAULT" run --failed true.yaml
t_match "... which is said" "$(cat out)" '/\.failed: Is a directory'

rmdir fault-out/.failed
mkfifo fault-out/.failed
t_ok "nobody waits for a FIFO of that name" timeout 20 "$FAULT" run --failed-first true.yaml

# ---- the ids of a run ---------------------------------------------------------
cat >ids.pl <<'END'
# A segment of ours that is no plan; then the program, told all kinds of ids.
my $id = shmget(0, 4096, 01666) // die;
my $failed = 0;
for my $ids ("", ":", "$id", "$id:", ":$id", "$id:$id ", " $id:$id", "+$id:$id",
	"-$id:$id", 2 ** 32 + $id . ":" . (2 ** 32 + $id), "$id:" . "9" x 40,
	"x" x 100000, "$id;$id", "\xff:\xff") {
	local $ENV{FAULT_SHM} = $ids;
	local $ENV{LD_PRELOAD} = $ENV{LIBFAULT};
	my $status = system { "/bin/true" } "true";
	next if !$status;
	$failed++;
	print "FAULT_SHM=$ids: $status\n";
}
shmctl($id, 0, 0);
# And used alone, with seeds that are none.
for my $seed ("", " 1", "+1", " -1", "0x1", "1 ", "9" x 40) {
	local $ENV{FAULT_SEED} = $seed;
	local $ENV{FAULT_INJECT} = "recv:reset";
	local $ENV{LD_PRELOAD} = $ENV{LIBFAULT};
	my $status = system "/bin/true 2>/dev/null";
	next if $status;
	$failed++;
	print "FAULT_SEED=$seed: $status\n";
}
exit $failed;
END
t_ok "seeds that are none are refused, ids that are none not from \`fault\`" perl ids.pl
t_done
