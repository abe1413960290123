#include <stddef.h>
#include <stdio.h>

#include <jpeglib.h>

#include <png.h>

#include "FlattenCodecs.h"

#define TEXT(x) #x
#define QUOTED(x) TEXT(x)

const char *fc_versions(void) {
  // The headers say what was built against; libpng also tells what is loaded.
  static _Thread_local char text[96];
  snprintf(text, sizeof text, "%s, libpng %s",
#ifdef LIBJPEG_TURBO_VERSION
           "libjpeg-turbo " QUOTED(LIBJPEG_TURBO_VERSION),
#else
           "libjpeg " QUOTED(JPEG_LIB_VERSION),
#endif
           png_get_libpng_ver(NULL));
  return text;
}
