// Names of the classes of image classifiers, by data set.
#include "resources.h"

static const unsigned char imagenet[] = {
#embed "../../Datasets/classes/imagenet.yaml"
};

static const fd_resource resources[] = {
    {"Datasets/classes/imagenet.yaml", imagenet, sizeof imagenet},
};

const fd_table fd_class_lists = {resources, sizeof resources / sizeof resources[0]};
