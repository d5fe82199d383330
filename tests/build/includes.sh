#!/bin/sh
# The arrows between the modules point down only:
#   runner -> lang, engine, plan    shim -> engine, plan    reference -> nothing
#   lang -> plan                    engine -> plan          plan -> nothing
# and shim/attach*.c may use lang, while the library loads.
# run: parallel
. "$(dirname "$0")/../lib.sh"
cd "$top" || exit 1

# "file:line file-that-it-includes" for each quoted #include of a module.
includes() {
	find plan engine lang shim runner reference \( -name '*.[chS]' -o \
		-name '*.def' -o -name '*.in' \) \
		-exec grep -n '^ *# *include *"' /dev/null {} + 2>/dev/null |
		sed 's/^\([^:]*:[0-9]*\):[^"]*"\([^"]*\)".*/\1 \2/'
}

includes >"$T/includes"

awk '
BEGIN {
	may["runner"] = "runner lang engine plan"
	may["shim"] = "shim engine plan"
	may["lang"] = "lang plan"
	may["engine"] = "engine plan"
	may["plan"] = "plan"
	may["reference"] = "reference"
}
{
	split($1, from, "/")
	n = split($2, to, "/")
	if (n > 1 && !(to[1] in may)) next # found by the next test
	target = n > 1 ? to[1] : from[1]
	allowed = " " may[from[1]] ($1 ~ /^shim\/attach[^\/]*\.c:/ ? " lang " : " ")
	if (!index(allowed, " " target " "))
		print $1 ": includes " $2
}' "$T/includes" >"$T/up"
if [ -s "$T/up" ]; then
	t_fail "includes point down only" "$T/up"
else
	t_pass "includes point down only"
fi

# A path such as ../shim/x.h would go round the test above.
awk '$2 ~ /\// && $2 !~ /^(runner|shim|lang|engine|plan|reference)\// {
	print $1 ": " $2
}' "$T/includes" >"$T/odd"
if [ -s "$T/odd" ]; then
	t_fail "includes name the module first" "$T/odd"
else
	t_pass "includes name the module first"
fi
t_done
