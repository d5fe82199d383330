/*
 * small.c - fuzzed: what is read and written in a few lines each.  The first
 * byte chooses.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lang/utf8.h"
#include "runner/failed.h"
#include "runner/glob.h"
#include "runner/keep.h"
#include "runner/options.h"
#include "runner/quote.h"
#include "runner/reach.h"
#include "runner/report/report.h"
#include "runner/shard.h"
#include "runner/tree.h"
#include "tests/fuzz/fuzz.h"

enum {
	MAX_TEXTS = 4,
	TEXT_SIZE = 300,
	MOST_BYTES = 4096
};

/* ---- what they share ----------------------------------------------------- */

static char folder[64];

static void remove_folder(void)
{
	tree_remove(folder);
}

/* A folder of our own, gone at the end. */
static const char *in_folder(const char *name)
{
	static char path[128];

	if (!*folder) {
		strcpy(folder, "/tmp/fault-fuzz.XXXXXX");
		must(mkdtemp(folder), "no folder");
		atexit(remove_folder);
	}
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

static void put(const char *name, const void *data, size_t len)
{
	int fd = open(in_folder(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC,
	              0700);

	must(fd >= 0 && write(fd, data, len) == (ssize_t)len, "no file");
	close(fd);
}

/* The next text: up to a newline, or the end. */
static void take_text(struct bytes *in, char *buf, size_t size)
{
	size_t n = 0;

	while (in->left) {
		char c = (char)take_u8(in);

		if (c == '\n' || !c)
			break;
		if (n + 1 < size)
			buf[n++] = c;
	}
	buf[n] = '\0';
}

/* Nothing that a terminal acts on, and no broken characters. */
static void check_plain(const char *text, size_t len, const char *also)
{
	for (size_t i = 0; i < len;) {
		size_t n = utf8_length(text + i, len - i);
		unsigned char c = (unsigned char)text[i];

		must(n, "no UTF-8 in `%s`", text);
		must((c >= 0x20 && c != 0x7f) || (c && strchr(also, c)),
		     "a control byte in `%s`", text);
		must(n != 2 || c != 0xc2 || (unsigned char)text[i + 1] >= 0xa0,
		     "a C1 control in `%s`", text);
		i += n;
	}
}

/* ---- the kinds ----------------------------------------------------------- */

static char *quoted(const uint8_t *data, size_t len)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	must(f, "no memory");
	quote_line(f, (const char *)data, len);
	must(!fclose(f), "no memory");
	check_plain(text, size, "\t");
	return text;
}

static void quoting(struct bytes *in)
{
	free(quoted(in->at, in->left));
}

/* The text of a program, wherever a report has one. */
static void reports(struct bytes *in, const char *format)
{
	char *text = NULL, *said = quoted(in->at, in->left);
	struct report_summary summary = {.how = ""};
	struct case_report c = {.outcome = OUTCOME_FAILED,
	                        .id = said,
	                        .name = strdup(said),
	                        .reason = strdup(said),
	                        .kept = strdup(said),
	                        .repeat = strdup(said),
	                        .note = strdup(said)};
	struct report r;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	must(f && asprintf(&c.context, "    %s\n    %s\n", said, said) > 0,
	     "no memory");
	case_report_find(&c, FINDING_FAIL, said, "%s\n%s", said, said);
	must(report_open(&r, format, f, 1, 2), "no such format");
	report_begin(&r, c.id);
	report_again(&r, &c, "retry");
	report_case(&r, &c);
	c.outcome = OUTCOME_SKIPPED;
	report_case(&r, &c);
	report_close(&r, &summary);
	must(!fclose(f), "no memory");
	check_plain(text, size, "\t\n");
	case_report_release(&c);
	free(text);
	free(said);
}

static void reports_of_workers(struct bytes *in)
{
	struct case_report r;

	if (!case_report_unpack((const char *)in->at, in->left, &r))
		case_report_release(&r);
}

static void failed_list(struct bytes *in)
{
	struct failed f, again;
	char id[TEXT_SIZE];

	put(".failed", in->at, in->left);
	must(!failed_load(&f, folder), "no list");
	for (size_t i = 1; i < f.n; i++)
		must(strcmp(f.v[i - 1], f.v[i]) < 0, "not in order");
	take_text(in, id, sizeof(id));
	if (*id) {
		failed_note(&f, id, true);
		must(failed_has(&f, id), "not noted");
	}
	must(!failed_save(&f, folder), "not saved");
	must(!failed_load(&again, folder), "no list");
	must(f.n == again.n, "%zu of %zu saved", again.n, f.n);
	for (size_t i = 0; i < f.n; i++)
		must(!strcmp(f.v[i], again.v[i]), "another was saved");
	failed_release(&again);
	for (size_t i = f.n; i-- > 0;)
		failed_note(&f, f.v[i], false);
	must(!failed_save(&f, folder), "not saved");
	failed_release(&f);
}

static void scripts(struct bytes *in)
{
	static struct reach_report report;
	char text[MOST_BYTES] = "#!";
	size_t n = in->left < sizeof(text) - 2 ? in->left : sizeof(text) - 2;

	take_into(in, text + 2, n);
	put("script", text, n + 2);
	must(reach_program(in_folder("script"), folder, &report) < N_REACHES,
	     "no result");
	must(memchr(report.interpreter, 0, sizeof(report.interpreter)),
	     "no end");
}

static void words(struct bytes *in)
{
	char text[MAX_TEXTS][TEXT_SIZE], name[KEEP_NAME_SIZE], buf[64];
	const char *list[MAX_TEXTS];
	struct shard shard;
	uint64_t number;

	for (size_t i = 0; i < MAX_TEXTS; i++) {
		take_text(in, text[i], sizeof(text[i]));
		list[i] = text[i];
	}
	if (glob_match(text[0], text[1], strlen(text[1]), true))
		must(glob_match(text[0], text[1], strlen(text[1]), false),
		     "a path is a text");
	must(glob_has_wildcard(text[1]) ||
	             glob_match(text[1], text[1], strlen(text[1]), true),
	     "not itself");
	keep_name(text[0], name, sizeof(name));
	must(*name != '.' && !strchr(name, '/'), "no name: %s", name);
	options_suggest(text[0], list, MAX_TEXTS, buf, sizeof(buf));
	if (!parse_u64(text[2], &number))
		must(*text[2] >= '0' && *text[2] <= '9', "no number");
	if (!shard_parse(text[3], &shard))
		must(shard.k >= 1 && shard.k <= shard.n, "no shard");
}

/* Two files, of which the first may use the second. */
static void files(struct bytes *in)
{
	const uint8_t *end = memchr(in->at, 0xff, in->left);
	size_t n = end ? (size_t)(end - in->at) : in->left;
	struct diag_list diags = {0};
	struct suite *suite = NULL;

	put("a.yaml", in->at, n);
	put("b.yaml", end ? end + 1 : in->at, end ? in->left - n - 1 : 0);
	if (suite_load(in_folder("a.yaml"), NULL, &suite, &diags) < 0)
		must(diags.n_errors, "refused, and nobody says why");
	check_diags(&diags);
	for (size_t i = 0; suite && i < suite_n_cases(suite) && i < 4; i++) {
		struct scenario *s = NULL;

		if (suite_bind(suite, i, NULL, &s, &diags) < 0)
			must(diags.n_errors, "refused, and nobody says why");
		scenario_free(s);
		check_diags(&diags);
	}
	suite_free(suite);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes in = {data, size};
	uint8_t kind = take_u8(&in);

	in_folder("");
	switch (kind % 8) {
	case 0:
		quoting(&in);
		break;
	case 1:
		reports(&in, "tap");
		break;
	case 2:
		reports(&in, "terminal");
		break;
	case 3:
		reports_of_workers(&in);
		break;
	case 4:
		failed_list(&in);
		break;
	case 5:
		scripts(&in);
		break;
	case 6:
		words(&in);
		break;
	default:
		files(&in);
		break;
	}
	return 0;
}
