import FlattenCheckpoint
import FlattenConfig
import FlattenNN
import TestSupport
import Testing

@testable import FlattenBackbones

@Suite struct BackboneConfigurationTests {
  private func read(_ text: String) throws -> BackboneConfiguration {
    try BackboneConfiguration(ConfigNode.parse("{\(text)}", name: "c.yaml"))
  }

  /// The section of a config, and whether its family has linear attention.
  private func section(_ text: String) throws -> (BackboneSection, isFlatten: Bool) {
    let map = try ConfigNode.parse("{\(text)}", name: "c.yaml").map()
    let family = try map.required("type").string()
    return (
      BackboneSection(map: map, family: family, attentions: AttentionRegistry()),
      family.hasPrefix("flatten_")
    )
  }

  private func swin(_ text: String) throws -> SwinConfiguration {
    let (section, isFlatten) = try section(text)
    return try SwinConfiguration(
      section, variants: isFlatten ? SwinTransformer.flattenVariants : SwinTransformer.variants,
      isFlatten: isFlatten)
  }

  private func cswin(_ text: String) throws -> CSwinConfiguration {
    let (section, isFlatten) = try section(text)
    return try CSwinConfiguration(
      section, variants: isFlatten ? CSwinTransformer.flattenVariants : CSwinTransformer.variants,
      isFlatten: isFlatten)
  }

  @Test func everyFamilyHasItsVariants() throws {
    #expect(BackboneFamily.all.count == 17)
    for family in BackboneFamily.all.map(\.name) {
      let name = family.smallestVariant
      #expect(try read("type: \(family), variant: \(name)").family.name == family)
      #expect(throws: ConfigError.self) { try read("type: \(family), variant: huge") }
      #expect(throws: ConfigError.self) { try read("type: \(family), depthss: [1]") }
    }
  }

  /// FLatten's window_size is that of linear blocks; Swin's is that of all.
  @Test func windowSizes() throws {
    let flatten = try swin("type: flatten_swin, variant: tiny")
    #expect(flatten.linearWindow == 56 && flatten.softmaxWindow == 7)
    #expect(flatten.attention == [.focused, .focused, .softmax, .softmax])
    let large = try swin("type: flatten_swin, variant: base_384")
    #expect(large.linearWindow == 96 && large.softmaxWindow == 12 && large.common.imageSize == 384)
    #expect(try swin("type: flatten_swin, variant: tiny, window_size: 96").softmaxWindow == 12)
    #expect(try swin("type: flatten_swin, variant: tiny, window_size: 4").softmaxWindow == 7)
    #expect(try swin("type: swin, variant: tiny, window_size: 4").softmaxWindow == 4)
    #expect(try swin("type: swin, variant: base_384").softmaxWindow == 12)
  }

