/*
 * pattern.c - the stream's content; contract in pattern.h.
 *
 * Eight bytes at a time come from the output function of splitmix64 over the
 * index of the word: a counter goes in, so any word can be computed alone.
 */
#include "pattern.h"

#define BYTES_PER_WORD 8
#define SEVEN_BITS     UINT64_C(0x7f7f7f7f7f7f7f7f)

static uint64_t pattern_word(uint64_t index)
{
	uint64_t z = (index + 1) * UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return (z ^ (z >> 31)) & SEVEN_BITS;
}

static unsigned char byte_of(uint64_t word, uint64_t offset)
{
	return (unsigned char)(word >> (8 * (offset % BYTES_PER_WORD)));
}

unsigned char pattern_byte(uint64_t offset)
{
	return byte_of(pattern_word(offset / BYTES_PER_WORD), offset);
}

void pattern_fill(unsigned char *bytes, size_t len, uint64_t offset,
                  uint64_t size)
{
	uint64_t word = pattern_word(offset / BYTES_PER_WORD);

	for (size_t i = 0; i < len; i++) {
		if ((offset + i) % BYTES_PER_WORD == 0)
			word = pattern_word((offset + i) / BYTES_PER_WORD);
		bytes[i] = byte_of(word, offset + i);
	}
	if (len > 0 && offset + len == size)
		bytes[len - 1] |= PATTERN_END_MARK;
}

size_t pattern_match(const unsigned char *bytes, size_t len, uint64_t offset)
{
	uint64_t word = pattern_word(offset / BYTES_PER_WORD);

	for (size_t i = 0; i < len; i++) {
		if ((offset + i) % BYTES_PER_WORD == 0)
			word = pattern_word((offset + i) / BYTES_PER_WORD);
		if (bytes[i] != byte_of(word, offset + i))
			return i;
	}
	return len;
}
