#!/bin/sh
# The resolver under faults: names and calls at the edge of what is a question
# to anyone, and what counts as one.
# run: parallel
. "$(dirname "$0")/../lib.sh"
[ -e "$LIBFAULT" ] || t_skip_all "no libfault.so yet"
probe=$BUILD/tests/probes/resolve
[ -x "$probe" ] || make -s -C "$top" "${probe#"$top"/}" ||
	t_skip_all "no probes"

# with RULES ARGUMENT…: the probe under the library alone.
with() {
	rules=$1
	shift
	LD_PRELOAD=$LIBFAULT FAULT_INJECT=$rules "$probe" "$@" 2>&1
}

failed=resolve:error=EAI_FAIL
long=$(printf '%0200d' 0 | tr 0 a).test
too_long=$(printf '%01100d' 0 | tr 0 a)

# ---- what is a question -----------------------------------------------------------

asked() {
	t_match "someone is asked by $1 $(echo "$2" | cut -c 1-20)" \
		"$(with "$failed" "$@")" 'NO_RECOVERY'
}
asked getaddrinfo '127.0.0.1 x' 80
asked getaddrinfo "$long" 80
asked gethostbyname "$long"
asked gethostbyname 127.1.
asked gethostbyname .1
asked getaddrinfo 127.1. 80

# AI_ADDRCONFIG refuses the IPv4 address that stands in for the name there.
cat >"$T/ipv6-only.sh" <<'END'
ip link set lo up && ip -6 addr add 2001:db8::1/64 dev lo && exec "$@"
END
name="someone is asked where there are no addresses but of IPv6"
if unshare -rn sh "$T/ipv6-only.sh" true 2>"$T/err"; then
	t_match "$name" "$(LD_PRELOAD=$LIBFAULT FAULT_INJECT=$failed \
		unshare -rn sh "$T/ipv6-only.sh" "$probe" getaddrinfo api.test 80 \
		stream AI_ADDRCONFIG 2>&1)" 'NO_RECOVERY'
else
	t_skip "$name" "$(tail -n 1 "$T/err")"
fi

unasked() {
	t_is "nobody is asked by $(echo "$*" | cut -c 1-40)" \
		"$(with "$failed;resolve:answer=192.0.2.1" "$@")" \
		"$("$probe" "$@" 2>&1)"
}
unasked getaddrinfo '*' 80 stream
unasked getaddrinfo '' 80 stream
unasked gethostbyname ''
unasked getaddrinfo "$too_long" 80 AI_CANONNAME
unasked gethostbyname "$too_long"
unasked gethostbyname2 localhost family=77
unasked gethostbyname2 fe80::1 inet6

# ---- what counts ------------------------------------------------------------------

# A call that is refused before anyone is asked is none.
while IFS='|' read -r what refused; do
	# shellcheck disable=SC2086
	t_match "$what: the call that follows is the first" \
		"$(with resolve:error=EAI_AGAIN:nth=1 $refused , \
			getaddrinfo localhost 80 | tail -n 1)" '^EAI_AGAIN'
	# shellcheck disable=SC2086
	t_match "... and not the second" \
		"$(with resolve:error=EAI_AGAIN:nth=2 $refused , \
			getaddrinfo localhost 80 stream | sed -n 2p)" '^0'
done <<-'END'
	flags that are none|getaddrinfo localhost 80 flags=0x40000000
	a family that is none|getaddrinfo localhost 80 family=77
	a type that is none|getaddrinfo localhost 80 socktype=77
	a service that is none|getaddrinfo localhost nosuch stream
	a numeric address|getaddrinfo 127.0.0.1 80 family=77
	END
t_match "a buffer that is too small: the call that follows is not the second" \
	"$(with resolve:error=EAI_AGAIN:nth=2 gethostbyname_r localhost 8 , \
		getaddrinfo localhost 80 stream | sed -n 2p)" '^0'
t_match "an _r call that asks again with more room is the same, and counts once" \
	"$(with 'resolve:answer=192.0.2.1:nth=1;resolve:error=EAI_AGAIN:nth=2' \
		gethostbyname_r api.test 8 , gethostbyname_r api.test , \
		getaddrinfo api.test 80 | tail -n 2 | paste -s -d ' ' -)" \
	'^192.0.2.1 EAI_AGAIN'

# ---- answers ----------------------------------------------------------------------

t_match "the canonical name has no dot at its end" \
	"$(with resolve:answer=192.0.2.1 getaddrinfo api.test. 80 stream AI_CANONNAME)" \
	' canonname api\.test$'
t_match "a host's name neither" \
	"$(with resolve:answer=192.0.2.1 gethostbyname api.test.)" '^name api\.test family'
t_no_match "pointers are aligned in whatever buffer" \
	"$(with resolve:answer=192.0.2.1 gethostbyname_r api.test 200 odd)" 'not aligned|beyond'
t_done
