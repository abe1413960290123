// Descriptions of the built-in data sets.
#include "resources.h"

static const unsigned char ade20k[] = {
#embed "../../Datasets/ade20k.yaml"
};
static const unsigned char camvid[] = {
#embed "../../Datasets/camvid.yaml"
};
static const unsigned char cityscapes[] = {
#embed "../../Datasets/cityscapes.yaml"
};
static const unsigned char coco[] = {
#embed "../../Datasets/coco.yaml"
};
static const unsigned char coco_json[] = {
#embed "../../Datasets/coco_json.yaml"
};
static const unsigned char coco_stuff164k[] = {
#embed "../../Datasets/coco_stuff164k.yaml"
};
static const unsigned char folder[] = {
#embed "../../Datasets/folder.yaml"
};
static const unsigned char street[] = {
#embed "../../Datasets/street.yaml"
};
static const unsigned char street_objects[] = {
#embed "../../Datasets/street_objects.yaml"
};
static const unsigned char voc[] = {
#embed "../../Datasets/voc.yaml"
};

static const fd_resource resources[] = {
    {"Datasets/ade20k.yaml", ade20k, sizeof ade20k},
    {"Datasets/camvid.yaml", camvid, sizeof camvid},
    {"Datasets/cityscapes.yaml", cityscapes, sizeof cityscapes},
    {"Datasets/coco.yaml", coco, sizeof coco},
    {"Datasets/coco_json.yaml", coco_json, sizeof coco_json},
    {"Datasets/coco_stuff164k.yaml", coco_stuff164k, sizeof coco_stuff164k},
    {"Datasets/folder.yaml", folder, sizeof folder},
    {"Datasets/street.yaml", street, sizeof street},
    {"Datasets/street_objects.yaml", street_objects, sizeof street_objects},
    {"Datasets/voc.yaml", voc, sizeof voc},
};

const fd_table fd_datasets = {resources, sizeof resources / sizeof resources[0]};
