/*
 * resolve.c - see resolve.h.
 *
 *   numeric, no name, no sense   the real call: nobody is asked, so it does not
 *                                count and no rule is for it
 *   nothing due                  the real call; it counts if it asked.  A name
 *                                in the scenario's `hosts` has its addresses
 *                                from there
 *   due                          a numeric address instead of the name tells
 *                                whether the other arguments are refused before
 *                                anyone is asked; then the rule acts
 */
#include <arpa/inet.h>
#include <netdb.h>
#include <string.h>
#include <sys/socket.h>

#include "decide.h"
#include "hold.h"
#include "resolve.h"

#include "poison.h"

/* The five calls by one view: what they ask, where they put the answer. */
struct query {
	const char *name;
	/* getaddrinfo */
	const char *service;
	const struct addrinfo *hints; /* may be NULL */
	struct addrinfo **list;       /* NULL: one of the others */
	/* gethostbyname */
	int family;
	struct hostent *host; /* of the caller, NULL: our own storage */
	char *buf;
	size_t len;
	struct hostent **found; /* NULL: by the return value */
	int *h_err;
};

static struct query query_of(const struct shim_call *c)
{
	const long *a = c->a;
	struct query q = {.name = (const char *)a[0], .family = AF_INET};

	if (c->id == FAULT_CALL_getaddrinfo) {
		q.service = (const char *)a[1];
		q.hints = (const struct addrinfo *)a[2];
		q.list = (struct addrinfo **)a[3];
		return q;
	}
	if (c->id == FAULT_CALL_gethostbyname2 ||
	    c->id == FAULT_CALL_gethostbyname2_r)
		q.family = (int)*++a;
	if (c->row->arity >= 6) {
		q.host = (struct hostent *)a[1];
		q.buf = (char *)a[2];
		q.len = (size_t)a[3];
		q.found = (struct hostent **)a[4];
		q.h_err = (int *)a[5];
	}
	return q;
}

/* --- does it ask anyone? -------------------------------------------------- */

/* inet_aton would take a blank and what follows it; the resolver does not. */
static bool is_ipv4(const char *name)
{
	struct in_addr addr;

	return !name[strcspn(name, " \t\n\v\f\r")] && inet_aton(name, &addr);
}

/* With or without the zone of RFC 4007: fe80::1%eth0. */
static bool is_ipv6(const char *name)
{
	char text[INET6_ADDRSTRLEN];
	struct in6_addr addr;
	size_t len = strcspn(name, "%");

	if (len >= sizeof(text))
		return false;
	memcpy(text, name, len);
	text[len] = '\0';
	return inet_pton(AF_INET6, text, &addr) == 1;
}

/* gethostbyname takes all of this for an address, if not for a valid one. */
static bool is_digits_and_dots(const char *name)
{
	size_t len = strlen(name);

	return len && strspn(name, "0123456789.") == len && name[0] != '.' &&
	       name[len - 1] != '.';
}

static bool asks_getaddrinfo(const struct query *q)
{
	return strcmp(q->name, "*") && !is_ipv4(q->name) && !is_ipv6(q->name) &&
	       !(q->hints && q->hints->ai_flags & AI_NUMERICHOST);
}

/* By its arguments alone: memory only. */
static bool asks(const struct query *q)
{
	if (!q->name || !*q->name || strlen(q->name) >= NI_MAXHOST)
		return false;
	if (q->list)
		return asks_getaddrinfo(q);
	return (q->family == AF_INET || q->family == AF_INET6) &&
	       !is_digits_and_dots(q->name) && !is_ipv6(q->name);
}

/* Results of a call that was refused before anyone was asked, or repeated. */
static bool was_refused(int said)
{
	return said == EAI_BADFLAGS || said == EAI_FAMILY ||
	       said == EAI_SOCKTYPE || said == EAI_SERVICE ||
	       said == EAI_OVERFLOW;
}

