#include "FlattenCodecs.h"
