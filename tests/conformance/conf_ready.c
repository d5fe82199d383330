/*
 * conf_ready.c - readiness, asked in the style of the run: poll, select, or an
 * epoll set in which the socket has been since before the first call. The
 * blocking style asks poll, which says the most.
 */
#include "conf.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <unistd.h>

#define INTEREST (EPOLLIN | EPOLLPRI | EPOLLOUT | EPOLLRDHUP)

/* Registers p->fd, and takes the edges that are there already. */
void conf_ready_add(struct conf_probe *p)
{
	struct epoll_event ev = {.events = INTEREST};

	if (p->style != STYLE_EPOLL_LT && p->style != STYLE_EPOLL_ET)
		return;
	if (p->style == STYLE_EPOLL_ET)
		ev.events |= EPOLLET;
	if (p->epfd >= 0)
		close(p->epfd);
	p->epfd = epoll_create1(EPOLL_CLOEXEC);
	if (p->epfd < 0 || epoll_ctl(p->epfd, EPOLL_CTL_ADD, p->fd, &ev))
		conf_die("epoll_ctl");
}

static void show_epoll(struct conf_probe *p, int ms)
{
	struct epoll_event ev = {0};
	int n = epoll_wait(p->epfd, &ev, 1, ms);

	if (n < 0)
		conf_line(p, "ready", "-1 %s", conf_errno(errno));
	else
		conf_line(p, "ready", "%s", conf_mask(n ? ev.events : 0));
}

static void show_select(struct conf_probe *p, int ms)
{
	struct timeval tv = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};
	fd_set in, out, pri;
	int n;

	FD_ZERO(&in);
	FD_SET(p->fd, &in);
	out = pri = in;
	n = select(p->fd + 1, &in, &out, &pri, &tv);
	if (n < 0)
		conf_line(p, "ready", "-1 %s", conf_errno(errno));
	else
		conf_line(p, "ready", "%s%s%s",
		          FD_ISSET(p->fd, &in) ? "read " : "",
		          FD_ISSET(p->fd, &out) ? "write " : "",
		          FD_ISSET(p->fd, &pri) ? "except" : "");
}

static void show_poll(struct conf_probe *p, int ms)
{
	struct pollfd pfd = {.fd = p->fd, .events = INTEREST};
	int n = poll(&pfd, 1, ms);

	if (n < 0)
		conf_line(p, "ready", "-1 %s", conf_errno(errno));
	else
		conf_line(p, "ready", "%s", conf_mask((unsigned)pfd.revents));
}

void conf_ready_show(struct conf_probe *p, int ms)
{
	if (p->style == STYLE_SELECT)
		show_select(p, ms);
	else if (p->epfd >= 0)
		show_epoll(p, ms);
	else
		show_poll(p, ms);
}
