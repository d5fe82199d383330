/*
 * case_report.c - see case_report.h.
 *
 * The bytes are of this process's own layout: both ends are the same program,
 * one forked from the other.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runner/report/case_report.h"

enum {
	NO_STRING = UINT32_MAX,
	MAX_FINDINGS = 100000
};

void case_report_release(struct case_report *r)
{
	free(r->name);
	free(r->reason);
	free(r->kept);
	free(r->repeat);
	free(r->context);
	free(r->warning);
	free(r->note);
	judgement_release(&r->findings);
	*r = (struct case_report){0};
}

void case_report_find(struct case_report *r, enum finding_kind kind,
                      const char *where, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	judgement_vadd(&r->findings, kind, -1, where, format, args);
	va_end(args);
}

const struct finding *case_report_worst(const struct case_report *r)
{
	const struct finding *worst = NULL;

	for (size_t i = 0; i < r->findings.n; i++)
		if (!worst || r->findings.v[i].kind >= worst->kind)
			worst = &r->findings.v[i];
	return worst;
}

bool case_report_flaky(const struct case_report *r)
{
	return r->n_tries && r->outcome == OUTCOME_PASSED;
}

/* ---- out ----------------------------------------------------------------- */

static void put(FILE *f, const void *data, size_t len)
{
	fwrite(data, 1, len, f);
}

static void put_string(FILE *f, const char *s)
{
	uint32_t len = s ? (uint32_t)strlen(s) : NO_STRING;

	put(f, &len, sizeof(len));
	if (s)
		put(f, s, len);
}

/* What has a fixed size.  No bool: not every byte is one. */
struct head {
	int64_t time_ns;
	uint64_t seed;
	uint32_t outcome, n_findings;
	uint8_t timing, broken, passes_now;
};

struct finding_head {
	uint64_t instance;
	int32_t kind, verdict;
	uint8_t timing;
};

char *case_report_pack(const struct case_report *r, size_t *ret_len)
{
	struct head h = {
		.time_ns = r->time_ns,
		.seed = r->seed,
		.outcome = r->outcome,
		.n_findings = (uint32_t)r->findings.n,
		.timing = r->timing,
		.broken = r->broken,
		.passes_now = r->passes_now,
	};
	char *data = NULL;
	FILE *f = open_memstream(&data, ret_len);

	if (!f)
		return NULL;
	put(f, &h, sizeof(h));
	put_string(f, r->name);
	put_string(f, r->reason);
	put_string(f, r->kept);
	put_string(f, r->repeat);
	put_string(f, r->context);
	put_string(f, r->warning);
	for (size_t i = 0; i < r->findings.n; i++) {
		const struct finding *v = &r->findings.v[i];
		struct finding_head fh = {
			.instance = v->instance,
			.kind = (int32_t)v->kind,
			.verdict = v->verdict,
			.timing = v->timing,
		};

		put(f, &fh, sizeof(fh));
		put_string(f, v->where);
		put_string(f, v->text);
	}
	if (fclose(f)) {
		free(data);
		return NULL;
	}
	return data;
}

/* ---- in ------------------------------------------------------------------ */

struct cursor {
	const char *at, *end;
	int error; /* the first; then nothing more is taken */
};

static void take(struct cursor *c, void *ret, size_t len)
{
	if (!c->error && (size_t)(c->end - c->at) < len)
		c->error = -EBADMSG;
	if (c->error) {
		memset(ret, 0, len);
		return;
	}
	memcpy(ret, c->at, len);
	c->at += len;
}

static char *take_string(struct cursor *c)
{
	uint32_t len;
	char *s;

	take(c, &len, sizeof(len));
	if (!c->error && len == NO_STRING)
		return NULL;
	if (!c->error && (size_t)(c->end - c->at) < len)
		c->error = -EBADMSG;
	if (c->error)
		return NULL;
	s = strndup(c->at, len);
	if (!s)
		c->error = -ENOMEM;
	c->at += len;
	return s;
}

static void take_finding(struct cursor *c, struct finding *f)
{
	struct finding_head h;

	take(c, &h, sizeof(h));
	f->where = take_string(c);
	f->text = take_string(c);
	f->kind = (enum finding_kind)h.kind;
	f->verdict = h.verdict;
	f->instance = (size_t)h.instance;
	f->timing = h.timing;
	if (!c->error &&
	    (!f->text || h.kind < FINDING_NOTE ||
	     h.kind > FINDING_ENVIRONMENT || h.verdict >= N_VERDICTS))
		c->error = -EBADMSG;
}

static void take_findings(struct cursor *c, size_t n, struct judgement *ret)
{
	if (!c->error && n > MAX_FINDINGS)
		c->error = -EBADMSG;
	if (c->error || n == 0)
		return;
	ret->v = calloc(n, sizeof(*ret->v));
	if (!ret->v)
		c->error = -ENOMEM;
	while (!c->error && ret->n < n)
		take_finding(c, &ret->v[ret->n++]);
}

int case_report_unpack(const char *data, size_t len, struct case_report *ret)
{
	struct cursor c = {data, data + len, 0};
	struct case_report r = {0};
	struct head h;

	take(&c, &h, sizeof(h));
	if (h.outcome >= N_OUTCOMES)
		c.error = -EBADMSG;
	r.outcome = h.outcome;
	r.timing = h.timing;
	r.broken = h.broken;
	r.passes_now = h.passes_now;
	r.time_ns = h.time_ns;
	r.seed = h.seed;
	r.name = take_string(&c);
	r.reason = take_string(&c);
	r.kept = take_string(&c);
	r.repeat = take_string(&c);
	r.context = take_string(&c);
	r.warning = take_string(&c);
	take_findings(&c, h.n_findings, &r.findings);
	if (!c.error && c.at != c.end)
		c.error = -EBADMSG;
	if (c.error) {
		case_report_release(&r);
		return c.error;
	}
	*ret = r;
	return 0;
}
