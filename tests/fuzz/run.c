/*
 * run.c - fuzzed: the segment that the programs of a run share with the runner.
 * A program may have written anything there, and may write while we read.
 *
 * An input is what programs do, step by step: records, processes, and bytes
 * anywhere; in between the runner looks.  If the first byte says so, a thread
 * goes on scribbling meanwhile.  In the end all is told as after a run.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "runner/arming.h"
#include "runner/clock.h"
#include "runner/observe.h"
#include "runner/session_internal.h"
#include "tests/fuzz/reading.h"

static const struct fault_run_size small = {
	.n_processes = 8,
	.n_socks = 4,
	.n_watches = 8,
	.n_cells = 8,
	.n_records = 64,
};

enum {
	MOST_PROCESSES = 1 << 17 /* entries that the runner may ever have */
};

struct bench {
	const struct reading *r;
	struct session session;
	struct session_result result;
	struct memory_file file;
	struct instance_result instances[2];
	atomic_bool stop;
	struct bytes scribble;
};

/* ---- what programs do ---------------------------------------------------- */

static struct fault_run *run_of(struct bench *b)
{
	return b->session.segments.run;
}

/* Bytes somewhere; a word at a time, for the thread sanitizer's peace. */
static void write_bytes(struct bench *b, struct bytes *in)
{
	size_t n = b->session.segments.run_len / 4;
	size_t at = take_u32(in) % n, len = 1 + take_u8(in) % 32;
	_Atomic uint32_t *words = (void *)run_of(b);

	for (size_t i = 0; i < len && at + i < n; i++)
		atomic_store_explicit(&words[at + i], take_u32(in),
		                      memory_order_relaxed);
}

static void write_record(struct bench *b, struct bytes *in, bool raw)
{
	uint64_t ticket = atomic_fetch_add(&run_of(b)->head, 1);
	struct fault_record *r = segments_record(&b->session.segments, ticket);
	struct fault_record v = {.entry_ns = (uint64_t)now_ns()};
	uint64_t state = take_u8(in) % 8;

	v.return_ns = v.entry_ns + take_u32(in);
	if (raw)
		take_into(in, &v, sizeof(v));
	v.call = take_u8(in);
	v.process = take_u8(in);
	v.serial = take_u8(in);
	v.connection = take_u8(in);
	v.result = (int32_t)(int16_t)take_u16(in);
	v.want = take_u32(in);
	v.flags = take_u8(in);
	v.rule = take_u8(in);
	v.err = take_u8(in);
	v.status = take_u8(in);
	if (v.call == RECORD_RETURN)
		v.caller = ticket - take_u8(in);
	if (v.flags & RECORD_NAME)
		take_into(in, v.name, take_u8(in) % 65);
	memcpy((char *)r + sizeof(r->state), (char *)&v + sizeof(v.state),
	       sizeof(v) - sizeof(v.state));
	atomic_store(&r->state, ticket * 8 + state);
}

static void write_process(struct bench *b, struct bytes *in)
{
	uint32_t slot = take_u8(in) % small.n_processes;
	struct fault_process *p = segments_process(&b->session.segments, slot);

	atomic_store(&p->pid, take_u16(in));
	p->parent = take_u8(in);
	p->program = take_u8(in);
	p->started_ns = take_u8(in) & 1 ? (uint64_t)now_ns() : take_u64(in);
	take_into(in, p->name, take_u8(in) % (sizeof(p->name) + 1));
	take_into(in, p->what, take_u8(in) % (sizeof(p->what) + 1));
	atomic_store(&p->listens, take_u8(in));
	atomic_store(&p->status, take_u8(in));
	atomic_store(&run_of(b)->used_processes, take_u8(in));
}

static void write_head(struct bench *b, struct bytes *in)
{
	struct fault_run *run = run_of(b);
	uint64_t v = take_u64(in);

	switch (take_u8(in) % 6) {
	case 0:
		atomic_store(&run->head, v);
		break;
	case 1:
		atomic_store(&run->head, atomic_load(&run->head) + v % 256);
		break;
	case 2:
		atomic_store(&run->tail, v);
		break;
	case 3:
		atomic_store(&run->used_processes, (uint32_t)v);
		break;
	case 4:
		atomic_store(&run->generation, (uint32_t)v);
		break;
	default:
		atomic_store(&run->dropped, v);
		break;
	}
}

static void write_state(struct bench *b, struct bytes *in)
{
	uint64_t ticket = atomic_load(&run_of(b)->head) - take_u8(in);
	struct fault_record *r = segments_record(&b->session.segments, ticket);

	atomic_store(&r->state, ticket * 8 + take_u8(in) % 8);
}

/* ---- what the runner does ------------------------------------------------ */

