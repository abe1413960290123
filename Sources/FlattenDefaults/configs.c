// Configs of published models, and of those that parity is measured with; that of the built-in model
// is in model.c. A test compares the list with the folder.
#include "resources.h"

static const unsigned char ade20k_agent_pvt_l_semantic_fpn[] = {
#embed "../../Configs/ade20k/agent_pvt_l_semantic_fpn.yaml"
};
static const unsigned char ade20k_agent_pvt_m_semantic_fpn[] = {
#embed "../../Configs/ade20k/agent_pvt_m_semantic_fpn.yaml"
};
static const unsigned char ade20k_agent_pvt_s_semantic_fpn[] = {
#embed "../../Configs/ade20k/agent_pvt_s_semantic_fpn.yaml"
};
static const unsigned char ade20k_agent_pvt_t_semantic_fpn[] = {
#embed "../../Configs/ade20k/agent_pvt_t_semantic_fpn.yaml"
};
static const unsigned char ade20k_efficientvit_b1[] = {
#embed "../../Configs/ade20k/efficientvit_b1.yaml"
};
static const unsigned char ade20k_efficientvit_b2[] = {
#embed "../../Configs/ade20k/efficientvit_b2.yaml"
};
static const unsigned char ade20k_efficientvit_b3[] = {
#embed "../../Configs/ade20k/efficientvit_b3.yaml"
};
static const unsigned char ade20k_efficientvit_l1[] = {
#embed "../../Configs/ade20k/efficientvit_l1.yaml"
};
static const unsigned char ade20k_efficientvit_l2[] = {
#embed "../../Configs/ade20k/efficientvit_l2.yaml"
};
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
static const unsigned char ade20k_mlla_b_upernet[] = {
#embed "../../Configs/ade20k/mlla_b_upernet.yaml"
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
static const unsigned char ade20k_ravlt_b_semantic_fpn[] = {
#embed "../../Configs/ade20k/ravlt_b_semantic_fpn.yaml"
};
static const unsigned char ade20k_ravlt_b_upernet[] = {
#embed "../../Configs/ade20k/ravlt_b_upernet.yaml"
};
static const unsigned char ade20k_ravlt_l_semantic_fpn[] = {
#embed "../../Configs/ade20k/ravlt_l_semantic_fpn.yaml"
};
static const unsigned char ade20k_ravlt_l_upernet[] = {
#embed "../../Configs/ade20k/ravlt_l_upernet.yaml"
};
static const unsigned char ade20k_ravlt_s_semantic_fpn[] = {
#embed "../../Configs/ade20k/ravlt_s_semantic_fpn.yaml"
};
static const unsigned char ade20k_ravlt_s_upernet[] = {
#embed "../../Configs/ade20k/ravlt_s_upernet.yaml"
};
static const unsigned char ade20k_ravlt_t_semantic_fpn[] = {
#embed "../../Configs/ade20k/ravlt_t_semantic_fpn.yaml"
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
static const unsigned char cityscapes_efficientvit_b0[] = {
#embed "../../Configs/cityscapes/efficientvit_b0.yaml"
};
static const unsigned char cityscapes_efficientvit_b1[] = {
#embed "../../Configs/cityscapes/efficientvit_b1.yaml"
};
static const unsigned char cityscapes_efficientvit_b2[] = {
#embed "../../Configs/cityscapes/efficientvit_b2.yaml"
};
static const unsigned char cityscapes_efficientvit_b3[] = {
#embed "../../Configs/cityscapes/efficientvit_b3.yaml"
};
static const unsigned char cityscapes_efficientvit_l1[] = {
#embed "../../Configs/cityscapes/efficientvit_l1.yaml"
};
static const unsigned char cityscapes_efficientvit_l2[] = {
#embed "../../Configs/cityscapes/efficientvit_l2.yaml"
};
static const unsigned char coco_flatten_pvt_m_retinanet[] = {
#embed "../../Configs/coco/flatten_pvt_m_retinanet.yaml"
};
static const unsigned char coco_flatten_pvt_s_retinanet[] = {
#embed "../../Configs/coco/flatten_pvt_s_retinanet.yaml"
};
static const unsigned char coco_flatten_pvt_t_mask_rcnn[] = {
#embed "../../Configs/coco/flatten_pvt_t_mask_rcnn.yaml"
};
static const unsigned char coco_flatten_pvt_t_retinanet[] = {
#embed "../../Configs/coco/flatten_pvt_t_retinanet.yaml"
};
static const unsigned char coco_flatten_swin_s_cascade_mask_rcnn[] = {
#embed "../../Configs/coco/flatten_swin_s_cascade_mask_rcnn.yaml"
};
static const unsigned char coco_flatten_swin_t_cascade_mask_rcnn[] = {
#embed "../../Configs/coco/flatten_swin_t_cascade_mask_rcnn.yaml"
};
static const unsigned char coco_flatten_swin_t_mask_rcnn[] = {
#embed "../../Configs/coco/flatten_swin_t_mask_rcnn.yaml"
};
static const unsigned char coco_pvt_l_mask_rcnn[] = {
#embed "../../Configs/coco/pvt_l_mask_rcnn.yaml"
};
static const unsigned char coco_pvt_l_retinanet[] = {
#embed "../../Configs/coco/pvt_l_retinanet.yaml"
};
static const unsigned char coco_pvt_m_mask_rcnn[] = {
#embed "../../Configs/coco/pvt_m_mask_rcnn.yaml"
};
static const unsigned char coco_pvt_m_retinanet[] = {
#embed "../../Configs/coco/pvt_m_retinanet.yaml"
};
static const unsigned char coco_pvt_s_mask_rcnn[] = {
#embed "../../Configs/coco/pvt_s_mask_rcnn.yaml"
};
static const unsigned char coco_pvt_s_retinanet[] = {
#embed "../../Configs/coco/pvt_s_retinanet.yaml"
};
static const unsigned char coco_pvt_t_mask_rcnn[] = {
#embed "../../Configs/coco/pvt_t_mask_rcnn.yaml"
};
static const unsigned char coco_pvt_t_retinanet[] = {
#embed "../../Configs/coco/pvt_t_retinanet.yaml"
};
static const unsigned char coco_pvt_v2_b0_mask_rcnn[] = {
#embed "../../Configs/coco/pvt_v2_b0_mask_rcnn.yaml"
};
static const unsigned char coco_pvt_v2_b0_retinanet[] = {
#embed "../../Configs/coco/pvt_v2_b0_retinanet.yaml"
};
static const unsigned char coco_pvt_v2_b1_mask_rcnn[] = {
#embed "../../Configs/coco/pvt_v2_b1_mask_rcnn.yaml"
};
static const unsigned char coco_pvt_v2_b1_retinanet[] = {
#embed "../../Configs/coco/pvt_v2_b1_retinanet.yaml"
};
static const unsigned char coco_pvt_v2_b2_cascade_mask_rcnn[] = {
#embed "../../Configs/coco/pvt_v2_b2_cascade_mask_rcnn.yaml"
};
static const unsigned char coco_pvt_v2_b2_li_cascade_mask_rcnn[] = {
#embed "../../Configs/coco/pvt_v2_b2_li_cascade_mask_rcnn.yaml"
};
static const unsigned char coco_pvt_v2_b2_li_mask_rcnn[] = {
#embed "../../Configs/coco/pvt_v2_b2_li_mask_rcnn.yaml"
};
static const unsigned char coco_pvt_v2_b2_li_retinanet[] = {
#embed "../../Configs/coco/pvt_v2_b2_li_retinanet.yaml"
};
static const unsigned char coco_pvt_v2_b2_mask_rcnn[] = {
#embed "../../Configs/coco/pvt_v2_b2_mask_rcnn.yaml"
};
static const unsigned char coco_pvt_v2_b2_retinanet[] = {
#embed "../../Configs/coco/pvt_v2_b2_retinanet.yaml"
};
static const unsigned char coco_pvt_v2_b3_mask_rcnn[] = {
#embed "../../Configs/coco/pvt_v2_b3_mask_rcnn.yaml"
};
static const unsigned char coco_pvt_v2_b3_retinanet[] = {
#embed "../../Configs/coco/pvt_v2_b3_retinanet.yaml"
};
static const unsigned char coco_pvt_v2_b4_mask_rcnn[] = {
#embed "../../Configs/coco/pvt_v2_b4_mask_rcnn.yaml"
};
static const unsigned char coco_pvt_v2_b4_retinanet[] = {
#embed "../../Configs/coco/pvt_v2_b4_retinanet.yaml"
};
static const unsigned char coco_pvt_v2_b5_mask_rcnn[] = {
#embed "../../Configs/coco/pvt_v2_b5_mask_rcnn.yaml"
};
static const unsigned char coco_pvt_v2_b5_retinanet[] = {
#embed "../../Configs/coco/pvt_v2_b5_retinanet.yaml"
};
static const unsigned char coco_swin_b_cascade_mask_rcnn[] = {
#embed "../../Configs/coco/swin_b_cascade_mask_rcnn.yaml"
};
static const unsigned char coco_swin_s_cascade_mask_rcnn[] = {
#embed "../../Configs/coco/swin_s_cascade_mask_rcnn.yaml"
};
static const unsigned char coco_swin_s_mask_rcnn[] = {
#embed "../../Configs/coco/swin_s_mask_rcnn.yaml"
};
static const unsigned char coco_swin_t_cascade_mask_rcnn[] = {
#embed "../../Configs/coco/swin_t_cascade_mask_rcnn.yaml"
};
static const unsigned char coco_swin_t_mask_rcnn[] = {
#embed "../../Configs/coco/swin_t_mask_rcnn.yaml"
};
static const unsigned char coco_swin_t_retinanet[] = {
#embed "../../Configs/coco/swin_t_retinanet.yaml"
};
static const unsigned char imagenet_agent_pvt_l[] = {
#embed "../../Configs/imagenet/agent_pvt_l.yaml"
};
static const unsigned char imagenet_agent_pvt_m[] = {
#embed "../../Configs/imagenet/agent_pvt_m.yaml"
};
static const unsigned char imagenet_agent_pvt_s[] = {
#embed "../../Configs/imagenet/agent_pvt_s.yaml"
};
static const unsigned char imagenet_agent_pvt_t[] = {
#embed "../../Configs/imagenet/agent_pvt_t.yaml"
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
static const unsigned char imagenet_inline_pvt_l[] = {
#embed "../../Configs/imagenet/inline_pvt_l.yaml"
};
static const unsigned char imagenet_inline_pvt_m[] = {
#embed "../../Configs/imagenet/inline_pvt_m.yaml"
};
static const unsigned char imagenet_inline_pvt_s[] = {
#embed "../../Configs/imagenet/inline_pvt_s.yaml"
};
static const unsigned char imagenet_inline_pvt_t[] = {
#embed "../../Configs/imagenet/inline_pvt_t.yaml"
};
static const unsigned char imagenet_mlla_b[] = {
#embed "../../Configs/imagenet/mlla_b.yaml"
};
static const unsigned char imagenet_mlla_s[] = {
#embed "../../Configs/imagenet/mlla_s.yaml"
};
static const unsigned char imagenet_mlla_t[] = {
#embed "../../Configs/imagenet/mlla_t.yaml"
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
static const unsigned char imagenet_ravlt_b[] = {
#embed "../../Configs/imagenet/ravlt_b.yaml"
};
static const unsigned char imagenet_ravlt_l[] = {
#embed "../../Configs/imagenet/ravlt_l.yaml"
};
static const unsigned char imagenet_ravlt_s[] = {
#embed "../../Configs/imagenet/ravlt_s.yaml"
};
static const unsigned char imagenet_ravlt_t[] = {
#embed "../../Configs/imagenet/ravlt_t.yaml"
};
static const unsigned char imagenet_skipat_s[] = {
#embed "../../Configs/imagenet/skipat_s.yaml"
};
static const unsigned char imagenet_skipat_t[] = {
#embed "../../Configs/imagenet/skipat_t.yaml"
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
static const unsigned char imagenet_vvt_l[] = {
#embed "../../Configs/imagenet/vvt_l.yaml"
};
static const unsigned char imagenet_vvt_m[] = {
#embed "../../Configs/imagenet/vvt_m.yaml"
};
static const unsigned char imagenet_vvt_s[] = {
#embed "../../Configs/imagenet/vvt_s.yaml"
};
static const unsigned char imagenet_vvt_t[] = {
#embed "../../Configs/imagenet/vvt_t.yaml"
};

#define CONFIG(folder, name) \
  {"Configs/" #folder "/" #name ".yaml", folder##_##name, sizeof folder##_##name}

static const fd_resource resources[] = {
    CONFIG(ade20k, agent_pvt_l_semantic_fpn),
    CONFIG(ade20k, agent_pvt_m_semantic_fpn),
    CONFIG(ade20k, agent_pvt_s_semantic_fpn),
    CONFIG(ade20k, agent_pvt_t_semantic_fpn),
    CONFIG(ade20k, efficientvit_b1),
    CONFIG(ade20k, efficientvit_b2),
    CONFIG(ade20k, efficientvit_b3),
    CONFIG(ade20k, efficientvit_l1),
    CONFIG(ade20k, efficientvit_l2),
    CONFIG(ade20k, flatten_pvt_l_semantic_fpn),
    CONFIG(ade20k, flatten_pvt_m_semantic_fpn),
    CONFIG(ade20k, flatten_pvt_s_semantic_fpn),
    CONFIG(ade20k, flatten_pvt_t_semantic_fpn),
    CONFIG(ade20k, flatten_swin_b_upernet),
    CONFIG(ade20k, flatten_swin_s_upernet),
    CONFIG(ade20k, flatten_swin_t_upernet),
    CONFIG(ade20k, mlla_b_upernet),
    CONFIG(ade20k, pvt_l_semantic_fpn),
    CONFIG(ade20k, pvt_m_semantic_fpn),
    CONFIG(ade20k, pvt_s_semantic_fpn),
    CONFIG(ade20k, pvt_t_semantic_fpn),
    CONFIG(ade20k, pvt_v2_b0_semantic_fpn),
    CONFIG(ade20k, pvt_v2_b1_semantic_fpn),
    CONFIG(ade20k, pvt_v2_b2_li_semantic_fpn),
    CONFIG(ade20k, pvt_v2_b2_segformer),
    CONFIG(ade20k, pvt_v2_b2_semantic_fpn),
    CONFIG(ade20k, pvt_v2_b3_semantic_fpn),
    CONFIG(ade20k, pvt_v2_b4_semantic_fpn),
    CONFIG(ade20k, pvt_v2_b5_semantic_fpn),
    CONFIG(ade20k, ravlt_b_semantic_fpn),
    CONFIG(ade20k, ravlt_b_upernet),
    CONFIG(ade20k, ravlt_l_semantic_fpn),
    CONFIG(ade20k, ravlt_l_upernet),
    CONFIG(ade20k, ravlt_s_semantic_fpn),
    CONFIG(ade20k, ravlt_s_upernet),
    CONFIG(ade20k, ravlt_t_semantic_fpn),
    CONFIG(ade20k, swin_b_upernet),
    CONFIG(ade20k, swin_s_upernet),
    CONFIG(ade20k, swin_t_upernet),
    CONFIG(camvid, camvid_flatten_pvt_t),
    CONFIG(camvid, street_flatten_pvtv2_b0),
    CONFIG(cityscapes, efficientvit_b0),
    CONFIG(cityscapes, efficientvit_b1),
    CONFIG(cityscapes, efficientvit_b2),
    CONFIG(cityscapes, efficientvit_b3),
    CONFIG(cityscapes, efficientvit_l1),
    CONFIG(cityscapes, efficientvit_l2),
    CONFIG(coco, flatten_pvt_m_retinanet),
    CONFIG(coco, flatten_pvt_s_retinanet),
    CONFIG(coco, flatten_pvt_t_mask_rcnn),
    CONFIG(coco, flatten_pvt_t_retinanet),
    CONFIG(coco, flatten_swin_s_cascade_mask_rcnn),
    CONFIG(coco, flatten_swin_t_cascade_mask_rcnn),
    CONFIG(coco, flatten_swin_t_mask_rcnn),
    CONFIG(coco, pvt_l_mask_rcnn),
    CONFIG(coco, pvt_l_retinanet),
    CONFIG(coco, pvt_m_mask_rcnn),
    CONFIG(coco, pvt_m_retinanet),
    CONFIG(coco, pvt_s_mask_rcnn),
    CONFIG(coco, pvt_s_retinanet),
    CONFIG(coco, pvt_t_mask_rcnn),
    CONFIG(coco, pvt_t_retinanet),
    CONFIG(coco, pvt_v2_b0_mask_rcnn),
    CONFIG(coco, pvt_v2_b0_retinanet),
    CONFIG(coco, pvt_v2_b1_mask_rcnn),
    CONFIG(coco, pvt_v2_b1_retinanet),
    CONFIG(coco, pvt_v2_b2_cascade_mask_rcnn),
    CONFIG(coco, pvt_v2_b2_li_cascade_mask_rcnn),
    CONFIG(coco, pvt_v2_b2_li_mask_rcnn),
    CONFIG(coco, pvt_v2_b2_li_retinanet),
    CONFIG(coco, pvt_v2_b2_mask_rcnn),
    CONFIG(coco, pvt_v2_b2_retinanet),
    CONFIG(coco, pvt_v2_b3_mask_rcnn),
    CONFIG(coco, pvt_v2_b3_retinanet),
    CONFIG(coco, pvt_v2_b4_mask_rcnn),
    CONFIG(coco, pvt_v2_b4_retinanet),
    CONFIG(coco, pvt_v2_b5_mask_rcnn),
    CONFIG(coco, pvt_v2_b5_retinanet),
    CONFIG(coco, swin_b_cascade_mask_rcnn),
    CONFIG(coco, swin_s_cascade_mask_rcnn),
    CONFIG(coco, swin_s_mask_rcnn),
    CONFIG(coco, swin_t_cascade_mask_rcnn),
    CONFIG(coco, swin_t_mask_rcnn),
    CONFIG(coco, swin_t_retinanet),
    CONFIG(imagenet, agent_pvt_l),
    CONFIG(imagenet, agent_pvt_m),
    CONFIG(imagenet, agent_pvt_s),
    CONFIG(imagenet, agent_pvt_t),
    CONFIG(imagenet, cswin_b),
    CONFIG(imagenet, cswin_b_384),
    CONFIG(imagenet, cswin_l),
    CONFIG(imagenet, cswin_l_384),
    CONFIG(imagenet, cswin_s),
    CONFIG(imagenet, cswin_t),
    CONFIG(imagenet, deit_b),
    CONFIG(imagenet, deit_s),
    CONFIG(imagenet, deit_t),
    CONFIG(imagenet, flatten_cswin_b),
    CONFIG(imagenet, flatten_cswin_b_384),
    CONFIG(imagenet, flatten_cswin_s),
    CONFIG(imagenet, flatten_cswin_t),
    CONFIG(imagenet, flatten_deit_t),
    CONFIG(imagenet, flatten_pvt_l),
    CONFIG(imagenet, flatten_pvt_m),
    CONFIG(imagenet, flatten_pvt_s),
    CONFIG(imagenet, flatten_pvt_t),
    CONFIG(imagenet, flatten_pvt_v2_b0),
    CONFIG(imagenet, flatten_pvt_v2_b1),
    CONFIG(imagenet, flatten_pvt_v2_b2),
    CONFIG(imagenet, flatten_pvt_v2_b3),
    CONFIG(imagenet, flatten_pvt_v2_b4),
    CONFIG(imagenet, flatten_swin_b),
    CONFIG(imagenet, flatten_swin_b_384),
    CONFIG(imagenet, flatten_swin_s),
    CONFIG(imagenet, flatten_swin_t),
    CONFIG(imagenet, inline_pvt_l),
    CONFIG(imagenet, inline_pvt_m),
    CONFIG(imagenet, inline_pvt_s),
    CONFIG(imagenet, inline_pvt_t),
    CONFIG(imagenet, mlla_b),
    CONFIG(imagenet, mlla_s),
    CONFIG(imagenet, mlla_t),
    CONFIG(imagenet, pvt_l),
    CONFIG(imagenet, pvt_m),
    CONFIG(imagenet, pvt_s),
    CONFIG(imagenet, pvt_t),
    CONFIG(imagenet, pvt_v2_b0),
    CONFIG(imagenet, pvt_v2_b1),
    CONFIG(imagenet, pvt_v2_b2),
    CONFIG(imagenet, pvt_v2_b2_li),
    CONFIG(imagenet, pvt_v2_b3),
    CONFIG(imagenet, pvt_v2_b4),
    CONFIG(imagenet, pvt_v2_b5),
    CONFIG(imagenet, ravlt_b),
    CONFIG(imagenet, ravlt_l),
    CONFIG(imagenet, ravlt_s),
    CONFIG(imagenet, ravlt_t),
    CONFIG(imagenet, skipat_s),
    CONFIG(imagenet, skipat_t),
    CONFIG(imagenet, swin_b),
    CONFIG(imagenet, swin_b_384),
    CONFIG(imagenet, swin_l),
    CONFIG(imagenet, swin_l_384),
    CONFIG(imagenet, swin_s),
    CONFIG(imagenet, swin_t),
    CONFIG(imagenet, vvt_l),
    CONFIG(imagenet, vvt_m),
    CONFIG(imagenet, vvt_s),
    CONFIG(imagenet, vvt_t),
};

const fd_table fd_configs = {resources, sizeof resources / sizeof resources[0]};
