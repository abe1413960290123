#include "FlattenDefaults.h"
