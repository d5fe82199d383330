/*
 * peer_hand.c - see peer_hand.h.  The same walk writes and reads, so that both
 * agree.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runner/peer_hand.h"

enum {
	ALIGN = 16,
	DEPTH = 100 /* of steps in steps */
};

struct head {
	char magic[16];
	uint64_t seed;
	uint64_t sizes; /* of the structs: the same executable has the same */
	struct program program;
};

static const struct head ours = {
	.magic = "fault peer 1",
	.sizes = sizeof(struct program) << 32 | sizeof(struct step),
};

struct walk {
	FILE *out; /* writing; else NULL */
	char *in;  /* reading */
	size_t len, at;
	bool bad;
};

/* The size bytes at v, or that were at v. */
static void *block(struct walk *w, void *v, size_t size)
{
	static const char padding[ALIGN];
	size_t pad = (ALIGN - size % ALIGN) % ALIGN;

	if (w->out) {
		w->bad |= fwrite(v, 1, size, w->out) != size ||
		          fwrite(padding, 1, pad, w->out) != pad;
		return v;
	}
	if (w->bad || size > w->len - w->at || pad > w->len - w->at - size) {
		w->bad = true;
		return NULL;
	}
	v = w->in + w->at;
	w->at += size + pad;
	return v;
}

/* n elements; NULL if there are none. */
static void *array(struct walk *w, void *v, size_t n, size_t size)
{
	if (n > SIZE_MAX / size)
		w->bad = true;
	return n && !w->bad ? block(w, v, n * size) : NULL;
}

static void string(struct walk *w, char **s)
{
	size_t n = w->out && *s ? strlen(*s) + 1 : 0;
	size_t *len = block(w, &n, sizeof(n));
	char *v = len ? array(w, *s, *len, 1) : NULL;

	if (w->out)
		return;
	if (v && v[*len - 1])
		w->bad = true;
	*s = w->bad ? NULL : v;
}

static void place(struct walk *w, struct source_loc *loc)
{
	char *file = NULL;

	/* Only read from, when writing. */
	memcpy(&file, &loc->file, sizeof(file));
	string(w, &file);
	loc->file = file;
}

static void texts(struct walk *w, struct text_list *l)
{
	l->v = array(w, l->v, l->n, sizeof(*l->v));
	for (size_t i = 0; l->v && i < l->n; i++) {
		struct text_match t = l->v[i];

		string(w, &t.text);
		place(w, &t.loc);
		if (!w->out)
			l->v[i] = t;
	}
}

static void steps(struct walk *w, struct step **v, size_t n, int depth);

/* s is a copy when writing: what is walked stays as it is. */
static void step(struct walk *w, struct step *s, int depth)
{
	place(w, &s->loc);
	string(w, &s->event.path);
	string(w, &s->event.rule);
	texts(w, &s->event.has);
	string(w, &s->text.text);
	s->bytes = array(w, s->bytes, s->bytes ? s->n_bytes : 0, 1);
	string(w, &s->file);
	steps(w, &s->steps, s->n_steps, depth + 1);
	w->bad |= (unsigned)s->kind >= N_STEP_KINDS;
}

static void steps(struct walk *w, struct step **v, size_t n, int depth)
{
	w->bad |= depth > DEPTH;
	*v = array(w, *v, n, sizeof(**v));
	for (size_t i = 0; *v && i < n && !w->bad; i++) {
		struct step s = (*v)[i];

		step(w, &s, depth);
		if (!w->out)
			(*v)[i] = s;
	}
}

static void whole(struct walk *w, struct program *p)
{
	string(w, &p->name);
	place(w, &p->loc);
	p->scripts = array(w, p->scripts, p->n_scripts, sizeof(*p->scripts));
	for (size_t i = 0; p->scripts && i < p->n_scripts && !w->bad; i++) {
		struct step_list l = p->scripts[i].steps;

		steps(w, &l.v, l.n, 0);
		if (!w->out)
			p->scripts[i].steps = l;
	}
}

int peer_hand_over(const struct program *p, uint64_t seed)
{
	struct head h = ours;
	int fd = memfd_create("fault-peer", MFD_CLOEXEC);
	struct walk w = {0};
	int copy = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 3);

	w.out = copy < 0 ? NULL : fdopen(copy, "w");
	if (!w.out) {
		int err = errno;

		if (copy >= 0)
			close(copy);
		if (fd >= 0)
			close(fd);
		return -err;
	}
	h.seed = seed;
	h.program = *p;
	block(&w, &h, sizeof(h));
	whole(&w, &h.program);
	w.bad |= fclose(w.out) != 0;
	if (w.bad || lseek(fd, 0, SEEK_SET) < 0) {
		close(fd);
		return -ENOMEM;
	}
	return fd;
}

/* All of fd, malloc'ed. */
static int read_all(int fd, char **ret, size_t *ret_len)
{
	size_t cap = 0, len = 0;
	char *v = NULL;
	ssize_t n;

	do {
		if (len == cap) {
			char *more = realloc(v, cap = cap ? 2 * cap : 65536);

			if (!more) {
				free(v);
				return -ENOMEM;
			}
			v = more;
		}
		n = read(fd, v + len, cap - len);
		len += n > 0 ? (size_t)n : 0;
	} while (n > 0 || (n < 0 && errno == EINTR));
	if (n < 0) {
		int err = errno;

		free(v);
		return -err;
	}
	*ret = v;
	*ret_len = len;
	return 0;
}

int peer_take_over(int fd, struct program *ret_program, uint64_t *ret_seed,
                   void **ret_memory)
{
	struct walk w = {0};
	struct head *h;
	int r = read_all(fd, &w.in, &w.len);

	if (r < 0)
		return r;
	h = block(&w, NULL, sizeof(*h));
	if (!h || memcmp(h->magic, ours.magic, sizeof(ours.magic)) != 0 ||
	    h->sizes != ours.sizes)
		w.bad = true;
	else
		whole(&w, &h->program);
	if (w.bad) {
		free(w.in);
		return -EINVAL;
	}
	*ret_program = h->program;
	*ret_seed = h->seed;
	*ret_memory = w.in;
	return 0;
}
