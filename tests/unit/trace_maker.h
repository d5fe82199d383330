/*
 * trace_maker.h - kept traces for tests, made call by call.
 *
 *   trace_begin(2);
 *   trace_call(FAULT_CALL_connect, -1, ECONNREFUSED)->want = 5432;
 *   trace_end();
 *
 * Then trace_path is the file.  One at a time; programs are p0, p1, ...
 * Include it behind cmocka.h.
 */
#ifndef FAULT_TESTS_TRACE_MAKER_H
#define FAULT_TESTS_TRACE_MAKER_H

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "plan_maker.h"
#include "runner/trace_file.h"

#define MS 1000000ULL

static struct plan_maker trace_plan;
static struct trace_context trace_context;
static struct trace_writer trace_writer;
static struct fault_record trace_record; /* not written yet, if it has a call */
static uint64_t trace_ticket, trace_now;
static char trace_path[] = "/tmp/test_trace.XXXXXX";

/* Process i is of program i. */
static inline void trace_begin(unsigned n_programs)
{
	const struct fault_plan *plan;

	strcpy(trace_path, "/tmp/test_trace.XXXXXX");
	close(mkstemp(trace_path));
	plan_maker_init(&trace_plan, n_programs);
	plan = plan_maker_finish(&trace_plan);
	trace_context_init(&trace_context, plan, 0);
	assert_int_equal(trace_writer_open(&trace_writer, trace_path, plan,
	                                   plan->size, 0),
	                 0);
	for (unsigned i = 0; i < n_programs; i++) {
		struct trace_process p = {.pid = 100 + i, .program = i};

		trace_context_set(&trace_context, (uint16_t)i, &p);
		trace_writer_process(&trace_writer, &trace_context,
		                     (uint16_t)i);
	}
	trace_ticket = trace_now = 0;
	memset(&trace_record, 0, sizeof(trace_record));
}

static inline void trace_flush(void)
{
	if (trace_record.call)
		trace_writer_record(&trace_writer, &trace_record);
	memset(&trace_record, 0, sizeof(trace_record));
}

/*
 * A call of program 0, client of socket and connection 1, a millisecond after
 * the one before and a tenth of one long.  What is returned can be changed
 * until the next.
 */
static inline struct fault_record *trace_call(unsigned call, int result,
                                              int err)
{
	struct fault_record *r = &trace_record;

	trace_flush();
	trace_now += MS;
	*r = (struct fault_record){.entry_ns = trace_now,
	                           .return_ns = trace_now + MS / 10,
	                           .serial = 1,
	                           .connection = 1,
	                           .fd = 3,
	                           .result = result,
	                           .err = (uint8_t)err,
	                           .want = 100,
	                           .call = (uint8_t)call,
	                           .status = STATE_ESTABLISHED << 4 |
	                                     ROLE_CLIENT};
	atomic_store(&r->state, ++trace_ticket * 8 + RECORD_DONE);
	return r;
}

/* The one that was made last has not returned yet. */
static inline uint64_t trace_stays(void)
{
	atomic_store(&trace_record.state, trace_ticket * 8 + RECORD_ENTERED);
	return trace_ticket;
}

/* Now the one of this ticket returns. */
static inline struct fault_record *trace_returns(uint64_t of, int result,
                                                 int err)
{
	struct fault_record *r = trace_call(RECORD_RETURN, result, err);

	r->caller = of;
	r->want = 0;
	return r;
}

static inline void trace_end(void)
{
	trace_flush();
	assert_int_equal(trace_writer_close(&trace_writer), 0);
	trace_context_release(&trace_context);
}

#endif
