#include <setjmp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <jpeglib.h>

#include <jerror.h>

#include "support.h"

enum { CHUNK = 1 << 15 };

typedef struct jpeg_writer {
  struct jpeg_compress_struct codec;
  struct jpeg_error_mgr errors;
  struct jpeg_destination_mgr destination;
  jmp_buf jump;
  fc_error failure;
  fc_buffer file;
  JOCTET chunk[CHUNK];
} jpeg_writer;

__attribute__((noreturn)) static void on_error(j_common_ptr codec) {
  jpeg_writer *writer = codec->client_data;
  char text[JMSG_LENGTH_MAX];
  codec->err->format_message(codec, text);
  fc_fail(&writer->failure, codec->err->msg_code == JERR_OUT_OF_MEMORY ? FC_NO_MEMORY : FC_MISUSE,
          "%s", text);
  longjmp(writer->jump, 1);
}

static void ignore_message(j_common_ptr codec, int level) {
  (void)codec;
  (void)level;
}

static void ignore_output(j_common_ptr codec) { (void)codec; }

static void start_chunk(j_compress_ptr codec) {
  jpeg_writer *writer = codec->client_data;
  writer->destination.next_output_byte = writer->chunk;
  writer->destination.free_in_buffer = CHUNK;
}

static void append(j_compress_ptr codec, size_t count) {
  jpeg_writer *writer = codec->client_data;
  if (!fc_buffer_append(&writer->file, writer->chunk, count)) {
    ERREXIT1(codec, JERR_OUT_OF_MEMORY, 0);
  }
}

// libjpeg asks for the whole chunk to be written, whatever free_in_buffer says.
static boolean empty_chunk(j_compress_ptr codec) {
  append(codec, CHUNK);
  start_chunk(codec);
  return TRUE;
}

static void finish_chunk(j_compress_ptr codec) {
  jpeg_writer *writer = codec->client_data;
  append(codec, CHUNK - writer->destination.free_in_buffer);
}

int fc_jpeg_write(uint32_t width, uint32_t height, const uint8_t *rgb, size_t size, int quality,
                  fc_buffer *buffer, fc_error *error) {
  if (width == 0 || height == 0 || width > JPEG_MAX_DIMENSION || height > JPEG_MAX_DIMENSION) {
    return fc_fail(error, FC_MISUSE, "a JPEG cannot be %u x %u pixels, sides are 1 to %ld", width,
                   height, JPEG_MAX_DIMENSION);
  }
  if (size != (size_t)width * height * 3) {
    return fc_fail(error, FC_MISUSE, "%zu bytes of pixels do not fit %u x %u", size, width, height);
  }
  jpeg_writer *writer = calloc(1, sizeof *writer);
  if (writer == NULL) {
    return fc_fail(error, FC_NO_MEMORY, "not enough memory");
  }
  struct jpeg_compress_struct *codec = &writer->codec;
  codec->err = jpeg_std_error(&writer->errors);
  writer->errors.error_exit = on_error;
  writer->errors.emit_message = ignore_message;
  writer->errors.output_message = ignore_output;
  codec->client_data = writer;
  if (setjmp(writer->jump)) {
    *error = writer->failure;
    jpeg_destroy_compress(codec);
    fc_buffer_free(&writer->file);
    free(writer);
    return error->code;
  }
  jpeg_create_compress(codec);
  writer->destination.init_destination = start_chunk;
  writer->destination.empty_output_buffer = empty_chunk;
  writer->destination.term_destination = finish_chunk;
  codec->dest = &writer->destination;
  codec->image_width = width;
  codec->image_height = height;
  codec->input_components = 3;
  codec->in_color_space = JCS_RGB;
  jpeg_set_defaults(codec);
  jpeg_set_quality(codec, quality, TRUE);
  jpeg_start_compress(codec, TRUE);
  while (codec->next_scanline < height) {
    // libjpeg's declaration lacks a const; it reads only.
    JSAMPROW row = (JSAMPROW)rgb + (size_t)codec->next_scanline * width * 3;
    jpeg_write_scanlines(codec, &row, 1);
  }
  jpeg_finish_compress(codec);
  *buffer = writer->file;
  jpeg_destroy_compress(codec);
  free(writer);
  return FC_OK;
}
