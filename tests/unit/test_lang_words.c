/*
 * test_lang_words.c - each word of the language, with one letter wrong.
 *
 * Generated: every errno, rule key, family, symbol and action, with a letter
 * deleted, replaced, or swapped with its neighbour.  Where that is no other
 * word, the answer must be an error whose hint is the word, or one that is no
 * further away (EBAD is as near to EBADE as to EBADF).
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "lang/rule.h"

enum {
	MAX_WORDS = 400
};

/* A kind of word: where it stands, and all that may stand there. */
struct kind {
	const char *before, *after; /* the rule, or the file, around it */
	const char *words[MAX_WORDS];
	size_t n;
	size_t n_tried; /* the first so many are mutated */
};

static bool is_word(const struct kind *k, const char *word)
{
	for (size_t i = 0; i < k->n; i++) {
		if (!strcasecmp(k->words[i], word))
			return true;
	}
	return false;
}

/* The word in "did you mean `x`?". */
static void hinted(const struct diag *d, char *ret, size_t size)
{
	const char *begin = d->hint ? strchr(d->hint, '`') : NULL;
	const char *end = begin ? strchr(begin + 1, '`') : NULL;

	*ret = '\0';
	if (end && !strncmp(d->hint, "did you mean", 12))
		snprintf(ret, size, "%.*s", (int)(end - begin - 1), begin + 1);
}

static size_t n_checked;

/* A file has more than one line, a rule has not. */
static int read_it(const char *text, struct diag_list *diags)
{
	struct scenario *s;
	struct suite *suite;
	int r;

	if (strchr(text, '\n')) {
		r = suite_parse(text, strlen(text), "-e", NULL, &suite, diags);
		if (!r)
			suite_free(suite);
		return r;
	}
	s = scenario_new();
	r = scenario_add_rules(s, text, "-e", diags);
	scenario_free(s);
	return r;
}

static size_t column_behind(const char *text)
{
	const char *line = strrchr(text, '\n');

	return strlen(line ? line + 1 : text) + 1;
}

static void check_mutant(const struct kind *k, const char *word,
                         const char *mutant)
{
	struct diag_list diags = {0};
	char text[256], hint[64];

	if (!*mutant || is_word(k, mutant))
		return;
	n_checked++;
	snprintf(text, sizeof(text), "%s%s%s", k->before, mutant, k->after);
	assert_int_not_equal(read_it(text, &diags), 0);
	assert_true(diags.n >= 1);
	assert_int_equal(diags.v[0].column, column_behind(k->before));
	hinted(&diags.v[0], hint, sizeof(hint));
	/* Another tool's word, or not yet there: said so, that is enough. */
	if (strncmp(diags.v[0].message, "unknown ", 8) == 0 &&
	    strcmp(hint, word) != 0 &&
	    (!*hint ||
	     diag_distance(mutant, hint) > diag_distance(mutant, word)))
		fail_msg("%s: %s, %s; not `%s`", text, diags.v[0].message,
		         diags.v[0].hint ? diags.v[0].hint : "no hint", word);
	diag_list_release(&diags);
}

static void check_word(const struct kind *k, const char *word)
{
	size_t len = strlen(word);
	char mutant[64];

	assert_true(len < sizeof(mutant));
	for (size_t i = 0; i < len; i++) {
		memcpy(mutant, word, len + 1);
		memmove(mutant + i, mutant + i + 1, len - i);
		check_mutant(k, word, mutant);

		memcpy(mutant, word, len + 1);
		mutant[i] = word[i] == 'q' ? 'x' : 'q';
		check_mutant(k, word, mutant);

		memcpy(mutant, word, len + 1);
		if (i + 1 < len) {
			mutant[i] = word[i + 1];
			mutant[i + 1] = word[i];
			check_mutant(k, word, mutant);
		}
	}
}

static void check_kind(struct kind *k)
{
	n_checked = 0;
	for (size_t i = 0; i < k->n_tried; i++)
		check_word(k, k->words[i]);
	assert_true(n_checked > k->n_tried);
}

static void add(struct kind *k, const char *word)
{
	assert_true(k->n < MAX_WORDS);
	k->words[k->n++] = word;
}

static void add_actions(struct kind *k)
{
	for (size_t i = 0; i < N_ACTIONS; i++)
		add(k, fault_actions[i].word);
}

