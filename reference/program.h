/*
 * program.h - what both programs do before anything else.
 */
#ifndef REFERENCE_PROGRAM_H
#define REFERENCE_PROGRAM_H

/*
 * Name the program in its messages; ignore SIGPIPE (write has no MSG_NOSIGNAL,
 * and stdout may be a pipe as well); and if any of descriptors 0 to 2 came
 * closed, open /dev/null there, lest a socket gets the number of stdout and a
 * peer what was meant for the user.
 */
void program_start(const char *name);

#endif
