# shellcheck shell=sh
# The packages that the two commands need, in one place. Sourced by ./demo and
# ./check, which call  need $build_packages …  and  want …  (see there).
#
# DEPS=skip leaves packages alone.

# shellcheck disable=SC2034 # for the two
build_packages='gcc make libc6-dev libyaml-dev libjansson-dev libdw-dev
	libelf-dev'
# python3: tests/run; iproute2, strace, binutils, perl: what tests look with.
# shellcheck disable=SC2034 # for ./check
test_packages='libcmocka-dev python3 perl binutils strace iproute2 shellcheck
	scdoc ca-certificates'
# Without these a check is skipped, and counted as skipped.
# shellcheck disable=SC2034 # for ./check
optional_packages='clang-14 clang-format-14 python3-jsonschema python3-yaml
	valgrind'

# missing PACKAGE…: those that are not installed.
missing() {
	for p in "$@"; do
		dpkg-query -W -f '${db:Status-Status}\n' "$p" 2>/dev/null |
			grep -qx installed || printf '%s ' "$p"
	done
}

# apt ARGUMENT…: quiet when it works, everything it said when it fails.
apt() {
	apt_log=$($sudo env DEBIAN_FRONTEND=noninteractive apt-get -qq \
		-o Dpkg::Use-Pty=0 "$@" 2>&1)
}

# install PACKAGE…: with fresh package lists only if it needs them.
install() {
	echo "installing: $*"
	apt install -y --no-install-recommends "$@" && return
	apt update &&
		apt install -y --no-install-recommends "$@" && return
	printf '%s\n' "$apt_log" >&2
	return 1
}

# need PACKAGE…: install what is missing, or say what is and fail.
need() {
	[ "${DEPS:-}" != skip ] || return 0
	if ! command -v apt-get >/dev/null; then
		echo "no apt-get here; assuming the equivalents of: $*" >&2
		return 0
	fi
	# shellcheck disable=SC2046 # a list
	set -- $(missing "$@")
	[ $# -gt 0 ] || return 0
	sudo=
	if [ "$(id -u)" != 0 ]; then
		if ! command -v sudo >/dev/null || ! sudo -v; then
			echo "neither root nor sudo; missing packages: $*" >&2
			return 1
		fi
		sudo=sudo
	fi
	install "$@" || {
		echo "could not install: $*" >&2
		return 1
	}
}

# want PACKAGE…: as need, one by one, and go on without those that fail.
want() {
	for w in "$@"; do
		need "$w" || echo "going on without $w" >&2
	done
}
