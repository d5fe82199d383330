/*
 * units.h - quantities: from text to numbers, with the reason of a refusal.
 *
 * Pure functions over the whole string.  The reason, where there is one, is
 * the sentence's end after the quoted text: "`5` has no unit"; ret_hint may
 * get a proposal that is valid where it stands ("5s").
 */
#ifndef FAULT_LANG_UNITS_H
#define FAULT_LANG_UNITS_H

#include <stddef.h>
#include <stdint.h>

#include "lang/scenario.h"

enum {
	UNITS_PROPOSAL = 64
};

/* Why not, and what instead ("" = nothing comes to mind). */
struct refusal {
	const char *reason;
	char proposal[UNITS_PROPOSAL];
};

/* 0 with ret, or -EINVAL with why.  Zero is accepted. */
int units_duration(const char *s, uint64_t *ret_ns, struct refusal *why);
int units_size(const char *s, uint64_t *ret_bytes, struct refusal *why);
int units_rate(const char *s, uint64_t *ret_bytes_s, struct refusal *why);
int units_count(const char *s, uint64_t *ret, struct refusal *why);
int units_range(const char *s, struct range *ret, struct refusal *why);
int units_size_range(const char *s, struct range *ret, struct refusal *why);
int units_duration_range(const char *s, struct range *ret_ns,
                         struct refusal *why);

/* "12.5%" as a part of 2^32 (100% = UINT32_MAX); zero is refused. */
int units_ratio(const char *s, uint32_t *ret, struct refusal *why);

/* PICK (plan.h says how it is stored); zero is refused. */
int units_pick(const char *s, struct plan_pick *ret, struct refusal *why);

/* ADDR: ip[/len][:port], [v6]:port. */
int units_address(const char *s, struct plan_addr *ret, struct refusal *why);

#endif
