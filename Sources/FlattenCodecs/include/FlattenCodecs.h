// JPEG and PNG in and out, as calls that return an error.
//
// libjpeg and libpng report errors by jumping. Every jump starts and ends inside this target: no
// function here leaves by one, calls back into its caller, prints, exits or keeps state between
// objects. Objects are independent of each other; one object belongs to one thread at a time.
//
// Reading takes two steps, so that a picture's size is known and judged before memory is taken:
//
//   open   reads the header, refuses more than `max_pixels` pixels, allocates nothing of that size
//   read   decodes into memory of the caller, once
//   close  frees the object; needed after every open that returned one, whatever read said
//
// Pixels are rows from the top, without padding between them.
#ifndef FLATTEN_CODECS_H
#define FLATTEN_CODECS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__clang__)
#pragma clang assume_nonnull begin
#else
#define _Nullable
#endif

enum fc_code {
  FC_OK = 0,
  FC_DAMAGED = 1,      // the bytes are not a whole, valid picture
  FC_UNSUPPORTED = 2,  // valid, but of a kind that is not read
  FC_TOO_LARGE = 3,    // more pixels than the caller allows
  FC_NO_MEMORY = 4,
  FC_MISUSE = 5,       // an argument breaks the contract stated here
};

enum { FC_TEXT_SIZE = 256 };

// Why a call failed. Written only by calls that fail.
typedef struct fc_error {
  int code;                 // an fc_code other than FC_OK
  char text[FC_TEXT_SIZE];  // what was wrong, NUL-terminated, may hold bytes of the file
} fc_error;

// What a picture's header says.
typedef struct fc_header {
  uint32_t width;    // pixels, before the EXIF orientation, at least 1
  uint32_t height;   // pixels, at least 1
  int channels;      // as stored: 1 grey or index, 2 grey + alpha, 3 colour, 4 colour + one more
  int bit_depth;     // bits of a sample: 1, 2, 4, 8, 16
  bool has_palette;  // samples are indices into a palette
} fc_header;

// What a decoder let pass.
typedef struct fc_warnings {
  unsigned count;            // warnings so far
  char first[FC_TEXT_SIZE];  // the text of the first, NUL-terminated
} fc_warnings;

// ---- JPEG in ----

typedef struct fc_jpeg fc_jpeg;

// Reads a JPEG's header. `bytes` must stay valid until fc_jpeg_close.
// Returns NULL and fills `error` where the header is damaged, the kind of JPEG is not supported
// (12 bit, lossless, hierarchical, 2 components), or width * height exceeds `max_pixels`.
fc_jpeg *_Nullable fc_jpeg_open(const uint8_t *bytes, size_t count, uint64_t max_pixels,
                                fc_header *header, fc_error *error);

// Decodes to 8-bit RGB with libjpeg's default settings (islow DCT, fancy upsampling). Grey is
// copied to three channels; four components are CMYK or YCCK stored inverted, as Adobe writes them.
// `size` must be width * height * 3. Lost data is an error (FC_DAMAGED), also where libjpeg would
// only warn; `rgb` then holds rows of no worth. More than 500 scans are an error.
int fc_jpeg_read(fc_jpeg *jpeg, uint8_t *rgb, size_t size, fc_error *error);

// EXIF orientation, 1 to 8; 1 where there is none or it makes no sense. Known after open.
int fc_jpeg_orientation(const fc_jpeg *jpeg);

// Warnings so far; complete after read.
const fc_warnings *fc_jpeg_warnings(const fc_jpeg *jpeg);

void fc_jpeg_close(fc_jpeg *_Nullable jpeg);

// ---- PNG in ----

typedef struct fc_png fc_png;

// Reads a PNG up to its first IDAT chunk. As fc_jpeg_open.
fc_png *_Nullable fc_png_open(const uint8_t *bytes, size_t count, uint64_t max_pixels,
                              fc_header *header, fc_error *error);

// Decodes to 8-bit RGB: palettes and grey are expanded, grey below 8 bits is scaled to 0..255,
// 16-bit samples give their high byte, alpha and transparent colours are dropped, gamma, profiles
// and background are not applied. `size` must be width * height * 3, `rgb` zero-filled.
// A picture that is not whole up to its IEND chunk, checksums included, is FC_DAMAGED.
int fc_png_read_rgb(fc_png *png, uint8_t *rgb, size_t size, fc_error *error);

// Decodes the stored samples of a one-channel picture, unchanged: palette indices or raw grey of 1
// to 16 bits. `count` must be width * height, `samples` zero-filled.
// FC_UNSUPPORTED where the picture has more than one channel.
int fc_png_read_samples(fc_png *png, uint16_t *samples, size_t count, fc_error *error);

// EXIF orientation, 1 to 8; 1 where there is none or it makes no sense. Known after open.
int fc_png_orientation(const fc_png *png);

const fc_warnings *fc_png_warnings(const fc_png *png);

void fc_png_close(fc_png *_Nullable png);

// ---- EXIF ----

// The orientation, 1 to 8, of an EXIF block that begins with its TIFF header. 1 where the block has
// none, breaks off, or holds another value. Reads the first IFD only; the value is a SHORT, LONG or BYTE.
int fc_exif_orientation(const uint8_t *tiff, size_t count);

// ---- Out ----

// A finished file in memory from malloc; {NULL, 0, 0} is empty.
typedef struct fc_buffer {
  uint8_t *_Nullable bytes;
  size_t count;
  size_t capacity;
} fc_buffer;

void fc_buffer_free(fc_buffer *buffer);

enum fc_png_format {
  FC_PNG_RGB8 = 0,      // 3 bytes a pixel
  FC_PNG_GRAY8 = 1,     // 1 byte a pixel
  FC_PNG_GRAY16 = 2,    // 1 uint16_t a pixel, in the machine's byte order
  FC_PNG_PALETTE8 = 3,  // 1 byte a pixel, an index into the palette
  FC_PNG_GRAY1 = 4,     // 1 bit a pixel, the first in a byte's highest; a row ends with its byte
};

// Writes a PNG. `size` is the number of bytes at `pixels` and must fit the format; width and height
// are at least 1. `palette` holds `colours` RGB triples, 1 to 256 for FC_PNG_PALETTE8, else 0.
// `level` is zlib's, 0 to 9. The bytes depend on nothing but the arguments and the versions of
// libpng and zlib. On success `buffer`, which must come in empty, holds the file.
int fc_png_write(int format, uint32_t width, uint32_t height, const void *pixels, size_t size,
                 const uint8_t *_Nullable palette, size_t colours, int level, fc_buffer *buffer,
                 fc_error *error);

// Writes a baseline JPEG of 8-bit RGB rows, `quality` 1 to 100. Sides are 1 to 65500; `size` is
// width * height * 3.
int fc_jpeg_write(uint32_t width, uint32_t height, const uint8_t *rgb, size_t size, int quality,
                  fc_buffer *buffer, fc_error *error);

// The libraries behind this header and their versions, for people. The text lives as long as the
// calling thread.
const char *fc_versions(void);

#if defined(__clang__)
#pragma clang assume_nonnull end
#endif

#endif