/* --- numeric addresses, through the real getaddrinfo --------------------- */

/* What it uses without hints (getaddrinfo(3), NOTES). */
enum {
	FLAGS_WITHOUT_HINTS = AI_V4MAPPED | AI_ADDRCONFIG
};

static int flags_of(const struct query *q)
{
	return q->hints ? q->hints->ai_flags : FLAGS_WITHOUT_HINTS;
}

/*
 * The list for one address under the program's hints.  errno is what reading
 * /etc/services leaves, as in the call that is stood in for.
 */
static int look_up(const struct query *q, const char *address, int flags,
                   struct addrinfo **ret_list)
{
	struct addrinfo hints = {0};

	if (q->hints) {
		hints.ai_family = q->hints->ai_family;
		hints.ai_socktype = q->hints->ai_socktype;
		hints.ai_protocol = q->hints->ai_protocol;
	}
	hints.ai_flags = (flags & ~(AI_CANONNAME | AI_IDN | AI_CANONIDN)) |
	                 AI_NUMERICHOST;
	return next.getaddrinfo(address, q->service, &hints, ret_list);
}

/*
 * Would the resolver be asked, or are flags, family, type, service refused
 * first?  AI_ADDRCONFIG can refuse all addresses of a family as well.
 */
static bool would_ask(const struct query *q)
{
	bool ipv6 = q->hints && q->hints->ai_family == AF_INET6;
	struct addrinfo *list = NULL;
	int said = look_up(q, ipv6 ? "::" : "0.0.0.0", flags_of(q), &list);

	if (!said)
		freeaddrinfo(list);
	return !said || said == EAI_ADDRFAMILY;
}

/* --- answers of getaddrinfo ----------------------------------------------- */

static const char *text_of(const struct plan_addr *a, char *buf, unsigned len)
{
	return inet_ntop(a->family == 4 ? AF_INET : AF_INET6, a->bytes, buf,
	                 len);
}

struct chain {
	struct addrinfo *first;
	struct addrinfo **end;
};

static void chain_add(struct chain *k, struct addrinfo *list, int flags)
{
	*k->end = list;
	while (*k->end) {
		(*k->end)->ai_flags = flags;
		k->end = &(*k->end)->ai_next;
	}
}

/* Those that suit the hints; an errno of memory or files ends it. */
static int chain_build(const struct query *q, const struct plan_action *a,
                       int flags, struct chain *k)
{
	const struct plan_addr *v = plan_at(shim.plan, a->table_off);
	char text[INET6_ADDRSTRLEN];

	for (uint64_t i = 0; i < a->value; i++) {
		struct addrinfo *list = NULL;
		int said = look_up(q, text_of(&v[i], text, sizeof(text)), flags,
		                   &list);

		if (!said)
			chain_add(k, list, flags_of(q));
		else if (said == EAI_MEMORY || said == EAI_SYSTEM)
			return said;
	}
	return 0;
}

/* AI_V4MAPPED is for names without an IPv6 address, unless AI_ALL is given. */
static int chain_all(const struct query *q, const struct plan_action *a,
                     struct chain *k)
{
	int flags = flags_of(q);
	int said;

	if (flags & AI_ALL)
		return chain_build(q, a, flags, k);
	said = chain_build(q, a, flags & ~AI_V4MAPPED, k);
	if (!said && !k->first && flags & AI_V4MAPPED)
		said = chain_build(q, a, flags, k);
	return said;
}

static size_t name_len(const char *name)
{
	size_t len = strlen(name);

	return len > 1 && name[len - 1] == '.' ? len - 1 : len;
}

/*
 * The canonical name has to be memory that freeaddrinfo gives back.  Zeros are
 * a numeric address, however many there are: so libc copies a string of that
 * length, and the name is written into it.
 */
