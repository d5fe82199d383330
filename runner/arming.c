/*
 * arming.c - see arming.h.
 */
#include <errno.h>
#include <linux/futex.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "engine/engine.h"
#include "runner/arming.h"
#include "runner/clock.h"

/*
 * Nothing wakes a futex when a process dies: so often one that is waited for is
 * looked at again.
 */
#define LOOK_NS (20 * NS_PER_MS)

enum {
	MAX_DEBTORS = 16
};

static const char *name_of(const struct fault_plan *plan, uint32_t rule)
{
	return plan_string(plan, plan_rules(plan)[rule].name_off);
}

static bool is_known(const char *const *names, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(names[i], name))
			return true;
	return false;
}

size_t arming_names(const struct fault_plan *plan, const char **names)
{
	size_t n = 0;

	for (uint32_t i = 0; i < plan->n_rules; i++) {
		const char *name = name_of(plan, i);

		if (*name && !is_known(names, n, name))
			names[n++] = name;
	}
	return n;
}

/* The state of the next rule of that name from *at on, NULL: no more. */
static struct fault_rule_state *next_rule(const struct segments *s,
                                          const struct fault_plan *plan,
                                          const char *name, uint32_t *at)
{
	for (; *name && *at < plan->n_rules; ++*at)
		if (!strcmp(name_of(plan, *at), name))
			return segments_rule(s, (*at)++);
	return NULL;
}

bool arming_look(const struct segments *s, const struct fault_plan *plan,
                 const char *name, struct arming_group *ret)
{
	struct arming_group group = {0};
	const struct fault_rule_state *rule;
	uint32_t at = 0;

	while ((rule = next_rule(s, plan, name, &at))) {
		group.n_rules++;
		group.hits += atomic_load(&rule->hits);
		group.armed |= atomic_load(&rule->armed) != 0;
	}
	if (group.n_rules)
		*ret = group;
	return group.n_rules != 0;
}

bool arming_set(const struct segments *s, const struct fault_plan *plan,
                const char *name, bool armed)
{
	struct fault_rule_state *rule;
	bool found = false;
	uint32_t at = 0;

	while ((rule = next_rule(s, plan, name, &at))) {
		engine_arm_rule(rule, armed);
		found = true;
	}
	return found;
}

/* ---- telling the processes ----------------------------------------------- */

static long futex(_Atomic uint32_t *word, int op, uint32_t value,
                  const struct timespec *timeout)
{
	return syscall(SYS_futex, word, op, value, timeout, NULL, 0);
}

static uint32_t used_processes(const struct segments *s)
{
	uint32_t used = atomic_load(&s->run->used_processes);

	return used < s->n.n_processes ? used : s->n.n_processes;
}

uint32_t arming_ring(const struct segments *s)
{
	/* Sequentially consistent, like all here: run.h says why. */
	uint32_t generation = atomic_fetch_add(&s->run->generation, 1) + 1;
	uint32_t used = used_processes(s);

	for (uint32_t i = 0; i < used; i++) {
		struct fault_process *p = segments_process(s, i);

		atomic_fetch_add(&p->bell, 1);
		futex(&p->bell, FUTEX_WAKE, INT32_MAX, NULL);
	}
	return generation;
}

/*
 * proc_pid_stat(5): its state, and how many threads it has: a thread group
 * whose first thread has ended shows as a zombie, too.
 */
static bool is_zombie(pid_t pid)
{
	char path[32], text[512], state = '?';
	const char *after_name;
	long threads = 0;
	size_t len = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	f = fopen(path, "re");
	if (f) {
		len = fread(text, 1, sizeof(text) - 1, f);
		fclose(f);
	}
	text[len] = '\0';
	after_name = strrchr(text, ')');
	if (!after_name ||
	    sscanf(after_name,
	           ") %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d "
	           "%*d %*d %*d %ld",
	           &state, &threads) != 2)
		return false;
	return state == 'X' || (state == 'Z' && threads <= 1);
}

static bool is_alive(uint32_t pid)
{
	if (pid == 0 || pid > INT32_MAX)
		return false;
	if (kill((pid_t)pid, 0) && errno == ESRCH)
		return false;
	return !is_zombie((pid_t)pid);
}

/* Its process executed another program, or its pid is another one's by now. */
static bool is_superseded(const struct segments *s, uint32_t slot, uint32_t pid)
{
	uint32_t used = used_processes(s);

	for (uint32_t i = slot + 1; i < used; i++)
		if (atomic_load(&segments_process(s, i)->pid) == pid)
			return true;
	return false;
}

/* The difference is right when the counter has gone round, too. */
static bool is_before(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) < 0;
}

bool arming_owes(const struct segments *s, uint32_t slot, uint32_t generation)
{
	const struct fault_process *p = segments_process(s, slot);
	uint32_t pid;

	if (!p || !atomic_load(&p->listens) ||
	    !is_before(atomic_load(&p->acked), generation) ||
	    atomic_load(&p->status) == PROCESS_EXITED)
		return false;
	pid = atomic_load(&p->pid);
	return !is_superseded(s, slot, pid) && is_alive(pid);
}

/* Until it acknowledged something, or it is time to look at it again. */
static void await_word(struct fault_process *p, uint32_t seen, int64_t until_ns)
{
	int64_t ns = until_ns - now_ns();
	struct timespec timeout;

	if (ns > LOOK_NS)
		ns = LOOK_NS;
	if (ns <= 0)
		return;
	timeout = (struct timespec){.tv_sec = ns / NS_PER_S,
	                            .tv_nsec = ns % NS_PER_S};
	futex(&p->acked, FUTEX_WAIT, seen, &timeout);
}

/* false: at the deadline it still owes. */
static bool await_process(const struct segments *s, uint32_t slot,
                          uint32_t generation, int64_t deadline_ns)
{
	struct fault_process *p = segments_process(s, slot);

	for (;;) {
		uint32_t seen = atomic_load(&p->acked);

		if (!arming_owes(s, slot, generation))
			return true;
		if (now_ns() >= deadline_ns)
			return false;
		if (is_before(seen, generation))
			await_word(p, seen, deadline_ns);
	}
}

int arming_wait(const struct segments *s, uint32_t generation,
                int64_t deadline_ns)
{
	uint32_t used = used_processes(s);

	for (uint32_t i = 0; i < used; i++)
		if (!await_process(s, i, generation, deadline_ns))
			return -ETIMEDOUT;
	return 0;
}

/* A program could have written anything there. */
static void print_process(const struct fault_process *p, FILE *out)
{
	fprintf(out, "%u (", atomic_load(&p->pid));
	for (size_t i = 0; i < sizeof(p->name) && p->name[i]; i++) {
		unsigned char c = (unsigned char)p->name[i];

		fputc(c < 0x20 || c >= 0x7f ? '?' : c, out);
	}
	fputc(')', out);
}

void arming_print_debtors(const struct segments *s, uint32_t generation,
                          FILE *out)
{
	uint32_t used = used_processes(s), n = 0;

	for (uint32_t i = 0; i < used; i++) {
		if (!arming_owes(s, i, generation))
			continue;
		if (n++ < MAX_DEBTORS) {
			fputs(n > 1 ? ", " : "", out);
			print_process(segments_process(s, i), out);
		}
	}
	if (n > MAX_DEBTORS)
		fprintf(out, " and %u more", n - MAX_DEBTORS);
}
