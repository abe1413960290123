/// A global of a pickle, module and name, and its meaning in the fixed table of this file.
///
/// Nothing is looked up anywhere else. A class, so that the values on the stack stay small.
final class PickleGlobal {
  enum Meaning {
    /// Makes a value from checked arguments.
    case builder(Builder)
    /// The element type of a storage.
    case storage(StorageType)
    /// A name that needs no value, such as `torch.float32`.
    case token
    /// A class whose objects are kept only to be skipped.
    case inertClass
  }

  enum Builder {
    case tensor, tensorV2, parameter, parameterWithState, parameterClass
    case orderedDictionary, defaultDictionary, counter, dictionary
    case list, tuple, set, size
    case device, layout, complex, byteArray, scalar, slice, range, encode, attribute
  }

  let module: String
  let name: String
  let meaning: Meaning

  /// Module and name, shortened for messages.
  var description: String { "'\(shortened("\(module).\(name)"))'" }

  private struct Key: Hashable {
    let module: ExactText
    let name: ExactText

    init(_ module: String, _ name: String) {
      self.module = ExactText(module)
      self.name = ExactText(name)
    }
  }

  /// Finds the meaning of a pair of names, compared byte for byte.
  ///
  /// - Parameters:
  ///   - skipsUnknown: take any class that is not in the table for an inert one, except where only an
  ///     attack would name it.
  init(module: String, name: String, skipsUnknown: Bool) throws {
    self.module = module
    self.name = name
    if let known = Self.table[Key(module, name)] {
      meaning = known
      return
    }
    if ExactText(module) == ExactText("numpy.dtypes"), Self.isIdentifier(name) {
      meaning = .inertClass
      return
    }
    let full = "'\(shortened("\(module).\(name)"))'"
    guard Self.isIdentifier(name),
      module.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        .allSatisfy({ Self.isIdentifier(String($0) ?? "") })
    else { throw Refusal("the pickle holds \(full), which is not the name of a class") }
    if Self.isDangerous(module, name) {
      throw Refusal(
        "the pickle asks for \(full), which weights never need: the file may be an attack. Nothing "
          + "was called")
    }
    if let reason = Self.unsupported(module, name) { throw Refusal(reason) }
    guard skipsUnknown else {
      throw Refusal(unknownClass: "\(module).\(name)")
    }
    meaning = .inertClass
  }

