#!/bin/sh
# Programs built with -D_FORTIFY_SOURCE=2, as distributions build them, do not
# call recv but __recv_chk: rules for recv act there too.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../programs/env.sh"
. "$(dirname "$0")/../programs/under"
[ -e "$LIBFAULT" ] || t_skip_all "no libfault.so yet"
stock_path nginx >/dev/null || t_skip_all "nginx was not fetched"
under_counted || t_skip_all "the witness does not compile"
cc -D_GNU_SOURCE -O2 -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2 \
	-o "$T/fortified" "$top/tests/programs/fortified.c" ||
	t_skip_all "the program does not compile"

port=$(free_port)
big "$T/nginx-$port/www/big"
wanted=$(hash <"$T/nginx-$port/www/big")
serve nginx "$port"

# run MODE RULE HOW: exit status and what it says; what it received in $T/got.
run() {
	(under "$1" "$3-$1" "$2" timeout 20 "$T/fortified" "$port" "$3" 4000) \
		>"$T/got" 2>"$T/said"
	echo "$? $(grep calls "$T/said" || cat "$T/said")"
}

for how in recv recvfrom read; do
	# Compilers and C libraries differ about what is worth checking.
	if ! nm -D "$T/fortified" | grep -q "U __${how}_chk"; then
		t_skip "__${how}_chk" "the compiler calls $how"
		continue
	fi
	for mode in $(under_modes); do
		name="__${how}_chk ($mode)"
		t_is "$name: is reset at the third call" \
			"$(run "$mode" recv:reset:nth=3 "$how")" \
			"1 2 calls, then ECONNRESET"
		[ "$mode" = alone ] ||
			t_is "$name: the trace says its name" \
				"$(acted "$how-$mode")" "__${how}_chk ECONNRESET"
		t_is "$name: a rule for the symbol alone acts too" \
			"$(run "$mode" "__${how}_chk:error=ETIMEDOUT:nth=2" "$how")" \
			"1 1 calls, then ETIMEDOUT"

		said=$(run "$mode" recv:short=1B:nth=1..3000 "$how")
		got=$(tail -c 1200000 "$T/got" | hash)
		calls=${said#0 }
		if [ "${calls%% *}" -ge 3000 ]; then calls=many; fi
		t_is "$name: 3,000 single bytes and the rest are the same" \
			"${said%% *} $calls $got" "0 many $wanted"
	done
done

for mode in $(under_modes); do
	name="__poll_chk ($mode)"
	if nm -D "$T/fortified" | grep -q "U __poll_chk"; then
		t_is "$name: is interrupted" \
			"$(run "$mode" poll:error=EINTR:nth=3 recv)" \
			"1 2 calls, then EINTR"
		[ "$mode" = alone ] || t_is "$name: the trace says its name" \
			"$(acted recv-exec)" "__poll_chk EINTR"
	else
		t_skip "$name" "the compiler calls poll"
	fi
done
t_done
