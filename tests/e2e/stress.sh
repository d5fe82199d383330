#!/bin/sh
# Delays, stalls, rates, short and refused transfers at random, on blocking
# threads and every kind of event loop at once: no byte is wrong, nobody hangs,
# no one-shot registration fires twice. (Minutes of it: STRESS_SECONDS=300.)
# Argument: turns, without the rest.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../probes/try.sh"
need_probes stress
seconds=${STRESS_SECONDS:-1}
seed=${FAULT_SEED:-1}

mixed="recv:delay=500us:nth=10%;send:delay=700us:nth=10%"
mixed="$mixed;recv:short=7B:nth=20%;send:short=100B:nth=20%"

alone() {
	LD_PRELOAD=$LIBFAULT FAULT_INJECT=$2 \
		t_ok "$1" timeout $((seconds + 60)) "$probe" "$seconds" "$seed"
}

# Four at once, or a hold is never over before it is made.
turns() {
	pids=
	for i in 1 2 3 4; do
		LD_PRELOAD=$LIBFAULT FAULT_INJECT=$1 timeout 60 \
			"$BUILD/tests/probes/turns" $((seconds * 2000)) &
		pids="$pids $!"
	done
	for i in $pids; do
		wait "$i" || return 1
	done
}
t_ok "one byte by turns, each late" turns recv:delay=100us:role=client
t_ok "one byte by turns, each sent late" turns send:delay=60us:role=client
wanted mixed || t_done

alone "delays and short transfers" "$mixed"
alone "delays that are over at once" "recv:delay=30us;send:delay=20us:nth=3"
alone "each arrival is late" "recv:delay=5ms"
alone "spurious EAGAIN" \
	"recv:error=EAGAIN:nth=20%;send:error=EAGAIN:nth=20%"
alone "rates in both directions" "recv:rate=1MB/s;send:rate=1500KB/s"
alone "stalls that end" \
	"recv:stall=3ms:nth=5;send:stall=3ms:nth=4;recv:delay=1ms:nth=30%"

t_ok "the same, traced" timeout $((seconds + 60)) "$FAULT" exec \
	-e recv:delay=500us:nth=10% -e send:delay=700us:nth=10% \
	-- "$probe" "$seconds" "$seed"

# Rules come and go meanwhile, under whoever waits.
cat >"$T/toggle.sh" <<'END2'
"$1" "$2" "$3" &
probe=$!
while kill -0 $probe 2>/dev/null; do
	fault disarm slow
	fault arm slow
done >/dev/null 2>&1
wait $probe
END2
PATH=$BUILD:$PATH t_ok "armed and disarmed all the time" \
	timeout $((seconds + 60)) "$FAULT" exec \
	-e recv:delay=20ms:nth=10%:name=slow -e send:stall:nth=5:name=slow \
	-- sh "$T/toggle.sh" "$probe" "$seconds" "$seed"

t_done
