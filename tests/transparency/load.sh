# shellcheck shell=sh
# How a row of servers.d is run, looked at and compared. Sourced after lib.sh,
# programs/env.sh and modes.sh; by servers.sh, which has the table of rows.
#
# A row is a file of shell functions and variables, read into a shell of its own:
#
#   needs     programs without which it is skipped
#   start     starts the server through `as`; sets $port, and $t_pid
#   load      puts load on $port, prints what came of it: the same in each mode
#   hold      what a connection says so that it is answered; n_held of them are
#             kept during the look at descriptors, 0 for none
#   n_most    how many connections load has at once, and descriptors for each
#   quiet     lines of the server's log that are no errors (grep -E)
#   fault     rules that must fire and change nothing of what comes of the load
#   reach     per cent of transfers on TCP sockets that pass through the library
#   concerns  rules that may act on its sockets and never will, for one whose
#             transfers only then pass through the library (stdio)
#   threads   "peak" if how many there are under load is left to chance, "vary"
#             if it is at rest, too
#
#   possible  a function that prints why it is not, if so
#   few       1: no wrk, which leaves connections in the middle of an answer
#   client    1: there is no start; load runs a client with `run_client`, which
#             prints its exit status too, and starts what it needs itself
#   log       the name of the server's log: $T/$log.log
#   n_accepted  how many connections must at least be in the trace
#
# $D is a folder of the row's.

# shellcheck disable=SC2034,SC2153,SC2154 # lib.sh and the rows have the others
load_root=$top/build/load/root

