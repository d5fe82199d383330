/*
 * yaml.c - fuzzed: the text of a scenario file, through all of lang.
 */
#include "tests/fuzz/fuzz.h"

enum {
	MOST_CASES = 16 /* of one file; the others differ in values alone */
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct diag_list diags = {0};
	struct suite *suite = NULL;

	if (suite_parse((const char *)data, size, "fuzz.yaml", NULL, &suite,
	                &diags) < 0)
		must(diags.n_errors, "refused, and nobody says why");
	check_diags(&diags);
	for (size_t i = 0; suite && i < suite_n_cases(suite) && i < MOST_CASES;
	     i++) {
		struct scenario *s = NULL;

		if (suite_bind(suite, i, NULL, &s, &diags) < 0)
			must(diags.n_errors, "refused, and nobody says why");
		else
			check_scenario(s);
		check_diags(&diags);
	}
	suite_free(suite);
	return 0;
}
