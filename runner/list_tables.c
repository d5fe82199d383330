/*
 * list_tables.c - what each list of `fault list` holds, read from the tables.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "lang/scenario.h"
#include "plan/tables.h"
#include "runner/list.h"

/* One row; every argument is a cell that is copied, NULL is "". */
static int add(struct list *l, ...)
{
	va_list ap;

	if (l->n_rows == l->cap) {
		size_t cap = l->cap ? l->cap * 2 : 32;
		void *v = realloc(l->rows, cap * sizeof(*l->rows));

		if (!v)
			return -ENOMEM;
		l->rows = v;
		l->cap = cap;
	}
	memset(l->rows[l->n_rows], 0, sizeof(*l->rows));
	va_start(ap, l);
	for (size_t i = 0; l->columns[i].head; i++) {
		const char *cell = va_arg(ap, const char *);

		l->rows[l->n_rows][i] = strdup(cell ? cell : "");
		if (!l->rows[l->n_rows][i]) {
			l->n_rows++;
			va_end(ap);
			return -ENOMEM;
		}
	}
	va_end(ap);
	l->n_rows++;
	return 0;
}

void list_release(struct list *l)
{
	for (size_t i = 0; i < l->n_rows; i++)
		for (size_t j = 0; j < LIST_MAX_COLUMNS; j++)
			free(l->rows[i][j]);
	free(l->rows);
	*l = (struct list){0};
}

/* Adds a word behind a blank; one that does not fit is left out. */
static void add_word(char *buf, size_t size, const char *word)
{
	size_t len = strlen(buf);

	if (*word && len + strlen(word) + 2 <= size)
		sprintf(buf + len, "%s%s", len ? " " : "", word);
}

/* Words of the bits that are set, in order, separated by blanks. */
static const char *bit_words(unsigned bits, unsigned n,
                             const char *(*word)(unsigned), char *buf,
                             size_t size)
{
	buf[0] = '\0';
	for (unsigned i = 0; i < n; i++)
		if (bits >> i & 1)
			add_word(buf, size, word(i));
	return buf;
}

static const char *family_word(unsigned f)
{
	return fault_families[f].word;
}

static const char *state_word(unsigned s)
{
	return s ? fault_state_names[s] : "";
}

/* Is the word a symbol of this family?  A symbol may be one of two. */
static bool is_symbol_of(const char *word, enum fault_family family)
{
	for (int i = FAULT_CALL_NONE + 1; i < N_CALLS; i++)
		if (fault_calls[i].family == family &&
		    !strcmp(fault_calls[i].symbol, word))
			return true;
	return false;
}

/* Does a row for this family, or this one symbol of it, belong to `only`? */
static bool selected(const char *only, enum fault_family family,
                     const char *symbol)
{
	if (!only || !strcmp(only, fault_families[family].word))
		return true;
	return is_symbol_of(only, family) &&
	       (!*symbol || !strcmp(symbol, only));
}

/* ---- calls, families ----------------------------------------------------- */

static int fill_calls(struct list *l, const char *only)
{
	static const char *const kinds[] = {[FAULT_INJECT] = "injectable",
	                                    [FAULT_BOOK] = "bookkeeping",
	                                    [FAULT_NOTE] = "noted"};
	static const char *const data[] = {
		[SHAPE_NONE] = "-",       [SHAPE_BUF] = "buffer",
		[SHAPE_IOV] = "iovec",    [SHAPE_MSG] = "msghdr",
		[SHAPE_MMSG] = "mmsghdr", [SHAPE_LEN] = "length"};
	int rc = 0;

	l->columns[0] = (struct list_column){"call", CELL_TEXT};
	l->columns[1] = (struct list_column){"family", CELL_TEXT};
	l->columns[2] = (struct list_column){"kind", CELL_TEXT};
	l->columns[3] = (struct list_column){"data", CELL_TEXT};
	for (int i = FAULT_CALL_NONE + 1; i < N_CALLS && !rc; i++) {
		const struct fault_call_row *c = &fault_calls[i];
		const char *family = fault_families[c->family].word;

		if (selected(only, c->family, c->symbol))
			rc = add(l, c->symbol, *family ? family : "-",
			         kinds[c->kind], data[c->shape.kind]);
	}
	return rc;
}

