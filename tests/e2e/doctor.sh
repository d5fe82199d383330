#!/bin/sh
# fault doctor: the machine, and programs that can and cannot be reached.
. "$(dirname "$0")/../lib.sh"
[ -x "$FAULT" ] || t_skip_all "no fault yet"
[ -e "$LIBFAULT" ] || t_skip_all "no libfault.so yet"

t_ok "this machine has what is needed" "$FAULT" doctor
out=$(cat "$T/out")
for check in library attach reset kick hold helper silent refuse subreaper; do
	t_match "$check works" "$out" "^ok  $check "
done
t_match "the conclusion comes last" "$(tail -n 1 "$T/out")" 'everything'

t_ok "cat can be reached" "$FAULT" doctor cat
t_match "and imports read" "$(cat "$T/out")" '^    recv .*read'
t_exit 3 "a program that is not there is said" "$FAULT" doctor no-such-program
t_match "with the reason" "$(cat "$T/out")" 'no such program'

printf '#!/bin/sh\n' >"$T/script"
chmod +x "$T/script"
t_ok "a script is reached through its interpreter" "$FAULT" doctor "$T/script"
t_match "which is named" "$(cat "$T/out")" 'run by /bin/sh'

echo 'int main(void) { return 0; }' >"$T/x.c"
if cc -static -o "$T/static" "$T/x.c" 2>"$T/err"; then
	t_exit 3 "a static program cannot be reached" "$FAULT" doctor "$T/static"
	t_match "with the remedy" "$(cat "$T/out")" 'static: .*attach: false'
else
	t_skip "a static program cannot be reached" "no static libc"
fi

t_exit 3 "a library that is missing is said" \
	env FAULT_LIBRARY="$T/none.so" "$FAULT" doctor
t_match "with the remedy" "$(cat "$T/out")" '^no  library .*FAULT_LIBRARY'
t_exit 2 "two programs are refused" "$FAULT" doctor cat ls
t_ok "doctor --help works" "$FAULT" doctor --help
t_done
