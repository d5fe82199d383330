#!/bin/sh
# Each fuzz target meets its corpus once more, and every input that ever was too
# much for it (tests/fuzz), under the address sanitizer.
# run: parallel
. "$(dirname "$0")/../lib.sh"
cd "$top" || exit 1

for file in tests/fuzz/*.c; do
	grep -q '^int LLVMFuzzerTestOneInput' "$file" || continue
	target=$(basename "$file" .c)
	program=build/asan/tests/fuzz/$target
	name="$target survives its corpus"
	if [ -x "$program" ]; then
		t_ok "$name" "$program" "tests/fuzz/corpus/$target"
	else
		t_skip "$name" "not built: make MODE=asan fuzz-programs"
	fi
done
t_done
