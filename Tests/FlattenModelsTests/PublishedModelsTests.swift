import FlattenBackbones
import FlattenCheckpoint
import FlattenConfig
import FlattenModels
import FlattenTensor
import Foundation
import TestSupport
import Testing

/// Every published variant at full size: its parameters, counted by the original code, and the keys of
/// its checkpoints.
@Suite struct PublishedModelsTests {
  struct Variant: Sendable, CustomTestStringConvertible {
    let family: String
    let name: String
    /// Counted by the original module; 0 where there is none.
    var parameters = 0

    var testDescription: String { "\(family) \(name)" }

    func configuration() throws -> BackboneConfiguration {
      try BackboneConfiguration(
        ConfigNode.parse("{type: \(family), variant: \(name)}", name: "\(family) \(name)"))
    }
  }

  static let variants: [Variant] = {
    let file = Fixtures.families.appending(path: "parameters.txt")
    guard let text = try? String(contentsOf: file, encoding: .utf8) else { return [] }
    return text.split(separator: "\n").map { line in
      let words = line.split(separator: " ").map(String.init)
      return Variant(family: words[0], name: words[1], parameters: Int(words[2]) ?? 0)
    }
  }()

  @Test func theListHasAllFamilies() {
    #expect(Self.variants.count == 43)
    let listed = Set(Self.variants.map(\.family))
    // FLatten-DeiT has no original code; the literature's are counted with their configs.
    let all = Set(BackboneFamily.all.map(\.name))
    #expect(all.subtracting(listed) == Set(Self.literature.map(\.family)).union(["flatten_deit"]))
  }

  static let literature = [
    "agent_pvt", "inline_pvt", "vvt", "ravlt", "mlla", "efficientvit", "efficientvit_large",
  ].map {
    Variant(family: $0, name: $0.smallestVariant)
  }

  private func count(_ variant: Variant) throws -> Int {
    let tree = ParameterTree.shapesOnly()
    _ = try ImageClassifier(
      variant.configuration().make(for: .classification, from: tree.root), classes: 1000,
      from: tree.root)
    // FLatten-PVT creates a norm of 512 channels that its forward never uses; it is not built here.
    let unused = variant.family == "flatten_pvt" ? 2 * 512 : 0
    return tree.parameterCount + unused
  }

  @Test(arguments: variants) func parametersAreThoseOfTheOriginal(_ variant: Variant) throws {
    #expect(try count(variant) == variant.parameters)
  }

  /// Figures as they are printed, in millions: the paper's (arXiv 2308.00442, figure 6) and those of the
  /// parents' README files.
  ///
  /// Not here, because the original code's own count does not round to them: FLatten-PVTv2-B2 (paper
  /// 22.6, code 22.55), CSwin-T and -B (README 23 and 78, code 22.3 and 77.4), DeiT-T and -B (README 5
  /// and 86, code 5.7 and 86.6).
  static let printed: [(Variant, String)] = [
    (Variant(family: "flatten_pvt", name: "tiny"), "12.2"),
    (Variant(family: "flatten_pvt", name: "small"), "21.7"),
    (Variant(family: "flatten_pvt_v2", name: "b1"), "12.9"),
    (Variant(family: "flatten_swin", name: "tiny"), "29"),
    (Variant(family: "flatten_swin", name: "small"), "51"),
    (Variant(family: "flatten_swin", name: "base"), "89"),
    (Variant(family: "flatten_swin", name: "base_384"), "91"),
    (Variant(family: "flatten_cswin", name: "tiny"), "21"),
    (Variant(family: "flatten_cswin", name: "small"), "35"),
    (Variant(family: "flatten_cswin", name: "base"), "75"),
    (Variant(family: "swin", name: "tiny"), "28"),
    (Variant(family: "swin", name: "small"), "50"),
    (Variant(family: "swin", name: "base"), "88"),
    (Variant(family: "swin", name: "base_384"), "88"),
    (Variant(family: "swin", name: "large"), "197"),
    (Variant(family: "pvt", name: "tiny"), "13.2"),
    (Variant(family: "pvt", name: "small"), "24.5"),
    (Variant(family: "pvt", name: "medium"), "44.2"),
    (Variant(family: "pvt", name: "large"), "61.4"),
    (Variant(family: "pvt_v2", name: "b0"), "3.7"),
    (Variant(family: "pvt_v2", name: "b1"), "14.0"),
    (Variant(family: "pvt_v2", name: "b2"), "25.4"),
    (Variant(family: "pvt_v2", name: "b2_li"), "22.6"),
    (Variant(family: "pvt_v2", name: "b3"), "45.2"),
    (Variant(family: "pvt_v2", name: "b4"), "62.6"),
    (Variant(family: "pvt_v2", name: "b5"), "82.0"),
    (Variant(family: "cswin", name: "small"), "35"),
    (Variant(family: "cswin", name: "large"), "173"),
    (Variant(family: "deit", name: "small"), "22"),
  ]

