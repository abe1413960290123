#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <png.h>

#include "support.h"

// libpng keeps no chunk but the header, the palette and the pixels; this bounds what it might.
enum { MAX_CHUNK_BYTES = 8 << 20, MAX_CHUNKS = 1000 };

// An eXIf chunk beyond this is not looked at. In a JPEG it could not exceed 64 kB.
enum { MAX_EXIF_BYTES = 1 << 20 };

struct fc_png {
  png_structp codec;
  png_infop info;
  const uint8_t *bytes;
  size_t count;
  size_t position;
  jmp_buf jump;
  fc_error failure;  // why `jump` was taken
  fc_warnings warnings;
  int orientation;
  bool started;  // the pixels have been asked for
};

__attribute__((noreturn)) static void on_error(png_structp codec, png_const_charp text) {
  fc_png *png = png_get_error_ptr(codec);
  // The header's faults come as warnings, followed by an error that only says that there were some.
  if (strcmp(text, "Invalid IHDR data") == 0 && png->warnings.count > 0) {
    text = png->warnings.first;
  }
  fc_fail(&png->failure, strstr(text, "emory") != NULL ? FC_NO_MEMORY : FC_DAMAGED, "%s", text);
  longjmp(png->jump, 1);
}

// libpng reports a damaged end of the pixel data as a warning once it has all rows. The checksum is
// wrong then, and the rows may be: an error. Bytes too many lose nothing.
static void on_warning(png_structp codec, png_const_charp text) {
  fc_png *png = png_get_error_ptr(codec);
  if (strncmp(text, "IDAT", 4) == 0 && strstr(text, "Extra") == NULL &&
      strstr(text, "Too much") == NULL) {
    on_error(codec, text);
  }
  fc_warn(&png->warnings, text);
}

static void read_bytes(png_structp codec, png_bytep into, size_t count) {
  fc_png *png = png_get_io_ptr(codec);
  if (count > png->count - png->position) {
    png_error(codec, "the data ends before the picture does");
  }
  memcpy(into, png->bytes + png->position, count);
  png->position += count;
}

// The other chunks would change samples (tRNS, gAMA, sBIT), could inflate to any size (iCCP, zTXt,
// iTXt), or have memory taken for the length they claim (eXIf, read by find_orientation instead).
static void skip_other_chunks(png_structp codec) {
  png_set_keep_unknown_chunks(codec, PNG_HANDLE_CHUNK_NEVER, NULL, -1);
  png_set_keep_unknown_chunks(codec, PNG_HANDLE_CHUNK_NEVER, (png_const_bytep) "tRNS", 1);
}

