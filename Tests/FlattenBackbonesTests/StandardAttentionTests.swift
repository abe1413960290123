import FlattenBackbones
import FlattenConfig
import FlattenTensor
import TestSupport
import Testing

/// The attentions of the literature through configs.
@Suite struct StandardAttentionTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  static let letters = StandardAttention.all.map(\.letter)
  static let pyramids = ["flatten_pvt", "flatten_pvt_v2"]

  /// No multiples of any stride, and the least of all.
  private static let pictures = [(500, 333), (32, 32)].map { width, height in
    Tensor(
      Shape(1, height, width, 3), (0..<height * width * 3).map { Float($0 * 7919 % 1009) / 500 - 1 }
    )
  }

  private static let numbers =
    "embed_dims: [8, 16, 24, 32], num_heads: [1, 2, 3, 4], mlp_ratios: [2, 2, 2, 2], depths: [1, 2, 1, 1]"

  private func backbone(_ family: String, _ attentions: String) throws -> Backbone {
    try Backbone.untrained(
      config: SmallConfigs.file(
        family, numbers: "\(Self.numbers), \(attentions)", in: folder), threads: 2)
  }

  @Test func lettersAndNamesAreDistinct() {
    let all = StandardAttention.all
    #expect(Set(all.map(\.letter)).count == all.count && Set(all.map(\.name)).count == all.count)
    #expect(all.allSatisfy { $0.letter.count == 1 && $0.name.count > 1 })
    #expect(all.allSatisfy { !["L", "S"].contains($0.letter) })
  }

  /// Alone in each stage, and in all: the maps have their shapes, are finite, and are others than without.
  @Test(arguments: letters, pyramids) func everyStageTakesIt(letter: String, family: String) throws
  {
    let plain = try backbone(family, "attn_type: SSSS")
    let sites = (0..<4).map { stage in
      String((0..<4).map { $0 == stage ? Character(letter) : "S" })
    }
    for (index, picture) in Self.pictures.enumerated() {
      let expected = try plain(picture).map(\.tensor)
      for types in sites + [String(repeating: letter, count: 4)] {
        let maps = try backbone(family, "attn_type: \(types)")(picture).map(\.tensor)
        #expect(maps.map(\.shape) == expected.map(\.shape), "\(types)")
        #expect(maps.allSatisfy { $0.isFinite }, "\(types)")
        // Of the least picture's last map, of one token, every softmax makes the same.
        #expect(index > 0 || maps.last?.elements != expected.last?.elements, "\(types)")
      }
    }
  }

  /// An option with another kind of value is named, with what was found and what is expected.
  @Test(arguments: letters) func wrongOptionsAreNamed(letter: String) throws {
    let attention = try #require(StandardAttention.named(letter))
    for option in attention.options.map(\.key) + ["no_such_option"] {
      let error = #expect(throws: ConfigError.self) {
        try backbone(
          "flatten_pvt",
          "attention: [{type: \(attention.name), \(option): {}}, softmax, softmax, softmax]")
      }
      #expect(error?.key.hasSuffix(option) == true, "\(error?.description ?? "")")
      #expect(error?.description.contains("xpected") == true || option == "no_such_option")
    }
  }

  /// An attention that takes few keys refuses a picture that has too many, before anything is computed.
  @Test func tooManyKeysAreRefused() throws {
    let backbone = try backbone(
      "flatten_pvt", "attention: [{type: dape, reduction: 1}, softmax, softmax, softmax]")
    let fitting = Tensor(zeros: [1, 128, 128, 3])
    #expect(try backbone(fitting).count == 4)
    let error = #expect(throws: BackboneError.self) {
      try backbone(Tensor(zeros: [1, 132, 128, 3]))
    }
    let text = error?.description ?? ""
    #expect(text.contains("1056 keys") && text.contains("1024") && text.contains("'reduction'"))
  }

  /// A class token has no place on the grid.
  @Test(arguments: letters) func modelsWithAClassTokenRefuseThem(letter: String) throws {
    let config = try SmallConfigs.file(
      "flatten_deit", numbers: "embed_dim: 24, num_heads: 3, depth: 2, attn_type: \(letter)",
      in: folder)
    let error = #expect(throws: ConfigError.self) { try Backbone.untrained(config: config) }
    #expect(error?.description.contains("class token") == true, "\(error?.description ?? "")")
  }
}
