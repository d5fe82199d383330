#!/bin/sh
# The helper thread goes on whatever the program does to its descriptors, leaves
# the program's alone, and hides nothing for good when it ends. Arguments: only
# these cases.
# run: parallel
. "$(dirname "$0")/../lib.sh"
[ -e "$LIBFAULT" ] || t_skip_all "no libfault.so yet"
probe=$BUILD/tests/probes/keeper
[ -x "$probe" ] || make -s -C "$top" "${probe#"$top"/}" ||
	t_skip_all "no probes"

# try CASE SENTENCE [RULE]
try() {
	case " $cases " in
	"  " | *" $1 "*) ;;
	*) return ;;
	esac
	LD_PRELOAD=$LIBFAULT FAULT_INJECT=${3:-recv:delay=100ms} \
		timeout 30 "$probe" "$1" >"$T/out" 2>&1
	t_status=$?
	[ "$t_status" = 0 ] || echo "exit status $t_status" >>"$T/out"
	if [ "$t_status" = 0 ]; then t_pass "$2"; else t_fail "$2" "$T/out"; fi
}

cases=$*
for way in close close_range closefrom parts; do
	try $way "all closed by $way: holds end in time"
	try low-$way "all closed by $way, numbers low: none of the program's is touched"
done
try taken "dup2 over every number: holds end in time"
try daemon "a daemon (fork, fork, closefrom) is held as before"
try used-up "an arrival at a gate armed for a rule that is used up is seen" \
	recv:delay=100ms:times=1
try poll "poll does not come back while a FIN is held that ends both sides" \
	recv:delay=100ms:nth=1
try select "select does not come back while a FIN is held that ends both sides" \
	recv:delay=100ms:nth=1

t_done
