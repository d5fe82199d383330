#!/bin/sh
# Scenarios with a rate in every style, since each waits for the line in its own
# way: each call counts once, and a reset in the middle of a slow send is told.
# run: waits
. "$(dirname "$0")/../lib.sh"
[ -x "$FAULT" ] || t_skip_all "no fault yet"
cd "$top" || exit 1
[ -x reference/server ] || t_skip_all "no reference programs"

while read -r file sentence; do
	t_ok "$sentence" "$FAULT" run --out "$T/kept" \
		--filter '*at=127.0.0.1*' "scenarios/$file.yaml"
	t_match "... in all seven styles" "$(tail -n 1 "$T/out")" \
		'^7 scenarios: 7 passed'
done <<END
transfer/server-slow-line each call on a slow line is a hit
whole-life/server-too-old a reset in the middle of a slow send is no EPIPE
END
t_done
