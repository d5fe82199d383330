/*
 * expect_files.h - `files` of `expect`: what programs have left behind.
 *
 * To be called when the programs are gone and before anything is taken away.
 * Files are read from beginning to end in pieces: any size, no more memory.
 */
#ifndef FAULT_RUNNER_EXPECT_FILES_H
#define FAULT_RUNNER_EXPECT_FILES_H

#include "runner/judge.h"

/*
 * Adds to ret (judge.h) what does not hold; nothing if the session did not get
 * as far as that programs could have written them.  What cannot be read is a
 * failure, unless the machine is why.
 *
 * A text of `has` and `not` is looked for in pieces of 1 MiB that overlap by
 * half of it: no match is longer than that.
 */
void expect_files_judge(const struct scenario *s,
                        const struct session_result *r, struct judgement *ret);

#endif