  @Test(arguments: ["LLLL", "LLSS", "SSSS"]) func lettersChooseTheAttention(letters: String) throws
  {
    let kinds = letters.map { AttentionChoice.letters[String($0)] }
    #expect(try swin("type: flatten_swin, variant: tiny, attn_type: \(letters)").attention == kinds)
    #expect(
      try cswin("type: flatten_cswin, variant: tiny, attn_type: \(letters)").attention == kinds)
  }

  /// What the second block of a stage looks at.
  private func span(
    _ c: SwinConfiguration, stage: Int, isFocused: Bool = false
  ) -> WindowedAttention.Span {
    c.span(c.site(stage: stage, block: 1), isFocused: isFocused)
  }

  /// `attention` is a list of names or of maps with options; `attn_type` is short for it.
  @Test func attentionsAreNamed() throws {
    let c = try swin(
      "type: flatten_swin, variant: tiny, attention: [softmax, {type: focused}, focused, softmax]")
    #expect(c.attention == [.softmax, .focused, .focused, .softmax])
    #expect(try read("type: flatten_deit, variant: tiny, attention: softmax").depths == [12])
    for (text, words) in [
      ("attention: [focused, mine, focused, softmax]", "one of focused, softmax"),
      ("attention: [focused, focused]", "2"),
      ("attention: [{kind: focused}, focused, focused, softmax]", "type"),
      ("attention: [focused, focused, focused, focused], attn_type: LLLL", "one of the two"),
    ] {
      let error = #expect(throws: ConfigError.self) {
        try swin("type: flatten_swin, variant: tiny, \(text)")
      }
      #expect(error?.description.contains(words) == true, "\(text): \(error?.description ?? "")")
    }
    // Options are read when the attention is made, and the built-in ones have none.
    let unread = try read(
      "type: flatten_pvt, variant: tiny, attention: [{type: focused, agents: 3}, focused, focused, focused]"
    )
    let error = #expect(throws: ConfigError.self) {
      try unread.make(for: .densePrediction, from: ParameterTree.shapesOnly().root)
    }
    #expect(error?.description.contains("agents") == true)
    #expect(throws: ConfigError.self) {
      try read("type: pvt, variant: tiny, attention: [softmax, softmax, softmax, softmax]")
    }
  }

  /// The rule of small maps: official models cut windows, mmsegmentation pads maps.
  @Test func smallMaps() throws {
    #expect(try swin("type: swin, variant: tiny").smallMaps == .padded)
    #expect(try swin("type: flatten_swin, variant: tiny").smallMaps == .cut)
    let cut = try swin("type: swin, variant: tiny, small_maps: cut")
    #expect(cut.smallMaps == .cut)
    // Classification always cuts.
    var c = try swin("type: swin, variant: tiny")
    let grid = Grid(7, 7)
    let dense = span(c, stage: 3).layout(grid)
    c.smallMaps = .cut
    #expect(span(c, stage: 3).layout(grid).isWhole)
    #expect(dense.shift == 3 && dense.count == 1)
    // Cut windows end where the map does, in each direction.
    let narrow = span(cut, stage: 3).layout(Grid(4, 16))
    #expect(narrow.windowHeight == 4 && narrow.windowWidth == 7 && narrow.shift == 0)
    let large = span(cut, stage: 3).layout(Grid(8, 16))
    #expect(large.windowHeight == 7 && large.windowWidth == 7 && large.shift == 3)
  }

  /// A linear block that saw the whole map where the model was built sees it at any size.
  @Test func linearSpans() throws {
    let c = try swin("type: flatten_swin, variant: tiny")
    let whole = span(c, stage: 0, isFocused: true)
    #expect(whole == .wholeMap(native: Grid(56, 56)) && whole.layout(Grid(128, 200)).isWhole)
    let windowed = span(
      try swin("type: flatten_swin, variant: tiny, window_size: 28"), stage: 0, isFocused: true)
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
  @Test(
    arguments: ["pvt", "pvt_v2", "swin", "cswin", "deit"],
    ["attn_type: LLLL", "attention: [softmax]", "focusing_factor: 3", "kernel_size: 5"])
  func parentsHaveNoLinearAttention(family: String, key: String) {
    expectRefused(key, family: family)
  }

  @Test(arguments: [
    ("pvt", "la_sr_ratios: 1111"), ("pvt_v2", "la_sr_ratios: 1111"),
    ("cswin", "la_split_size: '56-28-14-7'"),
  ])
  func parentsHaveNoKeysOfOneFamilysLinearAttention(family: String, key: String) {
    expectRefused(key, family: family)
  }

  private func expectRefused(_ key: String, family: String) {
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
    "type: flatten_swin, variant: tiny, attn_type: LLXX",
    "type: flatten_swin, variant: tiny, kernel_size: 4",
    "type: flatten_swin, variant: tiny, small_maps: torn",
    "type: flatten_swin, variant: tiny, depths: [2, 2, 2], num_heads: [3, 6, 12]",
    "type: cswin, variant: tiny, patch_size: 8", "type: cswin, embed_dim: 64, depth: [1, 2, 21, 1]",
    "type: deit", "type: deit, variant: tiny, num_heads: 5",
    "type: flatten_deit, variant: tiny, attn_type: LL", "type: swan", "variant: tiny",
    "type: ravlt", "type: ravlt, variant: tiny, num_heads: [1, 2, 4, 3]",
    "type: ravlt, variant: tiny, num_heads: [32, 2, 4, 8]",
    "type: ravlt, variant: tiny, embed_dims: [63, 128, 256, 512], num_heads: [1, 2, 4, 8]",
    "type: ravlt, variant: tiny, attn_type: RRLS", "type: ravlt, variant: tiny, attn_type: RRS",
    "type: ravlt, variant: tiny, attention: [rala, rala, softmax, {type: rala, window: 7}]",
    "type: ravlt, variant: tiny, layerscales: true", "type: mlla, variant: tiny, embed_dim: 6",
    "type: mlla, variant: tiny, num_heads: [2, 4]", "type: vvt, variant: b1",
    "type: agent_pvt, variant: tiny, attn_type: AAA",
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
