#include "FlattenCodecs.h"

enum { ENTRY_SIZE = 12, TAG_ORIENTATION = 0x0112, TYPE_BYTE = 1, TYPE_SHORT = 3, TYPE_LONG = 4 };

static uint32_t read_integer(const uint8_t *at, int bytes, bool big_endian) {
  uint32_t value = 0;
  for (int i = 0; i < bytes; i++) {
    value = value << 8 | at[big_endian ? i : bytes - 1 - i];
  }
  return value;
}

// Bytes of a whole number of an entry's type, 0 for other types. The standard has the orientation as a SHORT;
// writers of LONG and BYTE exist, and readers take them.
static int size_of_type(uint32_t type) {
  switch (type) {
    case TYPE_BYTE:
      return 1;
    case TYPE_SHORT:
      return 2;
    case TYPE_LONG:
      return 4;
    default:
      return 0;
  }
}

int fc_exif_orientation(const uint8_t *tiff, size_t count) {
  if (count < 8 || tiff[0] != tiff[1] || (tiff[0] != 'I' && tiff[0] != 'M')) {
    return 1;
  }
  const bool big_endian = tiff[0] == 'M';
  if (read_integer(tiff + 2, 2, big_endian) != 42) {
    return 1;
  }
  const uint32_t directory = read_integer(tiff + 4, 4, big_endian);
  if (directory > count - 2) {
    return 1;
  }
  const uint32_t entries = read_integer(tiff + directory, 2, big_endian);
  if (entries > (count - 2 - directory) / ENTRY_SIZE) {
    return 1;  // says more entries than it holds: cut or senseless as a whole
  }
  for (uint32_t i = 0; i < entries; i++) {
    const uint8_t *entry = tiff + directory + 2 + (size_t)i * ENTRY_SIZE;
    if (read_integer(entry, 2, big_endian) != TAG_ORIENTATION) {
      continue;
    }
    const int size = size_of_type(read_integer(entry + 2, 2, big_endian));
    const uint32_t value = read_integer(entry + 8, size, big_endian);
    const bool valid =
        read_integer(entry + 4, 4, big_endian) == 1 && value >= 1 && value <= 8;
    return valid ? (int)value : 1;
  }
  return 1;
}
