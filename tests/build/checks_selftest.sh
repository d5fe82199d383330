#!/bin/sh
# The checks of the build themselves: each must see a violation planted in a
# small copy, and must not see what is allowed.
# run: parallel
# run: limit 120
. "$(dirname "$0")/../lib.sh"

mkdir -p "$T/copy/build/release"
cp -r "$top/Makefile" "$top/.clang-format" "$top/.shellcheckrc" "$T/copy"
mkdir "$T/copy/tests" "$T/copy/plan"
cp "$top/plan/calls.def" "$T/copy/plan"
cp -r "$top/tests/build" "$top/tests/lib.sh" "$T/copy/tests"
cd "$T/copy" || exit 1
mkdir engine shim lang runner reference tests/unit
unset FAULT LIBFAULT
BUILD=$T/copy/build/release
export BUILD MAKEFLAGS=

# check NAME: runs a check in the copy, output in $out.
check() {
	out=$("tests/build/$1.sh" 2>&1)
	name=$1
}

# sees WORDS, and ignores WORDS: of the check that ran last.
sees() {
	t_match "$name.sh sees: $1" "$out" "${2:-$1}"
}

ignores() {
	t_no_match "$name.sh allows: $1" "$out" "${2:-$1}"
}

# plant FILE: its text on standard input.
plant() {
	cat >"$1"
}

# object FILE: the C on standard input becomes an object.
object() {
	mkdir -p "$(dirname "$1")"
	cc -O2 -w -fPIC -x c -c -o "$1" -
}

# ---- includes ---------------------------------------------------------------
echo '#include "shim/a.h"' | plant engine/up.c
echo '#include "runner/a.h"' | plant shim/up.c
echo '#include "shim/a.h"' | plant runner/up.h
echo '#include "lang/a.h"' | plant shim/other.c
echo '#include "engine/a.h"' | plant lang/up.c
echo '#include "engine/a.h"' | plant plan/up.h
echo '#include "plan/a.h"' | plant reference/up.c
echo '#include "../shim/a.h"' | plant runner/round.c
printf '#include "engine/a.h"\n#include "a.h"\n' | plant shim/fine.c
echo '#include "lang/a.h"' | plant shim/attach_fine.c
check includes
for file in engine/up.c shim/up.c runner/up.h shim/other.c lang/up.c plan/up.h \
	reference/up.c runner/round.c; do
	sees "$file"
