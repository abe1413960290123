/// The two containers of `torch.save`: a zip archive, and the stream of pickles before torch 1.6.
struct TorchFile {
  let source: ByteSource
  let options: Checkpoint.Options

  // MARK: Zip

  func readZip() throws -> CheckpointContents {
    let archive = try ZipArchive(source)
    guard let pickle = archive["data.pkl"] else {
      throw Refusal("is a zip archive without data.pkl: torch.save did not write it")
    }
    try checkByteOrder(archive)
    guard pickle.byteCount <= 1 << 28 else {
      throw Refusal("data.pkl has \(pickle.byteCount) bytes, more than are read")
    }
    try StoredBytes(
      name: "data.pkl", offset: pickle.offset, byteCount: pickle.byteCount,
      checksum: pickle.checksum
    ).verify(source)

    var unpickler = Unpickler(
      source, at: pickle.offset, count: pickle.byteCount,
      skipsUnknown: options.skipUnknownObjects)
    let root = try unpickler.run()
    guard unpickler.end == pickle.offset + pickle.byteCount else {
      throw Refusal("data.pkl goes on after its end")
    }
    var storages: [ExactText: StoredBytes] = [:]
    for storage in unpickler.storages {
      guard let record = archive["data/\(storage.key)"] else {
        throw Refusal("has no record for storage '\(storage.key)'")
      }
      let byteCount = try checkedProduct(storage.count, storage.type.byteSize, "a storage's size")
      guard record.byteCount == byteCount else {
        throw Refusal(
          "storage '\(storage.key)' has \(storage.count) elements of \(storage.type.name), its "
            + "record has \(record.byteCount) bytes")
      }
      storages[ExactText(storage.key)] = StoredBytes(
        name: "data/\(storage.key)", offset: record.offset, byteCount: byteCount,
        checksum: record.checksum)
    }
    return try contents(.torchZip, root, storages)
  }

  private func checkByteOrder(_ archive: ZipArchive) throws {
    guard let record = archive["byteorder"] else { return }
    let text = try source.read(at: record.offset, count: min(record.byteCount, 16))
    guard text.elementsEqual("little".utf8) else {
      throw Refusal(
        "has the byte order '\(shortened(String(validating: text, as: UTF8.self) ?? "?"))'; only "
          + "'little' is read")
    }
  }

  // MARK: Legacy

  private static let magic: [UInt8] = [
    0x6C, 0xFC, 0x9C, 0x46, 0xF9, 0x20, 0x6A, 0xA8, 0x50, 0x19,
  ]

  /// Magic number, version, machine, the object, the keys of its storages, and these one after
  /// another, each behind its element count.
  func readLegacy() throws -> CheckpointContents {
    var offset = 0
    func next() throws -> (PickleValue, Unpickler) {
      var unpickler = Unpickler(
        source, at: offset, count: source.size - offset,
        skipsUnknown: options.skipUnknownObjects)
      let value = try unpickler.run()
      offset = unpickler.end
      return (value, unpickler)
    }
    guard case .longInteger(Self.magic) = try next().0 else {
      throw Refusal("is a pickle, but not one that torch.save wrote")
    }
    guard case .integer(1001) = try next().0 else {
      throw Refusal("has a version of the legacy torch format that is not known")
    }
    guard case .node(let system) = try next().0 else {
      throw Refusal("lacks the description of the machine that wrote it")
    }
    guard case .bool(true)? = system.values(for: "little_endian").first else {
      throw Refusal("was written on a big-endian machine; only little-endian files are read")
    }
    let (root, unpickler) = try next()
    guard case .node(let list) = try next().0, list.kind == .list,
      list.items.count == unpickler.storages.count
    else { throw Refusal("its list of storages does not match its tensors") }

    let known = Dictionary(
      unpickler.storages.map { (ExactText($0.key), $0) }, uniquingKeysWith: { first, _ in first })
    var storages: [ExactText: StoredBytes] = [:]
    for item in list.items {
      guard case .text(let key?) = item, let storage = known[ExactText(key)],
        storages[ExactText(key)] == nil
      else { throw Refusal("its list of storages does not match its tensors") }
      let count = try ByteFields(bytes: try source.read(at: offset, count: 8)).uint64(0)
      guard count == storage.count else {
        throw Refusal(
          "storage '\(key)' has \(count) elements, the pickle says \(storage.count)")
      }
      offset += 8
      let byteCount = try checkedProduct(count, storage.type.byteSize, "a storage's size")
      guard byteCount <= source.size - offset else {
        throw Refusal("is cut short: storage '\(key)' lacks bytes")
      }
      storages[ExactText(key)] = StoredBytes(
        name: key, offset: offset, byteCount: byteCount, checksum: nil)
      offset += byteCount
    }
    guard offset == source.size else {
      throw Refusal("goes on after its last storage, at byte \(offset)")
    }
    return try contents(.torchLegacy, root, storages)
  }

  // MARK: Where the weights are

  private func contents(
    _ kind: Checkpoint.Kind, _ root: PickleValue, _ records: [ExactText: StoredBytes]
  ) throws -> CheckpointContents {
    guard case .node(let top) = root, top.isDictionary else {
      throw Refusal(
        "holds \(root.kindName), not a dictionary of weights. Save model.state_dict()")
    }
    let containers = TorchContainers(top)
    let (weights, container) = try containers.weights(wanted: options.container)
    var contents = CheckpointContents(
      kind: kind, unwrapped: container, entries: [], storages: [], containers: containers.names)
    contents.classNames = Self.classNames(of: top)
    var indices: [ExactText: Int] = [:]
    var names: Set<ExactText> = []
    for index in stride(from: 0, to: weights.items.count - 1, by: 2) {
      guard case .tensor(let tensor) = weights.items[index + 1] else { continue }
      guard case .text(let name?) = weights.items[index] else {
        throw Refusal(
          "has a tensor under \(weights.items[index].kindName) that cannot be its name")
      }
      guard names.insert(ExactText(name)).inserted else {
        throw Refusal("has two tensors named '\(shortened(name))'")
      }
      let key = ExactText(tensor.storage.key)
      guard let bytes = records[key] else {
        throw Refusal("'\(shortened(name))' has no storage")
      }
      if indices[key] == nil {
        indices[key] = contents.storages.count
        contents.storages.append(bytes)
      }
      contents.entries.append(
        TensorEntry(
          name: name, shape: tensor.shape, type: tensor.type, strides: tensor.strides,
          offset: tensor.offset, storage: indices[key] ?? 0))
    }
    guard !contents.entries.isEmpty else {
      throw Refusal(
        "holds no tensors under '\(shortened(container ?? ""))'", containers: containers.names)
    }
    return contents
  }

  /// The names of the classes that OpenMMLab's tools write beside the weights, of version 2 or 3; `nil` where there
  /// are none, or what is there is no list of names.
  private static func classNames(of top: PickleNode) -> [String]? {
    guard case .node(let meta)? = top.values(for: "meta").first else { return nil }
    var found = meta.values(for: "CLASSES").first
    if case .node(let dataset)? = meta.values(for: "dataset_meta").first {
      found = dataset.values(for: "classes").first ?? dataset.values(for: "CLASSES").first ?? found
    }
    guard case .node(let list)? = found, !list.isDictionary, !list.items.isEmpty else {
      return nil
    }
    var names: [String] = []
    for item in list.items {
      guard case .text(let name?) = item else { return nil }
      names.append(name)
    }
    return names
  }
}
