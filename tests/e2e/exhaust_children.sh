#!/bin/sh
# What a process without descriptors executes by posix_spawn and system has the
# limit that its parent had, and descriptors.
# run: parallel
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../probes/try.sh"
need_probes exhaust_children

cat >"$T/rule.yaml" <<'END'
version: 1
faults: [{name: out, call: socket, nth: 1, inject: {exhaust: descriptors}}]
END
while IFS='|' read -r name sentence; do
	wanted "$name" || continue
	"$FAULT" exec -s "$T/rule.yaml" -- "$probe" "$name" >"$T/out" 2>&1
	told $? "$sentence"
done <<'END'
spawned|a child of posix_spawn has the limit that was, and descriptors
system|so has one of system()
by-pipe|popen and wordexp find none for their pipe
END
t_done
