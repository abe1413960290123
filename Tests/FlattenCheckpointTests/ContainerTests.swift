import FlattenFiles
import TestSupport
import Testing

@testable import FlattenCheckpoint

/// Which of the weights in a file are read.
@Suite struct ContainerTests {
  private func open(_ bytes: [UInt8], _ container: String? = nil) throws -> Checkpoint {
    try bytes.withUnsafeBytes {
      try Checkpoint.open(.memory($0), name: "w.pth", .init(container: container))
    }
  }

  private func names(_ bytes: [UInt8], _ container: String? = nil) throws -> [String] {
    try open(bytes, container).entries.map(\.name)
  }

  private static func weights(_ names: String...) -> [UInt8] {
    PickleFile.dictionary(names.map { ($0, PickleFile.tensor) })
  }

  @Test(arguments: ["net", "teacher", "module", "ema"])
  func weightsUnderAnotherKeyAreNamed(key: String) throws {
    let file = PickleFile.checkpoint([
      ("epoch", [UInt8(ascii: "N")]), ("optimizer", PickleFile.dictionary([])),
      (key, Self.weights("a", "b")), ("small", Self.weights("c")),
    ])
    let error = #expect(throws: ContainerError.self) { try names(file) }
    #expect(error?.containers == [key, "small"])
    #expect(
      error?.description
        == "w.pth: has no weights where they are looked for. It has some under '\(key)' and "
        + "'small': choose that container")
    #expect(try names(file, key) == ["a", "b"])
    #expect(try open(file, key).unwrapped == key)
    let other = #expect(throws: ContainerError.self) { try names(file, "nothing") }
    #expect(other?.facts.hasPrefix("has no weights under 'nothing'") == true)
  }

  @Test func dictionariesInsideOthers() throws {
    let file = PickleFile.checkpoint([
      ("best", PickleFile.dictionary([("state", Self.weights("a")), ("more", Self.weights("b"))]))
    ])
    let error = #expect(throws: ContainerError.self) { try names(file) }
    #expect(error?.containers == ["best.state", "best.more"])
    #expect(try names(file, "best.more") == ["b"])
    // A key with a dot is meant before a path.
    let dotted = PickleFile.checkpoint([
      ("a", PickleFile.dictionary([("b", Self.weights("inner"))])), ("a.b", Self.weights("outer")),
    ])
    #expect(try names(dotted, "a.b") == ["outer"])
  }

  /// `model` may be a name, and `state_dict` something else; a tensor at the top may be a loss.
  @Test func theUsualKeysWithoutWeights() throws {
    let named = PickleFile.checkpoint([
      ("model", PickleFile.text("swin")), ("net", Self.weights("a", "b")),
    ])
    #expect(throws: ContainerError.self) { try names(named) }
    let empty = PickleFile.checkpoint([
      ("state_dict", PickleFile.dictionary([])), ("model", Self.weights("a")),
    ])
    #expect(try names(empty) == ["a"])
    let loss = PickleFile.checkpoint([("loss", PickleFile.tensor), ("net", Self.weights("a", "b"))])
    let error = #expect(throws: ContainerError.self) { try names(loss) }
    #expect(error?.containers == ["net"])
    let none = PickleFile.checkpoint([("epoch", [UInt8(ascii: "N")])])
    let nothing = #expect(throws: FileError.self) { try names(none) }
    #expect(nothing?.reason == "holds no tensors")
    let text = #expect(throws: ContainerError.self) { try names(named, "model") }
    #expect(text?.facts.hasPrefix("has a text under 'model'") == true)
  }

  @Test func twoOfOneKeyAreRefused() {
    let file = PickleFile.checkpoint([("net", Self.weights("a")), ("net", Self.weights("b"))])
    let error = #expect(throws: FileError.self) { try names(file, "net") }
    #expect(error?.reason == "has two values named 'net'")
  }

  /// A file that names one dictionary very often is not searched for ever.
  @Test func theSearchEnds() throws {
    let once = [UInt8](PickleFile.dictionary((0..<50_000).map { ("\($0)", [UInt8(ascii: "N")]) }))
    let again = (0..<20_000).flatMap { PickleFile.text("k\($0)") + Array("h\u{1}".utf8) }
    let file = PickleFile.checkpoint([
      ("w", PickleFile.tensor), ("x", once + Array("q\u{1}".utf8)),
      ("y", Array("}(".utf8) + again + Array("u".utf8)),
    ])
    let start = ContinuousClock.now
    #expect(try names(file) == ["w"])
    #expect(ContinuousClock.now - start < .seconds(10))
  }

  // MARK: Containers that are parts of names

  @Test func namesBelowAPrefix() throws {
    let bytes = try safetensors([
      ("student.a", [1], [1]), ("teacher.a", [1], [2]), ("teacher.b.c", [1], [3]),
      ("teacher", [1], [4]),
    ])
    #expect(try names(bytes, "teacher") == ["a", "b.c"])
    try bytes.withUnsafeBytes {
      let teacher = try Checkpoint.open(
        .memory($0), name: "w.safetensors", .init(container: "teacher"))
      #expect(try teacher.read("a").elements == [2])
      #expect(teacher.unwrapped == "teacher")
    }
    let error = #expect(throws: FileError.self) { try names(bytes, "ema") }
    #expect(error?.reason == "has no weights under 'ema'")
    let file = PickleFile.checkpoint([("state_dict", Self.weights("model.a", "loss.w"))])
    #expect(try names(file, "model") == ["a"])
  }

  /// What mmcv's EMAHook saves: the averaged value of a parameter beside it, its dots replaced.
  @Test(arguments: ["", "module."]) func averagedCopies(prefix: String) throws {
    let bytes = try safetensors([
      (prefix + "a.weight", [2], [1, 2]), (prefix + "a.running_mean", [1], [3]),
      (prefix + "ema_a_weight", [2], [5, 6]),
    ])
    #expect(try open(bytes).entries.count == 3)
    try bytes.withUnsafeBytes {
      let ema = try Checkpoint.open(.memory($0), name: "w", .init(container: "ema"))
      #expect(ema.entries.map(\.name) == [prefix + "a.weight", prefix + "a.running_mean"])
      #expect(try ema.read(prefix + "a.weight").elements == [5, 6])
      #expect(try ema.read(prefix + "a.running_mean").elements == [3])
    }
    let other = try safetensors([
      (prefix + "a.weight", [2], [1, 2]), (prefix + "ema_a_weight", [1], [5]),
    ])
    let error = #expect(throws: FileError.self) { try names(other, "ema") }
    #expect(error?.reason.contains("is [1], the parameter that it averages [2]") == true)
    let missing = #expect(throws: ContainerError.self) { try names(bytes, "teacher") }
    #expect(missing?.containers == ["ema"])
  }
}
