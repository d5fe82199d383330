/*
 * launch.h - what a program is started with: the library, its environment,
 * free ports, the values of ${...}.
 */
#ifndef FAULT_RUNNER_LAUNCH_H
#define FAULT_RUNNER_LAUNCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lang/scenario.h"
#include "runner/segments.h"

/*
 * The absolute path of libfault.so: $FAULT_LIBRARY, else beside the executable
 * of `fault`, else as installed; at most PATH_MAX bytes.  False when it is
 * nowhere, or its path cannot stand in LD_PRELOAD: then buf holds a sentence
 * about that, without a newline.
 */
enum {
	LAUNCH_LIBRARY = 4096 + 300 /* bytes for either */
};
bool launch_library(char *buf, size_t size);

/*
 * The environment of program index of the run: ours, then p->env, then with
 * library not NULL the variables of env.h.  asan: the program needs the shared
 * run-time library of AddressSanitizer, which is told that ours comes before
 * it. A scripted program preloads nothing at all, and finds the run by it. NULL
 * without memory.
 */
char **launch_environment(const struct program *p, size_t index,
                          const char *library, bool asan,
                          const struct segments *s);

/*
 * That of a command of the scenario: ours, and with s what `fault arm` finds
 * the run by.  NULL without memory.
 */
char **launch_command_environment(const struct segments *s);
void launch_free(char **strings);

/* ---- ${...} -------------------------------------------------------------- */

struct launch_port {
	char *name; /* "port" or "port.NAME" */
	char text[8];
	int lock; /* held until the run is over */
};

/*
 * Values for suite_load() and suite_bind().  Ports are found at their first
 * use: outside of the kernel's range of automatic ports, free now, and
 * reserved against other `fault` processes by the name of an abstract UNIX
 * socket, which goes away by itself.
 */
struct launch_vars {
	char *const *given; /* "K=V" of --var, not owned */
	size_t n_given;
	const char *host; /* NULL until bind: run-time names are unknown */
	char tmp[256];
	char *here; /* absolute folder of the scenario */
	char seed[24];
	struct launch_port *ports;
	size_t n_ports;
	bool out_of_ports;
};

void launch_vars_init(struct launch_vars *v, char *const *given,
                      size_t n_given);

/* From now on the run-time names are known too. */
void launch_vars_bind(struct launch_vars *v, const char *file, const char *tmp,
                      uint64_t seed);

/* Ports are given back; init again for the next run. */
void launch_vars_release(struct launch_vars *v);

/* The interface of lang; v must live as long. */
struct suite_vars launch_suite_vars(struct launch_vars *v);

#endif