static int name_canonically(const struct query *q, struct addrinfo *first)
{
	const struct addrinfo hints = {
		.ai_family = AF_INET,
		.ai_socktype = SOCK_STREAM,
		.ai_flags = AI_NUMERICHOST | AI_CANONNAME,
	};
	size_t len = name_len(q->name);
	char zeros[NI_MAXHOST];
	struct addrinfo *list = NULL;
	int said;

	memset(zeros, '0', len);
	zeros[len] = '\0';
	said = next.getaddrinfo(zeros, NULL, &hints, &list);
	if (said)
		return said;
	first->ai_canonname = list->ai_canonname;
	list->ai_canonname = NULL;
	memcpy(first->ai_canonname, q->name, len);
	freeaddrinfo(list);
	return 0;
}

static void answer_list(struct shim_call *c, const struct query *q,
                        const struct plan_action *a)
{
	struct chain k = {.first = NULL, .end = &k.first};
	int said = chain_all(q, a, &k);

	if (!said && !k.first)
		said = EAI_NODATA;
	if (!said && flags_of(q) & AI_CANONNAME)
		said = name_canonically(q, k.first);
	if (said) {
		int saved = errno;

		freeaddrinfo(k.first);
		resolve_fail(c, said == EAI_SYSTEM ? saved : said);
		return;
	}
	*q->list = k.first;
	c->result = c->said = 0;
	c->made = true;
}

/* --- answers of gethostbyname -------------------------------------------- */

/* Room for all that an answer can hold. */
struct storage {
	struct hostent host;
	_Alignas(16) char buf[(PLAN_MAX_ANSWERS + 2) * sizeof(char *) +
	                      PLAN_MAX_ANSWERS * 16 + NI_MAXHOST];
};

static unsigned count_family(const struct plan_action *a, int family)
{
	const struct plan_addr *v = plan_at(shim.plan, a->table_off);
	unsigned n = 0;

	for (uint64_t i = 0; i < a->value; i++)
		n += (v[i].family == 4) == (family == AF_INET);
	return n;
}

static size_t addr_len(int family)
{
	return family == AF_INET ? 4 : 16;
}

/* Where in the buffer the pointers begin: aligned for them. */
static size_t head_len(const char *buf)
{
	return -(uintptr_t)buf % _Alignof(char *);
}

static size_t room_needed(const struct query *q, const char *buf, unsigned n)
{
	return head_len(buf) + (n + 2) * sizeof(char *) +
	       n * addr_len(q->family) + name_len(q->name) + 1;
}

/* Pointers, addresses, name; the caller has seen that there is room. */
static void pack(const struct query *q, const struct plan_action *a,
                 struct hostent *ret, char *buf)
{
	const struct plan_addr *v = plan_at(shim.plan, a->table_off);
	unsigned n = count_family(a, q->family);
	char **pointers = (char **)(void *)(buf + head_len(buf));
	char *at = (char *)(pointers + n + 2);
	size_t len = name_len(q->name);

	*ret = (struct hostent){.h_addrtype = q->family,
	                        .h_length = (int)addr_len(q->family),
	                        .h_addr_list = pointers,
	                        .h_aliases = pointers + n + 1};
	for (uint64_t i = 0; i < a->value; i++) {
		if ((v[i].family == 4) != (q->family == AF_INET))
			continue;
		memcpy(at, v[i].bytes, addr_len(q->family));
		*pointers++ = at;
		at += addr_len(q->family);
	}
	pointers[0] = pointers[1] = NULL;
	memcpy(at, q->name, len);
	at[len] = '\0';
	ret->h_name = at;
}

/*
 * The buffer of an _r function is too small: it asks again with more room.  One
 * that has none for a single address is told so whatever the answer is.
 */
static bool lacks_room(const struct query *q, const struct plan_action *a)
{
	unsigned n = a ? count_family(a, q->family) : 0;

	return q->found && room_needed(q, q->buf, n ? n : 1) > q->len;
}

