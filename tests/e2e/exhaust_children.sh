#!/bin/sh
# What a process without descriptors executes by posix_spawn and system has the
# limit that its parent had, and descriptors.
# run: parallel
. "$(dirname "$0")/../lib.sh"
[ -e "$LIBFAULT" ] && [ -x "$FAULT" ] || t_skip_all "not built"
probe=$BUILD/tests/probes/exhaust_children
[ -x "$probe" ] || make -s -C "$top" "${probe#"$top"/}" ||
	t_skip_all "no probes"

cat >"$T/rule.yaml" <<'END'
version: 1
faults: [{name: out, call: socket, nth: 1, inject: {exhaust: descriptors}}]
END
while IFS='|' read -r name sentence; do
	"$FAULT" exec -s "$T/rule.yaml" -- "$probe" "$name" >"$T/out" 2>&1
	t_status=$?
	reason=$(sed -n 's/^skip: //p' "$T/out")
	if [ "$t_status" = 0 ] && [ -n "$reason" ]; then
		t_skip "$sentence" "$reason"
	elif [ "$t_status" = 0 ]; then
		t_pass "$sentence"
	else
		t_fail "$sentence" "$T/out"
	fi
done <<'END'
spawned|a child of posix_spawn has the limit that was, and descriptors
system|so has one of system()
by-pipe|popen and wordexp find none for their pipe
END
t_done