LOAD_LIBS=$STOCK_LIBS
for load_dir in "$load_root"/usr/lib/*-linux-gnu* "$load_root"/lib/*-linux-gnu*; do
	[ -d "$load_dir" ] && LOAD_LIBS=$load_dir:$LOAD_LIBS
done

# load_path NAME: a program of either set, or of a private folder of one.
load_path() {
	for load_dir in usr/bin usr/sbin bin usr/lib/postgresql/15/bin \
		usr/lib/git-core usr/lib/jvm/java-17-openjdk-amd64/bin; do
		if [ -x "$load_root/$load_dir/$1" ]; then
			echo "$load_root/$load_dir/$1"
			return
		fi
	done
	stock_path "$1"
}

# tool NAME ARGUMENT…: run one of them, without the library.
tool() {
	load_name=$1
	shift
	env LD_LIBRARY_PATH="$LOAD_LIBS" "$(load_path "$load_name")" "$@"
}

# as COMMAND…: become the command in $mode.
as() {
	# shellcheck disable=SC2046,SC2086 # words
	case $mode in
	# A shell's background job ignores SIGINT, and python then has no handler
	# that could cut a blocking send.
	faulted)
		exec env --default-signal=INT,QUIT "$FAULT" exec -v \
			$(printf -- '-e %s ' $fault) -- "$@"
		;;
	straced)
		mode=traced
		exec strace -f -qq -yy -e signal=none -o "$D/strace" \
			-e trace=%network,read,readv,write,writev,sendfile,splice \
			"$FAULT" exec --trace "$T/trace.$name-straced" \
			${concerns:+$(printf -- '-e %s ' $concerns)} -- "$@"
		;;
	*) become "$mode" "$name-$mode" "$@" ;;
	esac
}

# as_tool NAME ARGUMENT…
as_tool() {
	load_name=$1
	shift
	as env LD_LIBRARY_PATH="$LOAD_LIBS" "$(load_path "$load_name")" "$@"
}

# run_client COMMAND…: `as`, with what the runner says kept apart.
run_client() {
	(as "$@") 2>"$D/client.err"
	echo "status $?"
	grep -v '^fault exec: ' "$D/client.err"
	cat "$D/client.err" >>"$T/$log.log"
}

census() {
	"$top/tests/transparency/census" "$@"
}

# run_server COMMAND…: in the background, until it listens on $port.
run_server() {
	log=$name-$mode
	spawn "$log" "$@"
	wait_for -t 30 listening "$port" || sed 's/^/# /' "$T/$log.log"
}

# run_stock NAME: the same for what programs/env.sh can start.
run_stock() {
	port=$(free_port)
	serve "$1" "$port" as
	log=$1-$port
}

# as_nobody COMMAND…: for programs that root cannot start; $D is theirs.
as_nobody() {
	if [ "$(id -u)" = 0 ]; then
		chmod 711 "$T"
		chown -R 65534:65534 "$D"
		set -- setpriv --reuid=65534 --regid=65534 --clear-groups "$@"
	fi
	${nobody_as:-} "$@"
}

# as_nobody_as COMMAND…: nobody, and under the mode; for run_server.
as_nobody_as() {
	nobody_as=as
	as_nobody "$@"
}

# http_load N: N requests of curl's over four connections for a large file and a
# small one; then wrk, if there is time, with 20 connections.
http_load() {
	for connection in 1 2 3 4; do
		seq "$(($1 / 4))" | sed 's|.*|url = "http://127.0.0.1:'"$port"'/"|' \
			>"$D/urls.$connection"
		stock curl -sS -m 60 -K "$D/urls.$connection" >"$D/got.$connection" &
		clients="${clients:-} $!"
	done
	for each in $clients; do
		wait "$each" || echo "curl: $?"
	done
	clients=
	cat "$D"/got.* | sort | uniq -c
	if [ -e "$T/${log%.log}/www/big" ]; then
		stock curl -sS -m 60 "http://127.0.0.1:$port/big" | sha256sum
	fi
	[ -n "${slice:-}" ] || [ -n "$few" ] || wrk_load
}

# wrk tells how many bytes and answers it had: the first are as many as those
# have, but for what was under way at the end, and for a few that say `close`: a
# connection has so many answers, and in a quick second more of them end.
wrk_load() {
	size=$(stock curl -sS -o /dev/null -w '%{size_header} + %{size_download}' \
		"http://127.0.0.1:$port/")
	cat >"$D/wrk.lua" <<-END
	done = function(summary)
		local e, size = summary.errors, $size
		local more = summary.bytes - size * summary.requests
		print(size, summary.requests > 100,
			more >= 0 and more < 20 * size + summary.requests,
			e.connect, e.read, e.write, e.status, e.timeout)
	end
	END
	tool wrk -t 2 -c 20 -d "${load_s:-2}s" -s "$D/wrk.lua" \
		"http://127.0.0.1:$port/" | tail -n 1
}

# ---- looking at the server --------------------------------------------------

# look FILE [-s]: the census; in plain mode when it is the same five times, else
# when it is plain's.
look() {
	look_file=$1 look_how=${2:-}
	if [ "$mode" = plain ]; then
		: >"$look_file"
		look_same=0
		wait_for look_steady
	else
		wait_for -t 5 look_like_plain >"$D/wait" || true
	fi
}

look_steady() {
	# shellcheck disable=SC2086 # none or one
	census $look_how "$server" >"$look_file.new"
	if cmp -s "$look_file.new" "$look_file"; then
		look_same=$((look_same + 1))
	else
		look_same=0
	fi
	mv "$look_file.new" "$look_file"
	[ "$look_same" -ge 5 ]
}

look_like_plain() {
	# shellcheck disable=SC2086 # none or one
	census $look_how "$server" >"$look_file"
	alike "$(saw plain "${look_file##*.}")" "$look_file"
}

# saw MODE WHEN: the file of a look.
saw() {
	echo "$D/look.$1.$2"
}

# alike FILE FILE: but for threads that come and go.
alike() {
	if [ "$threads" = vary ]; then
		[ "$(sed 's/threads=[0-9]*//' "$1")" = "$(sed 's/threads=[0-9]*//' "$2")" ]
	else
		cmp -s "$1" "$2"
	fi
}

# with_connections: n_held of them, and a look at the server meanwhile.
with_connections() {
	mkfifo "$D/hold.$mode"
	spawn "hold-$mode" sh -c 'exec "$@" <"$0"' "$D/hold.$mode" \
		"$top/tests/transparency/hold" "$port" "$n_held" \
		"$hold"
	holder=$t_pid
	exec 8>"$D/hold.$mode"
	wait_for -t 20 grep -q held "$T/hold-$mode.log" || cat "$T/hold-$mode.log"
	look "$(saw "$mode" held)" -s
	exec 8>&-
	wait "$holder"
}

