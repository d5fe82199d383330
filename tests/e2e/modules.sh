#!/bin/sh
# Modules: what is loaded with RTLD_DEEPBIND is reached, and dlopen finds what
# it found, with the same errors. Libraries below and above ours in LD_PRELOAD.
# run: parallel
. "$(dirname "$0")/../lib.sh"
[ -e "$LIBFAULT" ] || t_skip_all "no libfault.so yet"
: "${CC:=cc}"
command -v "$CC" >/dev/null || t_skip_all "no compiler"

# A module that receives; MODULE_NAME tells the two of it apart.
cat >"$T/module.c" <<'C'
#include <sys/socket.h>
#include <sys/types.h>
ssize_t fetch(int fd)
{
	char data[8];

	return recv(fd, data, sizeof(data), 0);
}
C

# A library with a RUNPATH of its own, which opens what its caller names.
cat >"$T/opener.c" <<'C'
#include <dlfcn.h>
void *open_from_here(const char *name, int flags)
{
	void *handle = dlopen(name, flags);

	return handle;
}
C

# One that opens a module before any preloaded library has been started.
cat >"$T/early.c" <<'C'
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
void *early_handle;
__attribute__((constructor)) static void start(void)
{
	early_handle = dlopen(getenv("EARLY_MODULE"), RTLD_NOW | RTLD_DEEPBIND);
}
C

# What a program does with them, one line for each.
cat >"$T/main.c" <<'C'
#define _GNU_SOURCE
#include <dlfcn.h>
#include <link.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

extern void *early_handle;
void *open_from_here(const char *name, int flags);
typedef ssize_t fetch(int fd);

/* An accepted connection with eight bytes to receive. */
static int fed(void)
{
	struct sockaddr_in a = {.sin_family = AF_INET};
	socklen_t len = sizeof(a);
	int l = socket(AF_INET, SOCK_STREAM, 0), c, fd;

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	c = socket(AF_INET, SOCK_STREAM, 0);
	if (bind(l, (void *)&a, len) || listen(l, 1) ||
	    getsockname(l, (void *)&a, &len) || connect(c, (void *)&a, len))
		exit(2);
	fd = accept(l, NULL, NULL);
	if (write(c, "12345678", 8) != 8)
		exit(2);
	return fd;
}

static void told(const char *what, void *handle)
{
	const char *error = dlerror();
	struct link_map *map = NULL;

	if (!handle) {
		printf("%s: %s\n", what, error ? error : "no reason");
		return;
	}
	dlinfo(handle, RTLD_DI_LINKMAP, &map);
	printf("%s: %s\n", what, map && *map->l_name ? map->l_name : "main");
}

static void received(const char *what, void *handle)
{
	fetch *f = (fetch *)dlsym(handle, "fetch");

	printf("%s: %zd\n", what, f ? f(fed()) : -2);
}

int main(int argc, char **argv)
{
	const char *module = argv[1];
	char data[8];
	ssize_t (*r)(int, void *, size_t, int);

	(void)argc;
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (!strcmp(module, "next")) { /* who wraps it? */
		r = (ssize_t(*)(int, void *, size_t, int))dlsym(RTLD_NEXT, "recv");
		printf("RTLD_NEXT: %zd\n", r(fed(), data, 8, 0));
		r = (ssize_t(*)(int, void *, size_t, int))dlsym(RTLD_DEFAULT, "recv");
		printf("RTLD_DEFAULT: %zd\n", r(fed(), data, 8, 0));
		r = (ssize_t(*)(int, void *, size_t, int))dlsym(
			dlopen("libc.so.6", RTLD_NOW), "recv");
		printf("libc's handle: %zd\n", r(fed(), data, 8, 0));
		printf("recv: %zd\n", recv(fed(), data, 8, 0));
		return 0;
	}
	told("itself", dlopen(NULL, RTLD_NOW));
	told("flags of nothing", dlopen(module, 0));
	told("DEEPBIND alone", dlopen(module, RTLD_DEEPBIND));
	told("not there", dlopen("/no/such.so", RTLD_NOW | RTLD_DEEPBIND));
	told("not loaded", dlopen("libfound.so", RTLD_NOW | RTLD_NOLOAD));
	told("not on my path", dlopen("libfound.so", RTLD_NOW));
	told("on its RUNPATH", open_from_here("libfound.so", RTLD_NOW | RTLD_DEEPBIND));
	told("$ORIGIN", open_from_here("$ORIGIN/../found/libfound.so", RTLD_NOW));
	told("base namespace", dlmopen(LM_ID_BASE, module, RTLD_NOW | RTLD_DEEPBIND));
	told("flags of nothing there", dlmopen(LM_ID_BASE, module, 0));
	received("early", early_handle);
	received("deep", dlopen(module, RTLD_NOW | RTLD_DEEPBIND));
	received("deep base", dlmopen(LM_ID_BASE, module, RTLD_LAZY | RTLD_DEEPBIND));
	received("own namespace", dlmopen(LM_ID_NEWLM, module, RTLD_NOW));
	return 0;
}
C

