#include "FlattenKernels.h"