done
ignores shim/fine.c
ignores shim/attach_fine.c
rm -f ./*/up.* ./*/fine.c shim/* runner/round.c

# ---- banned -----------------------------------------------------------------
pic=build/release/pic
echo 'int getpid(void); int f(void) { return getpid(); }' |
	object $pic/engine/impure.o
echo 'void *memcpy(void *, const void *, unsigned long);
	void f(char *a, char *b, int n) { memcpy(a, b, n); }' |
	object $pic/engine/fine.o
for call in malloc free getenv exit abort pthread_mutex_lock sleep usleep \
	fopen puts strerror syslog setlocale; do
	echo "void $call(void); void f(void) { $call(); $call(); }" |
		object "$pic/shim/$call.o"
done
echo 'int __fprintf_chk(int); int f(int x) { return __fprintf_chk(x) + 1; }' |
	object $pic/shim/fortified.o
echo 'void malloc(void); void f(void) { malloc(); }' |
	object $pic/shim/attach_fine.o
check banned
sees "engine/impure.o getpid"
for call in malloc free getenv exit abort pthread_mutex_lock sleep usleep \
	fopen puts strerror syslog setlocale; do
	sees "shim/$call.o"
done
sees "shim/fortified.o fprintf"
ignores engine/fine.o
ignores shim/attach_fine.o

# ---- symbols, fastpath ------------------------------------------------------
cat >"$T/library.c" <<'END'
typedef int next_fn(int);
extern next_fn *next_send;
next_fn *next_send;
extern unsigned char *table;
unsigned char *table;
int work(int fd);
double cos(double x);
int popen(int x);
__attribute__((noinline)) int work(int fd) { return popen(fd) + (int)cos(fd); }
int send(int fd) { return table[fd] ? work(fd) : next_send(fd); }
int recv(int fd) { return next_send(fd) + 1; }
int read(int fd) { return next_send(fd); }
int write(int fd) { return work(fd); }
int own(int fd) { return send(fd) + 1; }
int yaml_parse(int fd) { return fd; }
__asm__(".text\n.quad table\n");
END
echo '{ global: send; recv; read; write; yaml_parse; local: *; };' >"$T/map"
cc -O2 -fPIC -fvisibility=default -w -fno-builtin -shared -Wl,-z,notext,-z,lazy \
	-Wl,--version-script="$T/map" -o "$BUILD/libfault.so" "$T/library.c" -lm \
	2>"$T/warnings"
check symbols
sees "an export that is no row" '> yaml_parse'
sees "a row that is not exported" '< accept4'
sees "an import that is not allowed" '> popen'
sees "a call of what is exported, by its name" '> send'
sees "another library" 'not ok .* libc is the only library'
sees "text relocations" 'not ok .* no text relocations'
sees "lazy binding" 'not ok .* bound at load time'
echo 'NAMED { global: send; local: *; };' >"$T/map"
cc -O2 -fPIC -w -shared -Wl,-z,notext -Wl,--version-script="$T/map" \
	-o "$BUILD/named.so" "$T/library.c" -lm 2>"$T/warnings"
mv "$BUILD/libfault.so" "$BUILD/unnamed.so"
mv "$BUILD/named.so" "$BUILD/libfault.so"
check symbols
sees "a named version node" 'not ok .* no export has a version'
mv "$BUILD/unnamed.so" "$BUILD/libfault.so"

check fastpath
case $out in
*'# SKIP'*) t_skip "fastpath.sh sees a call" "${out#*SKIP }" ;;
*)
	ignores "a test and a jump" 'not ok [0-9]+ - send '
	sees "a call" '^# recv has no way out'
	sees "a jump without a test" '^# read tests nothing'
	sees "a tail call to ours" '^# write has no way out'
	sees "a missing wrapper" '^# accept4 is not exported'
	;;
esac

# ---- size -------------------------------------------------------------------
# lines N: a function of so many
lines() {
	printf 'int f(void)\n{\n'
	yes '	x();' | head -n "$1"
	printf '}\n'
}
lines 71 | plant engine/long.c
lines 70 | plant engine/fine.c
yes '' | head -n 801 | plant tests/unit/huge.c
yes '' | head -n 800 | plant tests/unit/fine.c
check size
sees "a function of 71 lines" '^# 71 engine/long.c'
sees "a file of 801 lines" '801 tests/unit/huge.c'
sees "a function of 70 lines, as one to look at" 'look again: 70 engine/fine.c'
ignores "a function of 70 lines" '^# 70'
ignores "a file of 800 lines" unit/fine.c
rm engine/* tests/unit/*

# ---- format, shellcheck, clang ----------------------------------------------
echo 'int  x;' | plant engine/ugly.c
echo 'int x;' | plant engine/fine.c
check format
case $out in
*'# SKIP'*) t_skip "format.sh sees an ugly file" "no clang-format 14" ;;
*)
	sees engine/ugly.c
	ignores engine/fine.c
	;;
esac

printf '#!/bin/sh\nrm $1\n' | plant tests/bad
check shellcheck
case $out in
*'# SKIP'*) t_skip "shellcheck.sh sees a bad script" "no shellcheck" ;;
*) sees tests/bad "not ok .*/tests/bad" ;;
esac

printf 'int main(void)\n{\n\tint unused;\n\treturn 0;\n}\n' | plant reference/warn.c
check clang
case $out in
*'# SKIP'*) t_skip "clang.sh sees a warning" "no clang" ;;
*) sees "a warning" "reference/warn.c:.*unused" ;;
esac

# ---- install ----------------------------------------------------------------
rm -r reference engine "$BUILD/flags" 2>/dev/null
touch "$BUILD/fault"
sed -i '/^uninstall:/,$s/^	rm -f.*fault .*/	:/' Makefile
check install
sees "a file that uninstall forgets" 'not ok .* leaves no file'
t_done
