import FlattenFiles
import FlattenTensor

/// A file of named tensors, opened: torch's zip archive, torch's legacy stream, safetensors, or the index of
/// several such files.
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
    /// The weights that are wanted where a file holds several: the key of their dictionary, such as
    /// `model_ema`, or what their names begin with before a dot; `ema` also stands for the averaged
    /// copies of mmcv. `nil` takes `state_dict`, else `model`, else `state_dict_ema`, else the top.
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
  /// The container that the weights were found in; `nil` at the top.
  package let unwrapped: String?
  /// The files beside this one that hold the weights, where this is an index of them.
  package let shards: [String]
  /// All tensors in file order.
  package let entries: [TensorEntry]
  /// Texts that a safetensors file carries, in file order.
  package let metadata: [(key: String, value: String)]
  /// The names of the model's classes, where a training tool wrote them down: OpenMMLab's `meta` has `CLASSES`, or
  /// `dataset_meta` with `classes`; a safetensors file a JSON list under `CLASSES`.
  package let classNames: [String]?

  private let sources: [ByteSource]
  let storages: [StoredBytes]
  private let index: [ExactText: Int]
  let state = Locked(State())

  struct State {
    /// Storages whose checksum has been found right.
    var verified: Set<Int> = []
    /// Tensors found to hold NaN or infinities, in the order they were read.
    var nonFinite: [String] = []
  }

  private init(_ contents: CheckpointContents, _ sources: [ByteSource], name: String) {
    self.name = name
    self.sources = sources
    shards = contents.shards
    kind = contents.kind
    unwrapped = contents.unwrapped
    entries = contents.entries
    metadata = contents.metadata
    classNames = contents.classNames
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
      Checkpoint(try SafetensorsHeader.read(source), [source], name: name)
    }
  }

  /// Opens any kind of checkpoint from anywhere.
  static func open(
    _ source: ByteSource, name: String, _ options: Options
  ) throws -> Checkpoint {
    try naming(name) {
      var contents: CheckpointContents
      var sources = [source]
      if let index = try ShardIndex(source, name: name) {
        (contents, sources) = try index.read(
          beside: name, Options(skipUnknownObjects: options.skipUnknownObjects))
      } else {
        contents = try CheckpointContents.read(source, name: name, options)
      }
      if let container = options.container { try contents.choose(container) }
      if let entry = contents.entries.first, contents.entries.allSatisfy({ $0.elementType == nil })
      {
        throw Refusal(notReading: entry)
      }
      return Checkpoint(contents, sources, name: name)
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
      if let containers = refusal.containers, !containers.isEmpty {
        throw ContainerError(path: name, fact: refusal.reason, containers: containers)
      }
      throw FileError(path: name, kind: .refused, reason: refusal.reason)
    }
  }

  /// The file that holds a storage.
  func source(of storage: Int) -> ByteSource { sources[storages[storage].file] }

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
    entries.map { ($0.name, $0.shape, $0.isFloatingPoint) }
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
