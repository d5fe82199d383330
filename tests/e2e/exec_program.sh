#!/bin/sh
# `fault exec` is the program: its status, its streams, its signals; and what it
# says when it cannot be.
. "$(dirname "$0")/../lib.sh"
cd "$T" || exit 1

# ---- status and streams -----------------------------------------------------
t_exit 0 "a program that succeeds: 0" "$FAULT" exec -- true
t_exit 3 "its exit status is passed on" "$FAULT" exec -- sh -c 'exit 3'
t_exit 137 "a signal is 128 + N" "$FAULT" exec -- sh -c 'kill -9 $$'
t_exit 141 "SIGPIPE too" "$FAULT" exec -- sh -c 'kill -PIPE $$'
t_is "stdin and stdout pass through" \
	"$(echo word | "$FAULT" exec -- cat)" word
t_is "nothing else is printed" "$("$FAULT" exec -- true 2>&1)" ""
t_is "options behind the program are its own" \
	"$("$FAULT" exec -- echo -e --seed=3 -v)" "--seed=3 -v"
t_is "-- is not needed" "$("$FAULT" exec echo -q --list)" "-q --list"
t_is "the directory is ours" "$("$FAULT" exec -- pwd)" "$(pwd)"
t_is "descriptors are inherited" \
	"$("$FAULT" exec -- sh -c 'echo three >&3' 3>&1 >/dev/null)" three
t_is "stdin may be closed" "$("$FAULT" exec -- echo x <&-)" x
t_exit 0 "stdout may be closed" sh -c '"$FAULT" exec -- true >&-'
# handed COMMAND...: which of 0-2 it is started with, whatever it is.
handed() { "$@" sh -c 'for fd in 0 1 2; do [ -e /proc/$$/fd/$fd ] && echo $fd >&3; done' 3>handed; }
t_is "a closed stdin is closed to the program, too" \
	"$(handed "$FAULT" exec -- <&-; cat handed)" "$(printf '1\n2')"
t_is "... a closed stdout" \
	"$(handed "$FAULT" exec -- >&-; cat handed)" "$(printf '0\n2')"
t_is "... a closed stderr" \
	"$(handed "$FAULT" exec -- 2>&-; cat handed)" "$(printf '0\n1')"
t_is "... all three, with a rule" \
	"$(handed "$FAULT" exec -e 'recv:reset:hits=0..' -- <&- >&- 2>&-; cat handed)" ""
t_is "no signal is ignored for us" "$("$FAULT" exec -- grep SigIgn /proc/self/status)" "$(grep SigIgn /proc/self/status)"
t_match "an LD_PRELOAD of the caller stays, behind ours" \
	"$(LD_PRELOAD=libm.so.6 "$FAULT" exec -- sh -c 'echo "$LD_PRELOAD"')" \
	'^/.*/libfault\.so:libm\.so\.6$'
t_is "an ignored signal stays ignored" \
	"$(sh -c 'trap "" TERM; exec "$FAULT" exec -- sh -c "kill -TERM \$\$; echo x"')" x
for signal in CHLD TTOU XFSZ PIPE; do
	ignoring() { perl -e '$SIG{shift @ARGV} = "IGNORE"; exec @ARGV' "$signal" "$@"; }
	t_is "... SIG$signal too" "$(ignoring "$FAULT" exec -- grep SigIgn /proc/self/status)" \
		"$(ignoring grep SigIgn /proc/self/status)"
done

# ---- failures of ours -------------------------------------------------------
t_exit 127 "no such program: 127" "$FAULT" exec -- ./nothing
t_match "... and it says so" "$(cat out)" '\./nothing: no such program'
printf '#!./ns2\n' >script && printf '#!/bin/sh\r\n' >dos && printf '#!%s\n' "$T" >to_folder
chmod +x script dos to_folder
t_exit 127 "a script without its interpreter: 127" "$FAULT" exec -- ./script
t_match "... is not what is missing" "$(cat out)" '\./script: \./ns2: the script is there, but not'
t_exit 127 "a script with a carriage return: 127" "$FAULT" exec -- ./dos
t_match "... which is said" "$(cat out)" '\./dos: /bin/sh: the script is there.* carriage return'
t_exit 126 "a script whose interpreter is a folder: 126" "$FAULT" exec -- ./to_folder
t_match "... which is said" "$(cat out)" "\./to_folder: $T: may not be executed"
t_exit 127 "not in PATH: 127" "$FAULT" exec -- no-such-command-here
touch plain && mkdir folder
t_exit 126 "not executable: 126" "$FAULT" exec -- ./plain
t_exit 126 "a folder: 126" "$FAULT" exec -- ./folder
t_exit 125 "no program: 125" "$FAULT" exec
t_exit 125 "unknown option: 125" "$FAULT" exec --sede=3 -- true
t_match "... with the nearest one" "$(cat out)" 'did you mean `--seed`'
t_exit 125 "an invalid rule: 125" "$FAULT" exec -e recv:rest -- true
t_match "... with its place and the nearest word" "$(cat out)" '^-e:1:.*`reset`'
t_exit 125 "an invalid seed: 125" "$FAULT" exec --seed=x -- true
t_exit 125 "no such scenario: 125" "$FAULT" exec -s nothing.yaml -- true
t_match "... and it says so" "$(cat out)" 'nothing\.yaml'
t_exit 125 "no library: 125" \
	env FAULT_LIBRARY="$T/none.so" "$FAULT" exec -- true
t_exit 125 "a library path that LD_PRELOAD cannot say: 125" sh -c '
	mkdir "a b" && cp "$LIBFAULT" "a b/libfault.so" &&
	FAULT_LIBRARY="a b/libfault.so" exec "$FAULT" exec -- true'
t_exit 0 "--help: 0" "$FAULT" exec --help

# ---- a rule without a hit ---------------------------------------------------
t_exit 125 "success although a rule never fired: 125" \
	"$FAULT" exec -e recv:reset:nth=3 -- true
t_match "... and the funnel says why" "$(cat out)" 'recv: 0'
t_exit 7 "a program that fails is not asked for hits" \
	"$FAULT" exec -e recv:reset:nth=3 -- sh -c 'exit 7'

# ---- what stays behind ------------------------------------------------------
stubborn=$BUILD/tests/probes/stubborn
[ -x "$stubborn" ] || { t_done; exit; }
"$FAULT" exec -- "$stubborn" "$T/pids" "$T/go" >err 2>&1 &
fault_pid=$!
all_signed() { [ "$(wc -l <"$T/pids")" = 4 ]; }
wait_for all_signed
touch "$T/go"
wait "$fault_pid"
t_is "the status of a program that leaves processes behind" $? 0
t_match "... which are ended, and that is said" "$(cat err)" \
	'3 processes that the program left behind were ended'
while read -r pid; do
	if running "$pid"; then t_fail "process $pid is gone"; fi
done <"$T/pids"
t_is "no shared memory is left" \
	"$(ipcs -m -p | awk -v pid="$fault_pid" '$3 == pid')" ""
t_done
