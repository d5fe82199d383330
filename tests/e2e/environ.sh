#!/bin/sh
# A program that executes another without LD_PRELOAD and the FAULT_ variables
# executes it with the library all the same: by each function that makes a new
# image, from each place that may, with every kind of environment. Beyond that
# the child sees what it was given, and the parent has what it had.
#
#   environ.sh        each environment in one of the places, for each function
#   environ.sh all    in all of them, in each mode (half a minute)
#
# run: parallel limit 120
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../programs/env.sh"
probe=$BUILD/tests/probes/environ
[ -x "$probe" ] || t_skip_all "no probes"
[ -e "$LIBFAULT" ] || t_skip_all "no libfault.so yet"
unset LD_PRELOAD
how=${1:-some}

# Its own sockets alone: those of what comes between it and us are left alone.
rule=socket:error=ENFILE:process=environ

# alone COMMAND…, with two variables, so that one may be missing
alone() {
	env LD_PRELOAD="$LIBFAULT" FAULT_INJECT="$rule" FAULT_SEED=1 "$@"
}
under() {
	"$FAULT" exec -e "$rule" -- "$@"
}

functions='execve execv execvp execvpe execl execlp execle fexecve execveat
	SYS_execve SYS_execveat posix_spawn posix_spawnp system popen'
for f in $functions; do
	t_ok "$f puts the library back" alone "$probe" check "$f" reached "$how"
done
case $how in all) ;; *) functions='execve posix_spawn popen' ;; esac
for f in $functions; do
	t_ok "$f without the library: what is expected is true" \
		"$probe" check "$f" plain "$how"
	# That some were not reached is as it should be: the probe says which.
	under "$probe" check "$f" reached "$how" >"$T/said" 2>"$T/err"
	t_match "$f under fault" "$(cat "$T/said")" '^([0-9]+) of \1$'
done

# ---- calls that fail ----------------------------------------------------------
mkdir "$T/dir"
printf 'echo text "$LD_PRELOAD"; exec cat /proc/$$/comm' >"$T/dir/text"
echo >"$T/dir/plain"
chmod +x "$T/dir/text"
for what in "errors $T/dir" largest; do
	for mode in '' alone under; do
		# shellcheck disable=SC2086 # several words, or none
		$mode "${probe}_fails" $what 2>&1 |
			grep -v '^fault exec\|^    socket: 0' |
			sed "s|^text $LIBFAULT|text |" >"$T/said.${mode:-plain}"
	done
	for mode in alone under; do
		t_is "${what%% *} are the kernel's and libc's, $mode" \
			"$(cat "$T/said.$mode")" "$(cat "$T/said.plain")"
	done
done
t_match "there is something to compare" "$(cat "$T/said.plain")" '^1[0-9]{5}$'

# ---- what the shell is told ------------------------------------------------------
# With rules that are longer than the smallest stack has room for.
long_rule=$(awk 'BEGIN { for (i = 1; i < 230; i++)
	printf "recv:reset:port=%d:hits=0..;", i }')$rule
crowded() {
	env LD_PRELOAD="$LIBFAULT" FAULT_INJECT="$long_rule" "$@"
}
t_is "system and popen on the smallest stack, alone" \
	"$(crowded "${probe}_fails" small 2>&1)" "$("${probe}_fails" small)"
t_is "system and popen on the smallest stack, under fault" \
	"$("$FAULT" exec -e "$long_rule" -- "${probe}_fails" small 2>&1 |
		grep -v '^fault exec\|^    ')" "$("${probe}_fails" small)"

