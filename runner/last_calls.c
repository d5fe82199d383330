/*
 * last_calls.c - see last_calls.h.
 */
#include <stdlib.h>
#include <string.h>

#include "runner/last_calls.h"
#include "runner/print_trace.h"
#include "runner/trace_file.h"

enum {
	LINE_SIZE = 512
};

struct last_call {
	bool wanted;
	char line[LINE_SIZE]; /* "": none */
};

/* A service that was ready has nothing to end for. */
static bool hangs(const struct scenario *s, const struct instance_result *p)
{
	const struct program *program = &s->programs[p->program];

	return p->started && p->killed && program->kind == PROGRAM_RUN &&
	       program->attach && !(program_is_service(program) && p->ready);
}

/* Every line is formatted, since the printer counts what it prints. */
static void read_last_calls(struct last_call *v, size_t n, const char *path)
{
	struct trace_printer *printer = trace_printer_new();
	const struct fault_record *r;
	struct trace_reader reader;
	const char *why;
	char line[LINE_SIZE];

	if (printer && trace_reader_open(&reader, path, &why) == 0) {
		const struct trace_context *c = &reader.context;

		while ((r = trace_reader_next(&reader))) {
			uint32_t program;

			trace_print(printer, c, r, line, sizeof(line));
			if (r->call >= RECORD_EVENT ||
			    r->process >= c->n_processes)
				continue;
			program = c->processes[r->process].program;
			if (program < n && v[program].wanted)
				strcpy(v[program].line, line);
		}
		trace_reader_release(&reader);
	}
	trace_printer_free(printer);
}

void print_last_calls(FILE *out, const char *trace_path,
                      const struct scenario *s, const struct session_result *r)
{
	struct last_call *v = calloc(s->n_programs + 1, sizeof(*v));
	bool any = false;

	for (size_t i = 0; v && r->end == SESSION_LIMIT && i < r->n_instances;
	     i++) {
		if (!hangs(s, &r->instances[i]))
			continue;
		v[r->instances[i].program].wanted = any = true;
	}
	if (any)
		read_last_calls(v, s->n_programs, trace_path);
	for (size_t i = 0; any && i < s->n_programs; i++) {
		if (!v[i].wanted)
			continue;
		if (*v[i].line)
			fprintf(out, "    last call of %s:\n       %s\n",
			        s->programs[i].name, v[i].line);
		else
			fprintf(out, "    last call of %s: none was seen\n",
			        s->programs[i].name);
	}
	free(v);
}
