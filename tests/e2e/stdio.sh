#!/bin/sh
# stdio on a socket: what a program sees is the same with a rule that can touch
# the socket and never fires, where fdopen returns a stream of ours, and faults
# hit such streams.
# run: parallel
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../probes/try.sh"
need_probes stdio stdio_ends stdio_faults

# ---- the same in each observable ----------------------------------------------

never=recv:reset:role=client:nth=1000000

same_all_ways stdio stdio_ends

"$FAULT" trace "$T/both-stdio_ends/trace" >"$T/calls"
t_is "with a rule each stream is ours" \
	"$(grep -c 'fdopen.*client.*unseen' "$T/calls")" 0
t_match "its reads are seen" "$(cat "$T/calls")" ' read\(.* client'
t_match "its writes are seen" "$(cat "$T/calls")" ' write\(.* client'
"$FAULT" trace "$T/traced-stdio_ends/trace" >"$T/calls"
t_match "without a rule the trace says what is not seen" "$(cat "$T/calls")" \
	'fdopen\(fd [0-9]*, unseen: recv send\) = 0'
t_match "freopen is in the trace" "$(cat "$T/calls")" \
	'freopen\(fd [0-9]*\) = 0 .* client'
"$FAULT" exec --trace="$T/closed" -- "$probes/stdio_faults" ends >"$T/out" 2>&1
"$FAULT" trace "$T/closed/trace" >"$T/calls"
t_match "fclose of a stream of libc's is a close" "$(cat "$T/calls")" \
	'close\(fd [0-9]*\) = 0 .* client #1 CLOSED'

# ---- faults -------------------------------------------------------------------

# hits SENTENCE RULE CASE WANTED: the rule fires, and that came of it.
hits() {
	timeout 20 "$FAULT" exec -e "$2" -- "$probes/stdio_faults" "$3" \
		>"$T/out" 2>&1
	hits_status=$?
	t_is "$1" "$hits_status $(sed 1d "$T/out" | tr '\n' ' ')" "0 $4 "
}

whole='first line |second line |third| end 0 errno 0 error 0 eof 1'
hits "short reads, byte by byte" recv:short=1B:role=client lines "$whole"
hits "a reset in the middle of a line" recv:reset:bytes=15B:role=client lines \
	'first line | end 0 errno 104 error 1 eof 0'
hits "an end in the middle of a line" recv:eof:bytes=15B:role=client lines \
	'first line |seco| end 0 errno 0 error 0 eof 1'
hits "a delay" recv:delay=100ms:role=client slow 'late waited 1'
again='error 1 eof 0 getc 111 errno 0 error 0 eof 0 getc 107 errno 0 error 0 eof 0 getc 10 errno 0 error 0 eof 0'
hits "EINTR" recv:error=EINTR:nth=1:role=client interrupted \
	"getc -1 errno 4 $again"
hits "EAGAIN on a non-blocking socket" recv:error=EAGAIN:nth=1:role=client \
	nonblocking "getc -1 errno 11 $again"
hits "a reset at the flush of fclose" send:reset:role=client ends \
	'fclose -1 errno 104 fd -1'
hits "close fails by fclose" close:error=EIO:role=client:force=true ends \
	'fclose -1 errno 5 fd -1'
hits "a reset at the flush of exit" send:reset:role=client leaves \
	'peer -1  errno 104'
hits "a rule that asks who calls finds the program" \
	recv:reset:role=client:caller=stdio_faults lines \
	' end 0 errno 104 error 1 eof 0'

"$probes/stdio" huge >"$T/plain"
t_ok "short sends and receives lose and double nothing" \
	env LD_PRELOAD="$LIBFAULT" \
	FAULT_INJECT='recv:short=1000B:role=client;send:short=3000B:role=client' \
	"$probes/stdio" huge
cmp "$T/plain" "$T/out" >"$T/diff" 2>&1 && : >"$T/diff"
t_is "and the peer gets the same" "$(cat "$T/diff")" ''

cat >"$T/armed.yaml" <<'END'
version: 1
faults:
  - name: later
    call: recv
    armed: false
    inject: reset
END
"$FAULT" exec -s "$T/armed.yaml" --trace="$T/armed" -- \
	"$probes/stdio_faults" lines >"$T/out" 2>&1
"$FAULT" trace "$T/armed/trace" >"$T/calls"
t_match "a rule that is not armed yet can touch the socket, too" \
	"$(cat "$T/calls")" ' read\(.* client'

# ---- given to 0, 1 or 2 --------------------------------------------------------

"$FAULT" exec -e send:reset:nth=9:role=client -- "$probes/stdio_faults" standard \
	>"$T/out" 2>&1
t_match "a socket that was descriptor 1 is told of by a rule without a hit" \
	"$(cat "$T/out")" 'was descriptor 0, 1 or 2'
t_done