# The export makes it too long for one argument at some point: passed on as it is.
show="'$probe' show | tr '\\000' '\\n' | tail -n 1; echo; exit 5"
said() {
	"$@" "${probe}_fails" long "$show" 2>&1 | paste -s -d ' '
}
t_is "commands as long as the kernel takes them" "$(said env)" "$(
	for n in 200 4000 7900 8100 20000 100000 130000 131071; do
		printf '%s: untouched 1280 ' "$n"
	done
)131072: 32512"
t_is "commands of every length reach what they start" "$(said crowded)" "$(
	for n in 200 4000 7900 8100 20000 100000; do
		printf '%s: attached 1280 ' "$n"
	done
)130000: untouched 1280 131071: untouched 1280 131072: 32512"
t_is "commands of every length with a short export" \
	"$(said alone | sed 's/.* 130000/130000/')" \
	"130000: attached 1280 131071: untouched 1280 131072: 32512"

# A variable that no shell can export, and no other missing.
t_is "an export of nothing is not told" "$(env FAULT_VAR_a-b=1 \
	LD_PRELOAD="$LIBFAULT" FAULT_INJECT="$rule" "${probe}_fails" \
	lacks FAULT_VAR_a-b)" it

# ---- programs that scrub --------------------------------------------------------
# reached SENTENCE COMMAND…
reached() {
	reached_by=$1
	shift
	t_match "$reached_by, alone" "$(alone "$@" 2>&1 | tr '\0' '\n')" '^attached$'
	t_match "$reached_by, under fault" "$(under "$@" 2>&1 | tr '\0' '\n')" \
		'^attached$'
}

reached "env -i" env -i "$probe" show
reached "env -i, twice" env -i env -i A=1 "$probe" show
reached "a script that unsets LD_PRELOAD" \
	sh -c "unset LD_PRELOAD; exec '$probe' show"
reached "a script that unsets it for a child" \
	sh -c "unset LD_PRELOAD FAULT_SHM FAULT_INJECT; '$probe' show; true"
reached "what clears its environment in place, and runs a command" \
	perl -e '%ENV = (); exit system("'"$probe"' show; true")'
if python=$(stock_path python3); then
	reached "python's subprocess with an empty environment (vfork)" \
		env LD_LIBRARY_PATH="$STOCK_LIBS" "$python" -c "
import subprocess
subprocess.run(['$probe', 'show'], env={}, check=True)"
else
	t_skip "python's subprocess" "not fetched"
fi
if node=$(stock_path node); then
	reached "node's spawn with an empty environment" \
		env -C "$stock_root/usr/share" LD_LIBRARY_PATH="$STOCK_LIBS" "$node" -e "
require('child_process').spawnSync('$probe', ['show'],
	{env: {}, stdio: 'inherit'})"
else
	t_skip "node's spawn" "not fetched"
fi

# Gives what it starts an environment of its own making.
if inetd=$(command -v systemd-socket-activate); then
	port=$(free_port)
	spawn inetd "$FAULT" exec -e "$rule" -- \
		"$inetd" --inetd -a -l "127.0.0.1:$port" "$probe" show
	wait_for grep -q '^Listening on' "$T/inetd.log"
	perl -MIO::Socket::INET -e '
		my $s = IO::Socket::INET->new("127.0.0.1:'"$port"'") or die;
		print <$s>' >"$T/said"
	t_match "a program that inetd starts" "$(tr '\0' '\n' <"$T/said")" \
		'^attached$'
else
	t_skip "a program that inetd starts" "no systemd-socket-activate"
fi

# ---- the environment is not ours to change ---------------------------------------
t_is "an environment that lacks nothing is passed on as it is" \
	"$(alone env env | grep -c '^LD_PRELOAD=\|^FAULT_')" 3
t_is "without a run nothing is put back" \
	"$(env LD_PRELOAD="$LIBFAULT" env -i env)" ''
t_is "a relative path holds in another folder" "$(
	cd "$(dirname "$LIBFAULT")" && env LD_PRELOAD="./${LIBFAULT##*/}" \
		FAULT_INJECT="$rule" sh -c "cd /; unset LD_PRELOAD; exec '$probe' show" |
		tr '\0' '\n' | tail -n 1
)" attached
t_done
