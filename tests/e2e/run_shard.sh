#!/bin/sh
# `fault run --shard`, and the variables of Bazel, GoogleTest and GitLab.
. "$(dirname "$0")/../lib.sh"
cd "$top" || exit 1
unset TEST_SHARD_INDEX TEST_TOTAL_SHARDS TEST_SHARD_STATUS_FILE
unset GTEST_SHARD_INDEX GTEST_TOTAL_SHARDS GTEST_SHARD_STATUS_FILE
unset CI_NODE_INDEX CI_NODE_TOTAL

list() { "$FAULT" run --list "$@" 2>/dev/null; }
list scenarios >"$T/all"
for k in 1 2 3; do list --shard $k/3 scenarios >"$T/part$k"; done
t_is "three thirds of scenarios/ are the whole" \
	"$(cat "$T"/part? | sort)" "$(sort "$T/all")"
t_is "... and no one is in two of them" "$(cat "$T"/part? | sort | uniq -d)" ""
for k in 1 2 3; do
	n=$(wc -l <"$T/part$k") all=$(wc -l <"$T/all")
	t_ok "part $k of 3 is no more than half and no less than a sixth" \
		test $((n * 2)) -le "$all" -a $((n * 6)) -ge "$all"
done
t_is "a part is in the order of the files" "$(cat "$T/part2")" \
	"$(grep -Fxf "$T/part2" "$T/all")"
t_is "a part of a folder is that folder's share of the part" \
	"$(list --shard 2/3 scenarios/transfer)" "$(grep ^scenarios/transfer "$T/part2")"
t_is "1/1 is everything" "$(list --shard 1/1 scenarios)" "$(cat "$T/all")"

cd "$T" || exit 1
printf 'version: 1\nmatrix: {n: [%s]}\nprograms: {a: {run: "true"}}\n' "$(seq -s , 1 40)" >m.yaml
part() { env "$@" "$FAULT" run --list m.yaml 2>&1; }
want=$(list --shard 2/4 m.yaml)
t_ok "a part has something" test -n "$want"
t_is "... what it had in versions before" "$(echo "$want" | head -3 | tr '\n' ' ')" \
	"m.yaml[n=4] m.yaml[n=12] m.yaml[n=26] "
t_is "Bazel counts from 0" "$(part TEST_SHARD_INDEX=1 TEST_TOTAL_SHARDS=4)" "$want"
t_is "so does GoogleTest" "$(part GTEST_SHARD_INDEX=1 GTEST_TOTAL_SHARDS=4)" "$want"
t_is "GitLab from 1" "$(part CI_NODE_INDEX=2 CI_NODE_TOTAL=4)" "$want"
t_is "a GitLab job that is not parallel is whole" "$(part CI_NODE_TOTAL=1)" "$(list m.yaml)"
t_is "Bazel comes before GitLab" \
	"$(part TEST_SHARD_INDEX=1 TEST_TOTAL_SHARDS=4 CI_NODE_INDEX=4 CI_NODE_TOTAL=4)" "$want"
t_is "the option comes before all" \
	"$(TEST_SHARD_INDEX=3 TEST_TOTAL_SHARDS=4 list --shard 2/4 m.yaml)" "$want"
t_exit 0 "a part runs" env TEST_SHARD_STATUS_FILE="$T/status" TEST_SHARD_INDEX=1 \
	TEST_TOTAL_SHARDS=4 "$FAULT" run m.yaml
t_match "... and says which it was" "$(tail -1 out)" 'seed 0, shard 2/4\)$'
t_ok "... and touches Bazel's file" test -e status
for wrong in 0/3 4/3 1/0 1 a/b -1/3 1/3/5; do
	t_exit 2 "--shard $wrong: 2" "$FAULT" run --shard "$wrong" m.yaml
done
t_exit 2 "an index beyond the total in the environment: 2" \
	env TEST_SHARD_INDEX=4 TEST_TOTAL_SHARDS=4 "$FAULT" run m.yaml
t_match "... with the variable" "$(cat out)" 'TEST_SHARD_INDEX=4'
printf 'version: 1\nprograms: {a: {run: "true"}}\n' >one.yaml
for k in 1 2 3; do "$FAULT" run -q --shard $k/3 one.yaml >/dev/null 2>&1; echo $?; done >codes
t_is "a part with nothing in it: 4" "$(sort codes | tr '\n' ' ')" "0 4 4 "
t_done
