#!/bin/sh
# `fault exec` refuses to pretend: a program that the library is not in is a
# failure of ours, and says why.
. "$(dirname "$0")/../lib.sh"
cd "$T" || exit 1

t_ok "a script is reached through its interpreter" sh -c '
	printf "#!/bin/sh\necho script\n" >script && chmod +x script &&
	"$FAULT" exec -- ./script'
t_ok "a child of vfork that executes something is no new image" \
	"$FAULT" exec -- sh -c 'cat; exit 0'
t_ok "nor is one whose exec fails" \
	"$FAULT" exec -- sh -c './nothing; exit 0'
t_ok "a program may replace itself" "$FAULT" exec -- sh -c 'exec true'
t_exit 127 "an exec that fails is the program's own affair" \
	"$FAULT" exec -- sh -c 'exec ./nothing'

t_ok "an environment that was scrubbed on the way does not matter" \
	"$FAULT" exec -- env -i /bin/sleep 0
t_exit 125 "one that is another run's: 125" \
	"$FAULT" exec -- env -i FAULT_SHM=none /bin/sleep 0
t_match "... and it says so" "$(cat out)" 'names another run'
t_exit 125 "a child with one that is another run's: 125" "$FAULT" exec -- \
	sh -c '(exec env -i FAULT_SHM=none /bin/sleep 0); true'
t_match "... and it says which" "$(cat out)" \
	'^fault exec: its process [0-9]+ was not reached'

cat >static.c <<'END'
int main(void) { return 0; }
END
if ${CC:-gcc} -static -o static static.c 2>err; then
	t_exit 125 "a static program: 125" "$FAULT" exec -- ./static
	t_match "... and it says why" "$(cat out)" 'static'
	t_exit 125 "a static program behind a shell: 125" \
		"$FAULT" exec -- sh -c 'exec ./static'
else
	t_skip "a static program: 125" "no static libc"
fi

cp /bin/true setuid
[ "$(id -u)" != 0 ] || chown nobody setuid # else it would change nothing
chmod u+s setuid
t_exit 125 "a setuid program: 125" "$FAULT" exec -- ./setuid
t_match "... and it says why" "$(cat out)" 'setuid'

printf 'not a program' >text && chmod +x text
t_exit 125 "neither ELF nor #!: 125" "$FAULT" exec -- ./text
t_match "... and it says why" "$(cat out)" 'neither an ELF'

cat >fake.c <<'END'
int fake;
END
if ${CC:-gcc} -shared -o fake.so fake.c 2>err; then
	t_exit 125 "a library that does not announce itself: 125" \
		env FAULT_LIBRARY="$T/fake.so" "$FAULT" exec -- true
	t_match "... and it says so" "$(cat out)" 'did not attach'
fi
t_done
