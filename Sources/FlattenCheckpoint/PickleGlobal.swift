/// A global of a pickle, module and name, and its meaning in the fixed table of this file.
///
/// Nothing is looked up anywhere else. A class, so that the values on the stack stay small.
final class PickleGlobal {
  enum Meaning {
    /// Makes a value from checked arguments.
    case builder(Builder)
    /// The element type of a storage.
    case storage(StoredType)
    /// The type of a tensor's elements: `torch.float32`.
    case elementType(StoredType)
    /// A name that stands for itself, such as `torch.strided` or `builtins.len`: it cannot be called.
    case token
    /// A class whose objects are kept only to be skipped.
    case inertClass
  }

  enum Builder {
    case tensor, tensorV2, tensorV3, tensorOfType, parameter, parameterWithState, parameterClass
    case orderedDictionary, defaultDictionary, counter, dictionary
    case list, tuple, set, size
    case device, layout, complex, byteArray, scalar, slice, range, encode, attribute, typeOf
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
    if Self.isHarmlessFamily(module, name) {
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

  /// Families of classes that are too many for the table: numpy's element types and random generators,
  /// whose objects training scripts keep, and Python's exceptions.
  private static func isHarmlessFamily(_ module: String, _ name: String) -> Bool {
    guard isIdentifier(name), !dangerousNames.contains(name) else { return false }
    switch ExactText(module) {
    case ExactText("numpy.dtypes"), ExactText("numpy.random._pickle"),
      ExactText("numpy.random.bit_generator"), ExactText("numpy.random._mt19937"),
      ExactText("numpy.random._pcg64"), ExactText("numpy.random._philox"),
      ExactText("numpy.random._sfc64"):
      return true
    case ExactText("builtins"), ExactText("exceptions"):
      return ["Error", "Exception", "Warning"].contains { hasByteSuffix(name, $0) }
    default: return false
    }
  }

  /// Why a known kind of tensor or object is not supported, with the remedy; `nil` for others.
  private static func unsupported(_ module: String, _ name: String) -> String? {
    if module == "torch._utils" {
      switch name {
      case "_rebuild_sparse_tensor", "_rebuild_sparse_csr_tensor":
        return "holds a sparse tensor, which is not supported. Save dense tensors"
      case "_rebuild_meta_tensor_no_storage":
        return "holds a tensor of the device 'meta', which has no elements. Save loaded weights"
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
    add(.builder(.tensorV3), ["torch._utils"], ["_rebuild_tensor_v3"])
    add(.builder(.tensorOfType), ["torch._tensor"], ["_rebuild_from_type_v2"])
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

    for (name, type) in StoredType.byStorageClass { add(.storage(type), ["torch"], [name]) }
    add(.storage(.untyped), ["torch", "torch.storage"], ["UntypedStorage"])
    add(.token, ["torch.storage"], ["TypedStorage"])
    for (name, type) in StoredType.byElementType { add(.elementType(type), ["torch"], [name]) }
    add(
      .token, ["torch"],
      [
        "Tensor", "dtype", "layout", "memory_format", "strided", "sparse_coo", "sparse_csr",
        "contiguous_format", "preserve_format", "channels_last", "channels_last_3d",
        "per_tensor_affine", "per_channel_affine",
      ])
    // What torch makes of a memory format, which is no name of its own.
    add(
      .token, ["torch._utils"],
      ["contiguous_format", "preserve_format", "channels_last", "channels_last_3d"].map {
        "torch.\($0)"
      })
    add(.inertClass, ["torch.torch_version"], ["TorchVersion"])

    // torch.save writes Python 2's names: xrange is range, long is int, unicode is str.
    let builtins = ["builtins", "__builtin__"]
    add(.builder(.set), builtins, ["set", "frozenset"])
    add(.builder(.list), builtins, ["list"])
    add(.builder(.dictionary), builtins, ["dict"])
    add(.builder(.tuple), builtins, ["tuple"])
    add(.builder(.complex), builtins, ["complex"])
    add(.builder(.byteArray), builtins, ["bytearray"])
    add(.builder(.scalar), builtins, ["int", "float", "str", "bool", "bytes", "long", "unicode"])
    add(.builder(.slice), builtins, ["slice"])
    add(.builder(.range), builtins, ["range", "xrange"])
    add(.builder(.attribute), builtins, ["getattr"])
    add(.builder(.typeOf), builtins, ["type"])
    add(
      .token, builtins,
      [
        "Ellipsis", "NotImplemented", "abs", "all", "any", "callable", "chr", "divmod", "hash",
        "isinstance", "len", "max", "min", "ord", "pow", "repr", "round", "sorted", "sum",
      ])

    add(.inertClass, builtins, ["object", "iter", "enumerate", "zip", "reversed"])
    add(
      .inertClass, ["itertools"],
      ["chain", "count", "cycle", "islice", "izip", "product", "repeat"])
    add(.inertClass, ["functools"], ["partial"])
    add(.inertClass, ["collections"], ["deque", "ChainMap", "UserDict", "UserList", "UserString"])
    add(.inertClass, ["decimal"], ["Decimal"])
    add(.inertClass, ["fractions"], ["Fraction"])
    add(.inertClass, ["uuid"], ["UUID"])
    add(.inertClass, ["copy_reg", "copyreg"], ["_reconstructor"])
    add(
      .inertClass, ["numpy"],
      [
        "dtype", "ndarray", "bool", "bool_", "int8", "int16", "int32", "int64", "uint8", "uint16",
        "uint32", "uint64", "float16", "float32", "float64", "longdouble", "complex64",
        "complex128", "str_", "bytes_", "datetime64", "timedelta64", "object_", "void",
      ])
    add(
      .inertClass, ["numpy.core.multiarray", "numpy._core.multiarray"],
      ["scalar", "_reconstruct"])
    add(.inertClass, ["numpy.core.numeric", "numpy._core.numeric"], ["_frombuffer"])
    add(.inertClass, ["argparse"], ["Namespace"])
    add(.inertClass, ["types"], ["SimpleNamespace"])
    add(.inertClass, ["datetime"], ["datetime", "date", "time", "timedelta", "timezone"])
    add(
      .inertClass, ["pathlib", "pathlib._local"],
      ["Path", "PurePath", "PosixPath", "PurePosixPath", "WindowsPath", "PureWindowsPath"])
    add(.inertClass, ["yacs.config"], ["CfgNode"])
    add(.inertClass, ["addict.addict"], ["Dict"])
    add(.inertClass, ["mmcv.utils.config", "mmengine.config.config"], ["ConfigDict"])
    add(
      .inertClass,
      [
        "lightning.fabric.utilities.data", "lightning_fabric.utilities.data",
        "pytorch_lightning.utilities.parsing", "lightning.pytorch.utilities.parsing",
      ], ["AttributeDict"])
    add(.inertClass, ["mmengine.logging.history_buffer"], ["HistoryBuffer"])
    return table
  }()
}
