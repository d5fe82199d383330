/*
 * test_print_trace.c - lines, counts, and trace files that were damaged.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runner/print_trace.h"
#include "runner/trace_file.h"
#include "tests/unit/plan_maker.h"

static struct trace_context context;
static struct trace_printer *printer;
static const void *plan;
static size_t plan_len;
static uint64_t ticket;
static char line[512];

/* A call on socket 1, connection 1 of process 0, that has returned. */
static struct fault_record make(enum fault_call call, int result, uint32_t want)
{
	struct fault_record r = {.entry_ns = 12345678000ULL + 1000000000,
	                         .return_ns = 12345679000ULL + 1000000000,
	                         .serial = 1,
	                         .connection = 1,
	                         .fd = 7,
	                         .result = result,
	                         .want = want,
	                         .tid = 4712,
	                         .call = (uint8_t)call};

	r.status = STATE_ESTABLISHED << 4 | ROLE_ACCEPTED;
	atomic_store(&r.state, ++ticket * 8 + RECORD_DONE);
	return r;
}

static const char *print(const struct fault_record *r)
{
	size_t len = trace_print(printer, &context, r, line, sizeof(line));

	assert_int_equal(len, strlen(line));
	return line;
}

static const char *call(enum fault_call id, int result, uint32_t want)
{
	struct fault_record r = make(id, result, want);

	return print(&r);
}

static const char *failed(enum fault_call id, int err, uint32_t want)
{
	struct fault_record r = make(id, -1, want);

	r.err = (uint8_t)err;
	return print(&r);
}

static void has(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("`%s` has no `%s`", text, part);
}

static void has_not(const char *text, const char *part)
{
	if (strstr(text, part))
		fail_msg("`%s` has `%s`", text, part);
}

static void test_an_accept_reads_as_documented(void **state)
{
	struct fault_record r =
		make(FAULT_CALL_accept4, 7, 8080u << 16 | 40312);

	(void)state;
	r.fd = 5;
	r.flags = RECORD_ADDRESS;
	memcpy(r.address, "\x7f\0\0\1", 4);
	assert_string_equal(print(&r),
	                    "12.345678 p0[4711/4712] accept4(fd 5) = 7  "
	                    "conn 1 accepted #1 127.0.0.1:40312 ESTABLISHED");
	r.flags |= RECORD_IPV6;
	memset(r.address, 0, 16);
	r.address[15] = 1;
	has(print(&r), "#2 [::1]:40312 ESTABLISHED");
}

static void test_a_transfer_shows_nth_turn_and_bytes(void **state)
{
	(void)state;
	assert_string_equal(call(FAULT_CALL_recv, 512, 16384),
	                    "12.345678 p0[4711/4712] recv(fd 7, 16384) = "
	                    "512  conn 1 accepted #1 turn 1 bytes 0..512 "
	                    "ESTABLISHED");
	has(call(FAULT_CALL_read, 512, 16384), "#2 turn 1 bytes 512..1024");
	has(call(FAULT_CALL_send, 10, 10), "#1 turn 1 bytes 0..10");
	has(call(FAULT_CALL_recv, 512, 16384), "#3 turn 2 bytes 1024..1536");
	has(call(FAULT_CALL_recv, 0, 16384),
	    " = 0  conn 1 accepted #4 turn 2 E");
}

static void test_a_name_shows_what_the_resolver_said(void **state)
{
	struct fault_record r = make(FAULT_CALL_getaddrinfo, -3, 0);

	(void)state;
	r.serial = r.connection = r.status = 0;
	r.fd = -1;
	r.flags = RECORD_NAME;
	strcpy(r.name, "api.test");
	assert_string_equal(print(&r),
	                    "12.345678 p0[4711/4712] "
	                    "getaddrinfo(api.test) = -3 EAI_AGAIN #1");
	r.result = -11;
	r.err = ENFILE;
	has(print(&r), " = -11 EAI_SYSTEM ENFILE #2");
	r.result = r.err = 0;
	memset(r.name, 'x', sizeof(r.name));
	has(print(&r), "xx) = 0 #3");
	r.flags |= RECORD_UNCOUNTED;
	has_not(print(&r), "#");
}

