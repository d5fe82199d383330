#!/bin/sh
# Rules without `call` in a process where no helper thread can be made: the
# threads that wait act, several at once, and a fork may come between.
# run: parallel
. "$(dirname "$0")/../lib.sh"
[ -e "$LIBFAULT" ] || t_skip_all "no libfault.so yet"
probe=$BUILD/tests/probes/self_twice
[ -x "$probe" ] || make -s -C "$top" "${probe#"$top"/}" ||
	t_skip_all "no probes"

# Below ours: no thread with attributes, as the helper is, and resets that last.
cat >"$T/below.c" <<'C'
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <sys/socket.h>
#include <time.h>

int pthread_create(pthread_t *thread, const pthread_attr_t *attr,
                   void *(*run)(void *), void *arg)
{
	int (*real)(pthread_t *, const void *, void *(*)(void *), void *) =
		dlsym(RTLD_NEXT, "pthread_create");

	return attr ? EAGAIN : real(thread, attr, run, arg);
}

int connect(int fd, const struct sockaddr *addr, socklen_t len)
{
	int (*real)(int, const void *, socklen_t) = dlsym(RTLD_NEXT, "connect");
	const struct timespec second = {1, 0};

	if (addr->sa_family == AF_UNSPEC)
		nanosleep(&second, 0);
	return real(fd, addr, len);
}
C
cc -shared -fPIC -o "$T/below.so" "$T/below.c" -ldl 2>"$T/out" ||
	t_skip_all "no compiler"
t_ok "a child keeps none of the descriptors that two of them use" \
	timeout 20 env LD_PRELOAD="$LIBFAULT:$T/below.so" \
	FAULT_INJECT=reset:age=50ms:role=accepted "$probe" at-once
t_done
