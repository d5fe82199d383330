#!/bin/sh
# Processes of a run that the library is not in: each is told with its own
# reason, one row for each way in which that happens.
# run: parallel
. "$(dirname "$0")/../lib.sh"
[ -x "$FAULT" ] || t_skip_all "no fault yet"
[ -e "$LIBFAULT" ] || t_skip_all "no libfault.so yet"
cd "$T" || exit 1

# lost SENTENCE REASON COMMAND…: the command's tree has such a process; 125.
lost() {
	sentence=$1 reason=$2
	shift 2
	t_exit 125 "$sentence: 125" "$FAULT" exec -- "$@"
	t_match "$sentence: says why" "$(cat out)" "$reason"
}

cat >static.c <<'END_C'
int main(void) { return 0; }
END_C
# How another one is executed: by posix_spawn, with a filter, or and is killed.
cat >launch.c <<'END_C'
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <spawn.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static void forbid_memory(void)
{
	struct sock_filter f[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
		         offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_shmat, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
	struct sock_fprog p = {sizeof(f) / sizeof(f[0]), f};

	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &p);
}

int main(int argc, char **argv)
{
	pid_t pid;
	int status;

	if (argc < 2)
		return 2;
	if (!strcmp(argv[1], "filter"))
		forbid_memory();
	if (!strcmp(argv[1], "uring"))
		return syscall(SYS_io_uring_setup, 1, (char[256]){0}) < 0;
	if (!strcmp(argv[1], "spawn")) {
		if (posix_spawn(&pid, argv[2], NULL, NULL, argv + 2, environ))
			return 3;
	} else if (!(pid = vfork())) {
		execvp(argv[2], argv + 2);
		_exit(127);
	}
	if (!strcmp(argv[1], "kill") || !strcmp(argv[1], "zombie"))
		kill(pid, SIGKILL);
	if (!strcmp(argv[1], "zombie")) {
		usleep(50000);
		return 0;
	}
	return waitpid(pid, &status, 0) != pid;
}
END_C
${CC:-gcc} -o launch launch.c || t_skip_all "no compiler"
sleep=$(command -v sleep)

if ${CC:-gcc} -static -o static static.c 2>err; then
	lost "a static child" '/static: it is static: ' sh -c "$T/static; true"
	lost "a static child of posix_spawn" '/static: it is static: ' \
		./launch spawn "$T/static"

	# Beside one that was reached and has made a socket it is a warning.
	beside='(exec 3<>/dev/tcp/127.0.0.1/1) 2>/dev/null; ./static; true'
	reason='process [0-9]+ was not reached: ./static: it is static: '
	t_exit 0 "a static child beside a reached one is no error" \
		"$FAULT" exec -- bash -c "$beside"
	t_match "... and told" "$(cat out)" "$reason"
	printf 'version: 1\nprograms: {a: {run: [bash, -c, "%s"]}}\n' "$beside" \
		>beside.yaml
	for format in terminal tap; do
		t_exit 0 "a scenario with such a one passes ($format)" \
			"$FAULT" run --format $format beside.yaml
		t_match "... and tells of it" "$(cat out)" "$reason"
	done
	t_exit 0 "and with -q" "$FAULT" run -q beside.yaml
	t_no_match "... it does not" "$(cat out)" "not reached"
else
	t_skip "a static child" "no static libc"
fi
if printf '.globl _start\n_start: mov $1, %%eax\nxor %%ebx, %%ebx\nint $0x80\n' |
	as --32 -o other.o - 2>err &&
	ld -m elf_i386 -pie -dynamic-linker /lib/ld-linux.so.2 -o other other.o; then
	# Where the kernel runs no such program, nothing is executed.
	if (./other) 2>err; then
		lost "a 32-bit child" 'another machine or word size' \
			sh -c "$T/other; true"
	fi
else
	t_skip "a 32-bit child" "no 32-bit assembler"
fi
cp "$sleep" setuid
[ "$(id -u)" != 0 ] || chown nobody setuid
chmod u+s setuid
lost "a setuid child" '/setuid: it (gained priv|is setuid)' sh -c "$T/setuid 0; true"
lost "a child with another run's environment" 'names another run' \
	sh -c 'env -i FAULT_SHM=none "$0" 0; true' "$sleep"
lost "a program with another run's environment" 'names another run' \
	env -i FAULT_SHM=none "$sleep" 0
lost "a child with another library of that name" 'LD_PRELOAD .*names another file' \
	sh -c 'env LD_PRELOAD=/none/libfault.so "$0" 0.3; true' "$sleep"
lost "a child without address space" 'the library is in it .*address space' \
	sh -c '(ulimit -v 40000; exec "$0" 0.3); true' "$sleep"
lost "a child of fork that executes at once" 'address space' \
	sh -c '(ulimit -v 40000; exec "$0" 0.3)& wait' "$sleep"
lost "a child with a filter" 'a seccomp filter is on' ./launch filter "$sleep" 0.3
if unshare -i true 2>err; then
	lost "a child in another IPC namespace" 'another IPC namespace' \
		sh -c 'unshare -i "$0" 0.3; true' "$sleep"
	lost "a program that goes there" 'another IPC namespace' \
		unshare -i "$sleep" 0.3
else
	t_skip "a child in another IPC namespace" "$(head -n 1 err)"
fi
mkdir root
ldd "$sleep" | grep -o '/[^ ]*' | while read -r file; do
	mkdir -p "root$(dirname "$file")" && cp -L "$file" "root$file"
done
cp "$sleep" root/sleep
if chroot root /sleep 0 2>err; then
	lost "a child in another root" 'its root .* does not have the library' \
		sh -c "chroot $T/root /sleep 0.3 2>/dev/null; true"
else
	t_skip "a child in another root" "$(head -n 1 err)"
fi

# One that is killed before the library can attach is nobody's fault. The sooner
# the surer: often the parent is faster than ld.so.
t_ok "a child that is killed at once is none of it" sh -c '
	for i in 1 2 3 4 5 6 7 8 9 10; do
		"$FAULT" exec -- ./launch kill "$0" 100 || exit
	done' "$sleep"
t_ok "nor is one that nobody waits for" sh -c '
	for i in 1 2 3 4 5; do
		"$FAULT" exec -- ./launch zombie "$0" 100 || exit
	done' "$sleep"

# Past libc, in the same process: said where a rule did not fire.
if ./launch uring; then
	t_exit 125 "a rule without a hit in a program with io_uring" \
		"$FAULT" exec -e recv:reset -- ./launch uring
	t_match "... says that it has one" "$(cat out)" 'has set up an io_uring'
else
	t_skip "a program with io_uring" "the kernel refuses it"
fi
t_exit 125 "and without it" "$FAULT" exec -e recv:reset -- ./launch none "$sleep" 0
t_no_match "... says nothing of it" "$(cat out)" io_uring
t_done
