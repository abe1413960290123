import FlattenBackbones
import FlattenCheckpoint
import FlattenConfig
import FlattenFiles
import FlattenImage
import FlattenTensor
import Foundation
import TestSupport
import Testing

/// Backbones as another package uses them.
@Suite struct BackboneTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func untrained(_ family: String, threads: Int = 2) throws -> Backbone {
    try Backbone.untrained(
      config: SmallConfigs.file(family, in: folder), seed: 7, threads: threads)
  }

  /// A picture without symmetries.
  private func picture(width: Int, height: Int) -> Image {
    Image(
      width: width, height: height,
      pixels: (0..<width * height * 3).map { UInt8(truncatingIfNeeded: $0 &* 2_654_435_761 >> 7) })
  }

  // MARK: Parity

  static let cases =
    Fixtures.cases(kinds: ["backbone"]) + Fixtures.familyCases(kind: "backbone")

  /// The golden backbones, from their files through the public entrance.
  @Test(arguments: cases) func goldenMapsComeOut(_ fixture: FixtureCase) throws {
    let golden = try Golden(fixture)
    let family = try #require(Golden.families[golden.parameters["type"].text ?? ""])
    let text = golden.parameters.replacing(["type": .string(family)]).configText
    let config = try folder.file(
      "golden.yaml",
      Array("{model: {backbone: \(text)}, input: {mean: [0, 0, 0], std: [1, 1, 1]}}".utf8))
    let weights = try #require(try fixture.file("weights"))
    let backbone = try Backbone.load(config: config, weights: weights.path, threads: 2)
    let maps = try backbone(try golden.map())
    #expect(maps.count == backbone.featureInfo.count)
    for (index, map) in maps.enumerated() {
      #expect(golden.mismatch("stage\(index + 1)", map.nchw()) == nil)
    }
  }

  // MARK: Pictures

  @Test(arguments: SmallConfigs.names) func mapsAreThosePromised(family: String) throws {
    let backbone = try untrained(family)
    #expect(backbone.name == "small \(family)" && backbone.inputChannels == 3)
    #expect(backbone.normalisation == Normalisation(mean: [10, 20, 30], std: [2, 4, 8]))
    #expect(
      backbone.featureInfo.map(\.stride) == (family.hasSuffix("deit") ? [16] : [4, 8, 16, 32]))
    let least = backbone.leastSide
    for (width, height) in [(500, 333), (64, 96), (least, least), (least + 7, 131)] {
      let maps = try backbone(picture(width: width, height: height))
      #expect(maps.count == backbone.featureInfo.count)
      for (map, info) in zip(maps, backbone.featureInfo) {
        #expect(map.batch == 1 && map.channels == info.channels && map.stride == info.stride)
        let (rows, columns) = (
          Double(height) / Double(info.stride), Double(width) / Double(info.stride)
        )
        #expect(abs(Double(map.height) - rows) < 1 && map.height > 0)
        #expect(abs(Double(map.width) - columns) < 1 && map.width > 0)
        #expect(map.tensor.isFinite)
      }
    }
  }

  /// A model of every family as published: random weights, one picture of an odd size.
  @Test(arguments: [
    "ade20k/pvt_t_semantic_fpn", "ade20k/flatten_pvt_t_semantic_fpn",
    "ade20k/pvt_v2_b0_semantic_fpn", "ade20k/flatten_swin_t_upernet", "ade20k/swin_t_upernet",
    "imagenet/flatten_pvt_v2_b0", "imagenet/flatten_cswin_t", "imagenet/flatten_deit_t",
    "imagenet/swin_t", "imagenet/pvt_t", "imagenet/flatten_swin_t",
    "ade20k/ravlt_t_semantic_fpn", "ade20k/agent_pvt_t_semantic_fpn", "imagenet/ravlt_t",
    "imagenet/inline_pvt_t", "imagenet/vvt_t", "imagenet/mlla_t",
  ])
  func publishedConfigsRun(config: String) throws {
    let path = Fixtures.repository.appending(path: "Configs/\(config).yaml").path
    let backbone = try Backbone.untrained(config: path)
    #expect(backbone.parameterCount > 3_000_000 && backbone.warnings.isEmpty)
    let maps = try backbone(picture(width: 500, height: 333))
    #expect(zip(maps, backbone.featureInfo).allSatisfy { $0.channels == $1.channels })
    #expect(maps.count == backbone.featureInfo.count && maps.allSatisfy { $0.tensor.isFinite })
  }

  /// A picture, its bytes and its normalised tensor are one input.
  @Test func inputsAgree() throws {
    let backbone = try untrained("flatten_pvt_v2")
    let image = picture(width: 70, height: 45)
    let bytes: [UInt8] = (0..<image.height * image.width).flatMap { index -> [UInt8] in
      let colour = image[index % image.width, index / image.width]
      return [colour.red, colour.green, colour.blue]
    }
    let (mean, std): ([Float], [Float]) = ([10, 20, 30], [2, 4, 8])
    let numbers = bytes.indices.map { (Float(bytes[$0]) - mean[$0 % 3]) / std[$0 % 3] }
    let expected = try backbone(image).map(\.tensor.elements)
    #expect(try backbone(rgb: bytes.span, width: 70, height: 45).map(\.tensor.elements) == expected)
    #expect(try backbone(Tensor([1, 45, 70, 3], numbers)).map(\.tensor.elements) == expected)
    // In a batch each picture has the maps it has alone.
    let pair = try backbone(Tensor([2, 45, 70, 3], numbers.reversed() + numbers))
    for (map, alone) in zip(pair, expected) {
      #expect(map.batch == 2 && Array(map.tensor.elements.suffix(alone.count)) == alone)
    }
  }

  @Test func bitsDoNotDependOnThreads() throws {
    let image = picture(width: 101, height: 67)
    let one = try untrained("flatten_swin", threads: 1)(image).map(\.tensor.elements)
    let three = try untrained("flatten_swin", threads: 3)
    #expect(try three(image).map(\.tensor.elements) == one)
    #expect(try three(image).map(\.tensor.elements) == one)
  }

  /// One backbone, called from several threads at once with pictures of several sizes.
  @Test func callsDoNotDisturbEachOther() throws {
    let backbone = try untrained("flatten_pvt")
    let pictures = [(64, 64), (101, 67), (40, 90)].map { picture(width: $0, height: $1) }
    let expected = try pictures.map { try backbone($0).map(\.tensor.elements) }
    let differences = Locked(0)
    DispatchQueue.concurrentPerform(iterations: 12) { call in
      let got = try? backbone(pictures[call % 3]).map(\.tensor.elements)
      if got != expected[call % 3] { differences.withLock { $0 += 1 } }
    }
    #expect(differences.withLock { $0 } == 0)
  }

  /// bfloat16 is near float32, and is not it.
  @Test func precisionIsPassedOn() throws {
    let config = try SmallConfigs.file("pvt_v2", in: folder)
    let image = picture(width: 96, height: 64)
    let single = try Backbone.untrained(config: config, threads: 2)
    let half = try Backbone.untrained(config: config, threads: 2, precision: .bfloat16)
    #expect(single.precision == .float32 && half.precision == .bfloat16)
    for (a, b) in zip(try single(image), try half(image)) {
      let scale = a.tensor.elements.map(abs).max() ?? 0
      let difference = zip(a.tensor.elements, b.tensor.elements).map { abs($0 - $1) }.max() ?? 0
      #expect(difference > 0 && difference < 0.1 * scale)
    }
  }

  // MARK: Files

  /// Writes a random model of a config; what its backbone has, below a prefix, and others beside it.
  private func write(
    _ family: String, prefix: String, others: [String] = [], to name: String
  ) throws -> String {
    let configuration = try BackboneConfiguration(
      ConfigNode.parse(SmallConfigs.text(family), name: family).map().required("model").map()
        .required("backbone"))
    let tree = ParameterTree.random(seed: 7)
    let scope = prefix.isEmpty ? tree.root : tree.root.scope(prefix)
    _ = try configuration.make(for: .densePrediction, from: scope)
    for other in others { _ = try tree.root.tensor(other, [3]) }
    let path = folder.path(name)
    try tree.write(to: path)
    return path
  }

  /// Weights below `backbone.`, perhaps after `module.`, or without any prefix.
  @Test(
    arguments: SmallConfigs.names,
    [
      ("", ["head.weight", "head.bias"]), ("backbone", ["neck.a", "decode_head.conv_seg.bias"]),
      ("module.backbone", ["module.auxiliary_head.b"]),
    ])
  func weightsAreFoundWhereTheyAre(
    family: String, file: (prefix: String, others: [String])
  ) throws {
    let weights = try write(family, prefix: file.prefix, others: file.others, to: "w.safetensors")
    let backbone = try Backbone.load(
      config: SmallConfigs.file(family, in: folder), weights: weights, threads: 2)
    let maps = try backbone(picture(width: 64, height: 64))
    #expect(maps.map(\.channels) == backbone.featureInfo.map(\.channels))
  }

  /// The official kind of file: torch's, with the config of its training pickled beside the weights.
  @Test func anOfficialCheckpointLoads() throws {
    let golden = try Golden(
      FixtureCase(
        id: "checkpoints/flatten_official_run", kind: "classifier", in: Fixtures.committed))
    let text = golden.parameters.replacing(["type": .string("flatten_pvt"), "num_classes": nil])
      .configText
    let config = try folder.file(
      "official.yaml",
      Array(
        """
        model: {backbone: \(text), classifier: {num_classes: 4}}
        input: {mean: [0, 0, 0], std: [1, 1, 1], resize: 32}
        """.utf8))
    let weights = Fixtures.committed.appending(path: "checkpoints/flatten_official/checkpoint.pth")
    let backbone = try Backbone.load(config: config, weights: weights.path, threads: 2)
    // The classifier's features are the mean of the last map.
    let last = try #require(try backbone(try golden.map()).last)
    let cells = last.height * last.width
    let elements = last.tensor.elements
    let mean = (0..<last.channels).map { channel -> Float in
      var sum: Float = 0
      for cell in 0..<cells { sum += elements[cell * last.channels + channel] }
      return sum / Float(cells)
    }
    #expect(golden.mismatch("features", Tensor([1, last.channels], mean)) == nil)
  }

  @Test func aStrangersWeightsAreRefused() throws {
    let weights = try write("swin", prefix: "backbone", others: ["neck.a"], to: "swin.safetensors")
    let error = #expect(throws: ParameterError.self) {
      try Backbone.load(config: SmallConfigs.file("pvt", in: folder), weights: weights)
    }
    #expect(error?.problems.contains { if case .leftOver = $0 { true } else { false } } == true)
    #expect(error?.description.contains("neck") == false)
    // Without the prefix, what is not the backbone's has no place.
    let bare = try write("pvt", prefix: "", others: ["neck.a"], to: "pvt.safetensors")
    #expect(throws: ParameterError.self) {
      try Backbone.load(config: SmallConfigs.file("pvt", in: folder), weights: bare)
    }
    #expect(throws: FileError.self) {
      try Backbone.load(
        config: SmallConfigs.file("pvt", in: folder), weights: folder.path("absent.pth"))
    }
  }

  @Test(arguments: [
    ("model: {backbone: {type: pvt, variant: tiny}}", "input"),
    ("input: {mean: [0, 0, 0], std: [1, 1, 1]}", "model"),
    ("{model: {}, input: {mean: [0, 0, 0], std: [1, 1, 1]}}", "model.backbone"),
    (
      "{model: {backbone: {type: pvt, variant: tiny}}, input: {mean: [0, 0, 0], std: [1, 0, 1]}}",
      "input.std[1]"
    ),
    (
      "{model: {backbone: {type: pvt, variant: tiny}, nek: 1}, input: {mean: [0, 0, 0], std: [1, 1, 1]}}",
      "model.nek"
    ),
  ])
  func configsAreChecked(text: String, key: String) throws {
    let config = try folder.file("bad.yaml", Array(text.utf8))
    let error = #expect(throws: ConfigError.self) { try Backbone.untrained(config: config) }
    #expect(error?.key == key)
  }

  /// Numbers for pictures of 0 to 1 would make every input nearly the same. Zeros are no such numbers.
  @Test(arguments: [
    ("[0.485, 0.456, 0.406]", "[0.229, 0.224, 0.225]", false),
    ("[0.5, 0.5, 0.5]", "[1, 1, 1]", false),
    ("[0, 0, 0]", "[0.5, 0.5, 0.5]", false), ("[0.5, 0.5, 0.5]", "[127.5, 127.5, 127.5]", false),
    ("[-0.5, 0.1, 0]", "[2, 2, 2]", false), ("[0, 0, 0]", "[255, 255, 255]", true),
    ("[0, 0, 0]", "[1, 1, 1]", true), ("[1.0, 0.5, 0.5]", "[58, 57, 57]", true),
  ])
  func meansBelowOneAreRefused(mean: String, std: String, isGood: Bool) throws {
    let text = "{mean: \(mean), std: \(std)}"
    func read() throws -> Normalisation {
      try Normalisation(
        ConfigNode.parse("input: \(text)", name: "m.yaml").map().required("input").map())
    }
    guard !isGood else {
      #expect(try read().std.count == 3)
      return
    }
    let error = #expect(throws: ConfigError.self) { try read() }
    #expect(error?.key == "input.mean")
    #expect(error?.description.contains("Multiply mean and std by 255") == true)
  }

  // MARK: Wrong inputs

  @Test(arguments: [
    ("pvt", 32), ("flatten_pvt", 32), ("pvt_v2", 29), ("flatten_pvt_v2", 25), ("swin", 1),
    ("flatten_swin", 1), ("cswin", 3), ("flatten_cswin", 3), ("deit", 1), ("flatten_deit", 1),
    ("agent_pvt", 32), ("inline_pvt", 32), ("vvt", 1), ("ravlt", 1), ("mlla", 1),
    ("efficientvit", 1), ("efficientvit_large", 1),
  ])
  func smallPicturesAreRefused(family: String, least: Int) throws {
    let backbone = try untrained(family)
    #expect(backbone.leastSide == least)
    guard least > 1 else { return }
    #expect(
      throws: BackboneError.pictureTooSmall(width: 64, height: least - 1, least: least)
    ) { try backbone(picture(width: 64, height: least - 1)) }
    #expect(
      throws: BackboneError.pictureTooSmall(width: least - 1, height: 64, least: least)
    ) { try backbone(Tensor(zeros: [1, 64, least - 1, 3])) }
  }

  @Test func wrongShapesAreRefused() throws {
    let backbone = try untrained("pvt")
    for shape: Shape in [[64, 64, 3], [1, 64, 64, 4], [0, 64, 64, 3], [1, 3, 64, 64]] {
      #expect(throws: BackboneError.batchShape(found: shape, channels: 3)) {
        try backbone(Tensor(zeros: shape))
      }
    }
    let bytes = [UInt8](repeating: 0, count: 64 * 64 * 3)
    #expect(throws: BackboneError.sampleCount(found: bytes.count, width: 64, height: 63)) {
      try backbone(rgb: bytes.span, width: 64, height: 63)
    }
    // So many pixels that the costs of a pass are no Int: it is not even counted.
    #expect(throws: BackboneError.sampleCount(found: bytes.count, width: 1 << 19, height: 1 << 19))
    {
      try backbone(rgb: bytes.span, width: 1 << 19, height: 1 << 19)
    }
    // Sizes whose product is no Int, and negative ones.
    #expect(throws: BackboneError.self) {
      try backbone(rgb: bytes.span, width: .max, height: .max)
    }
    #expect(throws: BackboneError.self) {
      try backbone(rgb: bytes.span, width: 1 << 31, height: 1 << 31)
    }
    #expect(throws: BackboneError.self) { try backbone(rgb: bytes.span, width: -64, height: -64) }
  }

  @Test func aModelOfOtherChannelsTakesTensorsOnly() throws {
    let config = try SmallConfigs.file(
      "pvt_v2", numbers: "variant: b0, in_chans: 4", in: folder)
    let backbone = try Backbone.untrained(config: config, threads: 2)
    #expect(throws: BackboneError.noPictures(channels: 4)) {
      try backbone(picture(width: 64, height: 64))
    }
    #expect(try backbone(Tensor(zeros: [1, 64, 64, 4])).count == 4)
  }

  @Test(arguments: [
    BackboneError.pictureTooSmall(width: 8, height: 9, least: 32),
    .pictureTooLarge(width: 8, height: 9, bytes: 5 << 20), .noMemory(threads: 3, bytes: 7 << 20),
    .sampleCount(found: 5, width: 8, height: 9), .batchShape(found: [8, 9], channels: 3),
    .noPictures(channels: 4), .unknownIntermediate("stages.8", known: ["stages.9"]),
    .reservedAttention("L"),
    .pictureRefused(width: 8, height: 9, reason: "a part has too many keys: set an option"),
  ])
  func errorsAreOneSentenceAndARemedy(error: BackboneError) {
    let text = error.description
    #expect(text.count < 300 && text.hasSuffix(".") && !text.contains("Optional"))
    #expect(["8", "3", "4", "L"].contains { text.contains($0) })
  }
}
