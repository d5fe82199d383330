/*
 * shard.h - one of n parts of the scenarios: --shard K/N, or the environment
 * that Bazel, GoogleTest and GitLab set.
 *
 * Which part a scenario is in depends on its id and n alone: not on what else
 * is selected, its place, or the machine.
 */
#ifndef FAULT_RUNNER_SHARD_H
#define FAULT_RUNNER_SHARD_H

#include <stdbool.h>
#include <stdint.h>

struct shard {
	uint32_t k, n;   /* from 1; n 0: everything */
	char wrong[160]; /* what is wrong with the environment */
};

/* "K/N".  0 or -EINVAL. */
int shard_parse(const char *text, struct shard *ret);

/*
 * TEST_SHARD_INDEX and TEST_TOTAL_SHARDS (from 0), GTEST_ the same,
 * CI_NODE_INDEX and CI_NODE_TOTAL (from 1): the first pair that is set.  0, or
 * -EINVAL with ret->wrong.
 */
int shard_from_environment(struct shard *ret);

/* Touches TEST_SHARD_STATUS_FILE and GTEST_SHARD_STATUS_FILE if set. */
void shard_touch_status_file(void);

bool shard_has(const struct shard *s, const char *id);

#endif
