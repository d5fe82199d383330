#!/bin/sh
# Each wrapper, disassembled: from its entry there is a short way to the next
# symbol, an indirect jump, that makes no call. That is the path on which no
# fault can fire: whatever the library costs a program, it costs there.
# run: parallel
. "$(dirname "$0")/../lib.sh"
[ -e "$LIBFAULT" ] || t_skip_all "no libfault.so"
grep -qse -fsanitize -e --coverage "$BUILD/flags" &&
	t_skip_all "an instrumented build has no fast path"
# What ends a way, and which jumps have two sides, go anywhere, or go back to the
# program's function. The last word of a jump is where it leads.
case $(readelf -h "$LIBFAULT") in
*X86-64*)
	objdump=objdump
	ends='^(call|ret|syscall|hlt|int3|ud2|notrack)'
	branch='^j' jump='^jmp' out='^jmp[a-z]* [*]'
	;;
*AArch64*)
	objdump=aarch64-linux-gnu-objdump
	PATH=$PATH:$top/build/cross/bin
	ends='^(bl|blr|ret|svc|brk|udf)$'
	branch='^(b[.].*|cbn?z|tbn?z|b)$' jump='^b$' out='^br '
	;;
*) t_skip_all "reads x86-64 and aarch64 only" ;;
esac
command -v "$objdump" >/dev/null || t_skip_all "no $objdump"
cd "$top" || exit 1

# Rows that do not tail-call, and why.
exempt=''

cat >"$T/rows.c" <<'END'
#define CALL(symbol, ...) symbol
#define VARIADIC(symbol, ...) symbol
#include "plan/calls.def"
END
cc -E -P -undef -iquote . "$T/rows.c" | tr -s ' ' '\n' | grep . >"$T/rows"

# Input: the rows, the dynamic symbols, the disassembly. Output: "row verdict".
# Walks from the entry breadth first, through both sides of each branch, not
# beyond calls and returns, until an indirect jump. "notrack" marks the jumps
# of a switch on x86-64, which are none of ours.
nm -D --defined-only "$LIBFAULT" >"$T/symbols"
"$objdump" -d --no-show-raw-insn "$LIBFAULT" >"$T/code"
awk -v most=40 -v ends="$ends" -v branch="$branch" -v jump="$jump" \
	-v out="$out" '
FILENAME ~ /rows$/ { row[$1]; next }
FILENAME ~ /symbols$/ { sub(/^0+/, "", $1); entry[$3] = $1; next }
/^ *[0-9a-f]+:\t/ {
	address = $1
	sub(/:$/, "", address)
	if (last != "") following[last] = address
	last = address
	sub(/ *\/\/.*/, "") # a comment; that of x86-64 names an address
	sub(/ +# [0-9a-f]+ <.*/, "")
	at = $2 == "bnd" ? 3 : 2
	op[address] = $at
	target[address] = $NF ~ /^</ ? $(NF - 1) : $NF
	sub(/.*,/, "", target[address])
	if (/@plt>/) op[address] = "ret" # a tail call is one too: ends a way
}
function visit(to, from, is_branch) {
	if (to == "" || to in depth) return
	depth[to] = depth[from] + 1
	branches[to] = branches[from] + is_branch
	queue[tail++] = to
}
function walk(start,    a) {
	split("", queue)
	split("", depth)
	split("", branches)
	head = tail = 0
	visit(start, "", 0)
	while (head < tail) {
		a = queue[head++]
		if (depth[a] > most) continue
		if (op[a] ~ ends) continue
		if (op[a] " " target[a] ~ out)
			return branches[a] ? "ok " depth[a] : "tests nothing"
		if (op[a] ~ branch)
			visit(target[a], a, op[a] !~ jump)
		if (op[a] !~ jump)
			visit(following[a], a, op[a] ~ branch)
	}
	return "has no way out within " most " instructions without a call"
}
END {
	for (r in row)
		print r, r in entry ? walk(entry[r]) : "is not exported"
}' "$T/rows" "$T/symbols" "$T/code" >"$T/verdicts"

while read -r row; do
	verdict=$(sed -n "s/^$row //p" "$T/verdicts")
	sentence="$row reaches the next symbol without a call"
	case " $exempt " in
	*" $row "*) t_skip "$sentence" "exempt" && continue ;;
	esac
	case $verdict in
	ok*) t_pass "$sentence (${verdict#ok } instructions)" ;;
	*) t_fail "$sentence" && echo "# $row $verdict" ;;
	esac
done <"$T/rows"
t_done
