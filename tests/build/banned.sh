#!/bin/sh
# What engine and shim call, read from their objects: the engine is pure, and in
# the shim nothing allocates, prints, locks, sleeps or exits, except in
# attach*.c, which runs once before main.
# run: parallel
. "$(dirname "$0")/../lib.sh"
grep -qse -fsanitize -e --coverage "$BUILD/flags" &&
	t_skip_all "an instrumented build calls its run-time library"

# The fortified twins (__memcpy_chk, __fprintf_chk, …) count as the plain ones.
allowed_in_engine='memcpy memcmp memset strlen'

banned_in_shim='malloc calloc realloc reallocarray free memalign
	aligned_alloc posix_memalign strdup strndup asprintf vasprintf getline
	printf vprintf fprintf vfprintf dprintf vdprintf puts putchar fputs
	fputc putc fwrite fflush perror fopen fopen64 open_memstream
	snprintf vsnprintf sprintf vsprintf
	syslog vsyslog openlog setlocale newlocale uselocale strerror
	strerror_r strerror_l
	sleep usleep nanosleep clock_nanosleep
	exit _exit _Exit quick_exit abort assert_fail err errx warn warnx
	getenv secure_getenv setenv putenv unsetenv environ
	rand random srand srandom rand_r drand48
	signal sem_wait sem_timedwait backtrace
	pthread_create pthread_once call_once mtx_lock
	cxa_atexit atexit on_exit time gettimeofday
	pthread_mutex_* pthread_rwlock_* pthread_spin_* pthread_cond_*
	pthread_cleanup_* register_cancel unregister_cancel'

# "object symbol" for each symbol that an object wants and no object of the
# modules named after it defines.
wanted() {
	objects=$(find "$@" -name '*.o' 2>/dev/null)
	[ -n "$objects" ] || return 0
	# shellcheck disable=SC2086 # a list
	nm -A $objects | awk -v first="$1/" '
		{ object = $1; sub(/:.*/, "", object) }
		$(NF - 1) ~ /^[TDBRVWC]$/ { ours[$NF] = 1 }
		$(NF - 1) == "U" && index(object, first) == 1 { want[object " " $NF] }
		END {
			for (w in want) {
				split(w, part, " ")
				plain = part[2]
				if (plain in ours) continue
				sub(/^__isoc[0-9]*_/, "", plain)
				if (sub(/^__/, "", plain)) sub(/_chk$/, "", plain)
				print part[1], plain
			}
		}' | sed "s|^$BUILD/pic/||" | sort
}

none() {
	if [ -s "$2" ]; then t_fail "$1" "$2"; else t_pass "$1"; fi
}

# stack_chk_fail and the offset table come from the compiler.
wanted "$BUILD/pic/engine" "$BUILD/pic/plan" |
	awk -v list="$allowed_in_engine" '
		BEGIN { n = split(list, a, /[ \n\t]+/); while (n) ok[a[n--]] }
		!($2 in ok) && $2 !~ /^(stack_chk_fail|_?GLOBAL_OFFSET_TABLE_)$/
	' >"$T/engine"
none "the engine calls nothing but $allowed_in_engine" "$T/engine"

wanted "$BUILD/pic/shim" |
	awk -v list="$banned_in_shim" '
		BEGIN {
			n = split(list, a, /[ \n\t]+/)
			while (n) {
				if (sub(/\*$/, "", a[n])) prefix[a[n]]; else bad[a[n]]
				n--
			}
		}
		$1 ~ /^shim\/attach[^\/]*\.o$/ { next }
		# The helper thread, once per process, on a path where a rule
		# that lasts can act.
		$1 == "shim/keeper.o" && $2 == "pthread_create" { next }
		# What freopen does first, while the socket is still known.
		$1 == "shim/streams.o" && $2 == "fflush" { next }
		# What dprintf itself is.
		$1 == "shim/dprintf.o" && $2 == "vfprintf" { next }
		$2 in bad { print; next }
		{ for (p in prefix) if (index($2, p) == 1) print }
	' >"$T/shim"
none "the shim never allocates, prints, locks, sleeps or exits" "$T/shim"
t_done
