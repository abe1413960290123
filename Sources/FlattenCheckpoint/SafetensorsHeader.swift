/// The header of a safetensors file: 8 bytes of length, then a JSON object of tensors. That one structure
/// is read and nothing deeper, so there is no recursion.
struct SafetensorsHeader {
  static let limit = 100_000_000

  /// Reads the header and checks that tensors fill the file exactly.
  static func read(_ source: ByteSource) throws -> CheckpointContents {
    guard source.size >= 8 else { throw Refusal("is too short for a safetensors file") }
    let length = try ByteFields(bytes: try source.read(at: 0, count: 8)).unsigned(at: 0, bytes: 8)
    guard length <= limit else {
      throw Refusal("the header is too large: \(length) bytes, at most \(limit) are read")
    }
    let headerSize = Int(length)
    guard headerSize <= source.size - 8 else {
      throw Refusal("is cut short: the header has \(headerSize) bytes, the file \(source.size)")
    }
    let (tensors, metadata) = try parse(try source.read(at: 8, count: headerSize))
    guard !tensors.isEmpty else { throw Refusal("holds no tensors") }
    return try contents(tensors, metadata, start: 8 + headerSize, end: source.size)
  }

  private static func contents(
    _ tensors: [Tensor], _ metadata: [(key: String, value: String)], start: Int, end: Int
  ) throws -> CheckpointContents {
    var contents = CheckpointContents(
      kind: .safetensors, unwrapped: nil, entries: [], storages: [], metadata: metadata)
    contents.classNames = metadata.first { $0.key == "CLASSES" }.flatMap { text in
      var reader = JSONReader(Array(text.value.utf8), subject: "CLASSES")
      return try? reader.strings(atMost: 1 << 16)
    }
    var position = 0
    let inDataOrder = tensors.enumerated().sorted { left, right in
      (left.element.begin, left.element.end, left.offset)
        < (right.element.begin, right.element.end, right.offset)
    }
    for (_, tensor) in inDataOrder {
      let name = "'\(shortened(tensor.name))'"
      guard let type = StoredType(safetensorsName: tensor.type) else {
        throw Refusal("\(name) has the element type '\(shortened(tensor.type))', which is not read")
      }
      guard tensor.shape.count <= TensorDescription.rankLimit else {
        throw Refusal("\(name) has \(tensor.shape.count) axes, too many")
      }
      let count = try tensor.shape.reduce(1) { try checkedProduct($0, $1, "the size of \(name)") }
      let byteCount = try checkedProduct(count, type.byteSize, "the size of \(name)")
      guard tensor.begin == position else {
        throw Refusal("\(name) begins at byte \(tensor.begin) of the data, \(position) is expected")
      }
      guard tensor.begin <= tensor.end, tensor.end - tensor.begin == byteCount else {
        throw Refusal(
          "\(name) needs \(byteCount) bytes for \(tensor.type) \(tensor.shape), its offsets "
            + "are \(tensor.begin) and \(tensor.end)")
      }
      guard tensor.end <= end - start else { throw Refusal("is cut short: \(name) lacks bytes") }
      contents.entries.append(
        TensorEntry(
          name: tensor.name, shape: tensor.shape, type: type,
          strides: TensorEntry.contiguousStrides(tensor.shape), offset: 0,
          storage: contents.storages.count))
      contents.storages.append(
        StoredBytes(
          name: tensor.name, offset: start + tensor.begin, byteCount: byteCount, checksum: nil))
      position = tensor.end
    }
    guard position == end - start else {
      throw Refusal("goes on for \(end - start - position) bytes after its last tensor")
    }
    return contents
  }

  private struct Tensor {
    var name: String
    var type: String
    var shape: [Int]
    var begin: Int
    var end: Int
  }

  /// The tensors and the texts of a header.
  private static func parse(
    _ bytes: [UInt8]
  ) throws -> (tensors: [Tensor], metadata: [(key: String, value: String)]) {
    var reader = JSONReader(bytes, subject: "the header")
    // The format wants the brace first; spaces may only follow the object.
    guard bytes.first == UInt8(ascii: "{") else { throw reader.damaged("does not begin with '{'") }
    var tensors: [Tensor] = []
    var metadata: [(key: String, value: String)] = []
    try reader.object { reader, name in
      if ExactText(name) == ExactText("__metadata__") {
        try reader.object { reader, key in metadata.append((key, try reader.string())) }
      } else {
        tensors.append(try tensor(name, &reader))
      }
    }
    guard reader.isRest({ $0 == UInt8(ascii: " ") }) else {
      throw reader.damaged("goes on after its end")
    }
    return (tensors, metadata)
  }

  private static func tensor(_ name: String, _ reader: inout JSONReader) throws -> Tensor {
    guard name.utf8.count <= PickleValue.longestText else {
      throw Refusal("has a tensor whose name is \(name.utf8.count) bytes long")
    }
    var type: String?
    var shape: [Int]?
    var offsets: [Int]?
    try reader.object { reader, field in
      switch field {
      case "dtype": type = try reader.string()
      case "shape": shape = try reader.integers(atMost: 64)
      case "data_offsets": offsets = try reader.integers(atMost: 2)
      default: throw reader.damaged("has the unknown field '\(shortened(field))'")
      }
    }
    guard let type, let shape, let offsets, offsets.count == 2 else {
      throw Refusal("'\(shortened(name))' lacks its dtype, shape or data_offsets")
    }
    return Tensor(name: name, type: type, shape: shape, begin: offsets[0], end: offsets[1])
  }
}
