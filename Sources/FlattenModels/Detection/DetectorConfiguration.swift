import FlattenBackbones
import FlattenCheckpoint
import FlattenConfig
import FlattenRegions

/// The `model` section of a detector's config: backbone, pyramid, heads, and how their answers are sifted.
///
///     model:
///       backbone: { type: flatten_pvt, variant: tiny }
///       neck: { type: fpn, out_channels: 256 }
///       detector: { type: mask_rcnn, num_classes: 80 }
///
/// All other numbers have the standard values of mmdetection's configs of the detector's type.
package struct DetectorConfiguration: TaskModelConfiguration {
  package static let sectionKey = "detector"
  package static let weightsKeys = ["bbox_head.retina_cls.weight", "rpn_head.rpn_cls.weight"]

  /// What kind of detector.
  package enum Kind: String, Sendable, CaseIterable {
    case retinaNet = "retinanet"
    case faster = "faster_rcnn"
    case mask = "mask_rcnn"
    case cascade = "cascade_rcnn"
    case cascadeMask = "cascade_mask_rcnn"

    /// Whether regions are proposed first, then looked at one by one.
    package var hasProposals: Bool { self != .retinaNet }
    /// Whether things have masks.
    package var hasMasks: Bool { self == .mask || self == .cascadeMask }
    /// How often the box of a region is moved.
    package var stages: Int { self == .cascade || self == .cascadeMask ? 3 : 1 }
  }

  package let kind: Kind
  package let backbone: BackboneConfiguration
  /// Width of the pyramid.
  package let neckChannels: Int
  /// Maps of the backbone that the pyramid leaves out, finest first; `nil` for the standard of the type.
  private let startLevel: Int?
  private let outputs: Int
  private let furtherSource: FeaturePyramidNetwork.FurtherLevels.Source?
  private let furtherReLU: Bool

  /// The number of classes.
  package var classes: Int
  /// Width of the dense head's convolutions.
  package let headChannels: Int
  /// RetinaNet: convolutions of each tower.
  package let headConvolutions: Int
  /// The anchors of every level.
  package let anchors: AnchorNumbers
  /// Of all stages.
  package let boxHead: BoxHeadNumbers
  /// `nil` where things have no masks.
  package let maskHead: MaskHeadNumbers?
  /// Side of a region, in pixels, up to twice which it is taken from the finest map.
  package let finestScale: Float
  /// How the answers are sifted.
  package let selection: DetectionSelection

  /// How each stage moves a box.
  package var boxCoders: [BoxCoder] {
    Self.stageDeviations.prefix(kind.stages).map { BoxCoder(stds: $0) }
  }

  /// Upstream: mmdetection configs/_base_/models/cascade-rcnn_r50_fpn.py.
  private static let stageDeviations: [SIMD4<Float>] = [
    [0.1, 0.1, 0.2, 0.2], [0.05, 0.05, 0.1, 0.1], [0.033, 0.033, 0.067, 0.067],
  ]

  package init(_ node: ConfigNode, attentions: AttentionRegistry) throws {
    let map = try node.map(known: ["backbone", "neck", Self.sectionKey])
    backbone = try BackboneConfiguration(try map.required("backbone"), attentions: attentions)
    let detector = try map.required(Self.sectionKey)
    let kind = try detector.map().required("type").choice(Kind.self)
    self.kind = kind

    let neck = try map.required("neck").map(known: [
      "type", "out_channels", "num_outs", "start_level", "add_extra_convs",
      "relu_before_extra_convs",
    ])
    _ = try neck.optional("type")?.choice(SegmentorConfiguration.NeckType.self)
    neckChannels = try neck.required("out_channels").int(in: 1...4096)
    outputs = try neck.optional("num_outs")?.int(in: 1...8) ?? 5
    startLevel = try neck.optional("start_level")?.int(in: 0...8)
    furtherSource =
      try neck.optional("add_extra_convs")?.choice() ?? (kind == .retinaNet ? .input : nil)
    furtherReLU = try neck.optional("relu_before_extra_convs")?.bool() ?? false

    let common = ["type", "num_classes", "head_channels", "anchor_scale", "test"]
    let own: [String] =
      kind == .retinaNet
      ? ["head_convs"]
      : BoxHeadNumbers.keys + ["finest_scale"] + (kind.hasMasks ? MaskHeadNumbers.keys : [])
    let section = try detector.map(known: common + own)
    classes = try section.required("num_classes").int(in: 1...4096)
    headChannels = try section.optional("head_channels")?.int(in: 1...4096) ?? neckChannels
    headConvolutions = try section.optional("head_convs")?.int(in: 0...16) ?? 4
    let scale = try section.optional("anchor_scale")?.double(in: 0.25...256)
    anchors =
      kind == .retinaNet
      ? AnchorNumbers(retina: Float(scale ?? 4)) : AnchorNumbers(proposals: Float(scale ?? 8))
    boxHead = try BoxHeadNumbers(section, neckChannels: neckChannels)
    maskHead = kind.hasMasks ? try MaskHeadNumbers(section, neckChannels: neckChannels) : nil
    finestScale = Float(try section.optional("finest_scale")?.double(in: 1...4096) ?? 56)
    selection = try DetectionSelection(section.optional("test"), kind: kind)
  }

  /// What the pyramid makes of the backbone's maps.
  ///
  /// - Returns: how many of the finest maps it leaves out, and its levels beyond the backbone's.
  package func pyramid(
    of maps: Int
  ) -> (start: Int, further: FeaturePyramidNetwork.FurtherLevels) {
    let start = min(startLevel ?? (kind == .retinaNet ? max(maps - 3, 0) : 0), maps - 1)
    let count = max(outputs - (maps - start), 0)
    return (
      start,
      furtherSource.map { .convolutions(count, of: $0, relu: furtherReLU) } ?? .subsampled(count)
    )
  }

  package func translating(_ source: any ParameterSource) -> any ParameterSource {
    backbone.translating(source, below: "backbone.")
  }
}