# under_load: load's results in $D/results.MODE, the peak in $D/peak.MODE.
under_load() {
	mkfifo "$D/peak-stdin.$mode"
	census -m "$server" <"$D/peak-stdin.$mode" >"$D/peak.$mode" &
	watcher=$!
	exec 9>"$D/peak-stdin.$mode"
	load >"$D/results.$mode" 2>&1 9>&-
	exec 9>&-
	wait "$watcher"
}

# errors_of LOG: lines that speak of something wrong, times and pids left out.
errors_of() {
	grep -aiE 'error|alert|emerg|crit|fatal|panic|abort|warn|fail|smash|trace' \
		"$1" | grep -aEv "^fault exec: |${quiet:-^\$}"
}

server_down() {
	case $mode in
	straced) kill -TERM "$(cat "/proc/$server/task/$server/children")" ;;
	*) kill -TERM "$server" ;;
	esac
	wait_for not running "$server" || kill -KILL "$server"
	wait "$server" 2>/dev/null
}

trace_text() {
	"$FAULT" trace "$T/trace.$name-$1/trace" >"$D/trace.text" 2>&1
}

# ---- what a mode has to show ------------------------------------------------

# in_mode MODE: everything that is the same, compared with plain's.
in_mode() {
	mode=$1
	if [ -n "$client" ]; then
		load >"$D/results.$mode" 2>&1
	else
		start
		server=$t_pid
		census -p "$server" >"$D/pids.$mode"
		look "$(saw "$mode" before)"
		[ "$n_held" = 0 ] || with_connections
		under_load
		census -p "$server" >>"$D/pids.$mode"
		look "$(saw "$mode" after)"
		server_down
		errors_of "$T/$log.log" >"$D/errors.$mode"
	fi
	if [ "$mode" = plain ]; then
		t_no_match "$name (plain): all is well" "$(cat "$D/results.plain")" \
			'status [1-9]|curl: [0-9]|wrk: [0-9]|[Ee]rror|refused|[Ff]alse'
	else
		differences
	fi
}

# same SENTENCE FILE FILE
same() {
	if diff "$2" "$3" | head -n 20 >"$D/diff" && [ ! -s "$D/diff" ]; then
		t_pass "$1"
	else
		t_fail "$1" "$D/diff"
	fi
}

differences() {
	same "$name ($mode): the results are the same" \
		"$D/results.plain" "$D/results.$mode"
	[ -z "$client" ] || return
	for when in before held after; do
		[ -e "$(saw plain $when)" ] || continue
		if alike "$(saw plain $when)" "$(saw "$mode" $when)"; then
			t_pass "$name ($mode): no descriptor and no thread more ($when)"
		else
			diff "$(saw plain $when)" "$(saw "$mode" $when)" >"$D/diff"
			t_fail "$name ($mode): no descriptor and no thread more ($when)" \
				"$D/diff"
		fi
	done
	at_most
	same "$name ($mode): its log speaks of no error" \
		"$D/errors.plain" "$D/errors.$mode"
}

# at_most: under load no process had more than at rest and for its connections.
at_most() {
	read -r most_threads most_descriptors <"$D/peak.$mode"
	read -r plain_threads plain_descriptors <"$D/peak.plain"
	rest=$(awk '{ n = 0; for (i = 3; i <= NF; i++) { split($i, kind, "=")
		n += kind[2] } if (n > most) most = n } END { print most }' \
		"$(saw plain after)")
	limit=$((rest + n_most))
	[ "$limit" -ge "$plain_descriptors" ] || limit=$plain_descriptors
	[ -z "$threads" ] || plain_threads=$most_threads
	if [ "$most_threads" -le "$plain_threads" ] &&
		[ "$most_descriptors" -le "$limit" ]; then
		t_pass "$name ($mode): under load $most_descriptors descriptors, $most_threads threads"
	else
		t_fail "$name ($mode): under load $most_descriptors descriptors of $limit, $most_threads threads of $plain_threads"
	fi
}

