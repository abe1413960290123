/// The operators of the golden cases of kind `det_op`, by the suite that tests them.
package enum DetectionOperators {
  package static let regions: Set<String> = [
    "anchors", "bbox_overlaps", "delta_decode", "delta_encode", "nms", "batched_nms",
    "multiclass_nms", "filter_scores_and_topk", "keep_ratio_size", "paste_masks",
  ]

  package static let tensors: Set<String> = ["roi_align", "roi_extractor", "roi_levels"]

  package static let training: Set<String> = [
    "assign", "loss", "mask_target", "roi_align_gradient",
  ]
}
