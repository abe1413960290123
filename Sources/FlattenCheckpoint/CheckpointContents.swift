import FlattenFiles

/// What a checkpoint holds: tensors in file order, and the pieces of files with their elements.
struct CheckpointContents {
  var kind: Checkpoint.Kind
  /// The container that the weights were found in; `nil` at the top.
  var unwrapped: String?
  var entries: [TensorEntry]
  var storages: [StoredBytes]
  var metadata: [(key: String, value: String)] = []
  /// The names of the model's classes, where a training tool wrote them down.
  var classNames: [String]?
  /// The dictionaries of weights that the file has.
  var containers: [String] = []
  /// The files that an index names.
  var shards: [String] = []

  /// Reads one file.
  static func read(
    _ source: ByteSource, name: String, _ options: Checkpoint.Options
  ) throws -> CheckpointContents {
    let start = try source.read(at: 0, count: min(source.size, StrayContent.length))
    switch ContentKind(start, name: name) {
    case .zip: return try TorchFile(source: source, options: options).readZip()
    case .pickle: return try TorchFile(source: source, options: options).readLegacy()
    case .safetensors: return try SafetensorsHeader.read(source)
    case .other(let what): throw Refusal(what)
    }
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
    } else if let stray = StrayContent(firstBytes: start) {
      self = .other(stray.refusal(insteadOf: "a checkpoint (torch .pth or safetensors)"))
    } else if start.starts(with: [0x1F, 0x8B]) {
      self = .other("is compressed with gzip. Unpack it")
    } else if hasByteSuffix(name, ".safetensors") {
      // Read only for its error, which says what is wrong with the header.
      self = .safetensors
    } else {
      self = .other("is a file of another kind, not a checkpoint (torch .pth or safetensors)")
    }
  }
}

// MARK: Several sets of weights in one file

extension CheckpointContents {
  /// Keeps the weights of a container: a dictionary that was read already, else the averaged copies of
  /// mmcv, else the tensors whose names begin with it and a dot.
  mutating func choose(_ container: String) throws {
    if let unwrapped, ExactText(unwrapped) == ExactText(container) { return }
    let copies = AveragedCopies(entries.map(\.name))
    if ExactText(container) == ExactText("ema"), !copies.isEmpty {
      entries = try copies.taken(of: entries)
    } else {
      let prefix = container + "."
      let below = entries.filter {
        hasBytePrefix($0.name, prefix) && $0.name.utf8.count > prefix.utf8.count
      }
      guard !below.isEmpty else {
        throw Refusal(
          "has no weights under '\(shortened(container))'",
          containers: containers + (copies.isEmpty ? [] : ["ema"]))
      }
      entries = below.map { entry in
        var entry = entry
        entry.name = droppingBytes(prefix.utf8.count, of: entry.name)
        return entry
      }
    }
    unwrapped = container
  }
}
