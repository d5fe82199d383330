/*
 * trace_file.c - writes and reads kept traces.
 *
 * The reader trusts nothing but its own bounds: lengths are checked against
 * the file, the plan by plan_check(), indexes by whoever uses them.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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

/* A whole regular file; malloc'ed. */
static int read_file(const char *path, char **ret_data, size_t *ret_size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	size_t len = 0;
	struct stat st;
	ssize_t n = 1;
	char *data;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) || !S_ISREG(st.st_mode)) {
		close(fd);
		return -EINVAL;
	}
	data = malloc((size_t)st.st_size + 1);
	while (data && len < (size_t)st.st_size && n > 0) {
		n = read(fd, data + len, (size_t)st.st_size - len);
		len += n > 0 ? (size_t)n : 0;
	}
	close(fd);
	if (!data || n < 0) {
		free(data);
		return data ? -EIO : -ENOMEM;
	}
	*ret_data = data;
	*ret_size = len;
	return 0;
}

/* The next item, NULL at the end or when it is cut off. */
static const struct item *next_item(struct trace_reader *r,
                                    const void **ret_data)
{
	const struct item *item = (const void *)(r->data + r->at);

	if (r->size - r->at < sizeof(*item) ||
	    padded(item->len) > r->size - r->at - sizeof(*item))
		return NULL;
	*ret_data = item + 1;
	r->at += sizeof(*item) + padded(item->len);
	return item;
}

static const char *check_file(struct trace_reader *r)
{
	const struct file_header *h = (const void *)r->data;
	const struct item *item;
	const void *data;
	const char *why;

	if (r->size < sizeof(*h) || h->magic != FILE_MAGIC)
		return "it is no trace of fault";
	if (h->version != FILE_VERSION ||
	    h->record_size != sizeof(struct fault_record))
		return "it was written by another version of fault";
	r->at = sizeof(*h);
	item = next_item(r, &data);
	if (!item || item->kind != ITEM_PLAN)
		return "it has no plan";
	why = plan_check(data, item->len);
	if (why)
		return why;
	r->plan = data;
	trace_context_init(&r->context, data, h->start_ns);
	return NULL;
}

int trace_reader_open(struct trace_reader *r, const char *path,
                      const char **ret_why)
{
	struct trace_reader t = {0};
	const char *why;
	int rc = read_file(path, &t.data, &t.size);

	if (rc)
		return rc;
	why = check_file(&t);
	if (why) {
		free(t.data);
		*ret_why = why;
		return -EBADMSG;
	}
	*r = t;
	return 0;
}

const struct fault_record *trace_reader_next(struct trace_reader *r)
{
	const struct item *item;
	const void *data;

	while ((item = next_item(r, &data))) {
		if (item->kind == ITEM_RECORD &&
		    item->len == sizeof(struct fault_record))
			return data;
		if (item->kind == ITEM_PROCESS &&
		    item->len == sizeof(struct trace_process))
			trace_context_set(&r->context, item->slot, data);
	}
	return NULL;
}

bool trace_reader_complete(const struct trace_reader *r)
{
	return r->at == r->size;
}

void trace_reader_release(struct trace_reader *r)
{
	trace_context_release(&r->context);
	free(r->data);
	*r = (struct trace_reader){0};
}
