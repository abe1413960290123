import FlattenConfig
import Testing

@Suite struct ConfigMapTests {
  static let text = """
    MODEL:
      TYPE: swin
      SWIN: {EMBED_DIMS: 96, DROP: None}
    """

  private func swin() throws -> ConfigMap {
    try ConfigNode.parse(Self.text, name: "t.yaml").map()
      .required("MODEL").map().required("SWIN").map()
  }

  @Test func unknownKeysOfferTheNearest() throws {
    let error = #expect(throws: ConfigError.self) {
      try swin().finish(known: ["DEPTHS", "DROP", "EMBED_DIM"])
    }
    #expect(
      error?.description
        == "t.yaml:3: 'MODEL.SWIN.EMBED_DIMS' is not a known key. Did you mean 'EMBED_DIM'?")
    let far = #expect(throws: ConfigError.self) { try swin().finish(known: ["DROP", "WINDOW"]) }
    #expect(far?.remedy == "Known keys here: DROP, WINDOW.")
    try swin().finish(known: ["DROP", "EMBED_DIMS"])
    let wrongCase = #expect(throws: ConfigError.self) {
      try swin().finish(known: ["drop", "EMBED_DIMS"])
    }
    #expect(wrongCase?.remedy == "Did you mean 'drop'?")
  }

  @Test func missingKeysNameTheirLikeness() throws {
    let near = #expect(throws: ConfigError.self) { try swin().required("EMBED_DIM") }
    #expect(
      near?.description == "t.yaml:3: 'MODEL.SWIN.EMBED_DIM' is missing. "
        + "'EMBED_DIMS' is there: did you mean 'EMBED_DIM'?")
    let far = #expect(throws: ConfigError.self) { try swin().required("WINDOW_SIZE") }
    #expect(far?.remedy == "Add 'WINDOW_SIZE: ...'.")
  }

  @Test func nullIsAbsent() throws {
    #expect(try swin().optional("DROP") == nil)
    #expect(try swin().entry("DROP") != nil)
    let error = #expect(throws: ConfigError.self) { try swin().required("DROP") }
    #expect(
      error?.description == "t.yaml:3: 'MODEL.SWIN.DROP' has no value, expected one. "
        + "Write a value on line 3.")
  }

  @Test func valuesComeInOrder() throws {
    #expect(try swin().values.map(\.key) == ["EMBED_DIMS", "DROP"])
    #expect(try swin().values.map(\.value.path) == ["MODEL.SWIN.EMBED_DIMS", "MODEL.SWIN.DROP"])
    let root = try ConfigNode.parse(Self.text, name: "t.yaml")
    #expect(try root.value(at: "MODEL.TYPE")?.string() == "swin")
    #expect(root.value(at: "MODEL.TYPE.X") == nil)
  }

  @Test(arguments: [
    ("embed_dim", "EMBED_DIM"), ("EMBDE_DIM", "EMBED_DIM"), ("DEPTH", "DEPTHS"), ("Z", nil),
    ("WINDOWS", "WINDOW"), ("", nil),
  ])
  func spelling(word: String, nearest: String?) {
    #expect(
      nearestSpelling(to: word, among: ["EMBED_DIM", "DEPTHS", "WINDOW", "PATCHES"]) == nearest)
  }

  /// Maps from ids have whole numbers as keys; where words are known, a number is none of them.
  @Test func wholeNumbersAreKeys() throws {
    let root = try ConfigNode.parse("names: {0: a, 10: b, -1: c}\n5: x\n", name: "n.yaml").map()
    #expect(root.keys == ["names", "5"])
    #expect(try root.required("names").map().keys == ["0", "10", "-1"])
    let error = #expect(throws: ConfigError.self) { try root.finish(known: ["names"]) }
    #expect(error?.line == 2 && error?.found == "is not a known key")
    #expect(throws: ConfigError.self) { try ConfigNode.parse("{0: a, 0: b}", name: "n.yaml") }
  }
}
