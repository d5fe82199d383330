/*
 * doctor_program.c - `fault doctor PROGRAM`, see doctor.h.
 *
 * The program is not started.  Its own loader is asked (as ldd(1) does) what it
 * would load, with the library before it: so both the libraries and whether
 * they and ours go together are ld.so's word, not a guess.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "plan/tables.h"
#include "runner/doctor.h"
#include "runner/elf_file.h"
#include "runner/reach.h"

enum {
	MAX_LIBRARIES = 512,
	MAX_SECONDS = 10
};

/* ---- what the loader would load ------------------------------------------ */

struct loaded {
	char *v[MAX_LIBRARIES]; /* paths */
	size_t n;
	bool ours;
	char missing[256];   /* a library that is not there, or "" */
	char complaint[512]; /* what ld.so says of ours, or "" */
};

static void free_loaded(struct loaded *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->v[i]);
	free(l);
}

static _Noreturn void list_in_child(const char *loader, const char *path,
                                    const char *library, int out)
{
	if (dup2(out, STDOUT_FILENO) < 0 || dup2(out, STDERR_FILENO) < 0 ||
	    setenv("LD_PRELOAD", library, 1) ||
	    setenv("LD_TRACE_LOADED_OBJECTS", "1", 1))
		_exit(127);
	alarm(MAX_SECONDS); /* exec keeps it */
	execl(loader, loader, path, (char *)NULL);
	_exit(127);
}

/* "NAME => PATH (0x..)", "PATH (0x..)", "NAME => not found", or a complaint. */
static void take_line(struct loaded *l, char *line, const char *library)
{
	char *arrow = strstr(line, " => ");
	char *path = arrow ? arrow + 4 : line + strspn(line, "\t ");
	char *end = strstr(path, " (0x");

	line[strcspn(line, "\n")] = '\0';
	if (arrow && !strcmp(path, "not found")) {
		*arrow = '\0';
		snprintf(l->missing, sizeof(l->missing), "%s",
		         line + strspn(line, "\t "));
	} else if (!end) {
		if (strstr(line, library) && !*l->complaint)
			snprintf(l->complaint, sizeof(l->complaint), "%s",
			         line);
	} else {
		*end = '\0';
		if (!strcmp(path, library))
			l->ours = true;
		else if (*path == '/' && l->n < MAX_LIBRARIES &&
		         (l->v[l->n] = strdup(path)))
			l->n++;
	}
}

/* False: the loader could not be asked. */
static bool ask_loader(const char *loader, const char *path,
                       const char *library, struct loaded *ret)
{
	char *line = NULL;
	size_t size = 0;
	int ends[2], status = -1;
	FILE *in;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) || (pid = fork()) < 0)
		return false;
	if (!pid)
		list_in_child(loader, path, library, ends[1]);
	close(ends[1]);
	in = fdopen(ends[0], "r");
	while (in && getline(&line, &size, in) > 0)
		take_line(ret, line, library);
	free(line);
	if (in)
		fclose(in);
	else
		close(ends[0]);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) && WEXITSTATUS(status) != 127;
}

/* ---- what is called ------------------------------------------------------ */

/* What goes past the library although the program is reached. */
static const struct bypass {
	const char *symbol;  /* that is imported, or */
	const char *library; /* that is needed: the beginning of its name */
	const char *name, *text;
} bypasses[] = {
	{"io_uring_queue_init", NULL, "io_uring",
         "what goes through an io_uring is neither seen nor faulted; most "
         "programs have an option without it"},
	{"io_uring_queue_init_params", NULL, "io_uring", NULL},
	{NULL, "liburing.so", "io_uring", NULL},
	{NULL, "libcares.so", "resolver",
         "c-ares asks name servers itself: `call: resolve` does not reach "
         "that, its connections over TCP are like any others"},
	{NULL, "libunbound.so", "resolver", NULL},
	{"getaddrinfo_a", NULL, "resolver",
         "getaddrinfo_a asks inside libc, out of reach of `call: resolve`"},
	{"dlmopen", NULL, "namespaces",
         "dlmopen: what it loads into a namespace of its own has a libc of "
         "its own, and no library of ours"},
	{"rcmd", NULL, "libc",
         "rcmd makes its connection inside libc: not reached"},
};

enum {
	N_BYPASSES = sizeof(bypasses) / sizeof(bypasses[0])
};

struct imports {
	bool has[N_CALLS], told[N_CALLS];
	bool passed[N_BYPASSES];
	bool loads; /* dlopen: more may come */
};

static void note_import(void *context, const char *symbol)
{
	struct imports *imports = context;

	for (int i = FAULT_CALL_NONE + 1; i < N_CALLS; i++)
		if (!strcmp(fault_calls[i].symbol, symbol))
			imports->has[i] = true;
	for (size_t i = 0; i < N_BYPASSES; i++)
		if (bypasses[i].symbol && !strcmp(bypasses[i].symbol, symbol))
			imports->passed[i] = true;
	imports->loads |= !strcmp(symbol, "dlopen");
}

/* A rule may act on it, or on the writes that it makes. */
static bool is_reached(const struct fault_call_row *row)
{
	return row->kind == FAULT_INJECT || row->effect == EFFECT_DPRINTF;
}

