/*
 * cmd_trace.c - `fault trace`: a program's calls as they happen, or a kept
 * trace once more.  No rules: what is printed is what a rule would select by.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lang/scenario.h"
#include "runner/cmd.h"
#include "runner/options.h"
#include "runner/passthrough.h"
#include "runner/print_trace.h"
#include "runner/trace_file.h"

enum {
	OPT_OUTPUT = 1,
	OPT_RAW
};

static const struct option_spec specs[] = {
	{OPT_OUTPUT, 'o', "output", "FILE", "print there instead of stderr"},
	{OPT_RAW, 0, "raw", "FILE",
         "keep the records; `fault trace FILE` prints them"},
};

static const struct command_help help = {
	"trace",
	"[OPTION]... [--] PROGRAM [ARG]... | FILE",
	"Print each call of a program on its TCP sockets, with what a rule\n"
	"would have to say to hit it: #3 is `nth: 3`.  With FILE, kept by\n"
	"--raw or by a failed scenario, print that on stdout.",
	specs,
	sizeof(specs) / sizeof(specs[0]),
	"Exit status: the program's own, as of `fault exec`; for FILE, 0, or "
	"2\n"
	"when it is no trace."};

enum {
	LINE_SIZE = 4096,
	N_SLOTS = 65536
};

struct trace_command {
	const char *output, *raw_path;
	char **argv;  /* of the program, or the file */
	bool program; /* `--` was given */
	FILE *out;
	struct trace_printer *printer;
	struct trace_writer raw;
	int error;           /* of --raw, -errno */
	bool known[N_SLOTS]; /* process slots that --raw has */
};

static int say(const char *what, int err)
{
	fprintf(stderr, "fault trace: %s: %s\n", what, strerror(-err));
	return err;
}

/* One write per line: the program writes to the same terminal. */
static void print_record(struct trace_command *c,
                         const struct trace_context *context,
                         const struct fault_record *r)
{
	char line[LINE_SIZE];

	trace_print(c->printer, context, r, line, sizeof(line));
	fprintf(c->out, "%s\n", line);
}

/* The file begins with the plan, which comes with the first record. */
static bool open_raw(struct trace_command *c,
                     const struct trace_context *context)
{
	if (c->raw.file)
		return true;
	if (!c->raw_path || c->error)
		return false;
	c->error = trace_writer_open(&c->raw, c->raw_path, context->plan,
	                             context->plan->size, context->start_ns);
	if (c->error)
		say(c->raw_path, c->error);
	return !c->error;
}

static void keep_record(struct trace_command *c,
                        const struct trace_context *context,
                        const struct fault_record *r)
{
	if (!open_raw(c, context))
		return;
	if (!c->known[r->process] || r->call >= RECORD_EVENT)
		trace_writer_process(&c->raw, context, r->process);
	c->known[r->process] = true;
	trace_writer_record(&c->raw, r);
}

static void take_record(void *context, const struct trace_context *names,
                        const struct fault_record *r)
{
	struct trace_command *c = context;

	print_record(c, names, r);
	keep_record(c, names, r);
}

static int run_program(struct trace_command *c)
{
	struct passthrough p = {.command = "trace",
	                        .scenario = scenario_new(),
	                        .may_miss = true,
	                        .record = take_record,
	                        .record_context = c};
	int code = EXIT_OURS, rc;

	if (!p.scenario || scenario_add_program(p.scenario, "", c->argv) < 0)
		say("scenario", -ENOMEM);
	else
		code = passthrough_run(&p);
	scenario_free(p.scenario);
	rc = trace_writer_close(&c->raw);
	if (rc)
		say(c->raw_path, rc);
	return rc || c->error ? EXIT_OURS : code;
}

static int print_file(struct trace_command *c, const char *path)
{
	const struct fault_record *r;
	struct trace_reader reader;
	const char *why = NULL;
	int rc = trace_reader_open(&reader, path, &why);

	if (rc) {
		fprintf(stderr, "fault trace: %s: %s\n", path,
		        why ? why : strerror(-rc));
		return EXIT_USAGE;
	}
	while ((r = trace_reader_next(&reader)))
		print_record(c, &reader.context, r);
	if (!trace_reader_complete(&reader))
		fprintf(stderr, "fault trace: %s: the end is cut off\n", path);
	trace_reader_release(&reader);
	return EXIT_PASSED;
}

/* One word that names a file which cannot be a program: a kept trace. */
static bool is_file(const struct trace_command *c)
{
	return !c->program && !c->argv[1] && !access(c->argv[0], F_OK) &&
	       access(c->argv[0], X_OK);
}

static int run_command(struct trace_command *c)
{
	bool file = is_file(c);
	int code;

	c->printer = trace_printer_new();
	c->out = file ? stdout : stderr;
	if (c->output)
		c->out = fopen(c->output, "we");
	if (!c->out || !c->printer) {
		say(c->output ? c->output : "printer", -errno);
		code = EXIT_OURS;
	} else {
		code = file ? print_file(c, c->argv[0]) : run_program(c);
	}
	if (c->out && (fflush(c->out) || ferror(c->out))) {
		say(c->output ? c->output : "output", -EIO);
		code = EXIT_OURS;
	}
	if (c->out && c->output)
		fclose(c->out);
	trace_printer_free(c->printer);
	return code;
}

/* 0, or OPTION_EXIT. */
static int parse(struct trace_command *c, struct options *o)
{
	int id;

	o->operands_last = true;
	while (!c->argv && (id = options_next(o)) != OPTION_DONE) {
		if (id == OPTION_EXIT)
			return id;
		if (id == OPT_OUTPUT)
			c->output = o->value;
		else if (id == OPT_RAW)
			c->raw_path = o->value;
		else
			c->argv = &o->argv[o->index - 1];
	}
	for (int i = 1; c->argv && &o->argv[i] < c->argv; i++)
		c->program |= !strcmp(o->argv[i], "--");
	return c->argv ? 0 : options_error(o, "which program, or which file?");
}

int cmd_trace(int argc, char **argv)
{
	struct options o = options_start(&help, argc, argv);
	struct trace_command *c = calloc(1, sizeof(*c));
	int code;

	if (!c)
		return EXIT_OURS;
	code = parse(c, &o) ? o.exit_code : run_command(c);
	free(c);
	return code;
}
