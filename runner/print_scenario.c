/*
 * print_scenario.c - see print_scenario.h; what is at its default is left out.
 *
 * Every key of scenario.h has its line here or in print_rule.c, print_steps.c:
 * a key that the language gets and that is forgotten here is missing from what
 * a scripted program and a failed scenario are given.
 */
#include <inttypes.h>
#include <signal.h>

#include "lang/keys.h"
#include "runner/print_parts.h"
#include "runner/print_scenario.h"
#include "runner/print_yaml.h"

/* Anything, in one line; what YAML refuses even there becomes a `?`. */
static void print_comment(FILE *out, const char *s)
{
	for (; *s; s++)
		fputc(*s >= 0x20 && *s < 0x7f ? *s : '?', out);
}

static void print_text(FILE *out, const char *key, const char *s)
{
	if (!s || !*s)
		return;
	fprintf(out, "%s: ", key);
	yaml_text(out, s);
	fputc('\n', out);
}

static void print_matches(FILE *out, const char *key, const struct text_list *l)
{
	if (!l->n)
		return;
	fprintf(out, "    %s: ", key);
	yaml_matches(out, l);
	fputc('\n', out);
}

void print_command(FILE *out, char *const *argv)
{
	size_t n = 0;

	while (argv[n])
		n++;
	yaml_texts(out, argv, n);
}

static void print_commands(FILE *out, const char *key, const struct command *v,
                           size_t n)
{
	if (n)
		fprintf(out, "%s:\n", key);
	for (size_t i = 0; i < n; i++) {
		fputs("  - ", out);
		print_command(out, v[i].argv);
		fputc('\n', out);
	}
}

static void print_duration(FILE *out, const char *key, int64_t ns)
{
	fprintf(out, "%s: ", key);
	yaml_duration(out, (uint64_t)ns);
	fputc('\n', out);
}

static void print_head(FILE *out, const struct scenario *s)
{
	fputs("version: 1\n", out);
	print_text(out, "name", s->name);
	print_text(out, "about", s->about);
	if (s->n_tags) {
		fputs("tags: ", out);
		yaml_texts(out, s->tags, s->n_tags);
		fputc('\n', out);
	}
	print_text(out, "todo", s->todo);
	if (s->n_needs) {
		fputs("needs: ", out);
		yaml_texts(out, s->needs, s->n_needs);
		fputc('\n', out);
	}
	if (s->n_programs)
		print_duration(out, "limit", s->limit_ns);
	if (s->alone)
		fputs("alone: true\n", out);
}

static void print_hosts(FILE *out, const struct scenario *s)
{
	if (s->n_hosts)
		fputs("hosts:\n", out);
	for (size_t i = 0; i < s->n_hosts; i++) {
		const struct host_entry *h = &s->hosts[i];

		fputs("  ", out);
		yaml_text(out, h->name);
		for (size_t k = 0; k < h->n_addrs; k++) {
			fputs(k ? ", " : ": [", out);
			yaml_address(out, &h->addrs[k]);
		}
		fputs("]\n", out);
	}
}

static void print_files(FILE *out, const struct scenario *s)
{
	if (s->n_files)
		fputs("files:\n", out);
	for (size_t i = 0; i < s->n_files; i++) {
		fputs("  ", out);
		yaml_text(out, s->files[i].name);
		fputs(": ", out);
		yaml_text(out, s->files[i].body);
		fputc('\n', out);
	}
}

/* --- programs --------------------------------------------------------------*/

static void print_ready(FILE *out, const struct program *p)
{
	if (p->ready == READY_LISTENING)
		fputs("    ready: listening\n", out);
	if (p->ready == READY_TEXT) {
		fputs("    ready: ", out);
		yaml_match(out, &p->ready_text);
		fputc('\n', out);
	}
}

