/*
 * interrupt.c - see interrupt.h.
 */
#include <errno.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "runner/interrupt.h"

static const int caught[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};

int interrupt_open(struct interrupt *i)
{
	struct sigaction now;
	sigset_t set;

	*i = (struct interrupt){.fd = -1};
	sigemptyset(&set);
	for (size_t n = 0; n < sizeof(caught) / sizeof(caught[0]); n++)
		if (sigaction(caught[n], NULL, &now) == 0 &&
		    now.sa_handler != SIG_IGN)
			sigaddset(&set, caught[n]);
	sigprocmask(SIG_BLOCK, &set, NULL);
	/* Taking the terminal back from a program must not stop us. */
	signal(SIGTTOU, SIG_IGN);
	/* `ulimit -f`: write(2) says EFBIG then, and we say that. */
	signal(SIGXFSZ, SIG_IGN);
	i->fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return i->fd < 0 ? -errno : 0;
}

void interrupt_close(struct interrupt *i)
{
	if (i->fd >= 0)
		close(i->fd);
	i->fd = -1;
}

int interrupt_next(struct interrupt *i, bool *ret_keyboard)
{
	struct signalfd_siginfo info;

	if (read(i->fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return 0;
	*ret_keyboard = info.ssi_code == SI_KERNEL;
	if (i->count++ == 0)
		i->first = (int)info.ssi_signo;
	return (int)info.ssi_signo;
}

int interrupt_exit_code(const struct interrupt *i)
{
	return 128 + i->first;
}
