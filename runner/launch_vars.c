/*
 * launch_vars.c - the values of ${...}, and free ports (launch.h).
 */
#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "plan/env.h"
#include "runner/clock.h"
#include "runner/launch.h"
#include "runner/machine.h"

enum {
	FIRST_PORT = 10000,
	LAST_PORT = 65000
};

/* ---- ports --------------------------------------------------------------- */

/* r again.  There is no going on to the next port then. */
static int note_short(int r)
{
	if (machine_is_short(r))
		machine_failed(r, "looking for a port");
	return r;
}

/* The port's name as an abstract socket: one `fault` at a time has it. */
static int lock_port(unsigned port)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int n;

	if (fd < 0)
		return note_short(-errno);
	n = snprintf(a.sun_path + 1, sizeof(a.sun_path) - 1, "fault-port-%u",
	             port);
	if (bind(fd, (const struct sockaddr *)&a,
	         (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 +
	                     (size_t)n)) < 0) {
		int err = errno;

		close(fd);
		return -err;
	}
	return fd;
}

static bool can_bind(int family, const void *address, socklen_t len)
{
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool ok;

	if (fd < 0) /* no such family here: nobody else has it */
		return !machine_is_short(note_short(-errno));
	ok = bind(fd, address, len) == 0;
	close(fd);
	return ok;
}

/* Without SO_REUSEADDR: any socket with this port, TIME_WAIT too, is seen. */
static bool is_free(unsigned port)
{
	struct sockaddr_in a4 = {.sin_family = AF_INET,
	                         .sin_port = htons((uint16_t)port)};
	struct sockaddr_in6 a6 = {.sin6_family = AF_INET6,
	                          .sin6_port = htons((uint16_t)port)};

	return can_bind(AF_INET, &a4, sizeof(a4)) &&
	       can_bind(AF_INET6, &a6, sizeof(a6));
}

static void automatic_range(unsigned *low, unsigned *high)
{
	FILE *f = fopen("/proc/sys/net/ipv4/ip_local_port_range", "re");

	*low = 32768;
	*high = 60999;
	if (!f)
		return;
	if (fscanf(f, "%u %u", low, high) != 2)
		*low = *high = 0;
	fclose(f);
}

/* The i-th of the n ports that are not automatic. */
static unsigned nth_port(unsigned i, unsigned low, unsigned high)
{
	unsigned port = FIRST_PORT + i;

	return port < low ? port : port + (high + 1 - low);
}

static bool find_port(struct launch_port *p)
{
	unsigned low, high, at, n = LAST_PORT + 1 - FIRST_PORT;

	automatic_range(&low, &high);
	low = low < FIRST_PORT ? FIRST_PORT : low;
	high = high > LAST_PORT ? LAST_PORT : high;
	if (low > high || high + 1 - low >= n)
		low = high + 1; /* all or none of them are */
	n -= high + 1 - low;
	at = (unsigned)((uint64_t)now_ns() / 1000 + (unsigned)getpid() * 61);
	for (unsigned i = 0; i < n; i++) {
		unsigned port = nth_port((at + i) % n, low, high);

		p->lock = lock_port(port);
		if (machine_failure())
			break;
		if (p->lock < 0)
			continue;
		if (is_free(port)) {
			snprintf(p->text, sizeof(p->text), "%u", port & 0xffff);
			return true;
		}
		close(p->lock);
	}
	return false;
}

static const char *port(struct launch_vars *v, const char *name)
{
	struct launch_port *ports;

	for (size_t i = 0; i < v->n_ports; i++)
		if (strcmp(v->ports[i].name, name) == 0)
			return v->ports[i].text;
	ports = realloc(v->ports, (v->n_ports + 1) * sizeof(*ports));
	if (!ports) {
		note_short(-ENOMEM);
		return NULL;
	}
	v->ports = ports;
	struct launch_port *p = &ports[v->n_ports];

	*p = (struct launch_port){.name = strdup(name), .lock = -1};
	if (!p->name)
		note_short(-ENOMEM);
	if (!p->name || !find_port(p)) {
		v->out_of_ports = true;
		free(p->name);
		return NULL;
	}
	v->n_ports++;
	return p->text;
}

/* ---- the rest ------------------------------------------------------------ */

void launch_vars_init(struct launch_vars *v, char *const *given, size_t n_given)
{
	*v = (struct launch_vars){.given = given, .n_given = n_given};
}

void launch_vars_bind(struct launch_vars *v, const char *file, const char *tmp,
                      uint64_t seed)
{
	char absolute[PATH_MAX];

	v->host = "127.0.0.1";
	snprintf(v->tmp, sizeof(v->tmp), "%s", tmp);
	snprintf(v->seed, sizeof(v->seed), "%llu", (unsigned long long)seed);
	free(v->here);
	v->here = NULL;
	if (file && realpath(file, absolute)) {
		char *slash = strrchr(absolute, '/');

		if (slash)
			slash[slash == absolute] = '\0';
		v->here = strdup(absolute);
	}
}

void launch_vars_release(struct launch_vars *v)
{
	for (size_t i = 0; i < v->n_ports; i++) {
		close(v->ports[i].lock);
		free(v->ports[i].name);
	}
	free(v->ports);
	free(v->here);
	*v = (struct launch_vars){.given = v->given, .n_given = v->n_given};
}

static const char *run_time(struct launch_vars *v, const char *name)
{
	if (strcmp(name, "port") == 0 || strncmp(name, "port.", 5) == 0)
		return port(v, name);
	if (strcmp(name, "host") == 0)
		return v->host;
	if (strcmp(name, "tmp") == 0)
		return v->tmp;
	if (strcmp(name, "here") == 0)
		return v->here;
	if (strcmp(name, "seed") == 0)
		return v->seed;
	return NULL;
}

static const char *lookup(void *context, const char *name)
{
	struct launch_vars *v = context;
	const char *value = v->host ? run_time(v, name) : NULL;
	size_t len = strlen(name);
	char variable[128];

	if (value)
		return value;
	for (size_t i = v->n_given; i-- > 0;)
		if (strncmp(v->given[i], name, len) == 0 &&
		    v->given[i][len] == '=')
			return v->given[i] + len + 1;
	if (snprintf(variable, sizeof(variable), FAULT_ENV_VAR "%s", name) >=
	    (int)sizeof(variable))
		return NULL;
	return getenv(variable);
}

struct suite_vars launch_suite_vars(struct launch_vars *v)
{
	return (struct suite_vars){.lookup = lookup, .context = v};
}
