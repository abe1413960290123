// The built-in model: its config and its weights.
#include "resources.h"

static const unsigned char config[] = {
#embed "../../Configs/street/flatten_pvtv2_b0.yaml"
};
// Aligned, so that elements can be read in place.
_Alignas(64) static const unsigned char weights[] = {
#embed "../../Configs/street/flatten_pvtv2_b0.safetensors"
};

static const fd_resource resources[] = {
    {"Configs/street/flatten_pvtv2_b0.yaml", config, sizeof config},
    {"Configs/street/flatten_pvtv2_b0.safetensors", weights, sizeof weights},
};

const fd_table fd_model = {resources, sizeof resources / sizeof resources[0]};
