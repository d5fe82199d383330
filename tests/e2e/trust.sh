#!/bin/sh
# Files that somebody else can have written, or can exchange, are refused, and the
# reason is said: by `fault run`, `exec` and `check`, by the library alone, and in
# the parts that a scenario uses. Nothing is started. Programs with more
# privileges than their user are left alone.
# run: parallel
. "$(dirname "$0")/../lib.sh"
[ -x "$FAULT" ] || t_skip_all "no fault yet"
[ -e "$LIBFAULT" ] || t_skip_all "no libfault.so yet"
unset SUDO_UID

# scenario FILE [LINE]
scenario() {
	cat >"$1" <<-END
		version: 1
		${2:-}
		programs: {client: {run: [touch, "$T/started"]}}
		faults: [{in: client, call: connect, inject: {delay: 1ms}}]
	END
}
rules="version: 1
faults: [{call: recv, inject: reset}]"

# refused SENTENCE PATH REASON: by all who read it.
refused() {
	sentence=$1 path=$2 reason=$3
	for command in run check 'exec -s'; do
		want=2
		[ "$command" = check ] || [ "$command" = run ] || want=125
		# shellcheck disable=SC2086 # exec -s
		case $command in
		exec*) t_exit $want "$sentence: $command" \
			"$FAULT" exec -s "$path" -- touch "$T/started" ;;
		*) t_exit $want "$sentence: $command" "$FAULT" "$command" "$path" ;;
		esac
		t_match "$sentence: $command says why" "$(cat "$T/out")" "$reason"
	done
	t_exit 97 "$sentence: the library alone" env LD_PRELOAD="$LIBFAULT" \
		FAULT_SCENARIO="$path" touch "$T/started"
	t_match "$sentence: the library says why" "$(cat "$T/out")" "$reason"
	if [ -e "$T/started" ]; then
		t_fail "$sentence: nothing was started"
		rm "$T/started"
	else
		t_pass "$sentence: nothing was started"
	fi
}

# alone PATH: the bare library takes it; a file of faults without programs.
alone() {
	env LD_PRELOAD="$LIBFAULT" FAULT_SCENARIO="$1" true
}

mkdir "$T/folder" "$T/uses"
echo "$rules" >"$T/folder/plain.yaml"
t_ok "a file of one's own is read" alone "$T/folder/plain.yaml"
chmod g+w "$T/folder/plain.yaml"
t_ok "what a group may write is its owner's affair" alone "$T/folder/plain.yaml"
t_ok "slashes and points in a path are none of a link" \
	alone "$T//folder/./../folder/plain.yaml"
(cd "$T/folder" && alone plain.yaml)
t_is "a relative path is read" $? 0

scenario "$T/open.yaml"
chmod 666 "$T/open.yaml"
refused "a file that everybody may write" "$T/open.yaml" \
	'everybody may write it .mode 0666.'

scenario "$T/true.yaml"
ln -s true.yaml "$T/link.yaml"
refused "a symbolic link" "$T/link.yaml" 'it is a symbolic link'
ln -s folder "$T/way"
scenario "$T/folder/one.yaml"
refused "a link in the path" "$T/way/one.yaml" '/way is a symbolic link'
mkdir "$T/suite"
ln -s ../true.yaml "$T/suite/a.yaml"
refused "a link in a folder that is run" "$T/suite/a.yaml" 'symbolic link'
ln -s nowhere.yaml "$T/suite/b.yaml"
t_exit 2 "a link to nothing in a folder is not passed over" \
	"$FAULT" check "$T/suite"
t_match "and is named" "$(cat "$T/out")" 'b.yaml: .*symbolic link'
t_exit 2 "a loop of links is refused" sh -c \
	'ln -s loop.yaml "$1/loop.yaml" && "$2" check "$1/loop.yaml"' - \
	"$T" "$FAULT"

scenario "$T/uses/top.yaml" "use: [part.yaml]"
printf "version: 1\nhosts: {a.test: 127.0.0.1}\n" >"$T/uses/part.yaml"
t_ok "a part of one's own is used" "$FAULT" check "$T/uses/top.yaml"
chmod o+w "$T/uses/part.yaml"
t_exit 2 "a part that everybody may write" "$FAULT" check "$T/uses/top.yaml"
t_match "with its place" "$(cat "$T/out")" \
	'top.yaml:2:7: .*part.yaml.*everybody may write'

