import FlattenCheckpoint

/// A guess at the model, from the names and shapes of its tensors.
///
/// For people: in `inspect` and in errors about weights that do not fit. All it decides is where a wrapper's
/// part of the names ends (``PlainParameters``).
package struct ModelLikeness {
  /// By name. A shape is empty where it is unknown.
  private let shapes: [String: [Int]]
  /// Prefix of the backbone's names: `backbone.` or empty.
  private let backbone: String

  package init(_ tensors: [(name: String, shape: [Int])]) {
    shapes = Dictionary(
      tensors.map { ($0.name, $0.shape) }, uniquingKeysWith: { first, _ in first })
    backbone = shapes.keys.contains { $0.hasPrefix("backbone.") } ? "backbone." : ""
  }

  package init(_ source: any ParameterSource) {
    self.init(source.parameterShapes.map { ($0.name, $0.shape) })
  }

  /// From names alone, as ``ParameterTree/finish(ignoring:looksLike:)`` has them.
  package init(names: Set<String>) { self.init(names.map { ($0, []) }) }

  /// Whether the names are those of a model: of a family, or of a segmentor with any backbone.
  package static func isModel(_ names: Set<String>) -> Bool {
    names.contains { $0.hasPrefix("backbone.") || $0.hasPrefix("decode_head.") }
      || ModelLikeness(names: names).family != nil
  }

  /// Whether this is a backbone of a known family without anything behind it.
  package var isBackboneAlone: Bool {
    family != nil && decoder.isEmpty
      && !shapes.keys.contains { name in
        ["decode_head.", "neck.", "bbox_head.", "rpn_head.", "roi_head."].contains(
          where: name.hasPrefix)
      }
  }

  /// The guess in words; `nil` where nothing is recognised. For example "FLatten-PVT tiny
  /// (attention LLLL, depths 2-2-2-2, widths 64-128-320-512), FPN 256, FPNHead 128, 11 classes".
  package var description: String? {
    guard let family else { return decoder.isEmpty ? nil : decoder.joined(separator: ", ") }
    let body = parts(of: family)
    let size = family.sizes.first {
      $0.depths == body.depths && $0.width == body.widths.first
    }
    var details: [String] = []
    if family.hasLetters, !body.letters.isEmpty { details.append("attention \(body.letters)") }
    details.append("depths \(body.depths.map(String.init).joined(separator: "-"))")
    if !body.widths.isEmpty {
      details.append("widths \(body.widths.map(String.init).joined(separator: "-"))")
    }
    let name = size.map { "\(family.name) \($0.name)" } ?? family.name
    return (["\(name) (\(details.joined(separator: ", ")))"] + decoder).joined(separator: ", ")
  }

  // MARK: Backbones

  private struct Size {
    let name: String
    /// The first stage's width.
    let width: Int
    let depths: [Int]
  }

  private struct Family {
    let name: String
    /// Prefix of the blocks of stage `n`, counted from 0: `block1.`, `layers.0.blocks.`.
    let stage: (Int) -> String
    /// The tensor whose first extent is the width of a stage.
    let width: (Int) -> String
    let hasLetters: Bool
    let sizes: [Size]
    /// The first block's number.
    var firstBlock = 0
  }

  private struct Parts {
    var depths: [Int] = []
    var widths: [Int] = []
    /// The attention's letter in configs, one a stage; S for softmax and for what has no keys of its own.
    var letters = ""
  }

  /// Names below the attention of softmax blocks: others that have no more look like them.
  private static let softmaxNames: Set = [
    "q.weight", "kv.weight", "qkv.weight", "proj.weight", "sr.weight", "norm.weight",
  ]

  /// Endings of names that one attention has, in the order in which they are looked for.
  private static let endings = [
    (".attn.an_bias", "A"), (".attn.residual.0.weight", "I"), (".attn.qkvo.weight", "R"),
    (".attn.se_fc.0.weight", "V"), (".attn.qk.weight", "M"), (".dwc.weight", "L"),
  ]

  private func has(_ name: String) -> Bool { shapes[backbone + name] != nil }

  private func hasAny(_ prefix: String, _ suffix: String) -> Bool {
    shapes.keys.contains { $0.hasPrefix(backbone + prefix) && $0.hasSuffix(suffix) }
  }

  private var family: Family? {
    if hasAny("block1.0.attn.", "") { return pyramid }
    if has("layers.0.blocks.0.attn.qkvo.weight"), has("layers.0.blocks.0.pos.weight") {
      // A file does not tell RALA from softmax.
      return Family(
        name: "RAVLT", stage: { "layers.\($0).blocks." },
        width: { "layers.\($0).blocks.0.norm1.norm.weight" }, hasLetters: false,
        sizes: Self.rankAugmentedSizes)
    }
    if has("layers.0.blocks.0.attn.qk.weight"), has("layers.0.blocks.0.act_proj.weight") {
      return Family(
        name: "MLLA", stage: { "layers.\($0).blocks." },
        width: { "layers.\($0).blocks.0.norm1.weight" }, hasLetters: false,
        sizes: Self.mambaLikeSizes)
    }
    if hasAny("layers.0.blocks.0.attn.", "") {
      func swin(_ name: String, hasLetters: Bool) -> Family {
        Family(
          name: name, stage: { "layers.\($0).blocks." },
          width: { "layers.\($0).blocks.0.norm1.weight" }, hasLetters: hasLetters,
          sizes: Self.swinSizes)
      }
      let plain = swin("Swin", hasLetters: false)
      let isPlain = parts(of: plain).letters.allSatisfy { $0 == "S" }
      return isPlain ? plain : swin("FLatten-Swin", hasLetters: true)
    }
    if has("stages.0.blocks.0.attn.w_msa.qkv.weight") {
      return Family(
        name: "Swin of mmsegmentation", stage: { "stages.\($0).blocks." },
        width: { "stages.\($0).blocks.0.norm1.weight" }, hasLetters: false,
        sizes: Self.swinSizes)
    }
    if has("layers.0.1.1.attn.attn.in_proj_weight") || has("layers.0.1.0.attn.attn.in_proj_weight")
    {
      // The first item of PVT's list of blocks is its position table.
      let isFirst = has("layers.0.1.0.pos_embed")
      return Family(
        name: "\(isFirst ? "PVT" : "PVTv2") of mmdetection", stage: { "layers.\($0).1." },
        width: { "layers.\($0).0.projection.weight" }, hasLetters: false,
        sizes: isFirst ? Self.pyramidSizes : Self.secondPyramidSizes, firstBlock: isFirst ? 1 : 0)
    }
    if has("stage1.0.attns.0.get_v.weight") {
      let isLinear = hasAny("stage", ".attns.0.dwc.weight")
      return Family(
        name: isLinear ? "FLatten-CSwin" : "CSwin", stage: { "stage\($0 + 1)." },
        width: { "stage\($0 + 1).0.norm1.weight" }, hasLetters: isLinear,
        sizes: Self.cswinSizes)
    }
    if has("input_stem.op_list.0.conv.weight") || has("stages.0.op_list.0.conv.weight") {
      // The L models count the stem as a stage.
      let isSmall = has("input_stem.op_list.0.conv.weight")
      return Family(
        name: "EfficientViT", stage: { "stages.\(isSmall ? $0 : $0 + 1).op_list." },
        width: { "stages.\(isSmall ? $0 : $0 + 1).op_list.0.main.point_conv.conv.weight" },
        hasLetters: false, sizes: Self.efficientSizes)
    }
    if has("blocks.0.attn.qkv.weight"), has("cls_token") {
      let isLinear = hasAny("blocks.", ".attn.dwc.weight")
      return Family(
        name: isLinear ? "FLatten-DeiT" : "DeiT", stage: { $0 == 0 ? "blocks." : "-" },
        width: { $0 == 0 ? "blocks.0.norm1.weight" : "-" }, hasLetters: false,
        sizes: Self.visionSizes)
    }
    return nil
  }

  /// The models whose blocks are named `block1.0`: they are told apart by their attention, which in published ones is
  /// the same in all stages.
  private var pyramid: Family {
    let isSecond = has("block1.0.mlp.dwconv.dwconv.weight")
    let plain = Family(
      name: isSecond ? "PVTv2" : "PVT", stage: { "block\($0 + 1)." },
      width: { "patch_embed\($0 + 1).proj.weight" }, hasLetters: false,
      sizes: isSecond ? Self.secondPyramidSizes : Self.pyramidSizes)
    let letters = Set(parts(of: plain).letters)
    func named(_ name: String, _ sizes: [Size], hasLetters: Bool = false) -> Family {
      Family(
        name: name, stage: plain.stage, width: plain.width, hasLetters: hasLetters, sizes: sizes)
    }
    switch (letters, isSecond) {
    case (["S"], _): return plain
    case (["A"], false): return named("Agent-PVT", plain.sizes)
    case (["I"], false): return named("InLine-PVT", plain.sizes)
    case (["V"], true): return named("VVT", Self.vicinitySizes)
    default: return named("FLatten-\(plain.name)", plain.sizes, hasLetters: true)
    }
  }

  /// The sizes that a family's variants have, shortest names first: those for other picture sizes have the
  /// same parts.
  private static func sizes<Numbers>(
    _ variants: [[String: Numbers]], width: (Numbers) -> Int, depths: (Numbers) -> [Int],
    name: (String) -> String = { $0 }
  ) -> [Size] {
    variants.flatMap { $0.sorted { ($0.key.count, $0.key) < ($1.key.count, $1.key) } }.map {
      Size(name: name($0.key), width: width($0.value), depths: depths($0.value))
    }
  }

  private static let swinSizes = sizes(
    [SwinTransformer.variants, SwinTransformer.flattenVariants], width: { $0.embedDim },
    depths: { $0.depths })

  private static let cswinSizes = sizes(
    [CSwinTransformer.variants, CSwinTransformer.flattenVariants], width: { $0.embedDim },
    depths: { $0.depths })

  private static let visionSizes = sizes(
    [VisionTransformer.variants], width: { $0.embedDim }, depths: { [$0.depth] })

  private static let pyramidSizes = sizes(
    [PyramidVisionTransformer.variants], width: { $0.embedDims[0] }, depths: { $0.depths })

  private static let secondPyramidSizes = sizes(
    [PyramidVisionTransformerV2.variants], width: { $0.embedDims[0] }, depths: { $0.depths },
    name: { $0.uppercased() })

  private static let vicinitySizes = sizes(
    [PyramidVisionTransformerV2.vicinityVariants], width: { $0.embedDims[0] },
    depths: { $0.depths })

  private static let rankAugmentedSizes = sizes(
    [RAVLT.variants], width: { $0.embedDims[0] }, depths: { $0.depths })

  private static let mambaLikeSizes = sizes(
    [MLLA.variants], width: { $0.embedDim }, depths: { $0.depths })

  private static let efficientSizes = sizes(
    [EfficientViT.variants, EfficientViT.largeVariants], width: { $0.widths[1] },
    depths: { $0.blockCounts.map { 1 + $0 } }, name: { $0.uppercased() })

  private func parts(of family: Family) -> Parts {
    var parts = Parts()
    for stage in 0..<8 {
      let prefix = backbone + family.stage(stage)
      let blocks = Set(
        shapes.keys.lazy.filter { $0.hasPrefix(prefix) }
          .compactMap { Int($0.dropFirst(prefix.count).prefix { $0 != "." }) }
          .filter { $0 >= family.firstBlock })
      guard !blocks.isEmpty else { break }
      parts.depths.append(blocks.count)
      if let width = shapes[backbone + family.width(stage)]?.first { parts.widths.append(width) }
      parts.letters += Self.letter(of: shapes.keys.filter { $0.hasPrefix(prefix) })
    }
    return parts
  }

  /// The letter of a stage's attention, from the names of its tensors.
  private static func letter(of names: [String]) -> String {
    if let own = endings.first(where: { ending, _ in names.contains { $0.hasSuffix(ending) } }) {
      return own.1
    }
    // An attention of the literature has all of its tensors there, but perhaps its biases, and no other.
    func weights(_ names: some Sequence<String>) -> Set<String> {
      Set(names.filter { !$0.hasSuffix(".bias") })
    }
    let found = weights(
      names.compactMap { name in
        name.firstRange(of: ".attn.").map { String(name[$0.upperBound...]) }
      })
    guard !found.isSubset(of: softmaxNames) else { return "S" }
    return StandardAttention.all.first { attention in
      weights(attention.parameters.map { String($0.prefix { $0 != " " }) }) == found
    }?.letter ?? "S"
  }

  // MARK: Neck and head

  /// Neck, head and classes, for example ["FPN 256", "FPNHead 128", "11 classes"].
  private var decoder: [String] {
    var words = detector.map { [$0.description] } ?? []
    func add(_ name: String, _ key: String) {
      guard let shape = shapes[key] else { return }
      words.append(shape.first.map { "\(name) \($0)" } ?? name)
    }
    add("FPN", "neck.lateral_convs.0.conv.weight")
    add("FPNHead", "decode_head.scale_heads.0.0.conv.weight")
    add("UPerHead", "decode_head.fpn_bottleneck.conv.weight")
    add("EfficientViT's head", "head.input_ops.2.conv.weight")
    let scores = [1, 0].map { "head.output_ops.0.op_list.\($0).conv.weight" }
    if let classes = (["decode_head.conv_seg.weight"] + scores).lazy.compactMap({
      self.shapes[$0]?.first
    })
    .first {
      words.append("\(classes) classes")
    }
    if shapes.keys.contains(where: { $0.hasPrefix("auxiliary_head.") }) {
      words.append("with an auxiliary head")
    }
    let logits = ["head.weight", "head.op_list.3.linear.weight"]
    if let classes = logits.lazy.compactMap({ self.shapes[$0]?.first }).first {
      words.append("classifier of \(classes) classes")
    }
    return words
  }
}

