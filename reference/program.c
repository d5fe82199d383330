/*
 * program.c - the start of both programs; contract in program.h.
 */
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "message.h"
#include "program.h"

void program_start(const char *name)
{
	int fd;

	message_program(name);
	signal(SIGPIPE, SIG_IGN);
	/* open gives the lowest free number, so the gaps are filled first. */
	do {
		fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	} while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
}
