/*
 * conditions.h - what this machine gives to runs: limits, kernel, libc, the
 * environment that `fault` was started in.  `fault doctor`.
 */
#ifndef FAULT_RUNNER_CONDITIONS_H
#define FAULT_RUNNER_CONDITIONS_H

#include "runner/probes.h"

/* As `probes`, run by probe_run(); those that are not needed are advice. */
extern const struct probe conditions[];

#endif
