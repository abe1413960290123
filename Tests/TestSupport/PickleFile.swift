/// Builds small archives as `torch.save` writes them, from pickles written by hand.
package enum PickleFile {
  /// A stored zip archive; the checksums are 0, which says that they were not computed.
  package static func zip(_ records: [(name: String, bytes: [UInt8])]) -> [UInt8] {
    func little(_ value: Int, _ count: Int) -> [UInt8] {
      (0..<count).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
    }
    var file: [UInt8] = []
    var directory: [UInt8] = []
    for (name, bytes) in records {
      let offset = file.count
      let common =
        little(0, 8) + little(0, 4) + little(bytes.count, 4) + little(bytes.count, 4)
        + little(name.utf8.count, 2) + little(0, 2)
      file += Array("PK\u{3}\u{4}".utf8) + little(20, 2) + common + name.utf8 + bytes
      directory += Array("PK\u{1}\u{2}".utf8) + little(20, 2) + little(20, 2) + common
      directory += little(0, 10) + little(offset, 4) + name.utf8
    }
    let end =
      Array("PK\u{5}\u{6}".utf8) + little(0, 4) + little(records.count, 2)
      + little(records.count, 2) + little(directory.count, 4) + little(file.count, 4)
    return file + directory + end + little(0, 2)
  }

  package static func text(_ text: String) -> [UInt8] {
    [UInt8(ascii: "X")] + withUnsafeBytes(of: UInt32(text.utf8.count).littleEndian, Array.init)
      + text.utf8
  }

  package static func global(_ module: String, _ name: String) -> [UInt8] {
    Array("c\(module)\n\(name)\n".utf8)
  }

  /// A tensor of shape [2, 2] on storage 0.
  package static let tensor: [UInt8] =
    global("torch._utils", "_rebuild_tensor_v2") + [UInt8(ascii: "("), UInt8(ascii: "(")]
    + text("storage") + global("torch", "FloatStorage") + text("0") + text("cpu")
    + Array("K\u{4}tQK\0K\u{2}K\u{2}".utf8) + [0x86] + Array("K\u{2}K\u{1}".utf8) + [0x86, 0x89]
    + Array("}tR".utf8)

  /// A tensor of a type without a storage class, as newer versions of torch write it, on storage `1`.
  package static func tensor(_ shape: [UInt8], of type: String, bytes count: UInt8) -> [UInt8] {
    func tuple(_ numbers: [UInt8]) -> [UInt8] {
      Array("(".utf8) + numbers.flatMap { [UInt8(ascii: "K"), $0] } + Array("t".utf8)
    }
    let strides = shape.indices.map { shape[($0 + 1)...].reduce(1, *) }
    return global("torch._utils", "_rebuild_tensor_v3") + Array("((".utf8) + text("storage")
      + global("torch.storage", "UntypedStorage") + text("1") + text("cpu")
      + [UInt8(ascii: "K"), count] + Array("tQK\0".utf8) + tuple(shape) + tuple(strides) + [0x89]
      + global("collections", "OrderedDict") + Array(")R".utf8) + global("torch", type)
      + Array("tR".utf8)
  }

  /// A dictionary.
  package static func dictionary(_ items: [(key: String, value: [UInt8])]) -> [UInt8] {
    Array("}(".utf8) + items.flatMap { text($0.key) + $0.value } + Array("u".utf8)
  }

  /// A whole checkpoint: a dictionary with what ``tensor`` and ``tensor(_:of:bytes:)`` refer to.
  ///
  /// - Parameter bytes: the content of storage `1`, where it is used.
  package static func checkpoint(
    _ items: [(key: String, value: [UInt8])], bytes: [UInt8] = []
  ) -> [UInt8] {
    let pickle = [0x80, 2] + dictionary(items) + Array(".".utf8)
    let records = [("a/data.pkl", pickle), ("a/data/0", [UInt8](repeating: 0, count: 16))]
    return zip(records + (bytes.isEmpty ? [] : [("a/data/1", bytes)]))
  }

  /// A whole checkpoint: the tensor `w`, and `extra` as the value of the key `meta`.
  package static func weights(extra: [UInt8] = [UInt8(ascii: "N")]) -> [UInt8] {
    checkpoint([("w", tensor), ("meta", extra)])
  }
}
