/*
 * print_steps.c - steps of the timeline and of scripts.
 */
#include <stdlib.h>

#include "lang/keys.h"
#include "runner/print_parts.h"
#include "runner/print_yaml.h"

static void print_count(FILE *out, bool *first, const struct range *count)
{
	if (count->min == 1 && count->max == INT64_MAX)
		return;
	yaml_flow_key(out, first, "count");
	yaml_range(out, count, yaml_number);
}

static void print_program(FILE *out, bool *first, const char *key,
                          const struct scenario *s, size_t program)
{
	yaml_flow_key(out, first, key);
	fputs(s->programs[program].name, out);
}

static void print_has(FILE *out, bool *first, const struct text_list *has)
{
	if (!has->n)
		return;
	yaml_flow_key(out, first, "has");
	yaml_matches(out, has);
}

static void print_event(FILE *out, const struct scenario *s,
                        const struct event *e)
{
	bool first = true;

	fputc('{', out);
	switch (e->kind) {
	case EVENT_EXIT:
		print_program(out, &first, "exit", s, e->program);
		break;
	case EVENT_READY:
		print_program(out, &first, "ready", s, e->program);
		break;
	case EVENT_OUTPUT:
		print_program(out, &first, "output", s, e->program);
		break;
	case EVENT_FILE:
		yaml_flow_key(out, &first, "file");
		yaml_text(out, e->path);
		break;
	case EVENT_HIT:
		yaml_flow_key(out, &first, "hit");
		yaml_text(out, e->rule);
		break;
	case EVENT_CALL:
		print_calls(out, &first, e->calls);
		if (e->program < s->n_programs)
			print_program(out, &first, "in", s, e->program);
		print_roles(out, &first, e->roles);
		print_pick(out, &first, "connection", &e->connection);
		break;
	}
	print_has(out, &first, &e->has);
	print_count(out, &first, &e->count);
	fputc('}', out);
}

static void print_send(FILE *out, const struct step *step)
{
	if (step->file) {
		fputs("{file: ", out);
		yaml_text(out, step->file);
		fputc('}', out);
	} else if (step->size) {
		fputs("{size: ", out);
		yaml_size(out, step->size);
		fputc('}', out);
	} else {
		yaml_text(out, step->bytes);
	}
}

static void print_recv(FILE *out, const struct step *step)
{
	switch (step->recv) {
	case RECV_TEXT:
		yaml_match(out, &step->text);
		break;
	case RECV_SIZE:
		yaml_size(out, step->size);
		break;
	case RECV_EOF:
		fputs("eof", out);
		break;
	case RECV_RESET:
		fputs("reset", out);
		break;
	}
}

/* What is behind the word of a step, in the map that it begins. */
static void print_value(FILE *out, const struct scenario *s,
                        const struct step *step)
{
	switch (step->kind) {
	case STEP_WAIT_TIME:
		yaml_duration(out, (uint64_t)step->time_ns);
		break;
	case STEP_WAIT_EVENT:
		print_event(out, s, &step->event);
		break;
	case STEP_START:
	case STEP_STOP:
		fputs(s->programs[step->program].name, out);
		break;
	case STEP_SIGNAL:
		fprintf(out, "{%s: %s}", s->programs[step->program].name,
		        signal_name(step->signal));
		break;
	case STEP_ARM:
	case STEP_DISARM:
		yaml_text(out, step->rule);
		break;
	case STEP_RUN:
		print_command(out, step->run.argv);
		break;
	case STEP_SEND:
		print_send(out, step);
		break;
	case STEP_RECV:
		print_recv(out, step);
		break;
	case STEP_REPEAT:
	case STEP_CLOSE:
	case STEP_RESET:
	case STEP_HALF_CLOSE:
	case STEP_ECHO:
	case STEP_DRAIN:
	case N_STEP_KINDS:
		break;
	}
}

static const struct {
	const char *word;
	bool alone; /* without a value */
} words[N_STEP_KINDS] = {
	[STEP_WAIT_TIME] = {"wait", false},
	[STEP_WAIT_EVENT] = {"wait", false},
	[STEP_START] = {"start", false},
	[STEP_STOP] = {"stop", false},
	[STEP_SIGNAL] = {"signal", false},
	[STEP_ARM] = {"arm", false},
	[STEP_DISARM] = {"disarm", false},
	[STEP_RUN] = {"run", false},
	[STEP_SEND] = {"send", false},
	[STEP_RECV] = {"recv", false},
	[STEP_CLOSE] = {"close", true},
	[STEP_RESET] = {"reset", true},
	[STEP_HALF_CLOSE] = {"half_close", true},
	[STEP_ECHO] = {"echo", true},
	[STEP_DRAIN] = {"drain", true},
};

static void print_step(FILE *out, const struct scenario *s,
                       const struct step *step)
{
	if (words[step->kind].alone) {
		fprintf(out, "%s\n", words[step->kind].word);
		return;
	}
	fprintf(out, "{%s: ", words[step->kind].word);
	print_value(out, s, step);
	if (step->rate) {
		fputs(", rate: ", out);
		yaml_size(out, step->rate);
		fputs("/s", out);
	}
	if (step->has_within) {
		fputs(", within: ", out);
		yaml_range(out, &step->within_ns, yaml_duration);
	}
	fputs("}\n", out);
}

void print_steps(FILE *out, const struct scenario *s,
                 const struct step_list *steps, int indent)
{
	for (size_t i = 0; i < steps->n; i++) {
		const struct step *step = &steps->v[i];
		struct step_list inner = {step->steps, step->n_steps};

		fprintf(out, "%*s- ", indent, "");
		if (step->kind != STEP_REPEAT) {
			print_step(out, s, step);
			continue;
		}
		if (step->times)
			fprintf(out, "repeat: %u\n", step->times);
		else
			fputs("repeat: forever\n", out);
		fprintf(out, "%*ssteps:\n", indent + 2, "");
		print_steps(out, s, &inner, indent + 4);
	}
}