static void arm(struct bench *b, struct bytes *in)
{
	const struct segments *s = &b->session.segments;
	struct arming_group group;
	uint32_t generation;
	char *said = NULL;
	size_t len;
	FILE *out = open_memstream(&said, &len);

	must(out, "no memory");
	(void)arming_set(s, b->r->plan, "y", take_u8(in) & 1);
	generation = arming_ring(s);
	(void)arming_wait(s, generation, now_ns());
	(void)arming_look(s, b->r->plan, "y", &group);
	arming_print_debtors(s, generation, out);
	fclose(out);
	for (size_t i = 0; i < len; i++)
		must((unsigned char)said[i] >= 0x20, "a control byte");
	free(said);
}

static void look(struct bench *b)
{
	struct observe *o = &b->session.observe;

	observe_drain(o);
	must(o->n_processes <= MOST_PROCESSES, "processes without end");
	for (size_t i = 0; i < o->n_processes; i++) {
		const struct observed_process *p = &o->processes[i];

		(void)observe_lost_image(p);
		(void)observe_listens(o, p->pid);
	}
	(void)observe_failure(o);
	(void)observe_incomplete(o);
	(void)session_has_begun(&b->session, 0);
}

static void act(struct bench *b, struct bytes *in)
{
	switch (take_u8(in) % 9) {
	case 0:
		write_bytes(b, in);
		break;
	case 1:
	case 2:
		write_record(b, in, false);
		break;
	case 3:
		write_record(b, in, true);
		break;
	case 4:
		write_process(b, in);
		break;
	case 5:
		write_head(b, in);
		break;
	case 6:
		write_state(b, in);
		break;
	case 7:
		arm(b, in);
		break;
	default:
		look(b);
		break;
	}
}

static void *scribble(void *context)
{
	struct bench *b = context;

	while (!atomic_load(&b->stop)) {
		struct bytes in = b->scribble;

		while (in.left && !atomic_load(&b->stop)) {
			write_state(b, &in);
			write_bytes(b, &in);
		}
	}
	return NULL;
}

/* ---- a run --------------------------------------------------------------- */

static void open_segments(struct bench *b)
{
	struct segments *s = &b->session.segments;
	uint64_t len = fault_run_bytes(b->r->plan, &small);
	struct fault_run *run = aligned_alloc(64, len);

	must(run && len % 64 == 0, "no memory");
	memset(run, 0, len);
	fault_run_init(run, b->r->plan, &small);
	*s = (struct segments){.run = run, .run_len = len};
	segments_remember(s, run);
}

static void open_bench(struct bench *b)
{
	static const struct session_options options = {.library = "/none"};
	struct session *s = &b->session;

	memory_file_open(&b->file, "", 0);
	open_segments(b);
	for (size_t i = 0; i < 2; i++)
		b->instances[i] = (struct instance_result){
			.program = i, .number = 1, .started = true, .pid = 100};
	b->result = (struct session_result){
		.end = SESSION_OVER,
		.n_programs = 2,
		.n_rules = b->r->scenario->n_rules,
		.n_instances = 2,
		.instances = b->instances,
	};
	s->options = &options;
	s->scenario = b->r->scenario;
	s->result = &b->result;
	must(!observe_init(&s->observe, b->r->plan, b->r->plan_len,
	                   &s->segments, b->file.path, 1),
	     "no memory");
	must(!call_watches_init(&s->calls, s->scenario, 1), "no memory");
	s->observe.calls = &s->calls;
}

static void close_bench(struct bench *b)
{
	struct session *s = &b->session;

	call_watches_release(&s->calls);
	observe_release(&s->observe);
	free(s->segments.run);
	memory_file_close(&b->file);
	free(b->result.message);
	free(b->result.unattached);
}

static void finish(struct bench *b)
{
	struct rule_result rules[16] = {{0}};

	must(observe_finish(&b->session.observe) == 0, "cannot write");
	(void)segments_intact(&b->session.segments);
	session_note_unattached(&b->session);
	for (uint32_t i = 0; i < b->result.n_rules; i++) {
		const struct fault_rule_state *r =
			segments_rule(&b->session.segments, i);

		rules[i].hits = atomic_load(&r->hits);
		rules[i].due = atomic_load(&r->due);
		rules[i].gated[1] = atomic_load(&r->gated[1]);
	}
	read_trace(b->r, b->file.path, rules, b->scribble.left);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bench b = {.r = reading_get(), .scribble = {data, size}};
	struct bytes in = {data, size};
	bool race = take_u8(&in) & 1;
	pthread_t thread;

	open_bench(&b);
	if (race)
		must(!pthread_create(&thread, NULL, scribble, &b), "no thread");
	while (in.left)
		act(&b, &in);
	look(&b);
	if (race) {
		atomic_store(&b.stop, true);
		pthread_join(thread, NULL);
	}
	finish(&b);
	close_bench(&b);
	return 0;
}