static int fill_families(struct list *l, const char *only)
{
	static const char *const pers[] = {[PER_DEFAULT] = "",
	                                   [PER_CONNECTION] = "connection",
	                                   [PER_PROCESS] = "process",
	                                   [PER_PROGRAM] = "program",
	                                   [PER_RUN] = "run"};
	static const char *const moves[] = {[DIRECTION_NONE] = "-",
	                                    [DIRECTION_RX] = "received",
	                                    [DIRECTION_TX] = "sent"};
	int rc = 0;

	(void)only;
	l->columns[0] = (struct list_column){"family", CELL_TEXT};
	l->columns[1] = (struct list_column){"counted-per", CELL_TEXT};
	l->columns[2] = (struct list_column){"bytes", CELL_TEXT};
	l->columns[3] = (struct list_column){"calls", CELL_WORDS};
	for (unsigned f = 0; f < N_FAMILIES && !rc; f++) {
		char calls[1024] = "";

		if (!*fault_families[f].word)
			continue;
		for (int i = FAULT_CALL_NONE + 1; i < N_CALLS; i++)
			if (fault_calls[i].family == f &&
			    fault_calls[i].kind == FAULT_INJECT)
				add_word(calls, sizeof(calls),
				         fault_calls[i].symbol);
		rc = add(l, fault_families[f].word, pers[fault_families[f].per],
		         moves[fault_families[f].direction],
		         *calls ? calls : "-");
	}
	return rc;
}

/* ---- errnos, gates, states ----------------------------------------------- */

/* The head of plan/errnos.def in words; indexed by enum fault_how. */
static const char *const ways[N_HOWS][2] = {
	[HOW_REPORT] = {"reported", "the errno, and nothing else"},
	[HOW_AGAIN] = {"again", "reported, then readiness is announced again"},
	[HOW_RESET] = {"reset", "the connection is reset, the kernel answers"},
	[HOW_BROKEN] = {"broken", "reset, and the pending error already taken"},
	[HOW_RENAME] = {"renamed", "reset, the kernel's ECONNRESET goes by "
                                   "this name"},
	[HOW_REFUSE] = {"refused", "at once when blocking, else EINPROGRESS "
                                   "and then SO_ERROR"},
	[HOW_CONSUME] = {"consumed", "one connection is accepted and reset"},
	[HOW_SHUT] = {"shut", "the listener is shut down, the kernel answers"},
	[HOW_INTERRUPT] = {"interrupted", "the handshake goes on behind it"},
	[HOW_FREE] = {"freed", "the real call happens all the same"},
	[HOW_CONDITION] = {"condition", "a state of the whole process, see "
                                        "the action `exhaust`"},
};

static const char *how_word(enum fault_how how)
{
	return how < N_HOWS && ways[how][0] ? ways[how][0] : "-";
}

static int fill_ways(struct list *l, const char *only)
{
	int rc = 0;

	(void)only;
	l->columns[0] = (struct list_column){"how", CELL_TEXT};
	l->columns[1] = (struct list_column){"meaning", CELL_TEXT};
	for (int i = 0; i < N_HOWS && !rc; i++)
		rc = add(l, ways[i][0], ways[i][1]);
	return rc;
}

static int fill_errnos(struct list *l, const char *only)
{
	static const char *const heads[] = {"call",   "errno", "tier", "gate",
	                                    "states", "how",   "when", "after"};
	int rc = 0;

	for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++)
		l->columns[i].head = heads[i];
	l->columns[4].kind = CELL_WORDS;
	for (size_t i = 0; i < n_fault_errnos && !rc; i++) {
		const struct fault_errno_row *e = &fault_errnos[i];
		const char *name = fault_errno_name(e->err);
		char states[256], tier[2] = {(char)e->tier, '\0'};

		if (!selected(only, e->family, e->symbol))
			continue;
		bit_words(e->states, N_STATES, state_word, states,
		          sizeof(states));
		rc = add(l,
		         *e->symbol ? e->symbol
		                    : fault_families[e->family].word,
		         name, tier,
		         e->gate == GATE_G1   ? "G1"
		         : e->gate == GATE_G2 ? "G2"
		                              : "-",
		         *states ? states : "any", how_word(e->how), e->when,
		         e->after);
	}
	return rc;
}

static int fill_gates(struct list *l, const char *only)
{
	int rc = 0;

	(void)only;
	l->columns[0] = (struct list_column){"gate", CELL_TEXT};
	l->columns[1] = (struct list_column){"holds-back", CELL_TEXT};
	for (int i = GATE_NONE + 1; i < N_GATES && !rc; i++) {
		const char *name = fault_gate_names[i];
		const char *colon = strstr(name, ": ");
		char gate[16] = "-";

		if (colon && (size_t)(colon - name) < sizeof(gate)) {
			memcpy(gate, name, (size_t)(colon - name));
			gate[colon - name] = '\0';
		}
		rc = add(l, gate, colon ? colon + 2 : name);
	}
	return rc;
}

