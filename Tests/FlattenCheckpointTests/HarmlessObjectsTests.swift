import FlattenFiles
import TestSupport
import Testing

@testable import FlattenCheckpoint

/// Objects that people keep beside their weights, as torch.save pickles them in each protocol; and beside
/// them those that would do something.
@Suite struct HarmlessObjectsTests {
  private func open(_ bytes: [UInt8], skip: Bool = false) throws -> Checkpoint {
    try bytes.withUnsafeBytes {
      try Checkpoint.open(.memory($0), name: "w.pth", .init(skipUnknownObjects: skip))
    }
  }

  /// A pickled object, in instructions.
  struct Pickled: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let bytes: [UInt8]

    init(_ what: String, _ parts: Part...) {
      testDescription = what
      bytes = parts.flatMap(\.bytes)
    }
  }

  enum Part {
    case name(String, String)
    case text(String)
    case code(String)
    /// Closes a tuple and makes an object with it.
    case newObject

    var bytes: [UInt8] {
      switch self {
      case .name(let module, let name): PickleFile.global(module, name)
      case .text(let text): PickleFile.text(text)
      case .code(let code): Array(code.utf8)
      case .newObject: [UInt8(ascii: "t"), 0x81]
      }
    }
  }

  static let harmless = [
    Pickled("range", .name("builtins", "range"), .code("(K\0K\u{3}K\u{1}tR")),
    Pickled("range, protocol 2", .name("__builtin__", "xrange"), .code("(K\0K\u{3}K\u{1}tR")),
    Pickled("int", .name("__builtin__", "long")), Pickled("str", .name("__builtin__", "unicode")),
    Pickled("float", .name("builtins", "float")), Pickled("bool", .name("__builtin__", "bool")),
    Pickled("len", .name("builtins", "len")), Pickled("Ellipsis", .name("builtins", "Ellipsis")),
    Pickled("NoneType", .name("__builtin__", "type"), .code("(NtR")),
    Pickled(
      "NotImplementedType", .name("builtins", "type"), .code("("),
      .name("builtins", "NotImplemented"), .code("tR")),
    Pickled("complex", .name("__builtin__", "complex"), .code("(G\0\0\0\0\0\0\0\0K\0tR")),
    Pickled("slice", .name("builtins", "slice"), .code("(NK\u{2}NtR")),
    Pickled("set", .name("__builtin__", "set"), .code("(](K\u{1}etR")),
    Pickled(
      "bytearray", .name("__builtin__", "bytearray"), .code("("), .text("ab"), .text("latin-1"),
      .code("tR")),
    Pickled(
      "defaultdict(int)", .name("collections", "defaultdict"), .code("("),
      .name("__builtin__", "long"), .code("tR("), .text("a"), .code("K\u{1}u")),
    Pickled(
      "defaultdict of a partial", .name("collections", "defaultdict"), .code("("),
      .name("functools", "partial"), .code("("), .name("builtins", "int"), .code("tR}btR")),
    Pickled(
      "Counter", .name("collections", "Counter"), .code("(}("), .text("a"), .code("K\u{1}utR")),
    Pickled("deque", .name("collections", "deque"), .code("()K\u{3}tR(K\u{1}e")),
    Pickled("PosixPath", .name("pathlib", "PosixPath"), .code("("), .text("a"), .code("tR")),
    Pickled("WindowsPath", .name("pathlib", "WindowsPath"), .code("("), .text("a"), .code("tR")),
    Pickled(
      "PureWindowsPath", .name("pathlib._local", "PureWindowsPath"), .code("("), .text("a"),
      .code("tR")),
    Pickled(
      "torch.__version__", .name("torch.torch_version", "TorchVersion"), .code("("),
      .text("2.9.0"), .newObject),
    Pickled("device", .name("torch", "device"), .code("("), .text("cuda"), .code("K\0tR")),
    Pickled("Size", .name("torch", "Size"), .code("((K\u{1}K\u{2}ttR")),
    Pickled("dtype", .name("torch", "float8_e5m2")), Pickled("Tensor", .name("torch", "Tensor")),
    Pickled("memory format", .name("torch._utils", "torch.channels_last")),
    Pickled(
      "keys that are no texts", .code("}("), .name("torch", "float32"), .code("K\u{1}"),
      .name("torch", "device"), .code("("), .text("cpu"), .code("tRK\u{2}u")),
    Pickled("Namespace", .name("argparse", "Namespace"), .code(")R}b")),
    Pickled("SimpleNamespace", .name("types", "SimpleNamespace"), .code(")R}b")),
    Pickled(
      "timezone", .name("datetime", "timezone"), .code("("), .name("datetime", "timedelta"),
      .code("(K\0K\0K\0tRtR")),
    Pickled("numpy.float32", .name("numpy", "float32")),
    Pickled("exception", .name("exceptions", "ValueError"), .code("("), .text("x"), .code("tR")),
    Pickled("Decimal", .name("decimal", "Decimal"), .code("("), .text("1.5"), .code("tR")),
    Pickled(
      "hyperparameters", .name("lightning.fabric.utilities.data", "AttributeDict"), .code(")R}b")),
  ]

  @Test(arguments: harmless) func isSkipped(_ object: Pickled) throws {
    let file = PickleFile.weights(extra: object.bytes)
    #expect(try open(file).entries.map(\.name) == ["w"])
    // Inside containers as well.
    let list = Array("](".utf8) + object.bytes + Array("e".utf8)
    #expect(try open(PickleFile.weights(extra: list)).entries.map(\.name) == ["w"])
  }

  /// Whatever is called, or has no place beside weights, stays refused, also with the option.
  static let attacks = [
    Pickled("os.system", .name("os", "system"), .code("("), .text("true"), .code("tR")),
    Pickled("eval", .name("__builtin__", "eval"), .code("("), .text("1"), .code("tR")),
    Pickled("exec", .name("builtins", "exec"), .code("("), .text("1"), .code("tR")),
    Pickled("open", .name("builtins", "open"), .code("("), .text("x"), .code("tR")),
    Pickled("print", .name("builtins", "print"), .code("("), .text("x"), .code("tR")),
    Pickled("__import__", .name("builtins", "__import__"), .code("("), .text("os"), .code("tR")),
    Pickled("map", .name("builtins", "map"), .code("(NNtR")),
    Pickled("setattr", .name("builtins", "setattr"), .code("(NNNtR")),
    Pickled("len, called", .name("builtins", "len"), .code("("), .text("x"), .code("tR")),
    Pickled("a dtype, called", .name("torch", "float32"), .code(")R")),
    Pickled(
      "a class that is made", .name("builtins", "type"), .code("("), .text("A"), .code(")}tR")),
    Pickled("the type of a tensor", .name("builtins", "type"), .code("("), .text("A"), .code("tR")),
    Pickled(
      "getattr of a module", .name("builtins", "getattr"), .code("("), .name("torch", "Tensor"),
      .text("system"), .code("tR")),
    Pickled(
      "getattr of a hidden name", .name("builtins", "getattr"), .code("("),
      .name("functools", "partial"), .text("__class__"), .code("tR")),
    Pickled(
      "partial of a command", .name("functools", "partial"), .code("("), .name("os", "system"),
      .code("tR}b")),
    Pickled(
      "defaultdict of a command", .name("collections", "defaultdict"), .code("("),
      .name("posix", "system"), .code("tR")),
    Pickled("attrgetter", .name("operator", "attrgetter"), .code("("), .text("a"), .code("tR")),
    Pickled(
      "a tensor of a function", .name("torch._tensor", "_rebuild_from_type_v2"), .code("("),
      .name("builtins", "len"), .name("torch", "Tensor"), .code(")}tR")),
  ]

  @Test(arguments: attacks) func staysRefused(_ object: Pickled) {
    let file = PickleFile.weights(extra: object.bytes)
    #expect(throws: FileError.self) { try open(file) }
    #expect(throws: FileError.self) { try open(file, skip: true) }
  }

  // MARK: Tensors without a storage class

  @Test func tensorsOfNewerTypes() throws {
    func file(_ type: String, _ shape: [UInt8], _ bytes: [UInt8]) -> [UInt8] {
      PickleFile.checkpoint(
        [("a", PickleFile.tensor(shape, of: type, bytes: UInt8(bytes.count)))], bytes: bytes)
    }
    func values(_ bytes: [UInt8]) throws -> [Float] {
      try bytes.withUnsafeBytes {
        try Checkpoint.open(.memory($0), name: "w.pth", .init()).read("a").elements
      }
    }
    // By hand: 0x38 is 1, 0xC0 is -2 in e4m3; 0x3C is 1, 0xC0 is -2 in e5m2.
    #expect(try values(file("float8_e4m3fn", [1, 2], [0x38, 0xC0])) == [1, -2])
    #expect(try values(file("float8_e5m2", [2], [0x3C, 0xC0])) == [1, -2])
    #expect(try values(file("uint16", [2], [1, 0, 0xFF, 0xFF])) == [1, 65535])
    #expect(try values(file("uint32", [1], [0, 0, 1, 0])) == [65536])
    #expect(try values(file("uint64", [1], [2, 0, 0, 0, 0, 0, 0, 0])) == [2])
    #expect(try values(file("float32", [1], [0, 0, 0x80, 0x3F])) == [1])
    // Two bytes an element: three elements are more than five bytes hold.
    #expect(throws: FileError.self) { try open(file("uint16", [3], [1, 0, 2, 0, 3])) }
    #expect(try open(file("uint16", [2], [1, 0, 2, 0, 3])).entries.count == 1)
    #expect(throws: UnknownObjectError.self) { try open(file("float99", [1], [1])) }
    #expect(throws: FileError.self) { try open(file("strided", [1], [1])) }
  }

  /// A tensor of a type that is not read is listed, and refused when a model asks for it.
  @Test(arguments: ["float8_e4m3fnuz", "complex32", "bits8", "uint4"])
  func typesThatAreNotRead(type: String) throws {
    let bytes = PickleFile.checkpoint(
      [
        ("w", PickleFile.tensor), ("x", PickleFile.tensor([1], of: type, bytes: 4)),
      ], bytes: [1, 2, 3, 4])
    try bytes.withUnsafeBytes {
      let checkpoint = try Checkpoint.open(.memory($0), name: "w.pth", .init())
      #expect(checkpoint.entries.map(\.typeName) == ["float32", type])
      #expect(try checkpoint.read("w").elements == [0, 0, 0, 0])
      let error = #expect(throws: FileError.self) { try checkpoint.read("x") }
      #expect(error?.reason.hasPrefix("'x' is a \(type) tensor, which is not supported") == true)
      try withTemporaryFile { path in
        _ = #expect(throws: FileError.self) {
          try SafetensorsWriter(precision: .float32).write(checkpoint, to: path + ".out")
        }
      }
    }
  }

  @Test func nothingThatIsRead() {
    let file = PickleFile.checkpoint(
      [("x", PickleFile.tensor([1], of: "complex64", bytes: 8))],
      bytes: [UInt8](repeating: 0, count: 8))
    let error = #expect(throws: FileError.self) { try open(file) }
    #expect(error?.reason.hasPrefix("'x' is a complex64 tensor") == true)
  }

  /// A tensor that was given attributes: function, class, arguments, state.
  @Test func tensorsWithAttributes() throws {
    let arguments = Array(
      PickleFile.tensor.dropFirst(
        PickleFile.global("torch._utils", "_rebuild_tensor_v2").count
      ).dropLast())
    let value =
      PickleFile.global("torch._tensor", "_rebuild_from_type_v2") + Array("(".utf8)
      + PickleFile.global("torch._utils", "_rebuild_tensor_v2")
      + PickleFile.global("torch", "Tensor") + arguments + Array("}tR".utf8)
    #expect(try open(PickleFile.checkpoint([("t", value)])).entries.map(\.shape) == [[2, 2]])
  }
}
