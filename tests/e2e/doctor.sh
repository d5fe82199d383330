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
t_match "and imports read" "$(cat "$T/out")" '^      recv .*read'
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

t_ok "with -v also what nobody has to know" "$FAULT" doctor -v
for check in timer kernel clock processors; do
	t_match "$check is told" "$(cat "$T/out")" "^(ok|--)  $check "
done

# What is wrong with the machine, made: advice, or a need.
advice() {
	sentence=$1 line=$2
	shift 2
	t_ok "$sentence does not matter" "$@"
	t_match "$sentence is told" "$(cat "$T/out")" "^--  $line"
}

need() {
	sentence=$1 line=$2
	shift 2
	t_exit 3 "$sentence matters" "$@"
	t_match "$sentence is told" "$(cat "$T/out")" "^no  $line"
}

advice "a variable of the library" 'variables .*FAULT_SEED set' \
	env FAULT_SEED=1 "$FAULT" doctor
advice "another library" 'preload .*LD_PRELOAD=libm.so.6: ours comes before' \
	env LD_PRELOAD=libm.so.6 "$FAULT" doctor
advice "our library, twice" 'preload .*unset it' \
	env LD_PRELOAD="$LIBFAULT" "$FAULT" doctor
need "no folder for runs" 'tmp .*/no/folder: .*TMPDIR' \
	env TMPDIR=/no/folder "$FAULT" doctor
need "too few descriptors" 'files .*too few' \
	sh -c 'ulimit -n 32; exec "$FAULT" doctor'
need "too little address space" 'attach ' \
	sh -c 'ulimit -v 60000; exec "$FAULT" doctor'
t_match "... and why" "$(cat "$T/out")" '^--  space .*ulimit -v'
if unshare -i sh -c 'echo 65536 >/proc/sys/kernel/shmmax' 2>"$T/err"; then
	need "too little shared memory" 'memory .*kernel.shmmax' unshare -i sh -c \
		'echo 65536 >/proc/sys/kernel/shmmax; exec "$FAULT" doctor'
else
	t_skip "too little shared memory" "no IPC namespace"
fi
if unshare -n true 2>"$T/err"; then
	need "no loopback" 'reset .*is .lo. up' unshare -n sh -c \
		'echo 2000 65000 >/proc/sys/net/ipv4/ip_local_port_range
		exec "$FAULT" doctor'
	t_match "all ports are automatic: told" "$(cat "$T/out")" \
		'^--  ports .*2000 to 65000'
	t_match "no ::1: told" "$(cat "$T/out")" '^--  ipv6 '
else
	t_skip "no loopback" "no network namespace"
fi

# What a program that can be reached does past the library.
t_match "a shell script is not all" "$("$FAULT" doctor "$T/script")" \
	'^--  script .*the programs that it starts'
echo 'int ares_init(void) { return 0; }' >"$T/cares.c"
echo 'int ares_init(void); int main(void) { return ares_init(); }' >"$T/uses.c"
cc -shared -Wl,-soname,libcares.so.9 -o "$T/libcares.so.9" "$T/cares.c"
cc -o "$T/uses" "$T/uses.c" "$T/libcares.so.9" -Wl,-rpath,"$T"
t_ok "a program with a resolver of its own can be reached" \
	"$FAULT" doctor "$T/uses"
t_match "... its resolver not" "$(cat "$T/out")" '^--  resolver .*c-ares'
rm "$T/libcares.so.9"
need "a library that the program lacks" 'libraries .*libcares.so.9: not found' \
	"$FAULT" doctor "$T/uses"
echo 'int io_uring_queue_init(int n, void *r, int f) { return n + f + !r; }' \
	>"$T/uring.c"
echo 'int io_uring_queue_init(int, void *, int);
	int main(void) { return io_uring_queue_init(1, 0, 0); }' >"$T/uses.c"
cc -shared -Wl,-soname,libring.so -o "$T/libring.so" "$T/uring.c"
cc -o "$T/uses" "$T/uses.c" "$T/libring.so" -Wl,-rpath,"$T"
t_ok "a program with io_uring can be reached" "$FAULT" doctor "$T/uses"
t_match "... but what it does there not" "$(cat "$T/out")" '^--  io_uring '
t_match "libraries count too" "$("$FAULT" doctor "$T/uses")" 'that its [1-9]'
t_no_match "cat has neither" "$("$FAULT" doctor cat)" '^--  (io_uring|resolver)'
echo text >"$T/text.so"
need "a library that the program's ld.so does not take" 'loads .*text.so' \
	env FAULT_LIBRARY="$T/text.so" "$FAULT" doctor cat
mkdir "$T/mount"
if unshare -m sh -c 'mount -t tmpfs -o noexec none "$0"' "$T/mount" 2>"$T/err"; then
	t_exit 3 "a mount that forbids it" unshare -m sh -c '
		mount -t tmpfs -o noexec none "$0" && cp /bin/true "$0" &&
		"$FAULT" doctor "$0/true"' "$T/mount"
	t_match "... is said" "$(cat "$T/out")" 'mount that forbids it .noexec'
else
	t_skip "a mount that forbids it" "no mount namespace"
fi

t_exit 3 "a library that is missing is said" \
	env FAULT_LIBRARY="$T/none.so" "$FAULT" doctor
t_match "with the remedy" "$(cat "$T/out")" '^no  library .*FAULT_LIBRARY'
t_exit 2 "two programs are refused" "$FAULT" doctor cat ls
t_ok "doctor --help works" "$FAULT" doctor --help
t_done
