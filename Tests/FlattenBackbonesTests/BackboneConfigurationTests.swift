import FlattenConfig
import FlattenNN
import TestSupport
import Testing

@testable import FlattenBackbones

@Suite struct BackboneConfigurationTests {
  private struct OtherFamily: Error {}

  private func read(_ text: String) throws -> BackboneConfiguration {
    try BackboneConfiguration(ConfigNode.parse("{\(text)}", name: "c.yaml"))
  }

  private func swin(_ text: String) throws -> SwinConfiguration {
    guard case .swin(let c) = try read(text).numbers else { throw OtherFamily() }
    return c
  }

  private func cswin(_ text: String) throws -> CSwinConfiguration {
    guard case .cswin(let c) = try read(text).numbers else { throw OtherFamily() }
    return c
  }

  @Test func everyFamilyHasItsVariants() throws {
    for family in BackboneConfiguration.Family.allCases {
      let name = family.rawValue.hasSuffix("v2") ? "b1" : "tiny"
      #expect(try read("type: \(family.rawValue), variant: \(name)").family == family)
      #expect(throws: ConfigError.self) { try read("type: \(family.rawValue), variant: huge") }
      #expect(throws: ConfigError.self) { try read("type: \(family.rawValue), depthss: [1]") }
    }
  }

  /// FLatten's window_size is that of linear blocks; Swin's is that of all.
  @Test func windowSizes() throws {
    let flatten = try swin("type: flatten_swin, variant: tiny")
    #expect(flatten.linearWindow == 56 && flatten.softmaxWindow == 7)
    #expect(flatten.attention == [.linear, .linear, .softmax, .softmax])
    let large = try swin("type: flatten_swin, variant: base_384")
    #expect(large.linearWindow == 96 && large.softmaxWindow == 12 && large.imageSize == 384)
    #expect(try swin("type: flatten_swin, variant: tiny, window_size: 96").softmaxWindow == 12)
    #expect(try swin("type: flatten_swin, variant: tiny, window_size: 4").softmaxWindow == 7)
    #expect(try swin("type: swin, variant: tiny, window_size: 4").softmaxWindow == 4)
    #expect(try swin("type: swin, variant: base_384").softmaxWindow == 12)
  }