  @Test(arguments: printed) func parametersAreThoseInPrint(_ variant: Variant, _ text: String)
    throws
  {
    let digits = text.contains(".") ? 1 : 0
    let millions = Double(try count(variant)) / 1e6
    #expect(String(format: "%.\(digits)f", millions) == text)
  }

  /// FLatten-DeiT is DeiT and, in each block, a scale, a row of positions per token and d depthwise
  /// windows of 5x5 with their biases.
  @Test(arguments: ["tiny", "small", "base"]) func flattenDeiTAddsItsModule(size: String) throws {
    let plain = try count(Variant(family: "deit", name: size))
    let numbers = try #require(VisionTransformer.variants[size])
    let (channels, width) = (numbers.embedDim, numbers.embedDim / numbers.heads)
    let module = channels + (1 + 14 * 14) * channels + width * (5 * 5 + 1)
    #expect(try count(Variant(family: "flatten_deit", name: size)) == plain + 12 * module)
  }

  struct KeyList: Sendable, CustomTestStringConvertible {
    let file: String
    let family: String
    let variant: String
    let isDense: Bool

    var testDescription: String { file }
  }

  static let keyLists: [KeyList] = [
    KeyList(file: "flatten_pvt_tiny", family: "flatten_pvt", variant: "tiny", isDense: false),
    KeyList(file: "flatten_pvt_v2_b0", family: "flatten_pvt_v2", variant: "b0", isDense: false),
    KeyList(file: "pvt_tiny", family: "pvt", variant: "tiny", isDense: false),
    KeyList(file: "pvt_tiny", family: "pvt", variant: "tiny", isDense: true),
    KeyList(file: "pvt_v2_b0", family: "pvt_v2", variant: "b0", isDense: false),
    KeyList(file: "pvt_v2_b2_li", family: "pvt_v2", variant: "b2_li", isDense: false),
    KeyList(file: "swin_tiny", family: "swin", variant: "tiny", isDense: false),
    KeyList(file: "swin_tiny", family: "swin", variant: "tiny", isDense: true),
    KeyList(file: "swin_base_384", family: "swin", variant: "base_384", isDense: false),
    KeyList(file: "flatten_swin_tiny", family: "flatten_swin", variant: "tiny", isDense: false),
    KeyList(file: "flatten_swin_tiny", family: "flatten_swin", variant: "tiny", isDense: true),
    KeyList(
      file: "flatten_swin_base_384", family: "flatten_swin", variant: "base_384", isDense: false),
    KeyList(file: "cswin_tiny", family: "cswin", variant: "tiny", isDense: false),
    KeyList(file: "flatten_cswin_tiny", family: "flatten_cswin", variant: "tiny", isDense: false),
    KeyList(
      file: "flatten_cswin_base_384", family: "flatten_cswin", variant: "base_384", isDense: false),
    KeyList(file: "deit_tiny", family: "deit", variant: "tiny", isDense: false),
    KeyList(file: "swin_tiny_mmsegmentation", family: "swin", variant: "tiny", isDense: true),
    KeyList(file: "pvt_tiny_mmdetection", family: "pvt", variant: "tiny", isDense: true),
    KeyList(file: "pvt_v2_b0_mmdetection", family: "pvt_v2", variant: "b0", isDense: true),
    KeyList(file: "cswin_tiny_dense", family: "cswin", variant: "tiny", isDense: true),
  ]

  /// A checkpoint of full size loads without a key missing or left over, under the original's names
  /// and, for dense prediction, under those of its toolboxes.
  @Test(arguments: keyLists) func aFullCheckpointLoads(_ list: KeyList) throws {
    let configuration = try Variant(family: list.family, name: list.variant).configuration()
    // The largest take long enough as it is.
    let file = try FormulaParameters(keysOf: list.file, isEmpty: list.variant == "base_384")
    try #require(file.parameterShapes.count > 50)
    let tree = ParameterTree(source: configuration.translating(file, below: ""))
    if list.isDense {
      _ = try configuration.make(for: .densePrediction, from: tree.root)
      try tree.finish(ignoring: configuration.ignoredKeys)
    } else {
      _ = try ImageClassifier(
        configuration.make(for: .classification, from: tree.root), classes: 1000, from: tree.root)
      try tree.finish(
        ignoring: configuration.ignoredKeys.filter { !$0.pattern.hasPrefix("head") })
    }
    #expect(tree.requested.count > 50)
  }

