#include <setjmp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>

#include <jerror.h>

#include "support.h"

enum { MAX_SCANS = 500 };

struct fc_jpeg {
  struct jpeg_decompress_struct codec;
  struct jpeg_error_mgr errors;
  struct jpeg_progress_mgr progress;
  jmp_buf jump;
  fc_error failure;  // why `jump` was taken
  fc_warnings warnings;
  int orientation;
  bool data_ended;  // the bytes ran out before an end-of-image marker
};

static fc_jpeg *owner(j_common_ptr codec) { return codec->client_data; }

__attribute__((noreturn)) static void stop(j_common_ptr codec, int code, const char *text) {
  fc_jpeg *jpeg = owner(codec);
  fc_fail(&jpeg->failure, code, "%s", text);
  longjmp(jpeg->jump, 1);
}

// The library's text for its current message, without the phrases that warnings begin with.
static const char *message(j_common_ptr codec, char buffer[static JMSG_LENGTH_MAX]) {
  static const char *const phrases[] = {"Corrupt JPEG data: ", "Warning: "};
  codec->err->format_message(codec, buffer);
  for (size_t i = 0; i < sizeof phrases / sizeof *phrases; i++) {
    const size_t length = strlen(phrases[i]);
    if (strncmp(buffer, phrases[i], length) == 0) {
      return buffer + length;
    }
  }
  return buffer;
}

__attribute__((noreturn)) static void on_error(j_common_ptr codec) {
  if (owner(codec)->data_ended && codec->err->msg_code != JERR_OUT_OF_MEMORY) {
    stop(codec, FC_DAMAGED, "the data ends too early");
  }
  char buffer[JMSG_LENGTH_MAX];
  int code = FC_DAMAGED;
  switch (codec->err->msg_code) {
    case JERR_EMPTY_IMAGE:
      stop(codec, FC_DAMAGED, "the header says 0 pixels or 0 components");
    case JERR_OUT_OF_MEMORY:
      code = FC_NO_MEMORY;
      break;
    case JERR_ARITH_NOTIMPL:
    case JERR_BAD_PRECISION:
    case JERR_CCIR601_NOTIMPL:
    case JERR_CONVERSION_NOTIMPL:
    case JERR_FRACT_SAMPLE_NOTIMPL:
    case JERR_NOTIMPL:
    case JERR_SOF_UNSUPPORTED:
      code = FC_UNSUPPORTED;
      break;
  }
  stop(codec, code, message(codec, buffer));
}

// Warnings that mean lost pixels end the decoding; the others are counted.
static void on_message(j_common_ptr codec, int level) {
  if (level >= 0) {
    return;  // a trace
  }
  fc_jpeg *jpeg = owner(codec);
  char buffer[JMSG_LENGTH_MAX];
  switch (codec->err->msg_code) {
    case JWRN_ARITH_BAD_CODE:
    case JWRN_BOGUS_PROGRESSION:
    case JWRN_HIT_MARKER:
    case JWRN_HUFF_BAD_CODE:
    case JWRN_MUST_RESYNC:
      stop(codec, FC_DAMAGED, message(codec, buffer));
    case JWRN_JPEG_EOF:
      // The arithmetic decoder takes what is missing for zeros, without another word. The Huffman
      // decoder does warn where a block lacks bits, so for it the marker alone may be missing.
      if (jpeg->codec.arith_code) {
        stop(codec, FC_DAMAGED, "the data ends before the picture does");
      }
      if (!jpeg->data_ended) {
        fc_warn(&jpeg->warnings, "the end-of-image marker is missing");
      }
      jpeg->data_ended = true;
      break;
    default:
      fc_warn(&jpeg->warnings, message(codec, buffer));
  }
}

static void ignore_output(j_common_ptr codec) { (void)codec; }

// Called between pieces of work. A scan costs a pass over the whole picture and can be a few bytes.
static void on_progress(j_common_ptr codec) {
  if (owner(codec)->codec.input_scan_number > MAX_SCANS) {
    stop(codec, FC_DAMAGED, "more than 500 scans");
  }
}

static int find_orientation(const struct jpeg_decompress_struct *codec) {
  static const uint8_t exif[] = {'E', 'x', 'i', 'f', 0, 0};
  for (jpeg_saved_marker_ptr marker = codec->marker_list; marker != NULL; marker = marker->next) {
    if (marker->marker == JPEG_APP0 + 1 && marker->data_length >= sizeof exif &&
        memcmp(marker->data, exif, sizeof exif) == 0) {
      return fc_exif_orientation(marker->data + sizeof exif, marker->data_length - sizeof exif);
    }
  }
  return 1;
}

