/*
 * fuzz.h - what the fuzz targets share.
 *
 * A target is a file with LLVMFuzzerTestOneInput(): bytes in, and no crash, no
 * leak, no loop.  `make fuzz` links it with libFuzzer; ./check links the same
 * object with replay.c, which feeds it the inputs of corpus/TARGET/ and what
 * was ever found.  What must hold and is no crash by itself is asked with
 * must().
 */
#ifndef FAULT_TESTS_FUZZ_H
#define FAULT_TESTS_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lang/scenario.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Aborts, with what is wrong, when it does not hold. */
#define must(holds, ...)                                                       \
	do {                                                                   \
		if (!(holds))                                                  \
			fuzz_die(__VA_ARGS__);                                 \
	} while (0)
__attribute__((noreturn, format(printf, 1, 2))) void
fuzz_die(const char *format, ...);

/* Input that is taken piece by piece; behind its end are zeros. */
struct bytes {
	const uint8_t *at;
	size_t left;
};
uint8_t take_u8(struct bytes *b);
uint16_t take_u16(struct bytes *b);
uint32_t take_u32(struct bytes *b);
uint64_t take_u64(struct bytes *b);
void take_into(struct bytes *b, void *to, size_t len);

/*
 * A file in memory that can be opened by its path as long as the descriptor is
 * open.
 */
struct memory_file {
	int fd;
	char path[32];
};
void memory_file_open(struct memory_file *f, const void *data, size_t len);
/* Its bytes, at most size; how many. */
size_t memory_file_read(const struct memory_file *f, void *buf, size_t size);
void memory_file_close(struct memory_file *f);

/* Everything that is said of the input is formatted, and must be whole. */
void check_diags(struct diag_list *diags);

/*
 * A scenario that was accepted: it must be printed as a file that loads as the
 * same one, with the same plan, if it can be compiled at all.  Takes it.
 */
void check_scenario(struct scenario *s);

/* A scenario of the language that has to be good. */
struct scenario *good_scenario(const char *text);

#endif
