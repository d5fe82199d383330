#!/bin/sh
# Rules without `call`: they act by themselves, on each selected connection, and
# on nothing else. tests/probes/self.c looks at both ends. Arguments: only these
# modes.
# run: waits
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../probes/try.sh"
need_probes self

# Each on a port of its own: the child of one that was killed may listen a little
# longer than its parent.
while IFS='|' read -r sentence mode rule; do
	wanted "$mode" || continue
	t_ok "$sentence" env LD_PRELOAD="$LIBFAULT" FAULT_INJECT="$rule" \
		"$probe" "$mode" "$(free_port)"
	t_ok "... and not without the rule" not timeout 1 \
		env LD_PRELOAD="$LIBFAULT" "$probe" "$mode" "$(free_port)"
done <<END
a thread that waits in recv is told once|recv|reset:idle=200ms:role=accepted
poll wakes, and the state is that of a reset|poll|reset:idle=200ms:role=accepted
after so many bytes a silent peer resets who waits in recv|seen-recv|reset:seen=8B:role=accepted
... and who waits in poll|seen-poll|reset:seen=8B:role=accepted
exactly so many, whether it says more or not|at-mark|recv:reset:bytes=8B:role=accepted;reset:seen=8B:role=accepted
a dup is the same connection|dup|reset:age=200ms:role=accepted
a peer closes|eof|eof:age=200ms:role=accepted
a peer is silent for a while|stall|stall=400ms:role=accepted
a signal|kill|kill=SIGUSR1:role=accepted:age=100ms
no descriptors|exhaust|exhaust=descriptors:after=200ms:for=300ms
a connection that is now the child's|fork|reset:idle=300ms:role=accepted
4000 connections|many|reset:age=1500ms:role=accepted
END
port=$(free_port)
! wanted among || t_ok "numbers that are used again are safe" env \
	LD_PRELOAD="$LIBFAULT" FAULT_INJECT="reset:age=1ms:role=client:port=$port" "$probe" among "$port"

# After another rule's hit, in another program, which waits for room by then and
# makes no call any more: it has to be told.
cat >"$T/after.yaml" <<END
version: 1
programs:
  server: {run: "$top/reference/server --port \${port} --io epoll-et --source 64MiB", ready: listening}
  client: {run: "$top/reference/client --connect \${host}:\${port} --io epoll-et"}
faults:
  - {name: first, in: client, call: recv, nth: 1, inject: {delay: 3s}}
  - {in: server, inject: reset, after: first}
expect: {client: {exit: 1, stderr: /reset/, time: ..2s}}
END
if wanted after && [ -x "$FAULT" ]; then
	t_ok "a rule after another's hit, in another process" \
		"$FAULT" run --out "$T/out" "$T/after.yaml"
	t_is "the trace says what acted" \
		"$("$FAULT" exec --trace "$T/trace" -e reset:age=100ms:role=client -- \
			"$probe" eof "$port" >"$T/said" 2>&1
		"$FAULT" trace "$T/trace/trace" | grep -c \
			'reset, by itself  conn 1 client.*<- rule reset:role=')" 1
fi
t_done
