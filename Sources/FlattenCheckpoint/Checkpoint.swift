import FlattenFiles
import FlattenTensor

/// A file of named tensors, opened: torch's zip archive, torch's legacy stream, or safetensors.
///
/// Opening reads and checks everything but the elements; these are read when asked for, straight into
/// the memory that keeps them. Reading from several threads is safe.
package final class Checkpoint: ParameterSource {
  /// The container, told by the content and never by the name.
  package enum Kind: String, Sendable {
    case torchZip = "torch"
    case torchLegacy = "torch (legacy)"
    case safetensors
  }

  package struct Options: Sendable {
    /// The key of the dictionary that holds the weights, such as `model_ema`; `nil` takes `state_dict`,
    /// else `model`, else `state_dict_ema`, else the top.
    package var container: String?
    /// Leave objects of unknown classes out instead of refusing the file.
    package var skipUnknownObjects: Bool

    package init(container: String? = nil, skipUnknownObjects: Bool = false) {
      self.container = container
      self.skipUnknownObjects = skipUnknownObjects
    }
  }

  /// The path as it was given.
  package let name: String
  package let kind: Kind
  /// The key the weights were found under; `nil` at the top.
  package let unwrapped: String?
  /// All tensors in file order.
  package let entries: [TensorEntry]
  /// Texts that a safetensors file carries, in file order.
  package let metadata: [(key: String, value: String)]

  let source: ByteSource
  let storages: [StoredBytes]
  private let index: [ExactText: Int]
  let state = Locked(State())

  struct State {
    /// Storages whose checksum has been found right.
    var verified: Set<Int> = []
    /// Tensors found to hold NaN or infinities, in the order they were read.
    var nonFinite: [String] = []
  }

  private init(_ contents: CheckpointContents, _ source: ByteSource, name: String) {
    self.name = name
    self.source = source
    kind = contents.kind
    unwrapped = contents.unwrapped
    entries = contents.entries
    metadata = contents.metadata
    storages = contents.storages
    index = Dictionary(
      contents.entries.enumerated().map { (ExactText($1.name), $0) },
      uniquingKeysWith: { first, _ in first })
  }

  /// Opens a file.
  ///
  /// - Throws: ``FileError`` where it cannot be read, is damaged or hostile, or is of another kind.
  package static func open(path: String, options: Options = Options()) throws -> Checkpoint {
    try open(.file(try FileReader(path: path)), name: path, options)
  }

  /// Opens a safetensors file that is part of the program; the bytes are not copied.
  ///
  /// - Parameters:
  ///   - staticBytes: must live as long as the process.
  ///   - name: for messages.
  package static func open(staticBytes: UnsafeRawBufferPointer, name: String) throws -> Checkpoint {
    let source = ByteSource.memory(staticBytes)
    return try naming(name) {
      Checkpoint(try SafetensorsHeader.read(source), source, name: name)
    }
  }

  /// Opens any kind of checkpoint from anywhere.
  static func open(
    _ source: ByteSource, name: String, _ options: Options
  ) throws -> Checkpoint {
    try naming(name) {
      let start = try source.read(at: 0, count: min(source.size, 64))
      let contents: CheckpointContents
      switch ContentKind(start, name: name) {
      case .zip: contents = try TorchFile(source: source, options: options).readZip()
      case .pickle: contents = try TorchFile(source: source, options: options).readLegacy()
      case .safetensors:
        guard options.container == nil else {
          throw Refusal("is a safetensors file, which has no containers to choose from")
        }
        contents = try SafetensorsHeader.read(source)
      case .other(let what):
        throw Refusal("\(what), not a checkpoint (torch .pth or safetensors)")
      }
      return Checkpoint(contents, source, name: name)
    }
  }

  /// Adds the file's name to a refusal.
  static func naming<Result>(_ name: String, _ body: () throws -> Result) throws -> Result {
    do {
      return try body()
    } catch let refusal as Refusal {
      if let unknown = refusal.unknownClass {
        throw UnknownObjectError(path: name, className: unknown)
      }
      throw FileError(path: name, kind: .refused, reason: refusal.reason)
    }
  }

  /// The entry of that name, compared byte by byte.
  package func entry(_ name: String) -> TensorEntry? { index[ExactText(name)].map { entries[$0] } }

  /// Tensors that held NaN or infinities when they were read, in the order of reading.
  package var nonFiniteTensors: [String] { state.withLock { $0.nonFinite } }

  /// Warnings for the user once the weights are read: NaN and infinities.
  package var warnings: [String] {
    let names = nonFiniteTensors
    guard !names.isEmpty else { return [] }
    let more = names.count > 5 ? " and \(names.count - 5) more" : ""
    let list = names.prefix(5).map { "'\(printable($0, limit: 40))'" }.joined(separator: ", ")
    return ["\(printable(name, limit: 200)): NaN or infinity in \(list)\(more)"]
  }

  // MARK: ParameterSource

  package var parameterShapes: [(name: String, shape: [Int], isFloatingPoint: Bool)] {
    entries.map { ($0.name, $0.shape, $0.elementType.isFloatingPoint) }
  }

  package func read(_ name: String, into buffer: UnsafeMutableBufferPointer<Float>) throws {
    try read(try known(name), into: buffer)
  }

  package func read(
    _ name: String, into buffer: UnsafeMutableBufferPointer<Float>, on threads: ThreadPool
  ) throws {
    try read(try known(name), into: buffer, on: threads)
  }

  /// The tensor's elements in single precision, in one row.
  package func read(_ name: String) throws -> Tensor { try read(try known(name)) }

  private func known(_ name: String) throws -> TensorEntry {
    guard let entry = entry(name) else {
      throw FileError(
        path: self.name, kind: .refused, reason: "has no tensor '\(shortened(name))'")
    }
    return entry
  }
}

/// The kind of a file, judged by its first bytes.
private enum ContentKind {
  case zip, pickle, safetensors
  /// Something else, in words that follow the file's name.
  case other(String)

  init(_ start: [UInt8], name: String) {
    func begins(_ text: String) -> Bool { start.starts(with: text.utf8) }
    // First, because the length of a header may look like the beginning of a pickle.
    if start.count > 8, start[8] == UInt8(ascii: "{"), start[5..<8].allSatisfy({ $0 == 0 }) {
      self = .safetensors
    } else if begins("PK\u{3}\u{4}") || begins("PK\u{5}\u{6}") {
      self = .zip
    } else if start.count > 1, start[0] == 0x80, start[1] <= 5 {
      self = .pickle
    } else if start.isEmpty {
      self = .other("is empty")
    } else if begins("version https://git-lfs") {
      self = .other("is a Git LFS pointer (fetch the file with 'git lfs pull')")
    } else if begins("<") {
      self = .other("is a web page")
    } else if begins("\u{1F}") && start.count > 1 && start[1] == 0x8B {
      self = .other("is compressed with gzip")
    } else if hasByteSuffix(name, ".safetensors") {
      // Read only for its error, which says what is wrong with the header.
      self = .safetensors
    } else {
      self = .other("is a file of another kind")
    }
  }
}
