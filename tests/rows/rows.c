/*
 * rows.c - call one row of calls.def in a situation that suits it.
 *
 *   rows list       "SYMBOL FAMILY" for each injectable row that libc has, but
 *                   for the resolver's, which are no calls of a socket
 *                   (tests/e2e/resolve.sh)
 *   rows lacking    those that it has not
 *   rows errnos     "SYMBOL ERRNO TIER GATE HOW SITUATION" for each pair
 *   rows call SYMBOL [--nonblock] [--handler] [--zero] [--all] [--bound]
 *             [--fresh] [--closed] [--half]
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "rows.h"

enum {
	LIMIT_S = 3
};

static void list(bool there)
{
	for (unsigned i = 1; i < N_CALLS; i++) {
		const struct fault_call_row *r = &fault_calls[i];

		if (r->kind == FAULT_INJECT && r->family != FAMILY_RESOLVE &&
		    invoke_exists(i) == there)
			printf("%s %s\n", rows_names[i],
			       fault_families[r->family].word);
	}
}

/* The state of the usual situation, or the one that the row asks for. */
static const char *situation_of(const struct fault_call_row *r,
                                const struct fault_errno_row *e)
{
	static const uint16_t usual[N_FAMILIES] = {
		[FAMILY_BIND] = STATE_BIT(STATE_NEW),
		[FAMILY_LISTEN] = STATE_BIT(STATE_BOUND),
		[FAMILY_ACCEPT] = STATE_BIT(STATE_LISTEN),
		[FAMILY_CONNECT] = STATE_BIT(STATE_NEW),
		[FAMILY_SEND] = STATE_BIT(STATE_ESTABLISHED),
		[FAMILY_RECV] = STATE_BIT(STATE_ESTABLISHED),
		[FAMILY_SHUTDOWN] = STATE_BIT(STATE_ESTABLISHED),
		[FAMILY_OPTION] = STATE_BIT(STATE_ESTABLISHED),
	};

	if (!e->states || !usual[r->family] || e->states & usual[r->family])
		return "usual";
	return e->states & STATE_BIT(STATE_NEW) ? "fresh" : "bound";
}

static void errnos(void)
{
	static const char *const gates[N_GATES] = {
		[GATE_G1] = "G1", [GATE_G2] = "G2"};
	static const char *const hows[N_HOWS] = {
		[HOW_REPORT] = "REPORT",       [HOW_AGAIN] = "AGAIN",
		[HOW_RESET] = "RESET",         [HOW_BROKEN] = "BROKEN",
		[HOW_RENAME] = "RENAME",       [HOW_REFUSE] = "REFUSE",
		[HOW_CONSUME] = "CONSUME",     [HOW_SHUT] = "SHUT",
		[HOW_INTERRUPT] = "INTERRUPT", [HOW_FREE] = "FREE",
		[HOW_CONDITION] = "CONDITION"};

	for (unsigned i = 1; i < N_CALLS; i++) {
		const struct fault_call_row *r = &fault_calls[i];

		if (r->kind != FAULT_INJECT)
			continue;
		for (size_t j = 0; j < n_fault_errnos; j++) {
			const struct fault_errno_row *e = &fault_errnos[j];

			if (fault_errno_find(i, e->err) != e)
				continue;
			printf("%s %s %c %s %s %s\n", rows_names[i],
			       fault_errno_name(e->err), e->tier,
			       gates[e->gate] ? gates[e->gate] : "-",
			       hows[e->how], situation_of(r, e));
		}
	}
}

static void nothing(int sig)
{
	(void)sig;
}

static void install_handler(void)
{
	struct sigaction sa = {.sa_handler = nothing};

	sigaction(SIGUSR1, &sa, NULL);
}

static bool option(struct rows_test *t, const char *word)
{
	if (!strcmp(word, "--nonblock"))
		t->nonblock = true;
	else if (!strcmp(word, "--zero"))
		t->zero = true;
	else if (!strcmp(word, "--all"))
		t->all = true;
	else if (!strcmp(word, "--bound"))
		t->bound = true;
	else if (!strcmp(word, "--fresh"))
		t->fresh = true;
	else if (!strcmp(word, "--closed"))
		t->closed = true;
	else if (!strcmp(word, "--half"))
		t->half = true;
	else if (!strcmp(word, "--handler"))
		install_handler();
	else
		return false;
	return true;
}

static int call(int argc, char **argv)
{
	struct rows_test t = {0};
	sigset_t pipe;

	for (unsigned i = 1; i < N_CALLS; i++)
		if (fault_calls[i].kind == FAULT_INJECT &&
		    !strcmp(rows_names[i], argv[0]))
			t.call = i;
	t.row = &fault_calls[t.call];
	for (int i = 1; i < argc; i++)
		if (!option(&t, argv[i]))
			return 2;
	if (!t.call || !invoke_exists(t.call))
		return 2;
	sigemptyset(&pipe);
	sigaddset(&pipe, SIGPIPE);
	sigprocmask(SIG_BLOCK, &pipe, NULL);
	alarm(LIMIT_S);
	situation_make(&t);
	follow(&t);
	return 0;
}

int main(int argc, char **argv)
{
	const char *word = argc > 1 ? argv[1] : "";

	if (!strcmp(word, "list"))
		list(true);
	else if (!strcmp(word, "lacking"))
		list(false);
	else if (!strcmp(word, "errnos"))
		errnos();
	else if (!strcmp(word, "call") && argc > 2)
		return call(argc - 2, argv + 2);
	else
		return 2;
	return 0;
}
