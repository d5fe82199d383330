/*
 * server.c - the reference server: correct, so that whatever a fault makes it
 * do is what a correct server does.  README.md is its manual.
 *
 * Files, by layer, each using only those below it:
 *
 *	server.c client.c	options, and what a run consists of
 *	program options		how a program starts; command lines
 *	loops			the table of I/O styles
 *	loop_blocking loop_fork loop_thread	styles that wait in their calls
 *	loop_events events	styles that wait for readiness
 *	interrupt shortage	deadlines and signals; no room for a process
 *	waiter_*		poll, select, epoll behind one interface
 *	connection listener	a connected socket; accept's errors
 *	service_* pattern	what is said; pure, no system calls
 *	calls			the calls of each style
 *	net message deadline	addresses; diagnostics; time
 *
 * Locking model: one thread, but for the style `thread`: see loop_thread.c.
 */
#include <errno.h>
#include <stdio.h>

#include "loop.h"
#include "message.h"
#include "options.h"
#include "program.h"

static const struct option_row rows[] = {
	{"--port", "PORT", "listen there; 0: any free port", OPTION_PORT,
         N_SERVICES},
	{"--host", "ADDR", "on this address (127.0.0.1)", OPTION_HOST,
         N_SERVICES},
	{"--io", "STYLE", "one of those below (blocking)", OPTION_IO,
         N_SERVICES},
	{"--echo", "", "send back what comes (the default)", OPTION_SERVICE,
         SERVICE_ECHO_SERVER},
	{"--source", "SIZE", "send a stream of this size", OPTION_SERVICE_SIZE,
         SERVICE_SOURCE_SERVER},
	{"--sink", "", "verify a stream, answer with a verdict", OPTION_SERVICE,
         SERVICE_SINK_SERVER},
	{"--line", "", "answer each line with a line", OPTION_SERVICE,
         SERVICE_LINE_SERVER},
	{"--backlog", "N", "length of the accept queue (128)", OPTION_BACKLOG,
         N_SERVICES},
	{"--once", "N", "exit after N connections", OPTION_ONCE, N_SERVICES},
	{"--help", "", "this text", OPTION_HELP, N_SERVICES},
};

static const struct command_line command_line = {
	.synopsis =
		"usage: server --port PORT [--echo | --source SIZE | --sink | "
		"--line] [OPTION...]\n\n"
		"A correct TCP server.  Prints 'listening on ADDR:PORT'; "
		"SIGTERM stops it.\n",
	.rows = rows,
	.n_rows = sizeof(rows) / sizeof(*rows),
};

static bool usage_is_right(const struct options *o)
{
	if (!o->port)
		message("--port PORT is missing; see --help");
	else
		return true;
	return false;
}

static void announce(const char *name)
{
	/* Who started us may have closed it; peers are served all the same. */
	if (printf("listening on %s\n", name) < 0 || fflush(stdout) != 0)
		message_call("write to", "stdout", errno);
}

static int run(const struct options *o)
{
	struct server server = {
		.service = o->service,
		.size = o->size,
		.io = o->io,
		.once = o->once,
		.signal_fd = -1,
	};
	int err;
	int fd;

	err = o->io->catch_stop(&server);
	if (err)
		return err;
	err = net_listen(o->host, o->port, (int)o->backlog, o->io->socket_flags,
	                 &fd, server.listener.name);
	if (err)
		return err;
	listener_init(&server.listener, fd);
	announce(server.listener.name);
	return o->io->serve(&server);
}

int main(int argc, char *argv[])
{
	struct options o = {
		.host = "127.0.0.1",
		.io = &io_loops[STYLE_BLOCKING],
		.service = &services[SERVICE_ECHO_SERVER],
		.backlog = 128,
	};

	(void)argc;
	program_start("server");
	if (!options_parse(&command_line, argv, &o))
		return EXIT_USAGE;
	if (o.help) {
		options_help(&command_line);
		return EXIT_WELL;
	}
	if (!usage_is_right(&o))
		return EXIT_USAGE;
	return run(&o) < 0 ? EXIT_FAILED : EXIT_WELL;
}
