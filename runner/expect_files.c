/*
 * expect_files.c - see expect_files.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runner/expect_files.h"
#include "runner/machine.h"
#include "runner/quote.h"
#include "runner/text.h"

enum {
	WINDOW = 1 << 20,
	OVERLAP = WINDOW / 2,
	CHUNK = 64 << 10
};

struct inquiry {
	const struct file_expect *e;
	struct judgement *ret;
	int fd;
	off_t size;
	char *window; /* WINDOW bytes, and a 0 for regexec() */
};

/* How much it matters that a file could not be looked at: r is -errno. */
static enum finding_kind kind_of(int r)
{
	return machine_is_short(r) ? FINDING_ENVIRONMENT : FINDING_FAIL;
}

/* 0 or -errno; only what has an end and can be read again. */
static int open_file(const char *path, int *ret_fd, off_t *ret_size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;
	int r = 0;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st))
		r = -errno;
	else if (S_ISDIR(st.st_mode))
		r = -EISDIR;
	else if (!S_ISREG(st.st_mode))
		r = -ESPIPE;
	if (r) {
		close(fd);
		return r;
	}
	*ret_fd = fd;
	*ret_size = st.st_size;
	return 0;
}

static const char *open_error(int r)
{
	if (r == -ENOENT)
		return "there is no such file";
	if (r == -ESPIPE)
		return "it is no regular file";
	return strerror(-r);
}

/* As many bytes as there are, up to len; or -errno. */
static ssize_t read_at(int fd, char *buf, size_t len, off_t at)
{
	size_t have = 0;
	ssize_t n;

	while (have < len) {
		n = pread(fd, buf + have, len - have, at + (off_t)have);
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n == 0)
			break;
		if (n > 0)
			have += (size_t)n;
	}
	return (ssize_t)have;
}

/* ---- texts --------------------------------------------------------------- */

/*
 * How much of a full window is looked at: up to the end of a line if there is
 * one in its last quarter, so that $ means what it says.
 */
static size_t whole_lines(const char *window)
{
	const char *last = window + WINDOW / 4 * 3;
	const char *newline = memrchr(last, '\n', WINDOW / 4);

	return newline ? (size_t)(newline - window) : WINDOW;
}

/*
 * Does t occur at or behind *at?  1, with *at moved behind it; 0 or -errno.
 * The byte before is read as well, for ^.
 */
static int find_text(const struct inquiry *q, const struct text_match *t,
                     off_t *at)
{
	off_t from = *at;

	for (;;) {
		off_t begin = from > 0 ? from - 1 : 0;
		ssize_t n = read_at(q->fd, q->window, WINDOW, begin);
		size_t len = n < WINDOW ? (size_t)n : whole_lines(q->window);
		ptrdiff_t end;

		if (n < 0)
			return (int)n;
		q->window[n] = '\0';
		if (from - begin > n)
			return 0; /* it became shorter */
		end = text_find(t, q->window, len, (size_t)(from - begin));
		if (end >= 0) {
			*at = begin + end;
			return 1;
		}
		if (end == -ENOMEM)
			return -ENOMEM;
		if (n < WINDOW)
			return 0;
		from = begin + (off_t)len - OVERLAP;
	}
}

static void cannot_read(const struct inquiry *q, int r)
{
	judgement_add(q->ret, kind_of(r), -1, &q->e->loc,
	              "%s: cannot be read: %s", q->e->path, strerror(-r));
}

/* The file is gone when this is read: "; its first line is `x`", into buf. */
static const char *tell_first_line(const struct inquiry *q, char *buf,
                                   size_t size)
{
	char line[60], *end;
	ssize_t n = read_at(q->fd, line, sizeof(line), 0);
	FILE *f;

	*buf = '\0';
	if (n == 0)
		return "; it is empty";
	f = n > 0 ? fmemopen(buf, size, "w") : NULL;
	if (!f)
		return "";
	end = memchr(line, '\n', (size_t)n);
	fputs("; its first line is `", f);
	quote_line(f, line, end ? (size_t)(end - line) : (size_t)n);
	fputs(end || n < (ssize_t)sizeof(line) ? "`" : "...`", f);
	return fclose(f) ? "" : buf;
}

static void judge_has(const struct inquiry *q)
{
	char first[60 * 4 + 40]; /* each byte as \xHH */
	off_t at = 0;

	for (size_t i = 0; i < q->e->has.n; i++) {
		const struct text_match *t = &q->e->has.v[i];
		const char *slash = t->regex ? "/" : "`";
		int r = find_text(q, t, &at);

		if (r == 1)
			continue;
		if (r < 0)
			cannot_read(q, r);
		else
			judgement_add(q->ret, FINDING_FAIL, -1, &t->loc,
			              "%s: has no %s%s%s%s, expected%s",
			              q->e->path, slash, t->text, slash,
			              i ? " behind the texts before" : "",
			              tell_first_line(q, first, sizeof(first)));
		return;
	}
}