static void every_errno(void **state)
{
	static struct kind k = {.before = "recv:error=", .after = ""};

	(void)state;
	for (int e = 1; e < 256; e++) {
		if (fault_errno_name(e))
			add(&k, fault_errno_name(e));
	}
	assert_true(k.n > 120);
	k.n_tried = k.n;
	add(&k, "EWOULDBLOCK");
	add(&k, "ENOTSUP");
	add(&k, "EDEADLOCK");
	check_kind(&k);
}

static void every_rule_key(void **state)
{
	static struct kind k = {.before = "recv:reset:", .after = "=1"};
	size_t n;
	const char *const *words = lang_rule_keys(&n);

	(void)state;
	for (size_t i = 0; i < n; i++)
		add(&k, words[i]);
	k.n_tried = k.n;
	add_actions(&k);
	add(&k, "jitter");
	add(&k, "distribution");
	check_kind(&k);
}

static void every_family_and_symbol(void **state)
{
	static struct kind k = {.before = "", .after = ":reset"};

	(void)state;
	for (size_t i = 0; i < FAMILY_TABLE; i++) {
		if (i != FAMILY_RESOLVE) /* not yet available: never meant */
			add(&k, fault_families[i].word);
	}
	for (size_t i = 1; i < N_CALLS; i++) {
		if (fault_calls[i].kind == FAULT_INJECT)
			add(&k, fault_calls[i].symbol);
	}
	k.n_tried = k.n;
	for (size_t i = 1; i < N_CALLS; i++) {
		if (fault_calls[i].kind != FAULT_INJECT)
			add(&k, fault_calls[i].symbol);
	}
	add_actions(&k);
	check_kind(&k);
}

static void every_action(void **state)
{
	static struct kind k = {.before = "recv:", .after = ""};
	size_t n;
	const char *const *keys = lang_rule_keys(&n);

	(void)state;
	add_actions(&k);
	k.n_tried = k.n;
	for (size_t i = 0; i < n; i++)
		add(&k, keys[i]);
	check_kind(&k);
}

static void check_list(struct kind *k, const char *const *words)
{
	for (; *words; words++)
		add(k, *words);
	k->n_tried = k->n;
	check_kind(k);
}

static void every_key_of_a_file(void **state)
{
	static const char *const words[] = {
		"name",   "about",    "tags",   "limit",  "alone", "vars",
		"matrix", "programs", "faults", "expect", NULL};
	static struct kind k = {.before = "version: 1\n", .after = ": []\n"};

	(void)state;
	check_list(&k, words);
}

static void every_key_of_a_program(void **state)
{
	static const char *const words[] = {"run",   "env",    "dir",
	                                    "stdin", "attach", "ready",
	                                    "stop",  "grace",  NULL};
	static struct kind k = {.before = "version: 1\nprograms: {a: {",
	                        .after = ": []}}\n"};

	(void)state;
	check_list(&k, words);
}

static void every_key_of_an_expectation(void **state)
{
	static const char *const words[] = {
		"exit",      "signal",    "alive", "stdout", "stderr",
		"no_stdout", "no_stderr", "time",  "allow",  NULL};
	static struct kind k = {
		.before = "version: 1\nprograms: {a: {run: x}}\nexpect: {a: {",
		.after = ": []}}\n"};

	(void)state;
	check_list(&k, words);
}

static void every_verdict(void **state)
{
	static struct kind k = {.before =
	                                "version: 1\nprograms: {a: {run: x}}\n"
	                                "expect: {allow: ",
	                        .after = "}\n"};

	(void)state;
	for (size_t i = 0; i < N_VERDICTS; i++)
		add(&k, fault_verdicts[i].word);
	k.n_tried = k.n;
	check_kind(&k);
}

static void every_state_and_role(void **state)
{
	static struct kind states = {.before = "recv:reset:state="};
	static struct kind roles = {.before = "recv:reset:role="};

	(void)state;
	states.after = roles.after = "";
	for (size_t i = 1; i < N_STATES; i++)
		add(&states, fault_state_names[i]);
	for (size_t i = 1; i < N_ROLES; i++)
		add(&roles, fault_role_names[i]);
	states.n_tried = states.n;
	roles.n_tried = roles.n;
	check_kind(&states);
	check_kind(&roles);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_errno),
		cmocka_unit_test(every_rule_key),
		cmocka_unit_test(every_family_and_symbol),
		cmocka_unit_test(every_action),
		cmocka_unit_test(every_key_of_a_file),
		cmocka_unit_test(every_key_of_a_program),
		cmocka_unit_test(every_key_of_an_expectation),
		cmocka_unit_test(every_verdict),
		cmocka_unit_test(every_state_and_role),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
