import FlattenFiles

/// The index of weights that are split into several files, as `model.safetensors.index.json` is: a JSON
/// object whose `weight_map` says which file holds which tensor. The files lie beside it.
struct ShardIndex {
  /// The files, in the order in which the index names them first.
  private var files: [String] = []
  private var fileOfTensor: [ExactText: String] = [:]

  private static let sizeLimit = 64 << 20
  private static let fileLimit = 512

  /// Reads the index; `nil` where the file is none.
  ///
  /// - Parameter name: a damaged text is an index only where its name ends in `.json`.
  init?(_ source: ByteSource, name: String) throws {
    let start = try source.read(at: 0, count: min(source.size, StrayContent.length))
    guard case .json? = StrayContent(firstBytes: start) else { return nil }
    let isNamedSo = hasByteSuffix(name, ".json")
    guard source.size <= Self.sizeLimit else {
      if !isNamedSo { return nil }
      throw Refusal("is \(source.size) bytes, at most \(Self.sizeLimit) are read of an index")
    }
    let bytes = try source.read(at: 0, count: source.size)
    let mark: [UInt8] = [0xEF, 0xBB, 0xBF]  // UTF-8's byte-order mark
    var reader = JSONReader(
      bytes.starts(with: mark) ? Array(bytes.dropFirst(mark.count)) : bytes, subject: "the index")
    var hasMap = false
    do {
      try reader.object { reader, key in
        guard ExactText(key) == ExactText("weight_map") else { return try reader.skipValue() }
        hasMap = true
        try reader.object { reader, tensor in try add(tensor, in: try reader.string()) }
      }
      guard reader.isRest({ [0x20, 0x09, 0x0A, 0x0D].contains($0) }) else {
        throw reader.damaged("goes on after its end")
      }
    } catch let refusal as Refusal {
      if !hasMap && !isNamedSo { return nil }
      throw refusal
    }
    if !hasMap { return nil }
    guard !files.isEmpty else { throw Refusal("the index names no tensors") }
  }

  private mutating func add(_ tensor: String, in file: String) throws {
    // Whoever wrote the index must not choose files elsewhere.
    let isBeside = file.utf8.allSatisfy { $0 >= 0x20 && $0 != UInt8(ascii: "/") }
    guard isBeside, !["", ".", ".."].contains(file) else {
      throw Refusal(
        "the index has '\(shortened(tensor))' in '\(shortened(file))'; a file beside it is wanted")
    }
    if !files.contains(file) {
      guard files.count < Self.fileLimit else {
        throw Refusal("the index names more than \(Self.fileLimit) files")
      }
      files.append(file)
    }
    fileOfTensor[ExactText(tensor)] = file
  }

  /// Reads all files as one. Each must hold exactly the tensors that the index says.
  ///
  /// - Parameter path: of the index.
  func read(
    beside path: String, _ options: Checkpoint.Options
  ) throws -> (CheckpointContents, [ByteSource]) {
    var all: CheckpointContents?
    var sources: [ByteSource] = []
    var left = fileOfTensor
    for file in files {
      let (contents, source) = try open(file, beside: path, options)
      for entry in contents.entries {
        let place = fileOfTensor[ExactText(entry.name)]
        guard place == file else {
          throw Refusal(
            "'\(shortened(entry.name))' is in '\(shortened(file))', the index "
              + (place.map { "has it in '\(shortened($0))'" } ?? "does not name it")
              + ". Fetch all files of one version")
        }
        left[ExactText(entry.name)] = nil
      }
      all = try Self.joined(all, contents, file: sources.count)
      sources.append(source)
    }
    if let (tensor, file) = left.min(by: { $0.key.text < $1.key.text }) {
      throw Refusal(
        "'\(shortened(tensor.text))' is not in '\(shortened(file))', where the index has it. Fetch "
          + "all files of one version")
    }
    guard var all else { throw Refusal("the index names no tensors") }
    all.shards = files
    return (all, sources)
  }

  private func open(
    _ file: String, beside path: String, _ options: Checkpoint.Options
  ) throws -> (CheckpointContents, ByteSource) {
    let folder = path.utf8.lastIndex(of: UInt8(ascii: "/")).map { String(path[...$0]) } ?? ""
    let place = folder + file
    let source: ByteSource
    do {
      source = .file(try FileReader(path: place))
    } catch let error as FileError {
      throw Refusal(
        "the index names '\(shortened(file))', which cannot be read: \(error.reason). Fetch all files "
          + "that it names")
    }
    return try Checkpoint.naming(place) {
      (try CheckpointContents.read(source, name: place, options), source)
    }
  }

  private static func joined(
    _ all: CheckpointContents?, _ next: CheckpointContents, file: Int
  ) throws -> CheckpointContents {
    var joined =
      all ?? CheckpointContents(kind: next.kind, unwrapped: nil, entries: [], storages: [])
    guard joined.kind == next.kind else {
      throw Refusal("the index names files of two kinds")
    }
    let first = joined.storages.count
    joined.storages += next.storages.map { storage in
      var storage = storage
      storage.file = file
      return storage
    }
    joined.entries += next.entries.map { entry in
      var entry = entry
      entry.storage += first
      return entry
    }
    return joined
  }
}
