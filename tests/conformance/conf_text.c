/*
 * conf_text.c - values as text that does not depend on the run: names for
 * errnos and event masks, addresses with "port" for any port but 0.
 */
#include "conf.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define N_TEXTS  8
#define TEXT_LEN 96

static char *next_text(void)
{
	static char texts[N_TEXTS][TEXT_LEN];
	static unsigned n;

	return texts[n++ % N_TEXTS];
}

const char *conf_errno(int err)
{
	const char *name = err ? strerrorname_np(err) : "0";

	return name ? name : "?";
}

static const struct {
	unsigned bit;
	const char *name;
} mask_names[] = {
	{POLLIN, "IN"},       {POLLPRI, "PRI"}, {POLLOUT, "OUT"},
	{POLLRDHUP, "RDHUP"}, {POLLHUP, "HUP"}, {POLLERR, "ERR"},
};

const char *conf_mask(unsigned poll_bits)
{
	char *text = next_text(), *end = text;

	for (size_t i = 0; i < sizeof(mask_names) / sizeof(*mask_names); i++)
		if (poll_bits & mask_names[i].bit)
			end += sprintf(end, "%s%s", end > text ? "|" : "",
			               mask_names[i].name);
	if (end == text)
		strcpy(text, "none");
	return text;
}

const char *conf_addr(const struct sockaddr_storage *sa)
{
	char *text = next_text(), host[INET6_ADDRSTRLEN];
	const void *addr =
		sa->ss_family == AF_INET6
			? (const void *)&((const struct sockaddr_in6 *)sa)
				  ->sin6_addr
			: (const void *)&((const struct sockaddr_in *)sa)
				  ->sin_addr;

	inet_ntop(sa->ss_family, addr, host, sizeof(host));
	snprintf(text, TEXT_LEN, "%s %s", host, conf_port(sa) ? "port" : "0");
	return text;
}

void conf_line(struct conf_probe *p, const char *name, const char *fmt, ...)
{
	va_list ap;

	printf("%02u %s: ", p->n_steps, name);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
}

void conf_skip(const char *why)
{
	printf("SKIP %s\n", why);
	fflush(stdout);
	exit(CONF_SKIP);
}

void conf_die(const char *what)
{
	printf("BROKEN %s\n", what);
	fflush(stdout);
	perror(what);
	exit(3);
}
