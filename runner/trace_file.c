/*
 * trace_file.c - writes and reads kept traces.
 *
 * The reader holds one record at a time, however long the file is, and trusts
 * nothing in it: lengths are those it expects or skipped, the plan is checked
 * by plan_check(), indexes by whoever uses them.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runner/machine.h"
#include "runner/trace_file.h"

#define FILE_MAGIC   0x45434152544c4600ULL /* "\0FLTRACE" */
#define FILE_VERSION 1u

struct file_header {
	uint64_t magic;
	uint32_t version;
	uint32_t record_size;
	uint64_t start_ns;
	uint64_t reserved;
};

enum item_kind {
	ITEM_PLAN = 1,
	ITEM_PROCESS,
	ITEM_RECORD
};

/* Payloads are multiples of 8 bytes, so that all lies aligned. */
struct item {
	uint16_t kind;
	uint16_t slot; /* PROCESS */
	uint32_t len;  /* bytes that follow, without padding */
};
_Static_assert(sizeof(struct file_header) == 32 && sizeof(struct item) == 8,
               "layout");
_Static_assert(sizeof(struct fault_record) % 8 == 0 &&
                       sizeof(struct trace_process) % 8 == 0,
               "read in place, without padding");

static size_t padded(size_t len)
{
	return (len + 7) & ~(size_t)7;
}

/* ---- writing ------------------------------------------------------------ */

static void write_bytes(struct trace_writer *w, const void *data, size_t len)
{
	if (!w->error && len && fwrite(data, len, 1, w->file) != 1)
		w->error = errno ? -errno : -EIO;
}

static void write_item(struct trace_writer *w, enum item_kind kind,
                       uint16_t slot, const void *data, size_t len)
{
	static const char zero[8];
	struct item item = {(uint16_t)kind, slot, (uint32_t)len};

	if (!w->file)
		return;
	write_bytes(w, &item, sizeof(item));
	write_bytes(w, data, len);
	write_bytes(w, zero, padded(len) - len);
}

int trace_writer_open(struct trace_writer *w, const char *path,
                      const void *plan, size_t plan_len, uint64_t start_ns)
{
	struct file_header h = {.magic = FILE_MAGIC,
	                        .version = FILE_VERSION,
	                        .record_size = sizeof(struct fault_record),
	                        .start_ns = start_ns};

	*w = (struct trace_writer){.file = fopen(path, "we")};
	if (!w->file)
		return -errno;
	write_bytes(w, &h, sizeof(h));
	write_item(w, ITEM_PLAN, 0, plan, plan_len);
	return w->error ? trace_writer_close(w) : 0;
}

void trace_writer_process(struct trace_writer *w, const struct trace_context *c,
                          uint16_t slot)
{
	if (slot < c->n_processes)
		write_item(w, ITEM_PROCESS, slot, &c->processes[slot],
		           sizeof(c->processes[slot]));
}

void trace_writer_record(struct trace_writer *w, const struct fault_record *r)
{
	write_item(w, ITEM_RECORD, 0, r, sizeof(*r));
}

int trace_writer_close(struct trace_writer *w)
{
	int rc = w->error;

	if (w->file && fclose(w->file) && !rc)
		rc = -errno;
	*w = (struct trace_writer){0};
	return rc;
}

/* ---- reading ------------------------------------------------------------ */

enum {
	BUFFER_SIZE = 256 << 10
};

/* false: the file ends before. */
static bool read_bytes(struct trace_reader *r, void *data, size_t len)
{
	return fread(data, 1, len, r->file) == len;
}

static bool skip(struct trace_reader *r, size_t len)
{
	char scratch[4096];
	size_t n;

	for (; len; len -= n) {
		n = len < sizeof(scratch) ? len : sizeof(scratch);
		if (!read_bytes(r, scratch, n))
			return false;
	}
	return true;
}

/* The next item's head; false at the end, or when it is cut off. */
static bool read_head(struct trace_reader *r, struct item *ret)
{
	size_t n = fread(ret, 1, sizeof(*ret), r->file);

	r->cut = n > 0 && n < sizeof(*ret);
	return n == sizeof(*ret);
}

/* A whole payload with its padding; data has room for that. */
static bool read_payload(struct trace_reader *r, const struct item *item,
                         void *data)
{
	r->cut = !read_bytes(r, data, padded(item->len));
	return !r->cut;
}

/* Only what one can begin to read at once, and read again. */
static int open_file(const char *path, FILE **ret)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;
	int r = 0;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) || !S_ISREG(st.st_mode))
		r = -EINVAL;
	else if (!(*ret = fdopen(fd, "r")))
		r = -errno;
	if (r)
		close(fd);
	else
		setvbuf(*ret, NULL, _IOFBF, BUFFER_SIZE);
	return r;
}

static const char no_memory[] = "there is no memory for its plan";

static const char *read_plan(struct trace_reader *r)
{
	struct item item;

	if (!read_head(r, &item) || item.kind != ITEM_PLAN ||
	    item.len > PLAN_MAX_SIZE)
		return "it has no plan";
	r->plan = malloc(padded(item.len) + 1);
	if (!r->plan)
		return no_memory;
	if (!read_payload(r, &item, r->plan))
		return "it has no plan";
	return plan_check(r->plan, item.len);
}

static const char *read_start(struct trace_reader *r)
{
	struct file_header h;
	const char *why;

	if (!read_bytes(r, &h, sizeof(h)) || h.magic != FILE_MAGIC)
		return "it is no trace of fault";
	if (h.version != FILE_VERSION ||
	    h.record_size != sizeof(struct fault_record))
		return "it was written by another version of fault";
	why = read_plan(r);
	if (!why)
		trace_context_init(&r->context, r->plan, h.start_ns);
	return why;
}

int trace_reader_open(struct trace_reader *r, const char *path,
                      const char **ret_why)
{
	struct trace_reader t = {0};
	const char *why;
	int rc = open_file(path, &t.file);

	if (rc)
		return rc;
	why = read_start(&t);
	if (why) {
		trace_reader_release(&t);
		*ret_why = why;
		return why == no_memory ? -ENOMEM : -EBADMSG;
	}
	*r = t;
	return 0;
}

const struct fault_record *trace_reader_next(struct trace_reader *r)
{
	struct trace_process process;
	struct item item;

	while (!r->cut && read_head(r, &item)) {
		if (item.kind == ITEM_RECORD && item.len == sizeof(r->record)) {
			if (read_payload(r, &item, &r->record))
				return &r->record;
		} else if (item.kind == ITEM_PROCESS &&
		           item.len == sizeof(process)) {
			if (read_payload(r, &item, &process) &&
			    trace_context_set(&r->context, item.slot, &process))
				machine_failed(-ENOMEM, "reading the trace");
		} else {
			r->cut = !skip(r, padded(item.len));
		}
	}
	return NULL;
}

bool trace_reader_complete(const struct trace_reader *r)
{
	return !r->cut && feof(r->file);
}

void trace_reader_release(struct trace_reader *r)
{
	trace_context_release(&r->context);
	if (r->file)
		fclose(r->file);
	free(r->plan);
	*r = (struct trace_reader){0};
}
