/*
 * conf_exceptions.c - lines of a record that cannot be equal from a preload.
 * Each has its reason; run.sh takes these lines out of both records, counts
 * them, and says so when one was not needed. Nothing else is ever left out.
 */
#include "conf.h"

#include <fnmatch.h>
#include <stdio.h>

static const struct {
	const char *name; /* of the case: a glob, like style */
	const char *style;
	int family;       /* 4, 6, or 0 for both */
	const char *line; /* an extended regular expression */
	const char *reason;
} exceptions[] = {
	{"*-EINTR", "*", 0, "^[0-9]+ handler: ",
         "an injected EINTR runs no handler: no signal was sent"},
	{"recv-ETIMEDOUT", "*", 0, "^[0-9]+ peer: ",
         "a dead path tells the peer nothing; the lever sends it RST"},
	{"connect-EHOSTUNREACH", "*", 4, "^[0-9]+ ready: ",
         "IPv4 leaves an entry in the error queue, POLLERR stays set"},
	{"connect-EHOSTUNREACH", "*", 0, "^[0-9]+ getsockname: ",
         "the real connect left through another interface"},
};

void conf_exceptions_print(const char *name, const char *style, int family)
{
	for (size_t i = 0; i < sizeof(exceptions) / sizeof(*exceptions); i++)
		if (!fnmatch(exceptions[i].name, name, 0) &&
		    !fnmatch(exceptions[i].style, style, 0) &&
		    (!exceptions[i].family ||
		     (exceptions[i].family == 6) == (family == AF_INET6)))
			printf("%s\t%s\n", exceptions[i].line,
			       exceptions[i].reason);
}