  /// The keys of a full-size model of each family, and of the toolboxes with names of their own, and how
  /// an error calls it.
  static let weightsOfAllFamilies: [(family: String, file: String?, name: String)] = [
    ("flatten_pvt", "flatten_pvt_tiny", "FLatten-PVT tiny"),
    ("flatten_pvt_v2", "flatten_pvt_v2_b0", "FLatten-PVTv2 B0"),
    ("flatten_swin", "flatten_swin_tiny", "FLatten-Swin tiny"),
    ("flatten_cswin", "flatten_cswin_tiny", "FLatten-CSwin tiny"),
    ("flatten_deit", nil, "FLatten-DeiT tiny"),
    ("pvt", "pvt_tiny", "PVT tiny"),
    ("pvt", "pvt_tiny_mmdetection", "PVT of mmdetection tiny"),
    ("pvt_v2", "pvt_v2_b0", "PVTv2 B0"),
    ("pvt_v2", "pvt_v2_b2_li", "PVTv2 B2"),
    ("pvt_v2", "pvt_v2_b0_mmdetection", "PVTv2 of mmdetection B0"),
    ("swin", "swin_tiny", "Swin tiny"),
    ("swin", "swin_tiny_mmsegmentation", "Swin of mmsegmentation tiny"),
    ("cswin", "cswin_tiny", "CSwin tiny"),
    ("cswin", "cswin_tiny_dense", "CSwin tiny"),
    ("deit", "deit_tiny", "DeiT tiny"),
    ("agent_pvt", "agent_pvt_t", "Agent-PVT tiny"),
    ("inline_pvt", "inline_pvt_t", "InLine-PVT tiny"), ("vvt", "vvt_tiny", "VVT tiny"),
    ("ravlt", "ravlt_t", "RAVLT tiny"), ("mlla", "mlla_t", "MLLA tiny"),
    ("efficientvit", "efficientvit_b0_cityscapes", "EfficientViT B0"),
    ("efficientvit_large", "efficientvit_l1_ade20k", "EfficientViT L1"),
  ]

