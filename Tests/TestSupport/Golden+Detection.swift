import FlattenCheckpoint
import FlattenTensor

extension Golden {
  private static let detectors = [
    "RetinaNet": "retinanet", "FasterRCNN": "faster_rcnn", "MaskRCNN": "mask_rcnn",
    "CascadeRCNN": "cascade_rcnn",
  ]

  /// A detector's parameters, or those of one of its modules, as the `model` section of a config. What a module's case does
  /// not say has any value.
  package static func detectorText(_ model: JSONValue, kind: String) -> String {
    let isWhole = kind == "detector"
    let isNeck = kind == "det_neck"
    let roi = isWhole ? model["roi_head"] : kind.hasSuffix("roi_head") ? model : .null
    let rpn = isWhole ? model["rpn_head"] : kind == "rpn_head" ? model : .null
    let retina = isWhole ? model["bbox_head"] : kind == "retina_head" ? model : .null
    let hasMasks = !roi["mask_head"].isNull
    let isCascade = !roi["num_stages"].isNull
    let type =
      !retina.isNull
      ? "retinanet"
      : (isCascade ? "cascade" : hasMasks ? "" : "faster") + (isCascade && hasMasks ? "_" : "")
        + (hasMasks ? "mask" : "") + "_rcnn"
    var detector: [String: JSONValue?] = ["type": .string(type), "num_classes": .number(5)]
    var neck = isNeck ? model : model["neck"]
    func optional(_ value: JSONValue) -> JSONValue? { value.isNull ? nil : value }
    if !retina.isNull {
      detector["num_classes"] = retina["num_classes"]
      detector["head_channels"] = retina["feat_channels"]
      detector["head_convs"] = retina["stacked_convs"]
      detector["anchor_scale"] = retina["anchor_generator"]["octave_base_scale"]
    }
    if !rpn.isNull {
      detector["head_channels"] = rpn["feat_channels"]
      detector["anchor_scale"] = rpn["anchor_generator"]["scales"][0]
    }
    if !roi.isNull {
      let box = isCascade ? roi["bbox_head"][0] : roi["bbox_head"]
      detector["num_classes"] = box["num_classes"]
      detector["fc_channels"] = box["fc_out_channels"]
      detector["class_agnostic_boxes"] = optional(box["reg_class_agnostic"])
      if box["num_shared_convs"].int == 4 {
        detector["box_head"] = .string("4conv1fc")
        detector["box_channels"] = box["conv_out_channels"]
      }
      detector["finest_scale"] = optional(roi["bbox_roi_extractor"]["finest_scale"])
      if hasMasks {
        detector["mask_convs"] = roi["mask_head"]["num_convs"]
        detector["mask_channels"] = roi["mask_head"]["conv_out_channels"]
      }
    }
    if neck.isNull {
      let channels = [
        retina["in_channels"], rpn["in_channels"], roi["bbox_roi_extractor"]["out_channels"],
      ]
      neck = .object(["out_channels": channels.first { !$0.isNull } ?? .number(8)])
    }
    detector["test"] = selection(
      isWhole ? model["test_cfg"] : roi.isNull && rpn.isNull ? model["test_cfg"] : .null,
      rpn: isWhole ? model["test_cfg"]["rpn"] : rpn["test_cfg"],
      rcnn: isWhole ? model["test_cfg"]["rcnn"] : roi["test_cfg"], isOneStage: !retina.isNull,
      hasMasks: hasMasks)
    let family = families[model["backbone"]["type"].text ?? ""] ?? "flatten_pvt"
    let backbone: JSONValue =
      isWhole
      ? model["backbone"].replacing(["type": .string(family)])
      : .object(["type": .string("flatten_pvt"), "variant": .string("tiny")])
    return JSONValue.object([
      "backbone": backbone,
      "neck": neck.replacing(["type": .string("fpn"), "in_channels": Optional<JSONValue>.none]),
      "detector": JSONValue.object([:]).replacing(detector),
    ]).configText
  }

  private static func selection(
    _ own: JSONValue, rpn: JSONValue, rcnn: JSONValue, isOneStage: Bool, hasMasks: Bool
  ) -> JSONValue? {
    func read(_ keys: [String], _ source: JSONValue) -> [String: JSONValue] {
      var values: [String: JSONValue] = [:]
      for key in keys where !source[key].isNull { values[key] = source[key] }
      if !source["nms"].isNull { values["nms"] = source["nms"]["iou_threshold"] }
      return values
    }
    if isOneStage {
      return .object(read(["nms_pre", "score_thr", "max_per_img", "min_bbox_size"], own))
    }
    var all = read(
      ["score_thr", "max_per_img"] + (hasMasks ? ["mask_thr_binary"] : []), rcnn)
    if !rpn.isNull {
      all["rpn"] = .object(read(["nms_pre", "max_per_img", "min_bbox_size"], rpn))
    }
    return all.isEmpty ? nil : .object(all)
  }

  /// The maps `x1`, `x2`, ... of a case.
  package func maps() throws -> [Tensor] {
    try (1...).lazy.prefix { self.inputs["x\($0)"] != nil }.map { try self.map("x\($0)") }
  }

  /// A module's weights under the names that they have in a whole detector.
  ///
  /// - Parameters:
  ///   - scope: what the names begin with there: `neck.`.
  ///   - translating: gives a whole detector's file our names.
  package func moduleWeights(
    below scope: String, translating: (any ParameterSource) -> any ParameterSource = { $0 }
  ) throws -> ParameterTree {
    let whole = TranslatedParameters(try source(), below: "") { [TranslatedParameter(scope + $0)] }
    return ParameterTree(source: translating(whole))
  }

  /// What is wrong with a result that may be empty, or `nil`.
  package func mismatch(found name: String, _ got: Tensor) -> String? {
    guard let wanted = expected[name], wanted.shape.elementCount == 0 else {
      return mismatch(name, got)
    }
    return got.shape == wanted.shape ? nil : "\(name): \(got.shape), expected \(wanted.shape)"
  }

  /// What is wrong with all masks of a case, `[N, H, W]`, or `nil`.
  package func mismatch(masks name: String, _ bitmaps: [[UInt8]]) -> String? {
    mismatch(labels: name, emptyAllowed: true, bitmaps.flatMap { $0.map(UInt16.init) })
  }
}
