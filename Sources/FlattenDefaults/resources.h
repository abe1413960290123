/// The tables of resources, one for each kind; resources.c searches them.
#pragma once

#include "FlattenDefaults.h"

typedef struct {
  const fd_resource *resources;
  size_t count;
} fd_table;

extern const fd_table fd_datasets;
extern const fd_table fd_class_lists;
extern const fd_table fd_configs;
extern const fd_table fd_model;
