#!/bin/sh
# Stock servers and clients under load: nothing is different with the library,
# and yet all of it passes through it. Each row of servers.d is run plain, inert,
# with rules that never match and traced (modes.sh); then once with rules that
# must fire, and once under strace, which knows what there was to be reached.
#
#   tests/transparency/servers.sh nginx redis      only these rows
#   load_n=100000 load_s=30 …                      more load
#
# run: limit 300
# run: each nginx lighttpd haproxy node python redis memcached iperf3
# run: each postgres sshd rsync git php java java-client whois
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../programs/env.sh"
. "$(dirname "$0")/modes.sh"
. "$(dirname "$0")/load.sh"
[ -e "$LIBFAULT" ] || t_skip_all "no libfault.so yet"
[ -x "$FAULT" ] || t_skip_all "no fault yet"

# shellcheck disable=SC2046 # words
[ $# != 0 ] || set -- $(cd "$top/tests/transparency/servers.d" && echo *)
for row in "$@"; do a_row "$row"; done
t_done
