#include "resources.h"

#include <string.h>

static const fd_table *const tables[] = {&fd_datasets, &fd_class_lists, &fd_configs, &fd_model};

size_t fd_resource_count(void) {
  size_t count = 0;
  for (size_t i = 0; i < sizeof tables / sizeof tables[0]; ++i) count += tables[i]->count;
  return count;
}

const fd_resource *fd_resource_at(size_t index) {
  for (size_t i = 0; i < sizeof tables / sizeof tables[0]; ++i) {
    if (index < tables[i]->count) return &tables[i]->resources[index];
    index -= tables[i]->count;
  }
  return NULL;
}

const fd_resource *fd_resource_named(const char *name) {
  for (size_t i = 0; i < fd_resource_count(); ++i) {
    const fd_resource *resource = fd_resource_at(i);
    if (strcmp(resource->name, name) == 0) return resource;
  }
  return NULL;
}
