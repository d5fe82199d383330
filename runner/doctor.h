/*
 * doctor.h - the parts of `fault doctor`: cmd_doctor.c (the machine, and how
 * its lines look), doctor_program.c (a program), probes.c and conditions.c.
 */
#ifndef FAULT_RUNNER_DOCTOR_H
#define FAULT_RUNNER_DOCTOR_H

#include <stdbool.h>

enum doctor_mark {
	MARK_OK,
	MARK_NO,    /* something needed is missing */
	MARK_ADVICE /* something that not everybody needs */
};

/*
 * One line, "ok  name  text"; on a terminal the text is broken at its width,
 * in a pipe it stays one line.  Without a name it goes on with what is above.
 */
void doctor_print(enum doctor_mark mark, const char *name, const char *text);

/*
 * Can the library get into this program, and what of it is it not reached by?
 * library: its path, "" when there is none.  False: it cannot.
 */
bool doctor_program(const char *program, const char *library);

#endif
