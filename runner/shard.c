/*
 * shard.c - see shard.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/engine.h"
#include "plan/plan.h"
#include "runner/options.h"
#include "runner/shard.h"

enum {
	MAX_SHARDS = 100000
};

static int set(uint64_t k, uint64_t n, struct shard *ret)
{
	if (n < 1 || n > MAX_SHARDS || k < 1 || k > n)
		return -EINVAL;
	ret->k = (uint32_t)k;
	ret->n = (uint32_t)n;
	return 0;
}

int shard_parse(const char *text, struct shard *ret)
{
	const char *slash = strchr(text, '/');
	char first[16];
	uint64_t k, n;

	if (!slash || (size_t)(slash - text) >= sizeof(first))
		return -EINVAL;
	snprintf(first, sizeof(first), "%.*s", (int)(slash - text), text);
	if (parse_u64(first, &k) < 0 || parse_u64(slash + 1, &n) < 0)
		return -EINVAL;
	return set(k, n, ret);
}

static const struct {
	const char *index, *total;
	unsigned first; /* index of the first shard */
} variables[] = {
	{"TEST_SHARD_INDEX", "TEST_TOTAL_SHARDS", 0},
	{"GTEST_SHARD_INDEX", "GTEST_TOTAL_SHARDS", 0},
	{"CI_NODE_INDEX", "CI_NODE_TOTAL", 1},
};

static const char *get(const char *name)
{
	const char *value = getenv(name);

	return value && *value ? value : NULL;
}

int shard_from_environment(struct shard *ret)
{
	for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++) {
		const char *index = get(variables[i].index);
		const char *total = get(variables[i].total);
		uint64_t k, n;

		/* GitLab sets the total of a job that is not parallel. */
		if (!index || !total)
			continue;
		if (parse_u64(index, &k) == 0 && parse_u64(total, &n) == 0 &&
		    set(k + 1 - variables[i].first, n, ret) == 0)
			return 0;
		snprintf(ret->wrong, sizeof(ret->wrong),
		         "%s=%.20s, %s=%.20s: there is no such shard; they "
		         "count from %u",
		         variables[i].index, index, variables[i].total, total,
		         variables[i].first);
		return -EINVAL;
	}
	return 0;
}

void shard_touch_status_file(void)
{
	static const char *const names[] = {"TEST_SHARD_STATUS_FILE",
	                                    "GTEST_SHARD_STATUS_FILE"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const char *path = get(names[i]);
		int fd = path ? open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666)
		              : -1;

		if (fd >= 0)
			close(fd);
		else if (path)
			fprintf(stderr, "fault run: %s=%s: %s\n", names[i],
			        path, strerror(errno));
	}
}

bool shard_has(const struct shard *s, const char *id)
{
	uint64_t h;

	if (!s->n)
		return true;
	h = engine_hash(plan_hash_string(id), 0, 0, 0, 0, 0);
	return h % s->n == s->k - 1;
}