static int fill_states(struct list *l, const char *only)
{
	static const char *const meanings[N_STATES] = {
		[STATE_NEW] = "created, nothing done with it",
		[STATE_BOUND] = "it has a local address",
		[STATE_LISTEN] = "it takes connections",
		[STATE_SYN_SENT] = "connect has begun, the handshake is under "
				   "way",
		[STATE_ESTABLISHED] = "both directions are open",
		[STATE_FIN_WAIT] = "the program has shut down its sending side",
		[STATE_CLOSE_WAIT] = "the program has read the peer's end of "
				     "file",
		[STATE_LAST_ACK] = "both directions have ended",
		[STATE_RESET] = "reset by the peer",
		[STATE_REFUSED] = "the connection attempt failed",
		[STATE_CLOSED] = "the descriptor is closed",
	};
	int rc = 0;

	(void)only;
	l->columns[0] = (struct list_column){"state", CELL_TEXT};
	l->columns[1] = (struct list_column){"meaning", CELL_TEXT};
	for (int i = STATE_NONE + 1; i < N_STATES && !rc; i++)
		rc = add(l, fault_state_names[i], meanings[i]);
	return rc;
}

/* ---- actions, verdicts, rule keys ---------------------------------------- */

static int fill_actions(struct list *l, const char *only)
{
	static const char *const values[] = {
		[VALUE_NONE] = "-",       [VALUE_ERRNO] = "errno",
		[VALUE_DUR] = "duration", [VALUE_SIZE] = "size",
		[VALUE_RATE] = "rate",    [VALUE_SIGNAL] = "signal",
		[VALUE_INT] = "number",   [VALUE_WORD] = "word",
		[VALUE_LIST] = "list"};
	int rc = 0;

	l->columns[0] = (struct list_column){"action", CELL_TEXT};
	l->columns[1] = (struct list_column){"value", CELL_TEXT};
	l->columns[2] = (struct list_column){"available", CELL_BOOL};
	l->columns[3] = (struct list_column){"families", CELL_WORDS};
	l->columns[4] = (struct list_column){"without-call", CELL_BOOL};
	l->columns[5] = (struct list_column){"meaning", CELL_TEXT};
	for (unsigned i = 0; i < N_ACTIONS && !rc; i++) {
		const struct fault_action_row *a = &fault_actions[i];
		const unsigned all = (1u << FAMILY_TABLE) - 1;
		bool wanted = !only;
		char families[256];

		for (unsigned f = 0; f < N_FAMILIES && only; f++)
			wanted |= a->families >> f & 1 &&
			          selected(only, (enum fault_family)f, "");
		if (!wanted)
			continue;
		bit_words(a->families, N_FAMILIES, family_word, families,
		          sizeof(families));
		rc = add(l, a->word, values[a->value], a->ready ? "yes" : "no",
		         (a->families & all) == all ? "any" : families,
		         a->families & ACTION_SELF ? "yes" : "no", a->meaning);
	}
	return rc;
}

static int fill_verdicts(struct list *l, const char *only)
{
	int rc = 0;

	(void)only;
	l->columns[0] = (struct list_column){"verdict", CELL_TEXT};
	l->columns[1] = (struct list_column){"available", CELL_BOOL};
	l->columns[2] = (struct list_column){"meaning", CELL_TEXT};
	for (int i = 0; i < N_VERDICTS && !rc; i++)
		rc = add(l, fault_verdicts[i].word,
		         fault_verdicts[i].ready ? "yes" : "no",
		         fault_verdicts[i].rule);
	return rc;
}

/* The keys themselves come from lang; a key without a row here shows "". */
static const char *const key_meanings[][3] = {
	{"name", "WORD",
         "a name for steps and reports; several rules may share it"},
	{"armed", "BOOL",
         "whether it acts from the start (default true), or when armed"},
	{"inject", "ACTION | [ACTION..]", "what happens; a list is one act"},
	{"times", "COUNT", "acts at most so often"},
	{"hits", "RANGE",
         "fails the run unless it acted so often (default 1..)"},
	{"force", "BOOL", "allows what Linux never does for TCP (tier C)"},
	{"in", "PROGRAM | [..]", "only in these programs"},
	{"call", "FAMILY | SYMBOL | [..]",
         "only these calls; without it the rule acts by itself, once on each "
         "connection"},
	{"role", "client | listener | accepted", "only sockets of this role"},
	{"port", "PORT",
         "of the service: remote for a client, local otherwise"},
	{"peer", "ADDR", "only towards this address"},
	{"host", "NAME", "resolve: only this name"},
	{"connection", "PICK",
         "the N-th established connection that the other keys match"},
	{"state", "TCP-STATE", "only in this state of the socket"},
	{"caller", "MODULE[!SYMBOL]",
         "only with this module or function among the top eight frames"},
	{"process", "NAME", "only in processes of this name"},
	{"nth", "PICK", "the N-th call that the rule selects"},
	{"turn", "PICK",
         "the N-th time that the direction changes to this one"},
	{"bytes", "SIZE | PICK of SIZE",
         "after so many bytes of this direction"},
	{"per", "connection | process | program | run", "what nth counts over"},
	{"seen", "SIZE", "at least so much received before"},
	{"age", "DUR", "the connection is at least so old"},
	{"idle", "DUR", "nothing was transferred for so long"},
	{"after", "DUR | RULE",
         "since the program's start, or after that rule's first hit"},
	{"for", "DUR", "only so long after the rule's first hit"},
};