export FAULT_TRUST_FILES=1
for file in open.yaml link.yaml way/one.yaml uses/top.yaml; do
	t_ok "FAULT_TRUST_FILES takes $file on trust" "$FAULT" check "$T/$file"
done
t_ok "and so does what is executed with nothing of it" env \
	LD_PRELOAD="$LIBFAULT" FAULT_SCENARIO="$T/open.yaml" env -i /bin/true
FAULT_TRUST_FILES=0
t_exit 2 "only with 1" "$FAULT" check "$T/open.yaml"
unset FAULT_TRUST_FILES

if [ "$(id -u)" = 0 ]; then
	scenario "$T/foreign.yaml"
	chown nobody "$T/foreign.yaml"
	refused "another user's file" "$T/foreign.yaml" \
		'it belongs to another user .65534, and this is user 0.'
	t_ok "the file of who called sudo" \
		env SUDO_UID=65534 "$FAULT" check "$T/foreign.yaml"
	t_exit 2 "and of nobody else" \
		env SUDO_UID=1000 "$FAULT" check "$T/foreign.yaml"
	t_exit 2 "nor with nonsense in SUDO_UID" \
		env SUDO_UID=65534x "$FAULT" check "$T/foreign.yaml"
	chmod 755 "$T" "$T/folder"
	t_ok "root's file is read by others" setpriv --reuid=65534 \
		--clear-groups env LD_PRELOAD="$LIBFAULT" \
		FAULT_SCENARIO="$T/folder/plain.yaml" true
else
	t_skip "another user's file" "only root can make one"
fi

# A library that ld.so loads into a setuid program: one of its own folders, and
# setuid itself. In a mount namespace, a copy in place of a library that is there.
secure() {
	system=$(cc -print-file-name=libmemusage.so 2>/dev/null)
	[ -e "$system" ] || system=$(find /lib /usr/lib -name libmemusage.so |
		head -n 1)
	[ -n "$system" ] || return 77
	cp "$LIBFAULT" "$T/secure.so"
	cp "$(command -v id)" "$T/as-root"
	chmod 4755 "$T/secure.so" "$T/as-root"
	unshare -m sh -c 'mount --bind "$1" "$2" || exit 77
		shift 2; exec setpriv --reuid=65534 --clear-groups "$@"' - \
		"$T/secure.so" "$system" env LD_PRELOAD=libmemusage.so "$@"
}
name="a setuid program that ld.so loads the library into"
if [ "$(id -u)" != 0 ] || ! findmnt -no OPTIONS -T "$T" >"$T/options" ||
	grep -q nosuid "$T/options"; then
	t_skip "$name" "needs root, and no nosuid"
else
	secure "$T/as-root" -u >"$T/out" 2>&1
	if [ $? = 77 ]; then
		t_skip "$name" "no mount namespace"
	else
		t_is "$name runs" "$(cat "$T/out")" 0
		t_exit 97 "it is not run when faults are wanted" \
			secure env FAULT_INJECT=recv:reset "$T/as-root" -u
		t_match "and says why" "$(cat "$T/out")" 'more privileges'
	fi
fi

# Segments of another user are none of ours: these hold no run, for which a
# program that took them would end with 97. 65534 is who has no number here.
cat >"$T/segment.pl" <<'END'
use IPC::SysV qw(IPC_PRIVATE IPC_CREAT IPC_RMID);
$> = $ARGV[0];
my @ids = map { shmget(IPC_PRIVATE, 4096, IPC_CREAT | 0666) // die } 1, 2;
$> = 0;
$ENV{FAULT_SHM} = "$ids[0]:$ids[1]";
my $status = system("true") >> 8;
shmctl($_, IPC_RMID, 0) for @ids;
exit $status;
END
if [ "$(id -u)" = 0 ] && perl -MIPC::SysV -e 1 2>/dev/null; then
	t_ok "foreign segments are not attached" \
		env LD_PRELOAD="$LIBFAULT" perl "$T/segment.pl" 1234
	t_exit 97 "one's own are" \
		env LD_PRELOAD="$LIBFAULT" perl "$T/segment.pl" 0
else
	t_skip "foreign segments are not attached" "only root can make them"
fi
t_done
