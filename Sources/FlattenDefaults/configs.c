// Configs of published models, and of those that parity is measured with; that of the built-in model
// is in model.c. A test compares the list with the folder.
#include "resources.h"

static const unsigned char ade20k_flatten_pvt_l_semantic_fpn[] = {
#embed "../../Configs/ade20k/flatten_pvt_l_semantic_fpn.yaml"
};
static const unsigned char ade20k_flatten_pvt_m_semantic_fpn[] = {
#embed "../../Configs/ade20k/flatten_pvt_m_semantic_fpn.yaml"
};
static const unsigned char ade20k_flatten_pvt_s_semantic_fpn[] = {
#embed "../../Configs/ade20k/flatten_pvt_s_semantic_fpn.yaml"
};
static const unsigned char ade20k_flatten_pvt_t_semantic_fpn[] = {
#embed "../../Configs/ade20k/flatten_pvt_t_semantic_fpn.yaml"
};
static const unsigned char ade20k_flatten_swin_b_upernet[] = {
#embed "../../Configs/ade20k/flatten_swin_b_upernet.yaml"
};
static const unsigned char ade20k_flatten_swin_s_upernet[] = {
#embed "../../Configs/ade20k/flatten_swin_s_upernet.yaml"
};
static const unsigned char ade20k_flatten_swin_t_upernet[] = {
#embed "../../Configs/ade20k/flatten_swin_t_upernet.yaml"
};
static const unsigned char ade20k_pvt_l_semantic_fpn[] = {
#embed "../../Configs/ade20k/pvt_l_semantic_fpn.yaml"
};
static const unsigned char ade20k_pvt_m_semantic_fpn[] = {
#embed "../../Configs/ade20k/pvt_m_semantic_fpn.yaml"
};
static const unsigned char ade20k_pvt_s_semantic_fpn[] = {
#embed "../../Configs/ade20k/pvt_s_semantic_fpn.yaml"
};
static const unsigned char ade20k_pvt_t_semantic_fpn[] = {
#embed "../../Configs/ade20k/pvt_t_semantic_fpn.yaml"
};
static const unsigned char ade20k_pvt_v2_b0_semantic_fpn[] = {
#embed "../../Configs/ade20k/pvt_v2_b0_semantic_fpn.yaml"
};
static const unsigned char ade20k_pvt_v2_b1_semantic_fpn[] = {
#embed "../../Configs/ade20k/pvt_v2_b1_semantic_fpn.yaml"
};
static const unsigned char ade20k_pvt_v2_b2_li_semantic_fpn[] = {
#embed "../../Configs/ade20k/pvt_v2_b2_li_semantic_fpn.yaml"
};
static const unsigned char ade20k_pvt_v2_b2_segformer[] = {
#embed "../../Configs/ade20k/pvt_v2_b2_segformer.yaml"
};
static const unsigned char ade20k_pvt_v2_b2_semantic_fpn[] = {
#embed "../../Configs/ade20k/pvt_v2_b2_semantic_fpn.yaml"
};
static const unsigned char ade20k_pvt_v2_b3_semantic_fpn[] = {
#embed "../../Configs/ade20k/pvt_v2_b3_semantic_fpn.yaml"
};
static const unsigned char ade20k_pvt_v2_b4_semantic_fpn[] = {
#embed "../../Configs/ade20k/pvt_v2_b4_semantic_fpn.yaml"
};
static const unsigned char ade20k_pvt_v2_b5_semantic_fpn[] = {
#embed "../../Configs/ade20k/pvt_v2_b5_semantic_fpn.yaml"
};
static const unsigned char ade20k_swin_b_upernet[] = {
#embed "../../Configs/ade20k/swin_b_upernet.yaml"
};
static const unsigned char ade20k_swin_s_upernet[] = {
#embed "../../Configs/ade20k/swin_s_upernet.yaml"
};
static const unsigned char ade20k_swin_t_upernet[] = {
#embed "../../Configs/ade20k/swin_t_upernet.yaml"
};
static const unsigned char camvid_camvid_flatten_pvt_t[] = {
#embed "../../Configs/camvid/camvid_flatten_pvt_t.yaml"
};
static const unsigned char camvid_street_flatten_pvtv2_b0[] = {
#embed "../../Configs/camvid/street_flatten_pvtv2_b0.yaml"
};
static const unsigned char imagenet_cswin_b[] = {
#embed "../../Configs/imagenet/cswin_b.yaml"
};
static const unsigned char imagenet_cswin_b_384[] = {
#embed "../../Configs/imagenet/cswin_b_384.yaml"
};
static const unsigned char imagenet_cswin_l[] = {
#embed "../../Configs/imagenet/cswin_l.yaml"
};
static const unsigned char imagenet_cswin_l_384[] = {
#embed "../../Configs/imagenet/cswin_l_384.yaml"
};
static const unsigned char imagenet_cswin_s[] = {
#embed "../../Configs/imagenet/cswin_s.yaml"
};
static const unsigned char imagenet_cswin_t[] = {
#embed "../../Configs/imagenet/cswin_t.yaml"
};
static const unsigned char imagenet_deit_b[] = {
#embed "../../Configs/imagenet/deit_b.yaml"
};
static const unsigned char imagenet_deit_s[] = {
#embed "../../Configs/imagenet/deit_s.yaml"
};
static const unsigned char imagenet_deit_t[] = {
#embed "../../Configs/imagenet/deit_t.yaml"
};
static const unsigned char imagenet_flatten_cswin_b[] = {
#embed "../../Configs/imagenet/flatten_cswin_b.yaml"
};
static const unsigned char imagenet_flatten_cswin_b_384[] = {
#embed "../../Configs/imagenet/flatten_cswin_b_384.yaml"
};
static const unsigned char imagenet_flatten_cswin_s[] = {
#embed "../../Configs/imagenet/flatten_cswin_s.yaml"
};
static const unsigned char imagenet_flatten_cswin_t[] = {
#embed "../../Configs/imagenet/flatten_cswin_t.yaml"
};
static const unsigned char imagenet_flatten_deit_t[] = {
#embed "../../Configs/imagenet/flatten_deit_t.yaml"
};
static const unsigned char imagenet_flatten_pvt_l[] = {
#embed "../../Configs/imagenet/flatten_pvt_l.yaml"
};
static const unsigned char imagenet_flatten_pvt_m[] = {
#embed "../../Configs/imagenet/flatten_pvt_m.yaml"
};
static const unsigned char imagenet_flatten_pvt_s[] = {
#embed "../../Configs/imagenet/flatten_pvt_s.yaml"
};
static const unsigned char imagenet_flatten_pvt_t[] = {
#embed "../../Configs/imagenet/flatten_pvt_t.yaml"
};
static const unsigned char imagenet_flatten_pvt_v2_b0[] = {
#embed "../../Configs/imagenet/flatten_pvt_v2_b0.yaml"
};
static const unsigned char imagenet_flatten_pvt_v2_b1[] = {
#embed "../../Configs/imagenet/flatten_pvt_v2_b1.yaml"
};
static const unsigned char imagenet_flatten_pvt_v2_b2[] = {
#embed "../../Configs/imagenet/flatten_pvt_v2_b2.yaml"
};
static const unsigned char imagenet_flatten_pvt_v2_b3[] = {
#embed "../../Configs/imagenet/flatten_pvt_v2_b3.yaml"
};
static const unsigned char imagenet_flatten_pvt_v2_b4[] = {
#embed "../../Configs/imagenet/flatten_pvt_v2_b4.yaml"
};
static const unsigned char imagenet_flatten_swin_b[] = {
#embed "../../Configs/imagenet/flatten_swin_b.yaml"
};
static const unsigned char imagenet_flatten_swin_b_384[] = {
#embed "../../Configs/imagenet/flatten_swin_b_384.yaml"
};
static const unsigned char imagenet_flatten_swin_s[] = {
#embed "../../Configs/imagenet/flatten_swin_s.yaml"
};
static const unsigned char imagenet_flatten_swin_t[] = {
#embed "../../Configs/imagenet/flatten_swin_t.yaml"
};
static const unsigned char imagenet_pvt_l[] = {
#embed "../../Configs/imagenet/pvt_l.yaml"
};
static const unsigned char imagenet_pvt_m[] = {
#embed "../../Configs/imagenet/pvt_m.yaml"
};
static const unsigned char imagenet_pvt_s[] = {
#embed "../../Configs/imagenet/pvt_s.yaml"
};
static const unsigned char imagenet_pvt_t[] = {
#embed "../../Configs/imagenet/pvt_t.yaml"
};
static const unsigned char imagenet_pvt_v2_b0[] = {
#embed "../../Configs/imagenet/pvt_v2_b0.yaml"
};
static const unsigned char imagenet_pvt_v2_b1[] = {
#embed "../../Configs/imagenet/pvt_v2_b1.yaml"
};
static const unsigned char imagenet_pvt_v2_b2[] = {
#embed "../../Configs/imagenet/pvt_v2_b2.yaml"
};
static const unsigned char imagenet_pvt_v2_b2_li[] = {
#embed "../../Configs/imagenet/pvt_v2_b2_li.yaml"
};
static const unsigned char imagenet_pvt_v2_b3[] = {
#embed "../../Configs/imagenet/pvt_v2_b3.yaml"
};
static const unsigned char imagenet_pvt_v2_b4[] = {
#embed "../../Configs/imagenet/pvt_v2_b4.yaml"
};
static const unsigned char imagenet_pvt_v2_b5[] = {
#embed "../../Configs/imagenet/pvt_v2_b5.yaml"
};
static const unsigned char imagenet_swin_b[] = {
#embed "../../Configs/imagenet/swin_b.yaml"
};
static const unsigned char imagenet_swin_b_384[] = {
#embed "../../Configs/imagenet/swin_b_384.yaml"
};
static const unsigned char imagenet_swin_l[] = {
#embed "../../Configs/imagenet/swin_l.yaml"
};
static const unsigned char imagenet_swin_l_384[] = {
#embed "../../Configs/imagenet/swin_l_384.yaml"
};
static const unsigned char imagenet_swin_s[] = {
#embed "../../Configs/imagenet/swin_s.yaml"
};
static const unsigned char imagenet_swin_t[] = {
#embed "../../Configs/imagenet/swin_t.yaml"
};

