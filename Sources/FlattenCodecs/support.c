#include "support.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int fc_fail(fc_error *error, int code, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  error->code = code;
  vsnprintf(error->text, sizeof error->text, format, arguments);
  va_end(arguments);
  return code;
}

void fc_warn(fc_warnings *warnings, const char *text) {
  if (warnings->count == 0) {
    snprintf(warnings->first, sizeof warnings->first, "%s", text);
  }
  if (warnings->count < 1000000) {
    warnings->count++;
  }
}

int fc_check_size(uint64_t width, uint64_t height, uint64_t max_pixels, fc_error *error) {
  if (width == 0 || height == 0) {
    return fc_fail(error, FC_DAMAGED, "the header says %llu x %llu pixels",
                   (unsigned long long)width, (unsigned long long)height);
  }
  // Both sides come from 32-bit fields, so the product fits.
  if (width * height > max_pixels) {
    return fc_fail(error, FC_TOO_LARGE, "%llu x %llu pixels are more than the limit of %llu",
                   (unsigned long long)width, (unsigned long long)height,
                   (unsigned long long)max_pixels);
  }
  return FC_OK;
}

bool fc_buffer_append(fc_buffer *buffer, const void *bytes, size_t count) {
  if (count == 0) {
    return true;
  }
  if (count > SIZE_MAX / 2 - buffer->count) {
    return false;
  }
  const size_t wanted = buffer->count + count;
  if (wanted > buffer->capacity) {
    size_t capacity = buffer->capacity < 4096 ? 4096 : buffer->capacity * 2;
    if (capacity < wanted) {
      capacity = wanted;
    }
    uint8_t *grown = realloc(buffer->bytes, capacity);
    if (grown == NULL) {
      return false;
    }
    buffer->bytes = grown;
    buffer->capacity = capacity;
  }
  memcpy(buffer->bytes + buffer->count, bytes, count);
  buffer->count = wanted;
  return true;
}

void fc_buffer_free(fc_buffer *buffer) {
  free(buffer->bytes);
  *buffer = (fc_buffer){0};
}
