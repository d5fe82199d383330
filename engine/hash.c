/*
 * hash.c - decisions that are the same in every repetition (engine.h).
 *
 * The finaliser of SplitMix64 over each word: every bit of the input changes
 * half of the output's, so that neighbouring ordinals draw independently.
 */
#include "engine/engine.h"

static uint64_t mix(uint64_t h, uint64_t word)
{
	h += word + 0x9e3779b97f4a7c15ULL;
	h = (h ^ h >> 30) * 0xbf58476d1ce4e5b9ULL;
	h = (h ^ h >> 27) * 0x94d049bb133111ebULL;
	return h ^ h >> 31;
}

uint64_t engine_hash(uint64_t seed, uint32_t rule, uint64_t role_hash,
                     uint32_t connection, uint32_t ordinal, uint32_t purpose)
{
	uint64_t h = mix(0, seed);

	h = mix(h, role_hash);
	h = mix(h, (uint64_t)rule << 32 | purpose);
	return mix(h, (uint64_t)connection << 32 | ordinal);
}