  /// Weights of each family under the config of each other one, for either task: the error says what the
  /// weights are.
  @Test(arguments: weightsOfAllFamilies, [false, true]) func theWrongFamilyIsNamed(
    weights: (family: String, file: String?, name: String), isDense: Bool
  ) throws {
    let source: FormulaParameters
    if let file = weights.file {
      let isLiterature = Self.literature.contains { $0.family == weights.family }
      source =
        isLiterature
        ? try FormulaParameters(
          list: Fixtures.literatureKeys.appending(path: "\(file).txt"), isEmpty: true)
        : try FormulaParameters(keysOf: file, isEmpty: true)
    } else {
      // No original code, so no list: the keys that the model asks for.
      let tree = ParameterTree.shapesOnly()
      _ = try ImageClassifier(
        Variant(family: weights.family, name: "tiny").configuration()
          .make(for: .classification, from: tree.root), classes: 1000, from: tree.root)
      source = FormulaParameters(tree.requested.map { ($0.name, $0.shape, true) })
    }
    try #require(source.parameterShapes.count > 50)
    for family in BackboneFamily.all.map(\.name) where family != weights.family {
      let configuration = try Variant(family: family, name: family.smallestVariant)
        .configuration()
      let tree = ParameterTree(source: configuration.translating(source, below: ""))
      if isDense {
        _ = try configuration.make(for: .densePrediction, from: tree.root)
      } else {
        _ = try ImageClassifier(
          configuration.make(for: .classification, from: tree.root), classes: 1000, from: tree.root)
      }
      let error = #expect(throws: ParameterError.self, "\(weights.name) as \(family)") {
        try tree.finish(ignoring: configuration.ignoredKeys) { _ in
          ModelLikeness(source.parameterShapes.map { ($0.name, $0.shape) }).description
        }
      }
      #expect(
        error?.description.contains("The file looks like \(weights.name) (") == true, "\(family)")
    }
  }

  /// A segmentor of another toolbox: only the backbone's names differ, perhaps after `module.`.
  @Test(
    arguments: ["", "module."],
    [
      ("swin", "swin_tiny_mmsegmentation"), ("pvt", "pvt_tiny_mmdetection"),
    ])
  func aSegmentorOfAnotherToolboxLoads(prefix: String, model: (family: String, file: String))
    throws
  {
    let text = """
      {backbone: {type: \(model.family), variant: tiny}, neck: {out_channels: 8},
       decode_head: {type: fpn_head, channels: 8, num_classes: 5}}
      """
    let configuration = try SegmentorConfiguration(ConfigNode.parse(text, name: model.family))
    let shapes = ParameterTree.shapesOnly()
    _ = try SemanticSegmentor(configuration, from: shapes.root)
    let backbone = try FormulaParameters(keysOf: model.file, isEmpty: true)
    let source = FormulaParameters(
      backbone.parameterShapes.map {
        (prefix + "backbone." + $0.name, $0.shape, $0.isFloatingPoint)
      }
        + shapes.requested.filter { !$0.name.hasPrefix("backbone.") }
        .map { (prefix + $0.name, $0.shape, true) })
    let plain = PlainParameters(source, recognising: ModelLikeness.isModel)
    let tree = ParameterTree(source: configuration.translating(plain))
    _ = try SemanticSegmentor(configuration, from: tree.root)
    try tree.finish(ignoring: SemanticSegmentor.ignoredKeys(configuration))
  }

  /// Any picture of at least 32 pixels, whatever its proportions: no map is empty, and each is its
  /// stride's.
  @Test(arguments: variants.filter { ["tiny", "b0"].contains($0.name) } + literature)
  func anySizeRuns(
    _ variant: Variant
  ) throws {
    let backbone = try variant.configuration().make(
      for: .densePrediction, from: ParameterTree.shapesOnly().root)
    let pass = ForwardPass(threads: ThreadPool(threads: 1), isDryRun: true)
    for (height, width) in [(32, 32), (33, 95), (224, 224), (1023, 64), (47, 389)] {
      let maps = backbone(Tensor(uninitialized: [2, height, width, 3]), pass)
      for (map, info) in zip(maps, backbone.featureInfo) {
        let (rows, columns) = (
          Double(height) / Double(info.stride), Double(width) / Double(info.stride)
        )
        #expect(map.shape[0] == 2 && map.shape[3] == info.channels)
        #expect(abs(Double(map.shape[1]) - rows) < 1 && map.shape[1] > 0)
        #expect(abs(Double(map.shape[2]) - columns) < 1 && map.shape[2] > 0)
      }
      #expect(maps.count == backbone.featureInfo.count)
    }
  }

  /// Some output norms but not all is a damaged file, not a model with fewer of them.
  @Test func outputNormsComeTogether() throws {
    let configuration = try Variant(family: "swin", name: "tiny").configuration()
    let all = try FormulaParameters(keysOf: "swin_tiny_mmsegmentation", isEmpty: true)
    let source = FormulaParameters(all.parameterShapes.filter { !$0.name.hasPrefix("norm2.") })
    let tree = ParameterTree(source: configuration.translating(source, below: ""))
    _ = try configuration.make(for: .densePrediction, from: tree.root)
    let error = #expect(throws: ParameterError.self) {
      try tree.finish(ignoring: configuration.ignoredKeys)
    }
    #expect(
      error?.problems == [
        .missing(name: "norm2.weight", expected: [384]),
        .missing(name: "norm2.bias", expected: [384]),
      ])
  }

  /// The dense Swin has norms that a classification checkpoint lacks; a config may insist on them.
  @Test func outputNormsMayBeDemanded() throws {
    for (family, keys) in [("swin", "norm0.weight"), ("cswin", "norm1.weight")] {
      let text = "{type: \(family), variant: tiny, out_norms: true}"
      let configuration = try BackboneConfiguration(ConfigNode.parse(text, name: family))
      let file = try FormulaParameters(keysOf: "\(family)_tiny")
      let tree = ParameterTree(source: file)
      _ = try configuration.make(for: .densePrediction, from: tree.root)
      let error = #expect(throws: ParameterError.self) {
        try tree.finish(ignoring: configuration.ignoredKeys)
      }
      #expect(error?.problems.count == 8)
      #expect(error?.description.contains("'\(keys)'") == true)
    }
  }
}