  private static func isIdentifier(_ text: String) -> Bool {
    guard let first = text.utf8.first, !(UInt8(ascii: "0")...UInt8(ascii: "9")).contains(first)
    else { return false }
    return text.utf8.allSatisfy { byte in
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"):
        true
      default: false
      }
    }
  }

  /// Why a known kind of tensor or object is not supported, with the remedy; `nil` for others.
  private static func unsupported(_ module: String, _ name: String) -> String? {
    if module == "torch._utils" {
      switch name {
      case "_rebuild_sparse_tensor", "_rebuild_sparse_csr_tensor":
        return "holds a sparse tensor, which is not supported. Save dense tensors"
      case "_rebuild_qtensor":
        return "holds a quantized tensor (_rebuild_qtensor), which is not supported. Save the "
          + "weights before quantization"
      default: break
      }
    }
    if module.hasPrefix("torch.nn.modules.") || module.hasPrefix("torch.fx.") {
      return "holds a whole pickled module (\(shortened("\(module).\(name)"))), not weights. Save "
        + "model.state_dict() instead"
    }
    return nil
  }

  // MARK: Names that only an attack would use

  private static let dangerousRoots: Set<String> = [
    "os", "posix", "nt", "sys", "subprocess", "_posixsubprocess", "pty", "socket", "shutil",
    "runpy", "importlib", "imp", "pkgutil", "zipimport", "ctypes", "_ctypes", "cffi", "pickle",
    "_pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve", "builtins",
    "__builtin__", "code", "codeop", "codecs", "_codecs", "commands", "popen2", "platform",
    "asyncio", "multiprocessing", "threading", "_thread", "signal", "tempfile", "urllib",
    "urllib2", "http", "httplib", "ftplib", "smtplib", "requests", "webbrowser", "inspect",
    "operator", "_operator", "pdb", "bdb", "timeit", "cProfile", "distutils", "setuptools", "pip",
    "site", "io", "_io",
  ]

  private static let dangerousNames: Set<String> = [
    "eval", "exec", "execfile", "compile", "__import__", "system", "popen", "Popen", "load",
    "loads", "load_state_dict_from_url",
  ]

  private static func isDangerous(_ module: String, _ name: String) -> Bool {
    let parts = module.split(separator: ".").map(String.init)
    guard let root = parts.first else { return true }
    if dangerousRoots.contains(root) || dangerousNames.contains(name) { return true }
    let dangerousParts: Set<String> = ["hub", "jit", "package", "serialization", "cpp_extension"]
    if root == "torch", parts.dropFirst().contains(where: dangerousParts.contains) { return true }
    return root == "numpy" && parts.dropFirst().contains { $0 == "testing" || $0 == "f2py" }
  }

  // MARK: The table

  private static let table: [Key: Meaning] = {
    var table: [Key: Meaning] = [:]
    func add(_ meaning: Meaning, _ modules: [String], _ names: [String]) {
      for module in modules {
        for name in names { table[Key(module, name)] = meaning }
      }
    }

    add(.builder(.tensor), ["torch._utils"], ["_rebuild_tensor"])
    add(.builder(.tensorV2), ["torch._utils"], ["_rebuild_tensor_v2"])
    add(.builder(.parameter), ["torch._utils"], ["_rebuild_parameter"])
    add(.builder(.parameterWithState), ["torch._utils"], ["_rebuild_parameter_with_state"])
    add(.builder(.parameterClass), ["torch.nn.parameter"], ["Parameter"])
    add(.builder(.size), ["torch"], ["Size"])
    add(.builder(.device), ["torch"], ["device"])
    add(.builder(.layout), ["torch.serialization"], ["_get_layout"])
    add(.builder(.orderedDictionary), ["collections"], ["OrderedDict"])
    add(.builder(.defaultDictionary), ["collections"], ["defaultdict"])
    add(.builder(.counter), ["collections"], ["Counter"])
    add(.builder(.encode), ["_codecs"], ["encode"])

    for (name, type) in StorageType.byClassName { add(.storage(type), ["torch"], [name]) }
    add(.storage(.untyped), ["torch.storage"], ["UntypedStorage"])
    add(.token, ["torch.storage"], ["TypedStorage"])
    add(
      .token, ["torch"],
      [
        "dtype", "float16", "half", "bfloat16", "float32", "float", "float64", "double", "uint8",
        "int8", "int16", "short", "int32", "int", "int64", "long", "uint16", "uint32", "uint64",
        "bool", "complex32", "chalf", "complex64", "cfloat", "complex128", "cdouble", "quint8",
        "qint8", "qint32", "quint4x2", "quint2x4", "float8_e4m3fn", "float8_e5m2",
      ])

    let builtins = ["builtins", "__builtin__"]
    add(.builder(.set), builtins, ["set", "frozenset"])
    add(.builder(.list), builtins, ["list"])
    add(.builder(.dictionary), builtins, ["dict"])
    add(.builder(.tuple), builtins, ["tuple"])
    add(.builder(.complex), builtins, ["complex"])
    add(.builder(.byteArray), builtins, ["bytearray"])
    add(.builder(.scalar), builtins, ["int", "float", "str", "bool", "bytes"])
    add(.builder(.slice), builtins, ["slice"])
    add(.builder(.range), builtins, ["range"])
    add(.builder(.attribute), builtins, ["getattr"])

    add(.inertClass, builtins, ["object"])
    add(.inertClass, ["copy_reg", "copyreg"], ["_reconstructor"])
    add(.inertClass, ["numpy"], ["dtype", "ndarray"])
    add(
      .inertClass, ["numpy.core.multiarray", "numpy._core.multiarray"],
      ["scalar", "_reconstruct"])
    add(.inertClass, ["numpy.core.numeric", "numpy._core.numeric"], ["_frombuffer"])
    add(.inertClass, ["argparse"], ["Namespace"])
    add(.inertClass, ["types"], ["SimpleNamespace"])
    add(.inertClass, ["datetime"], ["datetime", "date", "time", "timedelta", "timezone"])
    add(
      .inertClass, ["pathlib", "pathlib._local"],
      ["PosixPath", "PurePosixPath", "Path", "PurePath"])
    add(.inertClass, ["yacs.config"], ["CfgNode"])
    add(.inertClass, ["addict.addict"], ["Dict"])
    add(.inertClass, ["mmcv.utils.config", "mmengine.config.config"], ["ConfigDict"])
    add(.inertClass, ["mmengine.logging.history_buffer"], ["HistoryBuffer"])
    return table
  }()
}

/// The element type of a torch storage class; tensors of some types are not read.
struct StorageType: Sendable {
  /// For messages: `float32`, `complex64`.
  let name: String
  let byteSize: Int
  /// `nil` where tensors of this type are not read.
  let elementType: ElementType?

  init(_ elementType: ElementType) {
    name = elementType.rawValue
    byteSize = elementType.byteSize
    self.elementType = elementType
  }

  private init(unsupported name: String, byteSize: Int) {
    self.name = name
    self.byteSize = byteSize
    elementType = nil
  }

  /// Bytes without a type.
  static let untyped = StorageType(.uint8)

  static let byClassName: [String: StorageType] = [
    "DoubleStorage": StorageType(.float64), "FloatStorage": StorageType(.float32),
    "HalfStorage": StorageType(.float16), "BFloat16Storage": StorageType(.bfloat16),
    "LongStorage": StorageType(.int64), "IntStorage": StorageType(.int32),
    "ShortStorage": StorageType(.int16), "CharStorage": StorageType(.int8),
    "ByteStorage": StorageType(.uint8), "BoolStorage": StorageType(.bool),
    "ComplexDoubleStorage": StorageType(unsupported: "complex128", byteSize: 16),
    "ComplexFloatStorage": StorageType(unsupported: "complex64", byteSize: 8),
    "QInt8Storage": StorageType(unsupported: "quantized int8", byteSize: 1),
    "QUInt8Storage": StorageType(unsupported: "quantized uint8", byteSize: 1),
    "QInt32Storage": StorageType(unsupported: "quantized int32", byteSize: 4),
    "QUInt4x2Storage": StorageType(unsupported: "quantized uint4", byteSize: 1),
    "QUInt2x4Storage": StorageType(unsupported: "quantized uint2", byteSize: 1),
  ]
}
