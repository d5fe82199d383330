/*
 * client.c - the reference client: it never takes a part for the whole, and
 * says what went wrong.  README.md is its manual; server.c lists the files.
 *
 * Locking model: one thread, but for the style `thread`: see loop_thread.c.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "loop.h"
#include "message.h"
#include "options.h"
#include "program.h"

static const struct option_row rows[] = {
	{"--connect", "HOST:PORT", "to this peer; [v6]:PORT", OPTION_PEER,
         N_SERVICES},
	{"--bind", "ADDR", "from this address of the machine", OPTION_BIND,
         N_SERVICES},
	{"--io", "STYLE", "one of those below (blocking)", OPTION_IO,
         N_SERVICES},
	{"--echo", "SIZE", "send a stream, expect it back", OPTION_SERVICE_SIZE,
         SERVICE_ECHO_CLIENT},
	{"--source", "[SIZE]", "read to end of file, and verify (the default)",
         OPTION_SERVICE_SIZE_ANY, SERVICE_SOURCE_CLIENT},
	{"--sink", "SIZE", "send a stream, expect the verdict on it",
         OPTION_SERVICE_SIZE, SERVICE_SINK_CLIENT},
	{"--line", "N", "send N lines, expect an answer to each",
         OPTION_SERVICE_COUNT, SERVICE_LINE_CLIENT},
	{"--timeout", "DUR", "for each connection as a whole (10s)",
         OPTION_TIMEOUT, N_SERVICES},
	{"--connections", "N", "so many, one after another (1)",
         OPTION_CONNECTIONS, N_SERVICES},
	{"--help", "", "this text", OPTION_HELP, N_SERVICES},
};

static const struct command_line command_line = {
	.synopsis = "usage: client --connect HOST:PORT "
		    "[--echo SIZE | --source [SIZE] | "
		    "--sink SIZE | --line N] [OPTION...]\n\n"
		    "A correct TCP client for the reference server.\n",
	.rows = rows,
	.n_rows = sizeof(rows) / sizeof(*rows),
};

struct target {
	char *host;
	const char *port;
};

/* An address that stays silent must not use up the time of the next. */
static int64_t share_ns(int64_t deadline_ns, const struct addrinfo *ai)
{
	int64_t now = now_ns();
	int64_t left_ns = deadline_ns > now ? deadline_ns - now : 0;
	int n = 1;

	while ((ai = ai->ai_next))
		n++;
	return now + left_ns / n;
}

static int connect_one(const struct options *o, const struct addrinfo *ai,
                       int64_t deadline_ns, int *ret_fd,
                       char name[static ADDRESS_TEXT])
{
	int err;
	int fd;

	net_address_text(ai->ai_addr, ai->ai_addrlen, name);
	err = net_socket_to(ai, o->io->socket_flags, o->bind, name, &fd);
	if (err)
		return err;
	err = o->io->connect(o->io, fd, ai, name, deadline_ns);
	if (err) {
		close(fd);
		return err;
	}
	if (net_connected_to_self(fd)) {
		message("connect to %s: nobody listens, it met itself", name);
		net_reset(fd);
		return -ECONNREFUSED;
	}
	*ret_fd = fd;
	return 0;
}

/* The first address that answers, and its name. */
static int connect_any(const struct options *o, const struct target *target,
                       int64_t deadline_ns, int *ret_fd,
                       char name[static ADDRESS_TEXT])
{
	struct addrinfo *list;
	int err;

	err = net_resolve(target->host, target->port, deadline_ns, &list);
	if (err)
		return err;
	err = -EADDRNOTAVAIL;
	for (const struct addrinfo *ai = list; err && ai; ai = ai->ai_next)
		err = connect_one(o, ai, share_ns(deadline_ns, ai), ret_fd,
		                  name);
	freeaddrinfo(list);
	return err;
}

struct job {
	const struct options *options;
	const struct target *target;
	int64_t deadline_ns;
};

static int run_one(void *context)
{
	const struct job *job = context;
	const struct options *o = job->options;
	char name[ADDRESS_TEXT];
	struct connection *c;
	int err;
	int fd;

	err = connect_any(o, job->target, job->deadline_ns, &fd, name);
	if (err)
		return err;
	err = connection_open(fd, name, o->io->calls, o->service, o->size,
	                      o->io->window, &c);
	if (err)
		return err;
	c->deadline_ns = job->deadline_ns;
	err = o->io->converse(o->io, c);
	if (err) {
		connection_reset(c);
		return err;
	}
	connection_report(c);
	connection_close(c);
	return 0;
}

static int run_job(const struct options *o, const struct target *target)
{
	struct job job = {
		.options = o,
		.target = target,
		.deadline_ns = now_ns() + o->timeout_ns,
	};

	if (o->io->apart)
		return o->io->apart(run_one, &job, job.deadline_ns);
	return run_one(&job);
}

static int run(const struct options *o, const struct target *target)
{
	int err = 0;

	if (o->io->start_client)
		err = o->io->start_client();
	for (unsigned i = 0; i < o->connections && !err; i++)
		err = run_job(o, target);
	if (!err && fflush(stdout) != 0) {
		err = -errno;
		message_call("write to", "stdout", errno);
	}
	return err;
}

static bool usage_is_right(const struct options *o, struct target *target)
{
	if (!o->peer)
		message("--connect HOST:PORT is missing; see --help");
	else if (!parse_peer(o->peer, target->host, &target->port))
		message("--connect %s: a peer is HOST:PORT or [v6]:PORT",
		        o->peer);
	else
		return true;
	return false;
}

static int run_checked(const struct options *o)
{
	struct target target;
	int status = EXIT_USAGE;

	target.host = malloc(o->peer ? strlen(o->peer) + 1 : 1);
	if (!target.host) {
		message_call("memory", NULL, ENOMEM);
		return EXIT_FAILED;
	}
	if (usage_is_right(o, &target))
		status = run(o, &target) < 0 ? EXIT_FAILED : EXIT_WELL;
	free(target.host);
	return status;
}

int main(int argc, char *argv[])
{
	struct options o = {
		.io = &io_loops[STYLE_BLOCKING],
		.service = &services[SERVICE_SOURCE_CLIENT],
		.connections = 1,
		.timeout_ns = 10 * NS_PER_S,
	};

	(void)argc;
	program_start("client");
	if (!options_parse(&command_line, argv, &o))
		return EXIT_USAGE;
	if (o.help) {
		options_help(&command_line);
		return EXIT_WELL;
	}
	return run_checked(&o);
}