static const fd_resource resources[] = {
    {"Configs/ade20k/flatten_pvt_l_semantic_fpn.yaml", ade20k_flatten_pvt_l_semantic_fpn,
     sizeof ade20k_flatten_pvt_l_semantic_fpn},
    {"Configs/ade20k/flatten_pvt_m_semantic_fpn.yaml", ade20k_flatten_pvt_m_semantic_fpn,
     sizeof ade20k_flatten_pvt_m_semantic_fpn},
    {"Configs/ade20k/flatten_pvt_s_semantic_fpn.yaml", ade20k_flatten_pvt_s_semantic_fpn,
     sizeof ade20k_flatten_pvt_s_semantic_fpn},
    {"Configs/ade20k/flatten_pvt_t_semantic_fpn.yaml", ade20k_flatten_pvt_t_semantic_fpn,
     sizeof ade20k_flatten_pvt_t_semantic_fpn},
    {"Configs/ade20k/flatten_swin_b_upernet.yaml", ade20k_flatten_swin_b_upernet,
     sizeof ade20k_flatten_swin_b_upernet},
    {"Configs/ade20k/flatten_swin_s_upernet.yaml", ade20k_flatten_swin_s_upernet,
     sizeof ade20k_flatten_swin_s_upernet},
    {"Configs/ade20k/flatten_swin_t_upernet.yaml", ade20k_flatten_swin_t_upernet,
     sizeof ade20k_flatten_swin_t_upernet},
    {"Configs/ade20k/pvt_l_semantic_fpn.yaml", ade20k_pvt_l_semantic_fpn,
     sizeof ade20k_pvt_l_semantic_fpn},
    {"Configs/ade20k/pvt_m_semantic_fpn.yaml", ade20k_pvt_m_semantic_fpn,
     sizeof ade20k_pvt_m_semantic_fpn},
    {"Configs/ade20k/pvt_s_semantic_fpn.yaml", ade20k_pvt_s_semantic_fpn,
     sizeof ade20k_pvt_s_semantic_fpn},
    {"Configs/ade20k/pvt_t_semantic_fpn.yaml", ade20k_pvt_t_semantic_fpn,
     sizeof ade20k_pvt_t_semantic_fpn},
    {"Configs/ade20k/pvt_v2_b0_semantic_fpn.yaml", ade20k_pvt_v2_b0_semantic_fpn,
     sizeof ade20k_pvt_v2_b0_semantic_fpn},
    {"Configs/ade20k/pvt_v2_b1_semantic_fpn.yaml", ade20k_pvt_v2_b1_semantic_fpn,
     sizeof ade20k_pvt_v2_b1_semantic_fpn},
    {"Configs/ade20k/pvt_v2_b2_li_semantic_fpn.yaml", ade20k_pvt_v2_b2_li_semantic_fpn,
     sizeof ade20k_pvt_v2_b2_li_semantic_fpn},
    {"Configs/ade20k/pvt_v2_b2_segformer.yaml", ade20k_pvt_v2_b2_segformer,
     sizeof ade20k_pvt_v2_b2_segformer},
    {"Configs/ade20k/pvt_v2_b2_semantic_fpn.yaml", ade20k_pvt_v2_b2_semantic_fpn,
     sizeof ade20k_pvt_v2_b2_semantic_fpn},
    {"Configs/ade20k/pvt_v2_b3_semantic_fpn.yaml", ade20k_pvt_v2_b3_semantic_fpn,
     sizeof ade20k_pvt_v2_b3_semantic_fpn},
    {"Configs/ade20k/pvt_v2_b4_semantic_fpn.yaml", ade20k_pvt_v2_b4_semantic_fpn,
     sizeof ade20k_pvt_v2_b4_semantic_fpn},
    {"Configs/ade20k/pvt_v2_b5_semantic_fpn.yaml", ade20k_pvt_v2_b5_semantic_fpn,
     sizeof ade20k_pvt_v2_b5_semantic_fpn},
    {"Configs/ade20k/swin_b_upernet.yaml", ade20k_swin_b_upernet, sizeof ade20k_swin_b_upernet},
    {"Configs/ade20k/swin_s_upernet.yaml", ade20k_swin_s_upernet, sizeof ade20k_swin_s_upernet},
    {"Configs/ade20k/swin_t_upernet.yaml", ade20k_swin_t_upernet, sizeof ade20k_swin_t_upernet},
    {"Configs/camvid/camvid_flatten_pvt_t.yaml", camvid_camvid_flatten_pvt_t,
     sizeof camvid_camvid_flatten_pvt_t},
    {"Configs/camvid/street_flatten_pvtv2_b0.yaml", camvid_street_flatten_pvtv2_b0,
     sizeof camvid_street_flatten_pvtv2_b0},
    {"Configs/imagenet/cswin_b.yaml", imagenet_cswin_b, sizeof imagenet_cswin_b},
    {"Configs/imagenet/cswin_b_384.yaml", imagenet_cswin_b_384, sizeof imagenet_cswin_b_384},
    {"Configs/imagenet/cswin_l.yaml", imagenet_cswin_l, sizeof imagenet_cswin_l},
    {"Configs/imagenet/cswin_l_384.yaml", imagenet_cswin_l_384, sizeof imagenet_cswin_l_384},
    {"Configs/imagenet/cswin_s.yaml", imagenet_cswin_s, sizeof imagenet_cswin_s},
    {"Configs/imagenet/cswin_t.yaml", imagenet_cswin_t, sizeof imagenet_cswin_t},
    {"Configs/imagenet/deit_b.yaml", imagenet_deit_b, sizeof imagenet_deit_b},
    {"Configs/imagenet/deit_s.yaml", imagenet_deit_s, sizeof imagenet_deit_s},
    {"Configs/imagenet/deit_t.yaml", imagenet_deit_t, sizeof imagenet_deit_t},
    {"Configs/imagenet/flatten_cswin_b.yaml", imagenet_flatten_cswin_b,
     sizeof imagenet_flatten_cswin_b},
    {"Configs/imagenet/flatten_cswin_b_384.yaml", imagenet_flatten_cswin_b_384,
     sizeof imagenet_flatten_cswin_b_384},
    {"Configs/imagenet/flatten_cswin_s.yaml", imagenet_flatten_cswin_s,
     sizeof imagenet_flatten_cswin_s},
    {"Configs/imagenet/flatten_cswin_t.yaml", imagenet_flatten_cswin_t,
     sizeof imagenet_flatten_cswin_t},
    {"Configs/imagenet/flatten_deit_t.yaml", imagenet_flatten_deit_t,
     sizeof imagenet_flatten_deit_t},
    {"Configs/imagenet/flatten_pvt_l.yaml", imagenet_flatten_pvt_l, sizeof imagenet_flatten_pvt_l},
    {"Configs/imagenet/flatten_pvt_m.yaml", imagenet_flatten_pvt_m, sizeof imagenet_flatten_pvt_m},
    {"Configs/imagenet/flatten_pvt_s.yaml", imagenet_flatten_pvt_s, sizeof imagenet_flatten_pvt_s},
    {"Configs/imagenet/flatten_pvt_t.yaml", imagenet_flatten_pvt_t, sizeof imagenet_flatten_pvt_t},
    {"Configs/imagenet/flatten_pvt_v2_b0.yaml", imagenet_flatten_pvt_v2_b0,
     sizeof imagenet_flatten_pvt_v2_b0},
    {"Configs/imagenet/flatten_pvt_v2_b1.yaml", imagenet_flatten_pvt_v2_b1,
     sizeof imagenet_flatten_pvt_v2_b1},
    {"Configs/imagenet/flatten_pvt_v2_b2.yaml", imagenet_flatten_pvt_v2_b2,
     sizeof imagenet_flatten_pvt_v2_b2},
    {"Configs/imagenet/flatten_pvt_v2_b3.yaml", imagenet_flatten_pvt_v2_b3,
     sizeof imagenet_flatten_pvt_v2_b3},
    {"Configs/imagenet/flatten_pvt_v2_b4.yaml", imagenet_flatten_pvt_v2_b4,
     sizeof imagenet_flatten_pvt_v2_b4},
    {"Configs/imagenet/flatten_swin_b.yaml", imagenet_flatten_swin_b,
     sizeof imagenet_flatten_swin_b},
    {"Configs/imagenet/flatten_swin_b_384.yaml", imagenet_flatten_swin_b_384,
     sizeof imagenet_flatten_swin_b_384},
    {"Configs/imagenet/flatten_swin_s.yaml", imagenet_flatten_swin_s,
     sizeof imagenet_flatten_swin_s},
    {"Configs/imagenet/flatten_swin_t.yaml", imagenet_flatten_swin_t,
     sizeof imagenet_flatten_swin_t},
    {"Configs/imagenet/pvt_l.yaml", imagenet_pvt_l, sizeof imagenet_pvt_l},
    {"Configs/imagenet/pvt_m.yaml", imagenet_pvt_m, sizeof imagenet_pvt_m},
    {"Configs/imagenet/pvt_s.yaml", imagenet_pvt_s, sizeof imagenet_pvt_s},
    {"Configs/imagenet/pvt_t.yaml", imagenet_pvt_t, sizeof imagenet_pvt_t},
    {"Configs/imagenet/pvt_v2_b0.yaml", imagenet_pvt_v2_b0, sizeof imagenet_pvt_v2_b0},
    {"Configs/imagenet/pvt_v2_b1.yaml", imagenet_pvt_v2_b1, sizeof imagenet_pvt_v2_b1},
    {"Configs/imagenet/pvt_v2_b2.yaml", imagenet_pvt_v2_b2, sizeof imagenet_pvt_v2_b2},
    {"Configs/imagenet/pvt_v2_b2_li.yaml", imagenet_pvt_v2_b2_li, sizeof imagenet_pvt_v2_b2_li},
    {"Configs/imagenet/pvt_v2_b3.yaml", imagenet_pvt_v2_b3, sizeof imagenet_pvt_v2_b3},
    {"Configs/imagenet/pvt_v2_b4.yaml", imagenet_pvt_v2_b4, sizeof imagenet_pvt_v2_b4},
    {"Configs/imagenet/pvt_v2_b5.yaml", imagenet_pvt_v2_b5, sizeof imagenet_pvt_v2_b5},
    {"Configs/imagenet/swin_b.yaml", imagenet_swin_b, sizeof imagenet_swin_b},
    {"Configs/imagenet/swin_b_384.yaml", imagenet_swin_b_384, sizeof imagenet_swin_b_384},
    {"Configs/imagenet/swin_l.yaml", imagenet_swin_l, sizeof imagenet_swin_l},
    {"Configs/imagenet/swin_l_384.yaml", imagenet_swin_l_384, sizeof imagenet_swin_l_384},
    {"Configs/imagenet/swin_s.yaml", imagenet_swin_s, sizeof imagenet_swin_s},
    {"Configs/imagenet/swin_t.yaml", imagenet_swin_t, sizeof imagenet_swin_t},
};

const fd_table fd_configs = {resources, sizeof resources / sizeof resources[0]};