static void judge_not(const struct inquiry *q)
{
	for (size_t i = 0; i < q->e->not_has.n; i++) {
		const struct text_match *t = &q->e->not_has.v[i];
		const char *slash = t->regex ? "/" : "`";
		off_t at = 0;
		int r = find_text(q, t, &at);

		if (r < 0)
			cannot_read(q, r);
		else if (r == 1)
			judgement_add(q->ret, FINDING_FAIL, -1, &t->loc,
			              "%s: has %s%s%s, which must not be (it "
			              "ends at byte %lld)",
			              q->e->path, slash, t->text, slash,
			              (long long)at);
		if (r)
			return;
	}
}

/* ---- the same content ---------------------------------------------------- */

static size_t count_lines(const char *p, size_t n)
{
	size_t lines = 0;

	for (size_t i = 0; i < n; i++)
		lines += p[i] == '\n';
	return lines;
}

static void byte_text(unsigned char c, char *buf, size_t size)
{
	if (c > 0x20 && c < 0x7f)
		snprintf(buf, size, "0x%02x (%c)", c, c);
	else
		snprintf(buf, size, "0x%02x", c);
}

/* The first difference: in a byte, or that one of them ends. */
static void tell_difference(const struct inquiry *q, off_t at, size_t line,
                            const char *got, const char *want)
{
	char a[16] = "its end", b[16] = "the end";

	if (got)
		byte_text((unsigned char)*got, a, sizeof(a));
	if (want)
		byte_text((unsigned char)*want, b, sizeof(b));
	judgement_add(q->ret, FINDING_FAIL, -1, &q->e->loc,
	              "%s: differs from %s at byte %lld (line %zu): %s, "
	              "expected %s",
	              q->e->path, q->e->same, (long long)at, line, a, b);
}

/* The window holds a piece of each. */
static int compare(const struct inquiry *q, int other)
{
	char *a = q->window, *b = q->window + CHUNK;
	size_t line = 1;

	for (off_t at = 0;; at += CHUNK) {
		ssize_t n = read_at(q->fd, a, CHUNK, at);
		ssize_t m = read_at(other, b, CHUNK, at);
		size_t i = 0, common = (size_t)(n < m ? n : m);

		if (n < 0 || m < 0)
			return (int)(n < 0 ? n : m);
		while (i < common && a[i] == b[i])
			i++;
		line += count_lines(a, i);
		if (i < common || n != m) {
			tell_difference(q, at + (off_t)i, line,
			                i < (size_t)n ? a + i : NULL,
			                i < (size_t)m ? b + i : NULL);
			return 0;
		}
		if (n < CHUNK)
			return 0;
	}
}

static void judge_same(const struct inquiry *q)
{
	off_t size;
	int other, r;

	if (!q->e->same)
		return;
	r = open_file(q->e->same, &other, &size);
	if (r < 0) {
		judgement_add(q->ret, kind_of(r), -1, &q->e->loc,
		              "%s: cannot be compared with %s: %s", q->e->path,
		              q->e->same, open_error(r));
		return;
	}
	r = compare(q, other);
	close(other);
	if (r < 0)
		cannot_read(q, r);
}

/* ---- the whole ----------------------------------------------------------- */

static void judge_size(const struct inquiry *q)
{
	const struct range *want = &q->e->size;
	char range[80];

	if (!q->e->has_size || (q->size >= want->min && q->size <= want->max))
		return;
	text_range(want, 1, range, sizeof(range));
	judgement_add(q->ret, FINDING_FAIL, -1, &q->e->loc,
	              "%s: has %lld byte%s, expected %s", q->e->path,
	              (long long)q->size, q->size == 1 ? "" : "s", range);
}

static void judge_file(struct inquiry *q)
{
	int r = open_file(q->e->path, &q->fd, &q->size);

	if (r < 0) {
		judgement_add(q->ret, kind_of(r), -1, &q->e->loc, "%s: %s",
		              q->e->path, open_error(r));
		return;
	}
	judge_size(q);
	judge_has(q);
	judge_not(q);
	judge_same(q);
	close(q->fd);
}

void expect_files_judge(const struct scenario *s,
                        const struct session_result *r, struct judgement *ret)
{
	struct inquiry q = {.ret = ret};

	if (!s->n_file_expects ||
	    (r->end != SESSION_OVER && r->end != SESSION_LIMIT))
		return;
	q.window = malloc(WINDOW + 1);
	if (!q.window) {
		judgement_add(ret, FINDING_ENVIRONMENT, -1, NULL,
		              "no memory to look at files");
		return;
	}
	for (size_t i = 0; i < s->n_file_expects; i++) {
		q.e = &s->file_expects[i];
		judge_file(&q);
	}
	free(q.window);
}