# attached: each process that was there has its mark in the trace.
attached() {
	trace_text traced
	if [ -z "$client" ]; then
		missing=
		sort -u "$D/pids.traced" >"$D/pids"
		while read -r pid; do
			grep -qE "\[$pid/[0-9]+\] (attached|forked|vforked)" \
				"$D/trace.text" || missing="$missing $pid"
		done <"$D/pids"
		t_is "$name: every process of it was attached" "$missing" ""
	fi
	t_no_match "$name: the trace is complete" "$(cat "$D/trace.text")" \
		'^[^[]*(dropped|lost)'
	if [ -n "${n_accepted:-}" ]; then
		n=$(grep -cE '\] (\.\.\. )?accept4?\(.* conn [0-9]+ accepted' \
			"$D/trace.text")
		if [ "$n" -ge "$n_accepted" ]; then
			t_pass "$name: $n connections are in the trace"
		else
			t_fail "$name: $n connections are in the trace, not $n_accepted"
		fi
	fi
}

# reached: the share of calls and bytes; a run of its own, a slow one.
reached() {
	mode=straced
	if ! strace -o "$D/strace" true 2>"$D/out"; then
		t_skip "$name: what share is reached" "no strace here"
		return
	fi
	if [ -n "$client" ]; then
		load >"$D/results.straced" 2>&1
	else
		start
		server=$t_pid
		load >"$D/results.straced" 2>&1
		server_down
	fi
	trace_text straced
	"$top/tests/transparency/reach" "$D/strace" "$D/trace.text" >"$D/reach"
	# shellcheck disable=SC2046 # four numbers
	set -- $(head -n 1 "$D/reach")
	if [ "$2" -gt 0 ] && [ $(($4 * 100)) -ge $(($2 * ${reach:-100})) ] &&
		[ $(($3 * 100)) -ge $(($1 * ${reach:-100})) ]; then
		t_pass "$name: $(($3 * 100 / $1)) % of $1 calls and $(($4 * 100 / $2)) % of $2 bytes pass through the library"
	else
		t_fail "$name: $3 of $1 calls, $4 of $2 bytes pass through the library" "$D/reach"
	fi
}

# faulted: each rule fires, and nothing else is different.
faulted() {
	mode=faulted
	if [ -n "$client" ]; then
		load >"$D/results.faulted" 2>&1
	else
		start
		server=$t_pid
		load >"$D/results.faulted" 2>&1
		server_down
	fi
	same "$name: the results are the same under faults" \
		"$D/results.plain" "$D/results.faulted"
	for rule in $fault; do
		n=$(hits_of "${rule%%:*}")
		if [ "$n" -gt 0 ]; then
			t_pass "$name: $rule hits ($n)"
		else
			t_fail "$name: $rule hits" "$T/$log.log"
		fi
	done
}

# hits_of CALL: what the runner said of rules for it, summed up.
hits_of() {
	sed -n "s/^fault exec: rule $1:.* \([0-9]*\) hits*$/\1/p" "$T/$log.log" |
		awk '{ n += $1 } END { print n + 0 }'
}

# a_row NAME: in a shell of its own; its points are counted by the caller.
a_row() {
	name=$1
	needs=$name client='' hold='' n_held=0 n_most=1 quiet='' reach=100
	few='' threads='' possible='' fault='' concerns='' n_accepted='' log=$1-client
	D=$T/$name.d
	mkdir "$D"
	unset -f start load
	# shellcheck source=/dev/null
	. "$top/tests/transparency/servers.d/$name"
	for program in $needs; do
		if ! load_path "$program" >/dev/null; then
			t_skip "$name" "$program was not fetched (tests/programs/fetch load)"
			return
		fi
	done
	if [ -n "$possible" ] && reason=$($possible) && [ -n "$reason" ]; then
		t_skip "$name" "$reason"
		return
	fi
	for m in $modes; do
		in_mode "$m"
		[ -z "${VERBOSE:-}" ] || sed "s/^/# $m: /" "$D/results.$m" | head -n 40
	done
	attached
	[ -z "$fault" ] || faulted
	[ -n "${slice:-}" ] || reached
}