static int fill_keys(struct list *l, const char *only)
{
	size_t n;
	const char *const *keys = lang_rule_keys(&n);
	int rc = 0;

	(void)only;
	l->columns[0] = (struct list_column){"key", CELL_TEXT};
	l->columns[1] = (struct list_column){"value", CELL_TEXT};
	l->columns[2] = (struct list_column){"meaning", CELL_TEXT};
	for (size_t i = 0; i < n && !rc; i++) {
		const char *value = "", *meaning = "";

		for (size_t j = 0;
		     j < sizeof(key_meanings) / sizeof(key_meanings[0]); j++) {
			if (strcmp(key_meanings[j][0], keys[i]) != 0)
				continue;
			value = key_meanings[j][1];
			meaning = key_meanings[j][2];
		}
		rc = add(l, keys[i], value, meaning);
	}
	return rc;
}

const struct list_kind list_kinds[] = {
	{"calls", "Calls",
         "Every function of libc that the library stands in front of. A rule "
         "can fault the *injectable* ones, by their own name or by the name of "
         "their family; *bookkeeping* rows keep the table of descriptors "
         "right, or send by another row (dprintf by `write`); *noted* ones "
         "start a new program.",
         true, fill_calls},
	{"families", "Families",
         "A family is what `call` usually names: all the ways to do the same "
         "thing. *counted-per* is what `nth` counts over unless the rule "
         "says `per`.",
         false, fill_families},
	{"errnos", "Errnos",
         "Which call may fail how. Tier A was produced by a stock kernel, B "
         "is documented or possible, C cannot happen to TCP on Linux and "
         "needs `force: true`. A rule waits until the gate and the state "
         "allow it; *after* is what the program finds then.",
         true, fill_errnos},
	{"ways", "Ways",
         "What *how* of an errno means: what is done so that it is true.",
         false, fill_ways},
	{"gates", "Gates",
         "A rule that is due is held back, stays due and is reported while "
         "one of these holds: the kernel could not have done it.",
         false, fill_gates},
	{"states", "States",
         "What `state` in a rule and every report call the "
         "life of a socket, as its program has seen it.",
         false, fill_states},
	{"actions", "Actions",
         "What a rule does to the calls that it hits. Those that are not "
         "available yet are refused with that answer. *without-call*: a rule "
         "that names no `call` may have it; it then acts by itself, once on "
         "each connection (`exhaust`: on each process) that the other keys "
         "select, as soon as its conditions hold.",
         true, fill_actions},
	{"verdicts", "Verdicts",
         "What a run can be blamed for, without being asked to. `allow` in "
         "`expect` lets one pass.",
         false, fill_verdicts},
	{"keys", "Keys of a rule", "Everything that a rule can say.", false,
         fill_keys},
	{0}};

const struct list_kind *list_kind_find(const char *name)
{
	for (const struct list_kind *k = list_kinds; k->name; k++)
		if (!strcmp(k->name, name))
			return k;
	return NULL;
}

bool list_known(const char *word, const char *ret_words[LIST_MAX_WORDS],
                size_t *ret_n)
{
	size_t n = 0;
	bool known = false;

	_Static_assert(N_FAMILIES + N_CALLS < LIST_MAX_WORDS, "room");
	for (int i = 0; i < N_FAMILIES; i++)
		if (*fault_families[i].word)
			ret_words[n++] = fault_families[i].word;
	for (int i = FAULT_CALL_NONE + 1; i < N_CALLS; i++)
		ret_words[n++] = fault_calls[i].symbol;
	for (size_t i = 0; i < n; i++)
		known |= !strcmp(ret_words[i], word);
	*ret_n = n;
	return known;
}
