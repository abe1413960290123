// Shared by the codecs; not seen by Swift.
#ifndef FLATTEN_CODECS_SUPPORT_H
#define FLATTEN_CODECS_SUPPORT_H

#include "FlattenCodecs.h"

// Fills `error` and returns `code`. The format is printf's.
__attribute__((format(printf, 3, 4))) int fc_fail(fc_error *error, int code, const char *format,
                                                  ...);

// Counts a warning and keeps the first text.
void fc_warn(fc_warnings *warnings, const char *text);

// FC_OK where 0 < width * height <= max_pixels, else an error.
int fc_check_size(uint64_t width, uint64_t height, uint64_t max_pixels, fc_error *error);

// Appends; false where memory is short.
bool fc_buffer_append(fc_buffer *buffer, const void *bytes, size_t count);

#endif
