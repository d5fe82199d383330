#!/bin/sh
# What a silent call costs, in instructions: those of the library that
# tests/probes/silent.c executes, counted by callgrind, against what
# instructions.budget grants. The same build counts the same each time, on a
# machine that is idle or busy, on whatever libc: only our own object counts.
#
#   UPDATE=1 tests/build/instructions.sh     grant what is measured now
#
# run: parallel
. "$(dirname "$0")/../lib.sh"
budget=$top/tests/build/instructions.budget
[ -e "$LIBFAULT" ] || t_skip_all "no libfault.so"
command -v valgrind >/dev/null || t_skip_all "no valgrind"
case $(objdump -f "$LIBFAULT") in
*x86-64*) ;;
*) t_skip_all "the budget is for x86-64" ;;
esac
grep -qse -fsanitize -e --coverage "$BUILD/flags" &&
	t_skip_all "an instrumented build is not what is granted for"
case $(sed 's/.* -O/-O/; s/ .*//' "$BUILD/flags") in
-O2) ;;
*) t_skip_all "the budget is for -O2" ;;
esac

# The functions of another compiler are longer by some.
compiler=$(readelf -p .comment "$LIBFAULT" |
	sed -n 's/.*GCC: (.*) \([0-9]*\)\..*/gcc \1/p' | head -n 1)
case $compiler in
"$(sed -n 's/^# compiler: //p' "$budget")") percent=0 ;;
*) percent=30 ;;
esac

# Rules for ports that never come, as far as silent.c goes; the last ones match
# and are never due.
other=$(for port in 1 2 3 4 5 6 7 8; do
	printf '%s;' "recv,send,accept,close:reset:port=$port:nth=9" \
		"connect:error=ECONNREFUSED:port=$port:nth=9"
done)
lasting=$(for port in 1 2 3 4 5 6 7 8; do
	printf '%s;' "recv,send,accept,connect:delay=1s:port=$port"
done)
pending='recv,send,accept,connect,close,socket:delay=1s:nth=4000000000'

# count WAY RULES: a line "CASE WAY INSTRUCTIONS" for each case, of one
# repetition. What was executed since the last dump is dumped where a case begins
# and where it is over. In a dump, "ob=" tells whose the lines of costs are that
# follow; the one after "calls=" is what the called function took.
count() {
	way=$1
	env LD_PRELOAD="$LIBFAULT" ${2:+FAULT_INJECT="${2%;}"} \
		valgrind --tool=callgrind --vgdb=no --callgrind-out-file="$T/$1.out" \
		--dump-before='case_*' \
		--compress-strings=no --compress-pos=no \
		"$BUILD/tests/probes/silent" >"$T/$1.log" 2>&1 || {
		t_fail "the calls can be counted: $1" "$T/$1.log"
		return
	}
	set --
	while [ -e "$T/$way.out.$(($# + 1))" ]; do
		set -- "$@" "$T/$way.out.$(($# + 1))"
	done
	awk -v way="$way" '
	FNR == 1 { ours = skip = sum = 0 }
	/^desc: Trigger:/ {
		before = name
		name = $3
		sub(/.*case_/, "", name)
	}
	/^ob=/ { ours = /\/libfault\.so$/ }
	/^calls=/ { skip = 1; next }
	/^[0-9]/ {
		if (ours && !skip) sum += $NF
		skip = 0
	}
	/^totals:/ && name == "over" && seen[before]++ {
		print before, way, sum / 100
	}' "$@" >>"$T/counted"
}

count inert ''
count armed "$other"
count lasting "$lasting"
count pending "$pending"

if [ -n "${UPDATE:-}" ]; then
	{
		sed -n '/^# compiler/d; /^#/p' "$budget"
		echo "# compiler: $compiler"
		awk '{
			if (!($1 in rows)) order[++n] = $1
			rows[$1] = rows[$1] sprintf(" %8.0f", $3 + 0.49)
		}
		END {
			printf "%-14s %8s %8s %8s %8s\n", "case", "inert",
				"armed", "lasting", "pending"
			for (i = 1; i <= n; i++)
				printf "%-14s%s\n", order[i], rows[order[i]]
		}' "$T/counted"
	} >"$T/budget"
	cat "$T/budget" >"$budget"
fi

# A row of the budget without a count is one that is no longer looked at.
awk -v percent="$percent" '
FNR == 1 { n_file++ }
n_file == 1 { counted[$1, $2] = $3; next }
/^#/ { next }
$1 == "case" { for (i = 2; i <= NF; i++) way[i] = $i; next }
{
	for (i = 2; i <= NF; i++) {
		is = counted[$1, way[i]]
		most = $i * (1 + percent / 100) + 2
		verdict = is == "" ? "lost" : is > most ? "over" : "ok"
		print verdict, $1, way[i], is == "" ? 0 : is, $i
		delete counted[$1, way[i]]
	}
}
END {
	for (key in counted) {
		split(key, part, SUBSEP)
		print "new", part[1], part[2], counted[key], 0
	}
}' "$T/counted" "$budget" >"$T/verdicts"

[ "$percent" = 0 ] || echo "# $compiler: $percent % more than the budget is let pass"
for way in inert armed lasting pending; do
	awk -v way="$way" '$3 == way && $1 != "ok" {
		print $2 ": " $4 " instructions, " ($1 == "new" ? "not in the budget" : \
			$1 == "lost" ? "none counted" : "granted are " $5)
	}' "$T/verdicts" >"$T/wrong"
	sentence="no call costs more than it is granted: $way"
	if ! grep -q " $way " "$T/verdicts"; then
		t_fail "$sentence (nothing was counted)"
	elif [ -s "$T/wrong" ]; then
		t_fail "$sentence" "$T/wrong"
		echo "# when it is meant: UPDATE=1 tests/build/instructions.sh"
	else
		t_pass "$sentence"
	fi
done
t_done
