/*
 * reach.h - can this program be reached by a preloaded library?
 *
 * Reads the file only, starts nothing.
 */
#ifndef FAULT_RUNNER_REACH_H
#define FAULT_RUNNER_REACH_H

#include <stdbool.h>
#include <stddef.h>

enum reach {
	REACH_OK,
	REACH_NOT_FOUND,      /* not in PATH, or no such file */
	REACH_NOT_IN_PATH,    /* the same, although a file here has that name */
	REACH_NO_INTERPRETER, /* a script, and what it names is not there */
	REACH_DOS_LINE,       /* the same: the line ends in CR LF */
	REACH_NOT_EXECUTABLE, /* no x bit, a directory */
	REACH_NOEXEC,         /* a mount that forbids it */
	REACH_NOT_ELF,        /* neither ELF nor a script with an interpreter */
	REACH_STATIC,         /* no PT_INTERP */
	REACH_GO,             /* .go.buildinfo: calls the kernel directly */
	REACH_MUSL,           /* the loader is musl's */
	REACH_SETUID,         /* setuid, setgid or file capabilities */
	REACH_MACHINE,        /* another architecture or word size */
	REACH_NO_LOADER,      /* its PT_INTERP is not there: exec says ENOENT */
	REACH_UNKNOWN,        /* no memory or descriptor to look at it */
	N_REACHES
};

struct reach_report {
	enum reach reach;
	char path[4096];        /* the file that would be executed */
	char interpreter[4096]; /* a script's interpreter, else "" */
	char asan[256];         /* the shared run-time library of the address
	                         * sanitizer that it needs, or "" */
};

/*
 * Follows PATH as execvp does, then `#!` lines (to four levels).  dir: the
 * directory that a relative path is seen from, NULL for the current one.
 * Always fills ret; returns ret->reach.
 */
enum reach reach_program(const char *program, const char *dir,
                         struct reach_report *ret);

/* What a process runs: an open file, which stays open; *FILE: what it is not.
 */
enum reach reach_image(int fd);

/* The file, or what it names, is not there: exec says ENOENT. */
bool reach_is_missing(enum reach r);

/* A sentence with the remedy: "static: no dynamic loader runs, so ..." */
const char *reach_reason(enum reach r);

#endif
