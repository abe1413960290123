// Counts what a thread asks of the C library's heap, for tests of what must not ask.
//
// With glibc only, and not beside a sanitizer, which counts for itself: there nothing is counted.
#pragma once

#include <stddef.h>

struct ac_count {
  size_t blocks;   // malloc, calloc, realloc and the aligned ones
  size_t bytes;    // of all of them
  size_t largest;  // bytes of the largest
};

// Whether this build counts.
int ac_counts(void);

// Starts from zero, for the calling thread.
void ac_begin(void);

// What the calling thread has asked for since then.
struct ac_count ac_end(void);
