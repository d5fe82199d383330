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

# made SENTENCE REASON COMMAND…: what cannot be reached, made by the command; all
# three commands say why, and nothing of it runs.
made() {
	sentence=$1 reason=$2
	shift 2
	if ! "$@" 2>"$T/err"; then
		t_skip "$sentence" "cannot be made: $(head -n 1 "$T/err")"
		return
	fi
	t_exit 3 "$sentence: doctor" "$FAULT" doctor "$T/made"
	t_match "$sentence: doctor says why" "$(cat "$T/out")" "$reason"
	t_exit 125 "$sentence: exec" "$FAULT" exec -e recv:reset -- "$T/made"
	t_match "$sentence: exec says why" "$(cat "$T/out")" "$reason"
	cat >"$T/made.yaml" <<-END
	version: 1
	programs: {it: {run: $T/made}}
	faults: [{call: recv, inject: reset}]
	END
	t_exit 3 "$sentence: run" "$FAULT" run --out "$T/out-run" "$T/made.yaml"
	t_match "$sentence: run says why" "$(cat "$T/out")" "$reason"
}

# assembled OPTION EMULATION LOADER: a program that ends at once.
assembled() {
	printf '.globl _start\n_start: mov $1, %%eax\nxor %%ebx, %%ebx\nint $0x80\n' |
		as "$1" -o "$T/made.o" - &&
		ld -m "$2" -pie -dynamic-linker "$3" -o "$T/made" "$T/made.o"
}

other='another machine or word size'
made "a 32-bit program" "$other" assembled --32 elf_i386 /lib/ld-linux.so.2
made "an x32 program" "$other" assembled --x32 elf32_x86_64 /libx32/ld-linux-x32.so.2
made "a program without its loader" 'dynamic loader .* is not on this machine' \
	cc -Wl,-dynamic-linker,/no/such/ld.so -o "$T/made" "$T/x.c"
# The number of the machine in its header (e_machine): RISC-V's.
foreign() {
	cp "$(command -v sleep)" "$T/made" &&
		printf '\363\0' | dd of="$T/made" bs=1 seek=18 conv=notrunc
}
made "a program for another machine" "$other" foreign

t_exit 3 "a library that is missing is said" \
	env FAULT_LIBRARY="$T/none.so" "$FAULT" doctor
t_match "with the remedy" "$(cat "$T/out")" '^no  library .*FAULT_LIBRARY'
t_exit 2 "two programs are refused" "$FAULT" doctor cat ls
t_ok "doctor --help works" "$FAULT" doctor --help
t_done