static void refuse_room(struct shim_call *c, const struct query *q)
{
	*q->found = NULL;
	*q->h_err = NETDB_INTERNAL;
	c->result = c->err = ERANGE;
	c->said = EAI_OVERFLOW;
	c->made = true;
}

static void answer_host(struct shim_call *c, const struct query *q,
                        const struct plan_action *a)
{
	/* As libc: the next call of the same function overwrites it. */
	static struct storage own[2];
	struct storage *mine = &own[c->id == FAULT_CALL_gethostbyname2];

	if (!count_family(a, q->family)) {
		resolve_fail(c, EAI_NODATA);
		return;
	}
	if (q->found) {
		pack(q, a, q->host, q->buf);
		*q->found = q->host;
		*q->h_err = NETDB_SUCCESS;
		c->result = 0;
	} else {
		pack(q, a, &mine->host, mine->buf);
		c->result = (long)&mine->host;
	}
	c->err = 0; /* errno too is 0 after a success */
	c->said = 0;
	c->made = true;
}

void resolve_answer(struct shim_call *c, const struct plan_action *a)
{
	const struct query q = query_of(c);

	if (q.list)
		answer_list(c, &q, a);
	else
		answer_host(c, &q, a);
}

/* --- failures ------------------------------------------------------------ */

/* Not written; no errno, and no h_errno. */
enum {
	KEPT = -100
};

/*
 * What glibc 2.36 was seen to leave: h_errno; errno of getaddrinfo; errno of
 * the others, which is also what the _r variants return.
 */
static const struct outcome {
	int said;
	int h_err;
	int err;
	int err_of_host;
} outcomes[] = {
	{EAI_AGAIN, TRY_AGAIN, EAGAIN, EAGAIN},
	{EAI_NONAME, HOST_NOT_FOUND, KEPT, 0},
	{EAI_NODATA, NO_DATA, KEPT, 0},
	{EAI_FAIL, NO_RECOVERY, KEPT, 0},
	{EAI_MEMORY, NETDB_INTERNAL, ENOMEM, ENOMEM},
	{EAI_SYSTEM, NETDB_INTERNAL, ENFILE, ENFILE},
};

static struct outcome outcome_of(int err)
{
	for (size_t i = 0; i < sizeof(outcomes) / sizeof(outcomes[0]); i++)
		if (outcomes[i].said == err)
			return outcomes[i];
	if (err > 0)
		return (struct outcome){EAI_SYSTEM, NETDB_INTERNAL, err, err};
	/* Refused before anyone was asked: nothing else is written. */
	return (struct outcome){err, KEPT, KEPT, EINVAL};
}

/*
 * IPv4 alone, and no canonical name: glibc then asks as gethostbyname does, and
 * leaves the errno of that.
 */
static bool is_asked_simply(const struct query *q)
{
	return q->hints && q->hints->ai_family == AF_INET &&
	       !(q->hints->ai_flags & AI_CANONNAME);
}

static void fail_host(struct shim_call *c, const struct query *q,
                      const struct outcome *o)
{
	c->err = o->err_of_host;
	c->result = 0; /* NULL */
	if (q->found) {
		*q->found = NULL;
		if (o->h_err != KEPT)
			*q->h_err = o->h_err;
		c->result = c->err;
	}
}

void resolve_fail(struct shim_call *c, int err)
{
	const struct query q = query_of(c);
	struct outcome o = outcome_of(err);

	c->said = o.said;
	c->made = true;
	if (q.list) {
		c->result = o.said;
		if (o.err == KEPT && o.h_err != KEPT && is_asked_simply(&q))
			c->err = o.err_of_host;
		else if (o.err != KEPT)
			c->err = o.err;
	} else {
		fail_host(c, &q, &o);
	}
	/* The _r functions leave it in both places. */
	if (o.h_err != KEPT)
		h_errno = o.h_err;
}

/* --- the way ------------------------------------------------------------- */

