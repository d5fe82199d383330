#!/bin/sh
# Lines are taken out of the library; tests must notice. Three of them: all are
# `make mutants`.
# run: limit 300
set -u
cd "$(dirname "$0")/../.." || exit 1
if [ ! -e "${BUILD:-build/release}/libfault.so" ]; then
	echo "1..0 # SKIP no libfault.so yet"
	exit 0
fi
exec tests/mutants/run --slice
