/*
 * signals.c - signals by name, as kill(1) takes them.
 */
#include <signal.h>
#include <string.h>

#include "lang/keys.h"

#define S(name) [SIG##name] = #name
static const char *const names[] = {
	S(HUP),  S(INT),    S(QUIT), S(ILL),  S(TRAP),   S(ABRT), S(BUS),
	S(FPE),  S(KILL),   S(USR1), S(SEGV), S(USR2),   S(PIPE), S(ALRM),
	S(TERM), S(STKFLT), S(CHLD), S(CONT), S(STOP),   S(TSTP), S(TTIN),
	S(TTOU), S(URG),    S(XCPU), S(XFSZ), S(VTALRM), S(PROF), S(WINCH),
	S(IO),   S(PWR),    S(SYS),
};
#undef S
enum {
	N_NAMES = sizeof(names) / sizeof(names[0])
};

const char *signal_name(int number)
{
	return number > 0 && number < N_NAMES ? names[number] : NULL;
}

int signal_number(const char *name)
{
	if (!strncmp(name, "SIG", 3))
		name += 3;
	for (int i = 1; i < N_NAMES; i++) {
		if (names[i] && !strcmp(names[i], name))
			return i;
	}
	return 0;
}
