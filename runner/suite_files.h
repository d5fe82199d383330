/*
 * suite_files.h - which scenario files a path of the command line stands for.
 *
 * A file is itself; a folder is every *.yaml below it, in the order of their
 * names, but for parts (_*.yaml) and hidden entries.
 */
#ifndef FAULT_RUNNER_SUITE_FILES_H
#define FAULT_RUNNER_SUITE_FILES_H

#include <stddef.h>

struct suite_files {
	char **v; /* owned */
	size_t n;
};

/*
 * Adds what path stands for.  0, -ENOENT when there is no such path, -ENOMEM
 * or another -errno; then f is as far as it got and must be released as well.
 */
int suite_files_add(struct suite_files *f, const char *path);
void suite_files_release(struct suite_files *f);

#endif