fc_jpeg *fc_jpeg_open(const uint8_t *bytes, size_t count, uint64_t max_pixels, fc_header *header,
                      fc_error *error) {
  fc_jpeg *jpeg = calloc(1, sizeof *jpeg);
  if (jpeg == NULL) {
    fc_fail(error, FC_NO_MEMORY, "not enough memory");
    return NULL;
  }
  struct jpeg_decompress_struct *codec = &jpeg->codec;
  codec->err = jpeg_std_error(&jpeg->errors);
  jpeg->errors.error_exit = on_error;
  jpeg->errors.emit_message = on_message;
  jpeg->errors.output_message = ignore_output;
  codec->client_data = jpeg;  // kept by jpeg_create_decompress
  if (setjmp(jpeg->jump)) {
    *error = jpeg->failure;
    fc_jpeg_close(jpeg);
    return NULL;
  }
  jpeg_create_decompress(codec);
  codec->mem->max_memory_to_use = 0;  // JPEGMEM in the environment has no say
  jpeg->progress.progress_monitor = on_progress;
  codec->progress = &jpeg->progress;
  jpeg_mem_src(codec, bytes, count);
  jpeg_save_markers(codec, JPEG_APP0 + 1, 0xFFFF);
  jpeg_read_header(codec, TRUE);
  if (fc_check_size(codec->image_width, codec->image_height, max_pixels, error) != FC_OK) {
    fc_jpeg_close(jpeg);
    return NULL;
  }
  switch (codec->jpeg_color_space) {
    case JCS_GRAYSCALE:
    case JCS_RGB:
    case JCS_YCbCr:
      codec->out_color_space = JCS_RGB;
      break;
    case JCS_CMYK:
    case JCS_YCCK:
      codec->out_color_space = JCS_CMYK;
      break;
    default:
      fc_fail(error, FC_UNSUPPORTED, "a JPEG of %d components is not supported",
              codec->num_components);
      fc_jpeg_close(jpeg);
      return NULL;
  }
  jpeg->orientation = find_orientation(codec);
  *header = (fc_header){.width = codec->image_width,
                        .height = codec->image_height,
                        .channels = codec->num_components,
                        .bit_depth = codec->data_precision};
  return jpeg;
}

// A picture of several scans is read whole before its first row comes out; what no scan brought is
// only now known.
static void check_scans(fc_jpeg *jpeg) {
  struct jpeg_decompress_struct *codec = &jpeg->codec;
  for (int i = 0; i < codec->num_components; i++) {
    // Set by the first scan of a component.
    if (codec->comp_info[i].quant_table == NULL) {
      stop((j_common_ptr)codec, FC_DAMAGED, "a colour component has no data");
    }
    if (!jpeg->data_ended || !codec->progressive_mode || codec->coef_bits == NULL) {
      continue;
    }
    for (int k = 0; k < DCTSIZE2; k++) {
      if (codec->coef_bits[i][k] != 0) {
        stop((j_common_ptr)codec, FC_DAMAGED, "the data ends before the last scan");
      }
    }
  }
}

// Upstream: OpenCV's integer form of C'K'/255, at most one level from it.
static void cmyk_to_rgb(const uint8_t *restrict cmyk, uint8_t *restrict rgb, size_t pixels) {
  for (size_t i = 0; i < pixels; i++) {
    const int k = cmyk[4 * i + 3];
    for (size_t channel = 0; channel < 3; channel++) {
      rgb[3 * i + channel] = (uint8_t)(k - ((255 - cmyk[4 * i + channel]) * k >> 8));
    }
  }
}

int fc_jpeg_read(fc_jpeg *jpeg, uint8_t *rgb, size_t size, fc_error *error) {
  struct jpeg_decompress_struct *codec = &jpeg->codec;
  const size_t row_bytes = (size_t)codec->image_width * 3;
  if (size != row_bytes * codec->image_height) {
    return fc_fail(error, FC_MISUSE, "%zu bytes for the pixels, %zu are needed", size,
                   row_bytes * codec->image_height);
  }
  if (setjmp(jpeg->jump)) {
    *error = jpeg->failure;
    return error->code;
  }
  jpeg_start_decompress(codec);
  check_scans(jpeg);
  JSAMPARRAY four = NULL;
  if (codec->out_color_space == JCS_CMYK) {
    four = codec->mem->alloc_sarray((j_common_ptr)codec, JPOOL_IMAGE, codec->output_width * 4, 1);
  }
  while (codec->output_scanline < codec->output_height) {
    uint8_t *row = rgb + row_bytes * codec->output_scanline;
    if (four == NULL) {
      jpeg_read_scanlines(codec, &row, 1);
    } else {
      jpeg_read_scanlines(codec, four, 1);
      cmyk_to_rgb(four[0], row, codec->output_width);
    }
  }
  jpeg_finish_decompress(codec);
  return FC_OK;
}

int fc_jpeg_orientation(const fc_jpeg *jpeg) { return jpeg->orientation; }

const fc_warnings *fc_jpeg_warnings(const fc_jpeg *jpeg) { return &jpeg->warnings; }

void fc_jpeg_close(fc_jpeg *jpeg) {
  if (jpeg != NULL) {
    jpeg_destroy_decompress(&jpeg->codec);  // frees; does nothing where creation failed
    free(jpeg);
  }
}