static void test_what_does_not_count_has_no_number(void **state)
{
	struct fault_record r = make(FAULT_CALL_recv, 5, 10);

	(void)state;
	has_not(failed(FAULT_CALL_recv, EAGAIN, 100), "#");
	has(line, " = -1 EAGAIN  conn 1 accepted ESTABLISHED");
	has_not(failed(FAULT_CALL_recv, EINTR, 100), "#");
	r.flags = RECORD_PEEK;
	has_not(print(&r), "#");
	has(line, "recv(fd 7, 10, peek) = 5");
	has_not(failed(FAULT_CALL_accept, EAGAIN, 0), "#");
	has(call(FAULT_CALL_recv, 5, 10), "#1 turn 1 bytes 0..5");
	/* A call that a rule claimed counts, whatever it returned. */
	r = make(FAULT_CALL_recv, -1, 10);
	r.err = ECONNRESET;
	r.rule = 1;
	has(print(&r), "ECONNRESET  conn 1 accepted #2");
}

static void test_a_call_that_a_fault_refused_comes_again(void **state)
{
	struct fault_record refused = make(FAULT_CALL_recv, -1, 10);
	struct fault_record again = make(FAULT_CALL_recv, 5, 10);

	(void)state;
	refused.err = EAGAIN;
	refused.rule = 1;
	has(print(&refused), " = -1 EAGAIN  conn 1 accepted #1 turn 1 E");
	refused.rule = 0;
	refused.flags = RECORD_UNCOUNTED;
	has(print(&refused), " = -1 EAGAIN  conn 1 accepted held E");
	again.flags = RECORD_UNCOUNTED;
	has(print(&again), "accepted #1 again turn 1 bytes 0..5 E");
	has(call(FAULT_CALL_recv, 5, 10), "#2 turn 1 bytes 5..10");
}

static void test_a_hit_before_the_call_is_counted_with_its_end(void **state)
{
	struct fault_record r = make(FAULT_CALL_recv, -1, 10);

	(void)state;
	r.err = EAGAIN;
	r.flags = RECORD_UNCOUNTED;
	has(print(&r), "accepted held E");
	r.result = 5;
	r.rule = 1;
	has(print(&r), "accepted #1 turn 1 bytes 0..5 ESTABLISHED  <- rule");
	has(call(FAULT_CALL_recv, 5, 10), "#2 turn 1 bytes 5..10");
}

static void test_entries_count_where_there_is_nothing_to_wait_for(void **state)
{
	(void)state;
	has(failed(FAULT_CALL_connect, EINPROGRESS, 0), "#1");
	has(failed(FAULT_CALL_connect, ECONNREFUSED, 0), "#2");
	has(failed(FAULT_CALL_shutdown, ENOTCONN, 1), "shutdown(fd 7, WR)");
	has(line, "#1");
}

static void test_a_pending_error_is_told_with_its_option(void **state)
{
	struct fault_record r = make(FAULT_CALL_getsockopt, 0, 4);

	(void)state;
	has(print(&r), "getsockopt(fd 7, option 4) = 0  conn 1");
	r.err = ECONNREFUSED;
	has(print(&r), "getsockopt(fd 7, option 4) = 0: ECONNREFUSED  conn 1");
}

static void test_connections_and_programs_count_apart(void **state)
{
	struct fault_record r = make(FAULT_CALL_recv, 5, 10);

	(void)state;
	print(&r);
	for (uint32_t serial = 2; serial < 500; serial++) {
		r.serial = serial;
		has(print(&r), "#1 turn 1 bytes 0..5");
	}
	r.serial = 1;
	has(print(&r), "#2 turn 1 bytes 5..10");
	r = make(FAULT_CALL_socket, 3, 0);
	has(print(&r), "#1");
	r.process = 1; /* of the other program */
	has(print(&r), "p1[99/4712] socket(fd 7) = 3");
	has(line, "#1");
}

static void test_a_fault_names_its_rule(void **state)
{
	struct fault_record r = make(FAULT_CALL_recv, -1, 10);

	(void)state;
	r.err = ECONNRESET;
	r.rule = 1;
	has(print(&r), "  <- rule recv:reset:nth=3");
	r.rule = 999;
	has(print(&r), "<- rule 999");
}

static void test_a_call_that_returns_late_is_completed(void **state)
{
	struct fault_record r = make(FAULT_CALL_accept4, 0, 0);
	uint64_t of = ticket;

	(void)state;
	r.fd = 5;
	r.serial = 9;
	r.connection = 0;
	atomic_store(&r.state, of * 8 + RECORD_TAKEN);
	has(print(&r), "accept4(fd 5) ...  socket 9");
	r = make((enum fault_call)RECORD_RETURN, 8, 40312);
	r.caller = of;
	r.flags = RECORD_ADDRESS;
	memcpy(r.address, "\x7f\0\0\1", 4);
	r.return_ns += 2500000000;
	has(print(&r), "14.845679 p0[4711/4712] ... accept4(fd 5) = 8 "
	               "<2.500 s>  conn 1 accepted #1 127.0.0.1:40312");
	/* Once only; and one whose beginning nobody saw. */
	has(print(&r), "... = 8");
}

