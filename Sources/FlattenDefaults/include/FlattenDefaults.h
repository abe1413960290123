/// Files embedded in the program, found by name.
///
/// Each kind of resource has a C file with a table; resources.c lists the tables.
#pragma once

#include <stddef.h>

/// One embedded file. The bytes end where `length` says, not with a zero.
typedef struct {
  /// A path in the repository, for example "Datasets/ade20k.yaml".
  const char *_Nonnull name;
  const unsigned char *_Nonnull bytes;
  size_t length;
} fd_resource;

/// Number of embedded files.
size_t fd_resource_count(void);

/// The file at `index`, in a fixed order, or NULL from `fd_resource_count()` on.
const fd_resource *_Nullable fd_resource_at(size_t index);

/// The file of that name, or NULL.
const fd_resource *_Nullable fd_resource_named(const char *_Nonnull name);
