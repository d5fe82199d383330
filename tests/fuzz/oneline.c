/*
 * oneline.c - fuzzed: rules in the one-line form, as -e and FAULT_INJECT have
 * them; and the units that command lines have.
 */
#include <stdlib.h>
#include <string.h>

#include "lang/utf8.h"
#include "tests/fuzz/fuzz.h"

static void read_units(const char *text)
{
	struct range range;
	uint64_t bytes;
	int64_t ns;

	if (!parse_duration(text, &ns))
		must(ns >= 0, "a negative duration: %s", text);
	(void)parse_size(text, &bytes);
	if (!parse_range(text, &range))
		must(range.min <= range.max, "an empty range: %s", text);
	if (!parse_duration_range(text, &range))
		must(range.min <= range.max, "an empty range: %s", text);
}

/* A file has no other texts: such a rule cannot be printed as itself. */
static bool is_utf8(const char *text)
{
	for (size_t left = strlen(text), n; left; text += n, left -= n) {
		n = utf8_length(text, left);
		if (!n)
			return false;
	}
	return true;
}

static void read_rules(const char *text, bool with_program)
{
	static char word[] = "a";
	static char *argv[] = {word, NULL};
	struct scenario *s = scenario_new();
	struct diag_list diags = {0};

	must(s, "no memory");
	if (with_program)
		must(scenario_add_program(s, word, argv) == 0, "no memory");
	if (scenario_add_rules(s, text, "-e", &diags) < 0) {
		must(diags.n_errors, "refused, and nobody says why: %s", text);
		scenario_free(s);
	} else if (is_utf8(text) && (s->n_rules || with_program)) {
		check_scenario(s);
	} else {
		scenario_free(s);
	}
	check_diags(&diags);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = strndup((const char *)data, size);

	must(text, "no memory");
	read_units(text);
	read_rules(text, false);
	read_rules(text, true);
	free(text);
	return 0;
}
