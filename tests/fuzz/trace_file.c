/*
 * trace_file.c - fuzzed: a kept trace, read from disk and told from.  The first
 * byte chooses: with a good head and plan in front, or without.
 */
#include <stdlib.h>
#include <string.h>

#include "runner/trace_file.h"
#include "tests/fuzz/reading.h"

/* A file that begins well and has nothing yet; to be freed. */
static unsigned char *good_start(const struct reading *r, size_t room,
                                 size_t *ret_len)
{
	unsigned char *v = malloc(r->plan_len + 4096 + room);
	struct trace_process p = {.pid = 100, .name = "abc"};
	struct trace_context context;
	struct trace_writer writer;
	struct memory_file file;

	memory_file_open(&file, "", 0);
	trace_context_init(&context, r->plan, 1);
	must(v && !trace_context_set(&context, 0, &p), "no memory");
	must(!trace_writer_open(&writer, file.path, r->plan, r->plan_len, 1),
	     "cannot write a trace");
	trace_writer_process(&writer, &context, 0);
	must(!trace_writer_close(&writer), "cannot write a trace");
	*ret_len = memory_file_read(&file, v, r->plan_len + 4096);
	memory_file_close(&file);
	trace_context_release(&context);
	return v;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct reading *r = reading_get();
	struct bytes in = {data, size};
	struct memory_file file;
	unsigned char *v;
	size_t len = 0;

	if (take_u8(&in) & 1) {
		v = good_start(r, in.left, &len);
	} else {
		v = malloc(in.left + 1);
		must(v, "no memory");
	}
	if (in.left)
		memcpy(v + len, in.at, in.left);
	memory_file_open(&file, v, len + in.left);
	read_trace(r, file.path, NULL, size);
	memory_file_close(&file);
	free(v);
	return 0;
}