static void print_run(FILE *out, const struct program *p)
{
	fputs("    run: ", out);
	print_command(out, p->argv);
	fputc('\n', out);
	if (p->n_env)
		fputs("    env:\n", out);
	for (size_t i = 0; i < p->n_env; i++) {
		fputs("      ", out);
		yaml_key(out, p->env[i].name);
		fputs(": ", out);
		yaml_text(out, p->env[i].value);
		fputc('\n', out);
	}
	fputs(p->dir ? "    " : "", out);
	print_text(out, "dir", p->dir);
	fputs(p->stdin_file ? "    " : "", out);
	print_text(out, "stdin", p->stdin_file);
	if (!p->attach)
		fputs("    attach: false\n", out);
	print_ready(out, p);
	if (p->stop_signal != SIGTERM)
		fprintf(out, "    stop: %s\n", signal_name(p->stop_signal));
	if (p->grace_ns != 5000000000)
		print_duration(out, "    grace", p->grace_ns);
}

static void print_scripts(FILE *out, const struct scenario *s,
                          const struct program *p)
{
	if (p->n_scripts)
		fputs("    steps:\n", out);
	for (size_t i = 0; i < p->n_scripts; i++) {
		const struct script *script = &p->scripts[i];
		bool all = !script->connections.first &&
		           !script->connections.ratio;

		if (!all) {
			fputs("      ", out);
			yaml_pick(out, &script->connections);
			fputs(":\n", out);
		}
		print_steps(out, s, &script->steps, all ? 6 : 8);
	}
}

static void print_program(FILE *out, const struct scenario *s,
                          const struct program *p)
{
	fprintf(out, "  %s:\n", p->name);
	if (p->kind == PROGRAM_RUN) {
		print_run(out, p);
	} else {
		fputs(p->kind == PROGRAM_LISTEN ? "    listen: "
		                                : "    connect: ",
		      out);
		yaml_address(out, &p->address);
		fputc('\n', out);
	}
	if (!p->accept)
		fputs("    accept: false\n", out);
	if (!p->started)
		fputs("    started: false\n", out);
	if (p->count != 1)
		fprintf(out, "    count: %u\n", p->count);
	if (p->repeat != 1)
		fprintf(out, "    repeat: %u\n", p->repeat);
	print_scripts(out, s, p);
}

/* --- rules -----------------------------------------------------------------*/

static void print_place(FILE *out, const struct fault_plan *plan, size_t i,
                        const struct rule *r)
{
	static const char *const pers[] = {[PER_DEFAULT] = "default",
	                                   [PER_CONNECTION] = "connection",
	                                   [PER_PROCESS] = "process",
	                                   [PER_PROGRAM] = "program",
	                                   [PER_RUN] = "run"};
	unsigned class_index = plan_rules(plan)[i].class_index;

	fputs("    # ", out);
	print_comment(out, r->loc.file ? r->loc.file : "line");
	fprintf(out, ":%u: ", r->loc.line);
	print_comment(out, r->text);
	fprintf(out, ", per %s\n", pers[plan_classes(plan)[class_index].per]);
}

static void print_faults(FILE *out, const struct scenario *s,
                         const struct fault_plan *plan)
{
	if (s->n_rules)
		fputs("faults:\n", out);
	else if (!s->n_programs)
		fputs("faults: []\n", out); /* no file is without both */
	for (size_t i = 0; i < s->n_rules; i++) {
		fputs("  - ", out);
		print_rule(out, s, &s->rules[i]);
		fputc('\n', out);
		if (plan && i < plan->n_rules)
			print_place(out, plan, i, &s->rules[i]);
	}
}

/* --- expectations ----------------------------------------------------------*/

static void print_exit(FILE *out, const struct exit_expect *e)
{
	if (!e->given)
		return;
	fprintf(out, "    exit: %s", e->nonzero ? "nonzero" : "");
	fputs(e->n > 1 ? "[" : "", out);
	for (size_t i = 0; i < e->n; i++) {
		fputs(i ? ", " : "", out);
		yaml_range(out, &e->v[i], yaml_number);
	}
	fputs(e->n > 1 ? "]\n" : "\n", out);
}