static void print_family(struct imports *imports, unsigned family)
{
	const char *before = "";

	for (int i = FAULT_CALL_NONE + 1; i < N_CALLS; i++) {
		if (fault_calls[i].family != family || !imports->has[i] ||
		    imports->told[i] || !is_reached(&fault_calls[i]))
			continue;
		imports->told[i] = true;
		if (!*before)
			printf("      %-10s", fault_families[family].word);
		printf(" %s", fault_calls[i].symbol);
		before = " ";
	}
	if (*before)
		putchar('\n');
}

static void print_imports(struct imports *imports, const char *who)
{
	bool any = false;

	for (int i = FAULT_CALL_NONE + 1; i < N_CALLS; i++)
		any |= imports->has[i] && !imports->told[i] &&
		       is_reached(&fault_calls[i]);
	printf("    %s:%s\n", who, any ? "" : " none");
	for (unsigned f = 0; f < N_FAMILIES; f++)
		print_family(imports, f);
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* libc's own parts: what they call of each other is not reached, nor meant. */
static bool is_libc(const char *path)
{
	static const char *const names[] = {"ld-linux",       "libc.so.",
	                                    "libpthread.so.", "libdl.so.",
	                                    "libanl.so.",     "libresolv.so."};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!strncmp(base_name(path), names[i], strlen(names[i])))
			return true;
	return false;
}

static void note_library(struct imports *imports, const char *path)
{
	for (size_t i = 0; i < N_BYPASSES; i++)
		if (bypasses[i].library &&
		    !strncmp(base_name(path), bypasses[i].library,
		             strlen(bypasses[i].library)))
			imports->passed[i] = true;
	if (!is_libc(path))
		elf_each_import(path, note_import, imports);
}

/* Rows of one name share the text of the first. */
static void print_bypasses(const struct imports *imports)
{
	const char *text = NULL, *told = NULL;

	for (size_t i = 0; i < N_BYPASSES; i++) {
		if (bypasses[i].text)
			text = bypasses[i].text;
		if (!imports->passed[i] || text == told)
			continue;
		doctor_print(MARK_ADVICE, bypasses[i].name, text);
		told = text;
	}
}

static void print_calls(const char *file, const struct loaded *loaded)
{
	struct imports *imports = calloc(1, sizeof(*imports));
	char who[64];

	if (!imports || elf_each_import(file, note_import, imports)) {
		free(imports);
		return;
	}
	print_imports(imports, "calls that it imports itself");
	for (size_t i = 0; i < loaded->n; i++)
		note_library(imports, loaded->v[i]);
	snprintf(who, sizeof(who), "and more that its %zu libraries import",
	         loaded->n);
	if (loaded->n)
		print_imports(imports, who);
	if (imports->loads)
		puts("    it may load others while it runs (dlopen)");
	print_bypasses(imports);
	free(imports);
}

/* ---- the program --------------------------------------------------------- */

/* The file's loader, "" if it names none: it is a loader itself. */
static bool loader_of(const char *file, struct elf_facts *ret)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return false;
	elf_read_facts(fd, ret);
	close(fd);
	return true;
}

static bool print_loaded(const char *file, const char *library)
{
	struct loaded *loaded = calloc(1, sizeof(*loaded));
	struct elf_facts elf;
	bool asked, works = true;

	if (!loaded || !loader_of(file, &elf)) {
		free(loaded);
		doctor_print(MARK_ADVICE, "unreadable",
		             "it may be executed and not read: nothing can be "
		             "told beforehand, a run says whether it was "
		             "reached");
		return true;
	}
	asked = *library && *elf.loader &&
	        ask_loader(elf.loader, file, library, loaded);
	if (*loaded->missing) {
		char text[400];

		snprintf(text, sizeof(text),
		         "%s: not found; it cannot start (ldd(1))",
		         loaded->missing);
		doctor_print(MARK_NO, "libraries", text);
		works = false;
	} else if (*library && *elf.loader && !loaded->ours &&
	           (asked || *loaded->complaint)) {
		doctor_print(MARK_NO, "loads",
		             *loaded->complaint ? loaded->complaint
		                                : "its ld.so does not load "
		                                  "the library");
		works = false;
	}
	if (works)
		print_calls(file, loaded);
	free_loaded(loaded);
	return works;
}

static bool is_shell(const char *path)
{
	static const char *const names[] = {"sh",  "bash", "dash",
	                                    "ksh", "zsh",  "busybox"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!strcmp(base_name(path), names[i]))
			return true;
	return false;
}

bool doctor_program(const char *program, const char *library)
{
	struct reach_report *r = malloc(sizeof(*r));
	bool works;

	if (!r) {
		doctor_print(MARK_NO, "program", strerror(ENOMEM));
		return false;
	}
	works = reach_program(program, NULL, r) == REACH_OK;
	doctor_print(works ? MARK_OK : MARK_NO, "program",
	             *r->path ? r->path : program);
	doctor_print(MARK_OK, NULL, reach_reason(r->reach));
	if (*r->interpreter)
		printf("    run by %s\n", r->interpreter);
	if (*r->interpreter && is_shell(r->interpreter))
		doctor_print(
			MARK_ADVICE, "script",
			"the programs that it starts are what matters: ask "
			"about them (of pyenv and the like: `fault doctor "
			"$(pyenv which python)`)");
	if (*r->asan)
		printf("    built with AddressSanitizer; the library comes "
		       "before %s, which is told so\n",
		       r->asan);
	if (works)
		works = print_loaded(*r->interpreter ? r->interpreter : r->path,
		                     library);
	free(r);
	return works;
}