static void test_events_are_sentences(void **state)
{
	struct fault_record r = make((enum fault_call)RECORD_GATED, 0, GATE_G2);

	(void)state;
	r.rule = 1;
	has(print(&r), "held back by G2: blocking socket  conn 1 accepted  <- "
	               "rule recv:reset:nth=3");
	r = make((enum fault_call)RECORD_ATTACH, 0, 4711);
	has(print(&r), "attached to ser?er");
	r = make((enum fault_call)RECORD_FAILED, 0, 4711);
	has(print(&r), "could not attach: no such plan");
	r = make(FAULT_CALL_execve, 0, 4711);
	r.fd = -1;
	assert_string_equal(print(&r), "12.345678 p0[4711/4712] execve()");
	r = make((enum fault_call)RECORD_SHADOWED, 0, 0);
	has(print(&r), "an earlier rule acted");
	r = make((enum fault_call)RECORD_SELF, 0, ACTION_RESET);
	r.rule = 1;
	has(print(&r), "reset, by itself  conn 1 accepted  <- rule");
	r.want = N_ACTIONS;
	has(print(&r), "an action, by itself");
	r = make((enum fault_call)RECORD_MODULE, 0, 0);
	r.flags = RECORD_NAME;
	strcpy(r.name, "libpq.so.5");
	has(print(&r), "calls from libpq.so.5");
	r.call = RECORD_SPAWNED;
	r.want = 4713;
	strcpy(r.name, "/bin/a b");
	has(print(&r), "started 4713 /bin/a?b");
	r.call = FAULT_CALL_execve;
	r.fd = -1;
	has(print(&r), "execve(/bin/a?b)");
	r = make((enum fault_call)RECORD_OTHER_RUN, 0, 0);
	has(print(&r), "another run's environment");
	r = make((enum fault_call)RECORD_NO_ROOM, 0, 0);
	has(print(&r), "no room");
	r = make((enum fault_call)RECORD_URING, 0, 0);
	has(print(&r), "io_uring");
	r = make((enum fault_call)250, 0, 0);
	has(print(&r), "unknown record 250");
}

static void test_any_bytes_print(void **state)
{
	uint64_t random = 7;
	char small[20];

	(void)state;
	for (int i = 0; i < 20000; i++) {
		struct fault_record r;
		unsigned char bytes[sizeof(r)];

		for (size_t j = 0; j < sizeof(bytes); j++) {
			random = random * 6364136223846793005ULL + 1;
			bytes[j] = (unsigned char)(random >> 56);
		}
		memcpy(&r, bytes, sizeof(r));
		print(&r);
		for (size_t j = 0; line[j]; j++)
			assert_in_range((unsigned char)line[j], 0x20, 0x7e);
		assert_true(trace_print(printer, &context, &r, small,
		                        sizeof(small)) >= sizeof(small));
		assert_true(strlen(small) == sizeof(small) - 1);
		trace_print(printer, &context, &r, NULL, 0);
	}
}

/* ---- trace files --------------------------------------------------------- */

static char path[] = "/tmp/test_trace.XXXXXX";

static void write_file(int n)
{
	struct trace_writer w;

	assert_int_equal(trace_writer_open(&w, path, plan, plan_len, 77), 0);
	trace_writer_process(&w, &context, 0);
	for (int i = 0; i < n; i++) {
		struct fault_record r = make(FAULT_CALL_recv, i, 10);

		trace_writer_record(&w, &r);
	}
	assert_int_equal(trace_writer_close(&w), 0);
}

static void test_a_file_gives_back_what_was_written(void **state)
{
	const struct fault_record *r;
	struct trace_reader reader;
	const char *why;
	int n = 0;

	(void)state;
	write_file(100);
	assert_int_equal(trace_reader_open(&reader, path, &why), 0);
	assert_int_equal(reader.context.start_ns, 77);
	while ((r = trace_reader_next(&reader)))
		assert_int_equal(r->result, n++);
	assert_int_equal(n, 100);
	assert_true(trace_reader_complete(&reader));
	assert_string_equal(trace_context_name(&reader.context, 0), "p0");
	assert_int_equal(reader.context.processes[0].pid, 4711);
	trace_reader_release(&reader);
}