static void print_allow(FILE *out, uint32_t allow)
{
	const char *words[N_VERDICTS];
	size_t n = 0;

	for (unsigned i = 0; i < N_VERDICTS; i++)
		if (allow >> i & 1)
			words[n++] = fault_verdicts[i].word;
	if (!n)
		return;
	fputs("    allow: ", out);
	yaml_words(out, words, n);
	fputc('\n', out);
}

static bool is_empty(const struct expectation *e)
{
	return !e->exit.given && !e->signal && e->alive < 0 && !e->out.n &&
	       !e->err.n && !e->no_out.n && !e->no_err.n && !e->has_time &&
	       !e->allow;
}

static void print_expectation(FILE *out, const struct scenario *s,
                              const struct expectation *e)
{
	fprintf(out, "  %s:%s\n", s->programs[e->program].name,
	        is_empty(e) ? " {}" : "");
	print_exit(out, &e->exit);
	if (e->signal)
		fprintf(out, "    signal: %s\n", signal_name(e->signal));
	if (e->alive >= 0)
		fprintf(out, "    alive: %s\n", e->alive ? "true" : "false");
	print_matches(out, "stdout", &e->out);
	print_matches(out, "stderr", &e->err);
	print_matches(out, "no_stdout", &e->no_out);
	print_matches(out, "no_stderr", &e->no_err);
	if (e->has_time) {
		fputs("    time: ", out);
		yaml_range(out, &e->time_ns, yaml_duration);
		fputc('\n', out);
	}
	print_allow(out, e->allow);
}

static void print_call_expects(FILE *out, const char *key,
                               const struct scenario *s,
                               const struct call_expect *v, size_t n)
{
	if (n)
		fprintf(out, "  %s:\n", key);
	for (size_t i = 0; i < n; i++) {
		fputs("    - ", out);
		print_call_expect(out, s, &v[i]);
		fputc('\n', out);
	}
}

static void print_file_expect(FILE *out, const struct file_expect *e)
{
	bool first = true;

	fputs("    ", out);
	yaml_text(out, e->path);
	fputs(": {", out);
	if (e->has.n) {
		yaml_flow_key(out, &first, "has");
		yaml_matches(out, &e->has);
	}
	if (e->not_has.n) {
		yaml_flow_key(out, &first, "not");
		yaml_matches(out, &e->not_has);
	}
	if (e->same) {
		yaml_flow_key(out, &first, "same");
		yaml_text(out, e->same);
	}
	if (e->has_size) {
		yaml_flow_key(out, &first, "size");
		yaml_range(out, &e->size, yaml_size);
	}
	fputs("}\n", out);
}

static void print_expect(FILE *out, const struct scenario *s)
{
	if (s->n_expects || s->n_call_expects || s->n_order ||
	    s->n_file_expects)
		fputs("expect:\n", out);
	for (size_t i = 0; i < s->n_expects; i++)
		print_expectation(out, s, &s->expects[i]);
	print_call_expects(out, "calls", s, s->call_expects, s->n_call_expects);
	print_call_expects(out, "order", s, s->order, s->n_order);
	if (s->n_file_expects)
		fputs("  files:\n", out);
	for (size_t i = 0; i < s->n_file_expects; i++)
		print_file_expect(out, &s->file_expects[i]);
}

void print_scenario(FILE *out, const char *id, const struct scenario *s,
                    const struct fault_plan *plan)
{
	fputs("# ", out);
	print_comment(out, id);
	fputc('\n', out);
	print_head(out, s);
	print_hosts(out, s);
	print_files(out, s);
	print_commands(out, "setup", s->setup, s->n_setup);
	print_commands(out, "teardown", s->teardown, s->n_teardown);
	if (s->n_programs)
		fputs("programs:\n", out);
	for (size_t i = 0; i < s->n_programs; i++)
		print_program(out, s, &s->programs[i]);
	print_faults(out, s, plan);
	if (s->steps.n)
		fputs("steps:\n", out);
	print_steps(out, s, &s->steps, 2);
	print_expect(out, s);
}
