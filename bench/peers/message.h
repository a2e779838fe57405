// What the messages of the peers look like.
//
// A message begins and ends with the same word, its number.
#ifndef MESSAGE_H
#define MESSAGE_H

#include "laps.h"

#include <stdint.h>

static inline void write_words(void *data, size_t size, uint64_t word) {
	char *bytes = (char *)data;
	memcpy(bytes, &word, sizeof word);
	memcpy(bytes + size - sizeof word, &word, sizeof word);
}

static inline void check_words(const void *data, size_t size, uint64_t want) {
	const char *bytes = (const char *)data;
	uint64_t first, last;
	memcpy(&first, bytes, sizeof first);
	memcpy(&last, bytes + size - sizeof last, sizeof last);
	if (first != want || last != want)
		fail("a message does not hold what it should");
}

#endif
