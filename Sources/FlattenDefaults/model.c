// The built-in models: their configs and their weights.
#include "resources.h"

static const unsigned char segmentor_config[] = {
#embed "../../Configs/street/flatten_pvtv2_b0.yaml"
};
static const unsigned char detector_config[] = {
#embed "../../Configs/street/mask_rcnn_flatten_pvtv2_b0.yaml"
};
// Aligned, so that elements can be read in place.
_Alignas(64) static const unsigned char segmentor_weights[] = {
#embed "../../Configs/street/flatten_pvtv2_b0.safetensors"
};
_Alignas(64) static const unsigned char detector_weights[] = {
#embed "../../Configs/street/mask_rcnn_flatten_pvtv2_b0.safetensors"
};

static const fd_resource resources[] = {
    {"Configs/street/flatten_pvtv2_b0.yaml", segmentor_config, sizeof segmentor_config},
    {"Configs/street/flatten_pvtv2_b0.safetensors", segmentor_weights, sizeof segmentor_weights},
    {"Configs/street/mask_rcnn_flatten_pvtv2_b0.yaml", detector_config, sizeof detector_config},
    {"Configs/street/mask_rcnn_flatten_pvtv2_b0.safetensors", detector_weights,
     sizeof detector_weights},
};

const fd_table fd_model = {resources, sizeof resources / sizeof resources[0]};
