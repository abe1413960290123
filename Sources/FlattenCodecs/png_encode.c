#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <png.h>

#include "support.h"

typedef struct png_writer {
  png_structp codec;
  png_infop info;
  jmp_buf jump;
  fc_error failure;
  fc_buffer file;
} png_writer;

__attribute__((noreturn)) static void on_error(png_structp codec, png_const_charp text) {
  png_writer *writer = png_get_error_ptr(codec);
  fc_fail(&writer->failure, strstr(text, "emory") != NULL ? FC_NO_MEMORY : FC_MISUSE, "%s", text);
  longjmp(writer->jump, 1);
}

static void ignore_warning(png_structp codec, png_const_charp text) {
  (void)codec;
  (void)text;
}

static void append(png_structp codec, png_bytep bytes, size_t count) {
  png_writer *writer = png_get_io_ptr(codec);
  if (!fc_buffer_append(&writer->file, bytes, count)) {
    png_error(codec, "not enough memory");
  }
}

static void flush(png_structp codec) { (void)codec; }

static int close_writer(png_writer *writer, int code) {
  png_destroy_write_struct(&writer->codec, &writer->info);
  fc_buffer_free(&writer->file);
  free(writer);
  return code;
}

int fc_png_write(int format, uint32_t width, uint32_t height, const void *pixels, size_t size,
                 const uint8_t *palette, size_t colours, int level, fc_buffer *buffer,
                 fc_error *error) {
  static const struct {
    int color_type, bit_depth, pixel_bits;
  } formats[] = {
      [FC_PNG_RGB8] = {PNG_COLOR_TYPE_RGB, 8, 24},
      [FC_PNG_GRAY8] = {PNG_COLOR_TYPE_GRAY, 8, 8},
      [FC_PNG_GRAY16] = {PNG_COLOR_TYPE_GRAY, 16, 16},
      [FC_PNG_PALETTE8] = {PNG_COLOR_TYPE_PALETTE, 8, 8},
      [FC_PNG_GRAY1] = {PNG_COLOR_TYPE_GRAY, 1, 1},
  };
  if (format < 0 || (size_t)format >= sizeof formats / sizeof *formats) {
    return fc_fail(error, FC_MISUSE, "unknown format %d", format);
  }
  if (width == 0 || height == 0 || width > PNG_UINT_31_MAX || height > PNG_UINT_31_MAX) {
    return fc_fail(error, FC_MISUSE, "a PNG cannot be %u x %u pixels", width, height);
  }
  const size_t stride = ((size_t)width * (size_t)formats[format].pixel_bits + 7) / 8;
  if (size != stride * height) {
    return fc_fail(error, FC_MISUSE, "%zu bytes of pixels do not fit %u x %u", size, width, height);
  }
  const bool indexed = format == FC_PNG_PALETTE8;
  if (indexed ? palette == NULL || colours < 1 || colours > 256 : colours != 0) {
    return fc_fail(error, FC_MISUSE, "%zu palette colours do not fit the format", colours);
  }
  png_writer *writer = calloc(1, sizeof *writer);
  if (writer == NULL) {
    return fc_fail(error, FC_NO_MEMORY, "not enough memory");
  }
  if (setjmp(writer->jump)) {
    *error = writer->failure;
    return close_writer(writer, error->code);
  }
  writer->codec = png_create_write_struct(PNG_LIBPNG_VER_STRING, writer, on_error, ignore_warning);
  writer->info = writer->codec == NULL ? NULL : png_create_info_struct(writer->codec);
  if (writer->info == NULL) {
    fc_fail(error, FC_NO_MEMORY, "not enough memory");
    return close_writer(writer, FC_NO_MEMORY);
  }
  png_structp codec = writer->codec;
  png_set_write_fn(codec, writer, append, flush);
  png_set_user_limits(codec, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
  png_set_compression_level(codec, level);
  png_set_IHDR(codec, writer->info, width, height, formats[format].bit_depth,
               formats[format].color_type, PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT,
               PNG_FILTER_TYPE_DEFAULT);
  if (indexed) {
    png_color entries[256];
    for (size_t i = 0; i < colours; i++) {
      entries[i] = (png_color){palette[3 * i], palette[3 * i + 1], palette[3 * i + 2]};
    }
    png_set_PLTE(codec, writer->info, entries, (int)colours);
  }
  png_write_info(codec, writer->info);
  const uint16_t one = 1;
  if (format == FC_PNG_GRAY16 && *(const uint8_t *)&one == 1) {
    png_set_swap(codec);  // PNG is big-endian, this machine is not
  }
  for (uint32_t y = 0; y < height; y++) {
    png_write_row(codec, (png_const_bytep)pixels + stride * y);
  }
  png_write_end(codec, NULL);
  *buffer = writer->file;
  writer->file = (fc_buffer){0};
  return close_writer(writer, FC_OK);
}