// MARK: Detectors

extension ModelLikeness {
  /// What the heads of a detector say.
  package struct DetectorParts: Sendable, Equatable, CustomStringConvertible {
    /// Whether regions are proposed, then looked at.
    package var hasProposals: Bool
    /// Whether the box of a region is moved three times.
    package var isCascade: Bool
    /// Whether things have masks.
    package var hasMasks: Bool
    /// `nil` where shapes are unknown.
    package var classes: Int?

    /// `Mask R-CNN, 80 classes`.
    package var description: String {
      let name =
        !hasProposals
        ? "RetinaNet"
        : isCascade
          ? "Cascade \(hasMasks ? "Mask " : "")R-CNN" : hasMasks ? "Mask R-CNN" : "Faster R-CNN"
      return name + (classes.map { ", \($0) classes" } ?? "")
    }
  }

  /// `nil` where this is no detector.
  package var detector: DetectorParts? {
    if let scores = shapes["bbox_head.retina_cls.weight"] {
      return DetectorParts(
        hasProposals: false, isCascade: false, hasMasks: false, classes: scores.first.map { $0 / 9 }
      )
    }
    guard shapes["rpn_head.rpn_cls.weight"] != nil else { return nil }
    let isCascade = shapes["roi_head.bbox_head.0.fc_cls.weight"] != nil
    let scores = shapes["roi_head.bbox_head.\(isCascade ? "0." : "")fc_cls.weight"]
    return DetectorParts(
      hasProposals: true, isCascade: isCascade,
      hasMasks: shapes.keys.contains { $0.hasPrefix("roi_head.mask_head.") },
      classes: scores?.first.map { $0 - 1 })
  }

  /// Blocks of each stage of the backbone; empty where it is unknown.
  package var depths: [Int] { family.map { parts(of: $0).depths } ?? [] }
}

extension Checkpoint {
  /// The tensors under the names that models have.
  package var plain: PlainParameters {
    PlainParameters(self, recognising: ModelLikeness.isModel)
  }
}

extension ParameterSource {
  /// What model this holds, in words; `nil` where none is recognised.
  package var likeness: String? {
    ModelLikeness(self).description
  }
}
