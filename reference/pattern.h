/*
 * pattern.h - the bytes that the reference programs send.
 *
 * A stream of SIZE bytes is a fixed pattern in which each byte depends on its
 * offset only, so that each end can make or verify any part of it without
 * having seen the rest, and a lost, doubled, moved or changed byte shows up at
 * its offset.  Pattern bytes have their top bit clear; the *last* byte of a
 * stream has it set (the end mark).  So a receiver that was not told the size
 * can still tell a whole stream from one that was cut short by a FIN, which
 * TCP itself reports in the same way.
 *
 * Pure functions: no state, no system call.
 */
#ifndef REFERENCE_PATTERN_H
#define REFERENCE_PATTERN_H

#include <stddef.h>
#include <stdint.h>

#define PATTERN_END_MARK 0x80

/* The pattern's byte at this offset, without end mark. */
unsigned char pattern_byte(uint64_t offset);

/* Fill len bytes with the part at offset of a stream of size bytes. */
void pattern_fill(unsigned char *bytes, size_t len, uint64_t offset,
                  uint64_t size);

/* How many of these bytes, from the first, are unmarked pattern at offset. */
size_t pattern_match(const unsigned char *bytes, size_t len, uint64_t offset);

#endif