/* What the resolver said through h_errno, as getaddrinfo would put it. */
static int said_by(int h_err)
{
	for (size_t i = 0; i < sizeof(outcomes) / sizeof(outcomes[0]); i++)
		if (outcomes[i].h_err == h_err &&
		    outcomes[i].said != EAI_MEMORY)
			return outcomes[i].said;
	return EAI_FAIL;
}

/* Nobody is asked, or nobody but the resolver knows. */
static void ask_resolver(struct shim_call *c)
{
	const struct query q = query_of(c);

	errno = c->err;
	call_real(c);
	c->err = errno;
	if (q.list)
		c->said = (int)c->result;
	else if (!q.found)
		c->said = c->result ? 0 : said_by(h_errno);
	else if (c->result == ERANGE)
		c->said = EAI_OVERFLOW;
	else
		c->said = *q.found ? 0 : said_by(*q.h_err);
}

static const struct plan_host *host_of(const struct query *q)
{
	const struct plan_host *v = plan_hosts(shim.plan);

	if (!shim.plan->n_hosts || !asks(q))
		return NULL;
	for (uint32_t i = 0; i < shim.plan->n_hosts; i++)
		if (engine_host_matches(plan_string(shim.plan, v[i].name_off),
		                        q->name))
			return &v[i];
	return NULL;
}

/* False: the arguments are refused, whatever the name has for addresses. */
static bool answer_host_of(struct shim_call *c, const struct query *q,
                           const struct plan_host *h)
{
	const struct plan_action a = {.kind = ACTION_ANSWER,
	                              .table_off = h->addrs_off,
	                              .value = h->n_addrs};
	int before = c->err;

	if (!q->list && lacks_room(q, &a)) {
		refuse_room(c, q);
		return true;
	}
	if (q->list) {
		errno = before;
		if (!would_ask(q))
			return false;
		c->err = errno;
	}
	resolve_answer(c, &a);
	return true;
}

void resolve_real(struct shim_call *c)
{
	const struct query q = query_of(c);
	const struct plan_host *h = host_of(&q);

	if (!h || !answer_host_of(c, &q, h))
		ask_resolver(c);
}

void resolve_wait(struct shim_call *c, uint64_t until_ns)
{
	if (c->made) {
		hold_through(until_ns);
		return;
	}
	while (shim_now() < until_ns)
		hold_until(until_ns, 0, NULL, 0);
}

static const struct plan_action *answer_of(const struct plan_rule *r)
{
	for (unsigned i = 0; i < r->n_actions; i++)
		if (r->actions[i].kind == ACTION_ANSWER)
			return &r->actions[i];
	return NULL;
}

/* A rule is due; true: the call is over, or does not get so far. */
static bool ends_before(struct shim_call *c, const struct query *q)
{
	const struct plan_action *a = answer_of(decide_rule(c));

	int before = c->err;

	if (!q->list) {
		if (!lacks_room(q, a))
			return false;
		refuse_room(c, q);
		return true;
	}
	errno = before;
	if (would_ask(q)) {
		c->err = errno;
		return false;
	}
	c->err = before;
	ask_resolver(c);
	return true;
}

static void ask(struct shim_call *c, const struct query *q)
{
	bool counted = false;
	bool due = decide_look(c) && c->choice.rule >= 0 && !ends_before(c, q);

	if (due && decide_claim(c, &counted))
		act(c);
	else if (!c->made)
		resolve_real(c);
	if (!c->rule && was_refused(c->said))
		c->flags |= RECORD_UNCOUNTED;
	else if (!counted)
		decide_count(c);
}

void handle_resolve(struct shim_call *c)
{
	const struct query q = query_of(c);
	bool asked = asks(&q);

	c->err = errno; /* as the program has left it */
	c->e.host = q.name;
	if (!asked)
		c->flags |= RECORD_UNCOUNTED;
	record_enter(c);
	if (asked)
		ask(c, &q);
	else
		ask_resolver(c);
	record_return(c);
}
