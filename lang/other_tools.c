/*
 * other_tools.c - words of other tools, answered with ours.
 *
 * Toxiproxy, tc-netem, strace, gremlin-like agents: people arrive with their
 * words, which are no part of the grammar.
 */
#include <string.h>

#include "lang/keys.h"

#define ANYWHERE (IN_TOP | IN_RULE | AS_ACTION)

static const struct {
	unsigned places;
	const char *word;
	const char *ours; /* "`word` is OURS here" */
	const char *why;  /* instead: "`word` WHY" */
} rows[] = {
	{ANYWHERE, "latency", "`call: recv, inject: {delay: 200ms}`", NULL},
	{IN_TOP | IN_RULE, "jitter",
         "a part of the action, `inject: {delay: 200ms, jitter: 50ms}`,", NULL},
	{IN_TOP | IN_RULE, "distribution",
         "a part of the action, `inject: {delay: 200ms, jitter: 50ms, "
         "distribution: normal}`,",
         NULL},
	{ANYWHERE, "correlation", NULL,
         "is not offered: every call is drawn for itself"},
	{ANYWHERE, "bandwidth", "`call: [send, recv], inject: {rate: 64KiB/s}`",
         NULL},
	{ANYWHERE, "throttle", "`call: [send, recv], inject: {rate: 64KiB/s}`",
         NULL},
	{ANYWHERE, "slow_close", "`call: close, inject: {delay: 1s}`", NULL},
	{ANYWHERE, "timeout", "`inject: stall`, with `limit` for the scenario,",
         NULL},
	{ANYWHERE, "blackhole", "`inject: stall`", NULL},
	{ANYWHERE, "reset_peer", "`call: recv, inject: reset`", NULL},
	{ANYWHERE, "rst", "`call: recv, inject: reset`", NULL},
	{ANYWHERE, "slicer", "`call: [send, recv], inject: {short: 64B}`",
         NULL},
	{ANYWHERE, "average_size", "`call: [send, recv], inject: {short: 64B}`",
         NULL},
	{ANYWHERE, "size_variation",
         "`call: [send, recv], inject: {short: 50%}`", NULL},
	{ANYWHERE, "limit_data", "`call: recv, bytes: 64KiB, inject: reset`",
         NULL},
	{ANYWHERE, "toxicity", "`connection: 10%`", NULL},
	{ANYWHERE, "probability", "`nth: 10%`, or `connection: 10%`,", NULL},
	{ANYWHERE, "percent", "`nth: 10%`, or `connection: 10%`,", NULL},
	{ANYWHERE, "down", "`call: connect, inject: {error: ECONNREFUSED}`",
         NULL},
	{ANYWHERE, "partition", "`inject: stall`", NULL},
	{ANYWHERE, "upstream", "`call: send` of the client", NULL},
	{ANYWHERE, "downstream", "`call: recv` of the client", NULL},
	{ANYWHERE, "toxics", "`faults`", NULL},
	{ANYWHERE, "toxic", "`inject`", NULL},
	{IN_TOP, "rules", "`faults`", NULL},
	{IN_TOP, "scenarios", NULL,
         "is not offered: one scenario is one file, `matrix` varies it"},
	{IN_RULE, "when", "`nth: 3`, `nth: 2..5`, `nth: 3+` or `nth: 3..9+2`",
         NULL},
	{IN_RULE, "action", "`inject`", NULL},
	{IN_RULE, "fault", "`inject`", NULL},
	{IN_RULE, "count", "`times`, or `hits` for what is expected,", NULL},
	{IN_RULE, "retval", "`inject: {error: ECONNRESET}`", NULL},
	{IN_RULE, "signal", "`inject: {kill: TERM}`", NULL},
	{IN_RULE, "server", "`accepted`, or `listener` before it,", NULL},
	{IN_RULE, "syscall", "`call`", NULL},
	{IN_RULE, "delay_enter", "`inject: {delay: 200ms}`", NULL},
	{IN_RULE, "delay_exit", "`inject: [pass, {delay: 200ms}]`", NULL},
	{IN_RULE | AS_ACTION, "errno", "`inject: {error: ECONNRESET}`", NULL},
	{ANYWHERE, "loss", NULL,
         "is not offered: TCP hides it, `stall` is what a program sees"},
	{ANYWHERE, "drop", NULL,
         "is not offered: TCP hides it, `stall` is what a program sees"},
	{ANYWHERE, "duplicate", NULL,
         "is not offered: TCP hides it from a program"},
	{ANYWHERE, "duplication", NULL,
         "is not offered: TCP hides it from a program"},
	{ANYWHERE, "reorder", NULL,
         "is not offered: TCP hides it from a program"},
	{ANYWHERE, "reordering", NULL,
         "is not offered: TCP hides it from a program"},
	{IN_TOP, "corrupt", "`call: recv, inject: {corrupt: 1B}`", NULL},
	{IN_TOP, "rate", "`call: [send, recv], inject: {rate: 64KiB/s}`", NULL},
	{IN_EXPECTATION, "status", "`exit`", NULL},
	{IN_EXPECTATION, "exit_code", "`exit`", NULL},
	{IN_EXPECTATION, "duration", "`time`", NULL},
	{IN_EXPECTATION, "output", "`stdout`", NULL},
	{IN_STEP, "sleep", "`{wait: 2s}`", NULL},
	{IN_STEP, "delay", "`{wait: 2s}`", NULL},
	{IN_STEP, "pause", "`{wait: 2s}`", NULL},
	{IN_STEP, "wait_for", "`{wait: {ready: PROGRAM}}`", NULL},
	{IN_STEP, "expect", "`{recv: TEXT}`", NULL},
	{IN_STEP, "read", "`{recv: TEXT}`", NULL},
	{IN_STEP, "receive", "`{recv: TEXT}`", NULL},
	{IN_STEP, "write", "`{send: TEXT}`", NULL},
	{IN_STEP, "shutdown", "`half_close`", NULL},
	{IN_STEP, "rst", "`reset`", NULL},
	{IN_STEP, "eof", "`{recv: eof}`, or `half_close` to send it,", NULL},
	{IN_STEP, "discard", "`drain`", NULL},
	{IN_STEP, "loop", "`{repeat: 3, steps: [STEP, …]}`", NULL},
	{IN_STEP, "kill", "`{signal: {PROGRAM: KILL}}`", NULL},
	{IN_STEP, "restart", "`{stop: PROGRAM}` and `{start: PROGRAM}`", NULL},
	{IN_STEP, "exec", "`{run: COMMAND}`", NULL},
	{IN_STEP, "command", "`{run: COMMAND}`", NULL},
	{IN_STEP, "shell", "`{run: [sh, -c, \"…\"]}`", NULL},
	{IN_STEP, "enable", "`{arm: RULE}`", NULL},
	{IN_STEP, "disable", "`{disarm: RULE}`", NULL},
	{IN_STEP, "inject", NULL,
         "is no step: a rule of `faults` that is not armed, and `{arm: RULE}`"},
	{IN_STEP, "timeout", "`within` beside `recv` and `wait`", NULL},
	{IN_STEP, "accept", NULL,
         "is no step: the steps begin on an accepted connection"},
	{IN_STEP, "connect", NULL,
         "is no step: the steps begin on a connection"},
	{IN_STEP, "exit", "`{wait: {exit: PROGRAM}}`", NULL},
	{IN_STEP, "hit", "`{wait: {hit: RULE}}`", NULL},
	{IN_STEP, "ready", "`{wait: {ready: PROGRAM}}`", NULL},
	{IN_STEP, "output", "`{wait: {output: PROGRAM, has: TEXT}}`", NULL},
	{IN_EVENT, "stdout", "`{output: PROGRAM, has: TEXT}`", NULL},
	{IN_EVENT, "stderr", "`{output: PROGRAM, has: TEXT}`", NULL},
	{IN_EVENT, "log", "`{output: PROGRAM, has: TEXT}`", NULL},
	{IN_EVENT, "listening", "`{ready: PROGRAM}`", NULL},
	{IN_EVENT, "started", "`{ready: PROGRAM}`", NULL},
	{IN_EVENT, "rule", "`{hit: RULE}`", NULL},
	{IN_EVENT, "timeout", "`within` beside `wait`", NULL},
	{IN_PROGRAM, "port", "`listen: PORT`", NULL},
	{IN_PROGRAM, "script", "`steps`", NULL},
	{IN_PROGRAM, "instances", "`count`", NULL},
	{IN_PROGRAM, "replicas", "`count`", NULL},
	{IN_TOP, "timeline", "`steps`", NULL},
	{IN_TOP, "before", "`setup`", NULL},
	{IN_TOP, "after", "`teardown`", NULL},
	{IN_TOP, "fixtures", "`files`", NULL},
	{IN_PROGRAM, "timeout", "`limit` of the scenario", NULL},
	{IN_PROGRAM, "command", "`run`", NULL},
	{IN_PROGRAM, "cmd", "`run`", NULL},
	{IN_PROGRAM, "args", "a list, `run: [PROGRAM, ARGUMENT, …]`,", NULL},
	{IN_PROGRAM, "cwd", "`dir`", NULL},
	{IN_PROGRAM, "environment", "`env`", NULL},
};

bool other_tools(struct lang *l, struct mark at, enum place place,
                 const char *word)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (!(rows[i].places & place) || strcmp(rows[i].word, word))
			continue;
		if (rows[i].ours)
			lang_error(l, at, NULL, "`%s` is %s here", word,
			           rows[i].ours);
		else
			lang_error(l, at, NULL, "`%s` %s", word, rows[i].why);
		return true;
	}
	return false;
}