static uint32_t read_32(const uint8_t *at) {
  return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

// The CRC of PNG chunks, over type and data.
static uint32_t checksum(const uint8_t *bytes, size_t count) {
  uint32_t sum = UINT32_MAX;
  for (size_t i = 0; i < count; i++) {
    sum ^= bytes[i];
    for (int bit = 0; bit < 8; bit++) {
      sum = sum >> 1 ^ (sum & 1 ? 0xEDB88320 : 0);
    }
  }
  return ~sum;
}

// Walks the chunks to the first eXIf, which may come before or after the pixels. Whether the other
// chunks are sound is libpng's business.
static int find_orientation(const uint8_t *bytes, size_t count) {
  size_t at = 8;  // the signature
  while (at <= count && count - at >= 12) {
    const size_t length = read_32(bytes + at);
    if (length > count - at - 12 || memcmp(bytes + at + 4, "IEND", 4) == 0) {
      return 1;
    }
    if (memcmp(bytes + at + 4, "eXIf", 4) == 0) {
      const bool sound = length <= MAX_EXIF_BYTES && checksum(bytes + at + 4, length + 4) ==
                                                         read_32(bytes + at + 8 + length);
      return sound ? fc_exif_orientation(bytes + at + 8, length) : 1;
    }
    at += length + 12;
  }
  return 1;
}

// libpng itself does not mind a chunk before the header where that chunk is skipped.
static bool begins_with_header(const uint8_t *bytes, size_t count) {
  return count < 16 || memcmp(bytes + 12, "IHDR", 4) == 0;
}

fc_png *fc_png_open(const uint8_t *bytes, size_t count, uint64_t max_pixels, fc_header *header,
                    fc_error *error) {
  if (!begins_with_header(bytes, count)) {
    fc_fail(error, FC_DAMAGED, "the first chunk is not IHDR");
    return NULL;
  }
  fc_png *png = calloc(1, sizeof *png);
  if (png == NULL) {
    fc_fail(error, FC_NO_MEMORY, "not enough memory");
    return NULL;
  }
  png->bytes = bytes;
  png->count = count;
  if (setjmp(png->jump)) {
    *error = png->failure;
    fc_png_close(png);
    return NULL;
  }
  png->codec = png_create_read_struct(PNG_LIBPNG_VER_STRING, png, on_error, on_warning);
  if (png->codec != NULL) {
    png->info = png_create_info_struct(png->codec);
  }
  if (png->codec == NULL || png->info == NULL) {
    fc_fail(error, FC_NO_MEMORY, "not enough memory");
    fc_png_close(png);
    return NULL;
  }
  png_set_read_fn(png->codec, png, read_bytes);
  // Sides are judged below, by their product.
  png_set_user_limits(png->codec, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
  png_set_chunk_malloc_max(png->codec, MAX_CHUNK_BYTES);
  png_set_chunk_cache_max(png->codec, MAX_CHUNKS);
  skip_other_chunks(png->codec);
  png_read_info(png->codec, png->info);
  const uint32_t width = png_get_image_width(png->codec, png->info);
  const uint32_t height = png_get_image_height(png->codec, png->info);
  if (fc_check_size(width, height, max_pixels, error) != FC_OK) {
    fc_png_close(png);
    return NULL;
  }
  png->orientation = find_orientation(bytes, count);
  *header = (fc_header){
      .width = width,
      .height = height,
      .channels = png_get_channels(png->codec, png->info),
      .bit_depth = png_get_bit_depth(png->codec, png->info),
      .has_palette = png_get_color_type(png->codec, png->info) == PNG_COLOR_TYPE_PALETTE};
  return png;
}

// Decodes all rows, `stride` bytes apart, and the rest of the file. The transformations must be set
// and the row size they give must fit.
static void read_rows(fc_png *png, uint8_t *rows, size_t stride) {
  png_structp codec = png->codec;
  const int passes = png_set_interlace_handling(codec);
  png_read_update_info(codec, png->info);
  if (png_get_rowbytes(codec, png->info) > stride) {
    png_error(codec, "unexpected row size");
  }
  const uint32_t height = png_get_image_height(codec, png->info);
  for (int pass = 0; pass < passes; pass++) {
    for (uint32_t y = 0; y < height; y++) {
      png_read_row(codec, rows + stride * y, NULL);
    }
  }
  png_read_end(codec, NULL);
}

int fc_png_read_rgb(fc_png *png, uint8_t *rgb, size_t size, fc_error *error) {
  png_structp codec = png->codec;
  const size_t stride = (size_t)png_get_image_width(codec, png->info) * 3;
  if (png->started || size != stride * png_get_image_height(codec, png->info)) {
    return fc_fail(error, FC_MISUSE, "%zu bytes do not fit the picture, or it was read already",
                   size);
  }
  png->started = true;
  if (setjmp(png->jump)) {
    *error = png->failure;
    return error->code;
  }
  png_set_palette_to_rgb(codec);
  png_set_expand_gray_1_2_4_to_8(codec);
  png_set_strip_16(codec);
  png_set_strip_alpha(codec);
  png_set_gray_to_rgb(codec);
  read_rows(png, rgb, stride);
  return FC_OK;
}

int fc_png_read_samples(fc_png *png, uint16_t *samples, size_t count, fc_error *error) {
  png_structp codec = png->codec;
  const size_t width = png_get_image_width(codec, png->info);
  const size_t height = png_get_image_height(codec, png->info);
  if (png->started || count != width * height) {
    return fc_fail(error, FC_MISUSE, "%zu samples do not fit the picture, or it was read already",
                   count);
  }
  if (png_get_channels(codec, png->info) != 1) {
    return fc_fail(error, FC_UNSUPPORTED, "the picture has %d channels, one is wanted",
                   png_get_channels(codec, png->info));
  }
  png->started = true;
  if (setjmp(png->jump)) {
    *error = png->failure;
    return error->code;
  }
  const bool wide = png_get_bit_depth(codec, png->info) == 16;
  png_set_packing(codec);
  png_set_check_for_invalid_index(codec, -1);  // an index is an id, with or without a colour
  // Rows are decoded into the front of the memory that their samples will fill, then spread in
  // place, from the end, so that no byte is overwritten before it is read.
  read_rows(png, (uint8_t *)samples, width * sizeof *samples);
  for (size_t y = 0; y < height; y++) {
    uint16_t *row = samples + width * y;
    const uint8_t *bytes = (const uint8_t *)row;
    for (size_t x = width; x-- > 0;) {
      row[x] = wide ? (uint16_t)(bytes[2 * x] << 8 | bytes[2 * x + 1]) : bytes[x];
    }
  }
  return FC_OK;
}

int fc_png_orientation(const fc_png *png) { return png->orientation; }

const fc_warnings *fc_png_warnings(const fc_png *png) { return &png->warnings; }

void fc_png_close(fc_png *png) {
  if (png != NULL) {
    png_destroy_read_struct(&png->codec, &png->info, NULL);
    free(png);
  }
}