# Another library that stands before connect and recv, as those for proxies do.
cat >"$T/other.c" <<'C'
#define _GNU_SOURCE
#include <dlfcn.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <unistd.h>
ssize_t recv(int fd, void *buf, size_t len, int flags)
{
	ssize_t (*next)(int, void *, size_t, int) =
		(ssize_t(*)(int, void *, size_t, int))dlsym(RTLD_NEXT, "recv");

	if (write(2, "other\n", 6) != 6)
		return -1;
	return next(fd, buf, len, flags);
}
C

mkdir "$T/opener" "$T/found"
build() {
	"$CC" -O1 -fPIC "$@" >"$T/out" 2>&1 || t_skip_all "cannot compile: $(cat "$T/out")"
}
build -shared -o "$T/module.so" "$T/module.c"
build -shared -o "$T/found/libfound.so" "$T/module.c"
build -shared -o "$T/opener/libopener.so" "$T/opener.c" \
	-Wl,--enable-new-dtags,-rpath,"\$ORIGIN/../found"
build -shared -o "$T/opener/libearly.so" "$T/early.c"
build -shared -o "$T/other.so" "$T/other.c"
build -o "$T/main" "$T/main.c" -L"$T/opener" -lopener -learly \
	-Wl,--no-as-needed,-rpath-link,"$T/found",--disable-new-dtags \
	-Wl,-rpath,"$T/opener" -ldl

# run PRELOAD RULE ARGUMENT: its lines, with those of a library between.
run() {
	env ${1:+LD_PRELOAD="$1"} ${2:+FAULT_INJECT="$2"} \
		EARLY_MODULE="$T/module.so" "$T/main" "$3" 2>&1
}
rule=recv:short=1B:role=accepted

run "" "" "$T/module.so" >"$T/plain"
t_match "the program without the library" "$(cat "$T/plain")" 'own namespace: 8'
t_match "a RUNPATH is the caller's" "$(cat "$T/plain")" 'RUNPATH: .*/libfound.so'
run "$LIBFAULT" "" "$T/module.so" >"$T/inert"
t_ok "dlopen finds, and says, the same with the library" \
	diff "$T/plain" "$T/inert"
sed -E '/^(early|deep|deep base): 8$/s/8/1/' "$T/plain" >"$T/wanted"
run "$LIBFAULT" "$rule" "$T/module.so" >"$T/armed"
t_ok "modules loaded with RTLD_DEEPBIND are reached, but in a namespace of their own" \
	diff "$T/wanted" "$T/armed"

t_is "who looks libc's recv up past us goes past us" \
	"$(run "$LIBFAULT" "$rule" next)" "RTLD_NEXT: 1
RTLD_DEFAULT: 1
libc's handle: 8
recv: 1"
for order in "$LIBFAULT:$T/other.so" "$T/other.so:$LIBFAULT"; do
	where=below
	[ "${order#"$LIBFAULT"}" = "$order" ] && where=above
	# Below, it sees our look whether there is something to receive, too.
	t_is "another library $where ours" "$(run "$order" "$rule" next | uniq)" \
		"other
RTLD_NEXT: 1
other
RTLD_DEFAULT: 1
libc's handle: 8
other
recv: 1"
done
t_done