  @Test(arguments: ["LLLL", "LLSS", "SSSS"]) func lettersChooseTheAttention(letters: String) throws
  {
    let kinds = letters.map { AttentionKind(builtIn: $0) }
    #expect(try swin("type: flatten_swin, variant: tiny, attn_type: \(letters)").attention == kinds)
    #expect(
      try cswin("type: flatten_cswin, variant: tiny, attn_type: \(letters)").attention == kinds)
  }

  /// The rule of small maps: official models cut windows, mmsegmentation pads maps.
  @Test func smallMaps() throws {
    #expect(try swin("type: swin, variant: tiny").smallMaps == .padded)
    #expect(try swin("type: flatten_swin, variant: tiny").smallMaps == .cut)
    let cut = try swin("type: swin, variant: tiny, small_maps: cut")
    #expect(cut.smallMaps == .cut)
    // Classification always cuts.
    let c = try swin("type: swin, variant: tiny")
    let grid = Grid(7, 7)
    let last = c.block(stage: 3, 1, for: .classification).span.layout(grid)
    #expect(last.isWhole)
    let dense = c.block(stage: 3, 1, for: .densePrediction).span.layout(grid)
    #expect(dense.shift == 3 && dense.count == 1)
    // Cut windows end where the map does, in each direction.
    let narrow = cut.block(stage: 3, 1, for: .densePrediction).span.layout(Grid(4, 16))
    #expect(narrow.windowHeight == 4 && narrow.windowWidth == 7 && narrow.shift == 0)
    let large = cut.block(stage: 3, 1, for: .densePrediction).span.layout(Grid(8, 16))
    #expect(large.windowHeight == 7 && large.windowWidth == 7 && large.shift == 3)
  }

  /// A linear block that saw the whole map where the model was built sees it at any size.
  @Test func linearSpans() throws {
    let c = try swin("type: flatten_swin, variant: tiny")
    let whole = c.block(stage: 0, 1, for: .densePrediction).span
    #expect(whole == .wholeMap(native: Grid(56, 56)) && whole.layout(Grid(128, 200)).isWhole)
    let windowed = try swin("type: flatten_swin, variant: tiny, window_size: 28")
      .block(stage: 0, 1, for: .densePrediction).span
    #expect(windowed == .windows(side: 28, shift: 14, smallMaps: .cut))
  }

  @Test func linearStripesAreRefused() throws {
    #expect(
      try cswin("type: flatten_cswin, variant: tiny, la_split_size: '56-28-14-7'").branches(0) == 1)
    #expect(
      try cswin("type: flatten_cswin, variant: base_384, la_split_size: '96-48-24-12'").branches(1)
        == 1)
    // Softmax stages may have any number, and the last is whole whatever it says.
    _ = try cswin("type: flatten_cswin, variant: tiny, la_split_size: '56-28-1-1'")
    for sizes in ["56-28-14", "1-2-7-7", "56-28-x-7", "56-14-14-7"] {
      let error = #expect(throws: ConfigError.self) {
        try cswin("type: flatten_cswin, variant: tiny, la_split_size: '\(sizes)'")
      }
      #expect(error?.description.contains("'56-28-14-7'") == true)
    }
  }

  @Test func stripesAndBranches() throws {
    let c = try cswin("type: cswin, variant: tiny")
    #expect((0..<4).map(c.branches) == [2, 2, 2, 1])
    #expect(c.splitSizes == [1, 2, 7, 7])
    #expect(try cswin("type: cswin, variant: base_384").splitSizes == [1, 2, 12, 12])
    // At 112 pixels the third stage's map is as wide as its stripes.
    #expect(try cswin("type: cswin, variant: tiny, img_size: 112").branches(2) == 1)
    #expect(throws: ConfigError.self) {
      try cswin("type: cswin, variant: tiny, num_heads: [1, 4, 8, 16]")
    }
  }

  /// Keys of linear attention say at once that the softmax parent does not have it.
  @Test(arguments: [
    ("pvt", "attn_type: LLLL"), ("pvt_v2", "la_sr_ratios: 1111"), ("swin", "attn_type: LLSS"),
    ("swin", "focusing_factor: 3"), ("cswin", "la_split_size: '56-28-14-7'"),
    ("deit", "attn_type: L"),
  ])
  func parentsHaveNoLinearAttention(family: String, key: String) {
    let variant = family == "pvt_v2" ? "b0" : "tiny"
    let error = #expect(throws: ConfigError.self) {
      try read("type: \(family), variant: \(variant), \(key)")
    }
    #expect(error?.description.contains("type flatten_\(family)") == true)
  }

  @Test(arguments: [
    "type: swin", "type: swin, variant: tiny, num_heads: [3, 6]",
    "type: swin, variant: tiny, depths: [2, 2]", "type: swin, variant: tiny, ape: true",
    "type: swin, variant: tiny, patch_norm: false", "type: swin, variant: tiny, embed_dim: 97",
    "type: flatten_swin, variant: tiny, attn_type: LLS",
    "type: flatten_swin, variant: tiny, attn_type: LLMM",
    "type: flatten_swin, variant: tiny, kernel_size: 4",
    "type: flatten_swin, variant: tiny, small_maps: torn",
    "type: flatten_swin, variant: tiny, depths: [2, 2, 2], num_heads: [3, 6, 12]",
    "type: cswin, variant: tiny, patch_size: 8", "type: cswin, embed_dim: 64, depth: [1, 2, 21, 1]",
    "type: deit", "type: deit, variant: tiny, num_heads: 5",
    "type: flatten_deit, variant: tiny, attn_type: LL", "type: swan", "variant: tiny",
  ])
  func badConfigsAreRefused(text: String) {
    #expect(throws: ConfigError.self) { try read(text) }
  }

  @Test func fewerStagesNeedAllTheirNumbers() throws {
    let c = try swin(
      "type: flatten_swin, embed_dim: 8, depths: [2, 2, 2], num_heads: [1, 2, 4], attn_type: LLS")
    #expect(c.featureInfo.map(\.stride) == [4, 8, 16])
    #expect(c.featureInfo.map(\.channels) == [8, 16, 32])
  }

  /// Every key of mmsegmentation's and mmdetection's models becomes one of the official model's.
  @Test(arguments: [
    ("swin_tiny_mmsegmentation", "swin", "swin_tiny"),
    ("pvt_tiny_mmdetection", "pvt", "pvt_tiny"),
    ("pvt_v2_b0_mmdetection", "pvt_v2", "pvt_v2_b0"),
  ])
  func foreignKeysAreTheOfficialOnes(theirs: String, family: String, official: String) throws {
    func keys(_ file: String) throws -> [String] {
      let url = Fixtures.families.appending(path: "keys/\(file).txt")
      return try String(contentsOf: url, encoding: .utf8).split(separator: "\n").map {
        String($0.prefix { $0 != " " })
      }
    }
    let translate: (String) -> [String] = { key in
      let parameters =
        switch family {
        case "swin": SwinTransformer.parameters(mmsegmentation: key)
        case "pvt": PyramidVisionTransformer.parameters(mmdetection: key)
        default: PyramidVisionTransformerV2.parameters(mmdetection: key)
        }
      return parameters.map(\.name)
    }
    let translated = Set(try keys(theirs).flatMap(translate))
    // Classification's own; masks of the official Swin; output norms of the dense one.
    let ownOfOfficial = ["head.", "norm.", "cls_token"]
    let wanted = Set(
      try keys(official).filter { key in
        !ownOfOfficial.contains { key.hasPrefix($0) } && !key.hasSuffix("attn_mask")
      })
    let isOutputNorm = { (key: String) in family == "swin" && key.hasPrefix("norm") }
    #expect(translated.filter { !isOutputNorm($0) } == wanted)
    #expect(translated.filter(isOutputNorm).count == (family == "swin" ? 8 : 0))
    // Official names stay as they are.
    for key in try keys(official) { #expect(translate(key) == [key]) }
  }
}