/// Anchors: boxes of some sizes and proportions around each cell of a level.
package struct AnchorNumbers: Sendable, Equatable {
  /// Sides of a square anchor, in units of the level's stride.
  package let scales: [Float]
  /// Height over width.
  package let ratios: [Float]

  /// RetinaNet's: three sizes in an octave.
  init(retina scale: Float) {
    scales = AnchorShapes.octave(base: Double(scale), count: 3)
    ratios = [0.5, 1, 2]
  }

  /// Those of region proposals: one size.
  init(proposals scale: Float) {
    scales = [scale]
    ratios = [0.5, 1, 2]
  }

  /// Anchors of a cell.
  package var perCell: Int { scales.count * ratios.count }
}

/// The numbers of a box head.
package struct BoxHeadNumbers: Sendable, Equatable {
  /// 3x3 convolutions with batch norm.
  package let convolutions: Int
  /// Their width.
  package let channels: Int
  /// Fully connected layers.
  package let layers: Int
  /// Their width.
  package let width: Int
  /// Whether a region has one box, whatever its class.
  package let isClassAgnostic: Bool

  static let keys = ["box_head", "box_channels", "fc_channels", "class_agnostic_boxes"]

  private enum Shape: String, CaseIterable {
    case layers = "2fc"
    case convolutions = "4conv1fc"
  }

  init(_ map: ConfigMap, neckChannels: Int) throws {
    let shape = try map.optional("box_head")?.choice(Shape.self) ?? .layers
    convolutions = shape == .convolutions ? 4 : 0
    layers = shape == .convolutions ? 1 : 2
    channels = try map.optional("box_channels")?.int(in: 1...4096) ?? neckChannels
    width = try map.optional("fc_channels")?.int(in: 1...16384) ?? 1024
    isClassAgnostic = try map.optional("class_agnostic_boxes")?.bool() ?? false
  }
}

/// The numbers of a mask head.
package struct MaskHeadNumbers: Sendable, Equatable {
  /// 3x3 convolutions.
  package let convolutions: Int
  /// Their width.
  package let channels: Int

  static let keys = ["mask_convs", "mask_channels"]

  init(_ map: ConfigMap, neckChannels: Int) throws {
    convolutions = try map.optional("mask_convs")?.int(in: 0...16) ?? 4
    channels = try map.optional("mask_channels")?.int(in: 1...4096) ?? neckChannels
  }
}

/// How the boxes that a detector makes are sifted, under the names of mmdetection's `test_cfg`.
package struct DetectionSelection: Sendable, Equatable {
  /// Proposals, where there are any.
  package struct Proposals: Sendable, Equatable {
    /// Best boxes of each level that are looked at: `nms_pre`.
    package var perLevel = 1000
    /// Overlap beyond which the worse of two boxes is dropped.
    package var overlap: Float = 0.7
    /// The most that are kept: `max_per_img`.
    package var most = 1000
    /// A box that is not wider and higher than this is dropped.
    package var leastSide: Float = 0
  }

  package var proposals = Proposals()
  /// A class with no more than this score is not reported: `score_thr`.
  package var score: Float = 0.05
  /// RetinaNet: best pairs of anchor and class of each level that are looked at: `nms_pre`.
  package var perLevel = 1000
  /// Overlap, intersection over union, beyond which the worse of two boxes of a class is dropped: `nms`.
  package var overlap: Float = 0.5
  /// Whether boxes of different classes are compared as well.
  package var isClassAgnostic = false
  /// RetinaNet: a box that is not wider and higher than this is dropped.
  package var leastSide: Float = 0
  /// The most objects of a picture: `max_per_img`.
  package var most = 100
  /// The probability from which a pixel is a thing's: `mask_thr_binary`.
  package var mask: Float = 0.5
  /// The classes that are looked for; `nil` looks for all.
  package var labels: Set<Int>?
  /// Whether masks are made where the model has them.
  package var makesMasks = true

  package init() {}

  init(_ node: ConfigNode?, kind: DetectorConfiguration.Kind) throws {
    guard let node else { return }
    let own =
      !kind.hasProposals
      ? ["nms_pre", "min_bbox_size"] : ["rpn"] + (kind.hasMasks ? ["mask_thr_binary"] : [])
    let map = try node.map(known: ["score_thr", "nms", "max_per_img"] + own)
    func number(_ map: ConfigMap, _ key: String, _ standard: Float, upTo most: Double = 1) throws
      -> Float
    {
      Float(try map.optional(key)?.double(in: 0...most) ?? Double(standard))
    }
    func count(_ map: ConfigMap, _ key: String, _ standard: Int) throws -> Int {
      try map.optional(key)?.int(in: 1...100_000) ?? standard
    }
    score = try number(map, "score_thr", score)
    overlap = try number(map, "nms", overlap)
    most = try count(map, "max_per_img", most)
    mask = try number(map, "mask_thr_binary", mask)
    perLevel = try count(map, "nms_pre", perLevel)
    leastSide = try number(map, "min_bbox_size", leastSide, upTo: 65536)
    if let rpn = try map.optional("rpn")?.map(known: [
      "nms_pre", "nms", "max_per_img", "min_bbox_size",
    ]) {
      proposals.perLevel = try count(rpn, "nms_pre", proposals.perLevel)
      proposals.overlap = try number(rpn, "nms", proposals.overlap)
      proposals.most = try count(rpn, "max_per_img", proposals.most)
      proposals.leastSide = try number(rpn, "min_bbox_size", proposals.leastSide, upTo: 65536)
    }
  }
}