static void test_a_cut_file_is_read_up_to_there(void **state)
{
	const char *why = NULL;
	int fd, whole = 0;
	off_t size;

	(void)state;
	write_file(3);
	fd = open(path, O_RDWR | O_CLOEXEC);
	size = lseek(fd, 0, SEEK_END);
	for (off_t len = size - 1; len >= 0; len--) {
		struct trace_reader reader;
		int rc, n = 0;

		assert_int_equal(ftruncate(fd, len), 0);
		rc = trace_reader_open(&reader, path, &why);
		if (rc) {
			assert_int_equal(rc, -EBADMSG);
			assert_non_null(why);
			continue;
		}
		while (trace_reader_next(&reader))
			n++;
		assert_in_range(n, 0, 2);
		whole += trace_reader_complete(&reader);
		trace_reader_release(&reader);
	}
	/* Cut behind the plan, the process, and two records. */
	assert_int_equal(whole, 4);
	close(fd);
}

static void test_damaged_files_do_no_harm(void **state)
{
	uint64_t random = 3;
	int fd;

	(void)state;
	for (int round = 0; round < 500; round++) {
		struct trace_reader reader;
		const struct fault_record *r;
		const char *why;

		write_file(3);
		fd = open(path, O_RDWR | O_CLOEXEC);
		for (int i = 0; i < 4; i++) {
			unsigned char byte;

			random = random * 6364136223846793005ULL + 1;
			byte = (unsigned char)(random >> 56);
			assert_int_equal(pwrite(fd, &byte, 1,
			                        (off_t)((random >> 33) % 900)),
			                 1);
		}
		close(fd);
		if (trace_reader_open(&reader, path, &why))
			continue;
		while ((r = trace_reader_next(&reader)))
			trace_print(printer, &reader.context, r, line,
			            sizeof(line));
		trace_reader_release(&reader);
	}
}

static void test_other_files_are_refused(void **state)
{
	struct trace_reader reader;
	const char *why;

	(void)state;
	assert_int_equal(trace_reader_open(&reader, "/nonexistent", &why),
	                 -ENOENT);
	assert_int_equal(trace_reader_open(&reader, "/etc/passwd", &why),
	                 -EBADMSG);
	assert_int_equal(trace_reader_open(&reader, "/tmp", &why), -EINVAL);
}

/* ---- frame --------------------------------------------------------------- */

static void make_plan(void)
{
	static struct plan_maker maker;
	const struct fault_plan *made;

	plan_maker_init(&maker, 2);
	plan_maker_class(&maker, FAULT_CALL_recv, PER_CONNECTION);
	plan_maker_rule(&maker, 0)->text_off =
		plan_maker_string(&maker, "recv:reset:nth=3");
	made = plan_maker_finish(&maker);
	plan = made;
	plan_len = made->size;
}

static int set_up(void **state)
{
	static const struct trace_process one = {
		.pid = 4711, .name = "ser\033er", .what = "no such plan"};
	static const struct trace_process two = {.pid = 99, .program = 1};

	(void)state;
	ticket = 0;
	printer = trace_printer_new();
	trace_context_init(&context, plan, 1000000000);
	return trace_context_set(&context, 0, &one) ||
	       trace_context_set(&context, 1, &two);
}

static int tear_down(void **state)
{
	(void)state;
	trace_printer_free(printer);
	trace_context_release(&context);
	return 0;
}

static int before_all(void **state)
{
	int fd = mkstemp(path);

	(void)state;
	close(fd);
	make_plan();
	return fd < 0;
}

static int after_all(void **state)
{
	(void)state;
	return unlink(path);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_an_accept_reads_as_documented),
		TEST(test_a_transfer_shows_nth_turn_and_bytes),
		TEST(test_a_name_shows_what_the_resolver_said),
		TEST(test_what_does_not_count_has_no_number),
		TEST(test_a_call_that_a_fault_refused_comes_again),
		TEST(test_a_hit_before_the_call_is_counted_with_its_end),
		TEST(test_entries_count_where_there_is_nothing_to_wait_for),
		TEST(test_a_pending_error_is_told_with_its_option),
		TEST(test_connections_and_programs_count_apart),
		TEST(test_a_fault_names_its_rule),
		TEST(test_a_call_that_returns_late_is_completed),
		TEST(test_events_are_sentences),
		TEST(test_any_bytes_print),
		TEST(test_a_file_gives_back_what_was_written),
		TEST(test_a_cut_file_is_read_up_to_there),
		TEST(test_damaged_files_do_no_harm),
		TEST(test_other_files_are_refused),
	};

	return cmocka_run_group_tests(tests, before_all, after_all);
}
