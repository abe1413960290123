/// The header of a safetensors file: 8 bytes of length, then a JSON object of tensors.
///
/// The parser knows this one structure and nothing deeper, so there is no recursion. It is ours
/// because the usual ones keep one of two equal keys, turn 2.0 into 2, and compare names by canonical
/// equivalence.
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
    var parser = Parser(bytes: try source.read(at: 8, count: headerSize))
    let tensors = try parser.parse()
    guard !tensors.isEmpty else { throw Refusal("holds no tensors") }
    return try contents(tensors, parser.metadata, start: 8 + headerSize, end: source.size)
  }

  private static func contents(
    _ tensors: [Tensor], _ metadata: [(key: String, value: String)], start: Int, end: Int
  ) throws -> CheckpointContents {
    var contents = CheckpointContents(
      kind: .safetensors, unwrapped: nil, entries: [], storages: [], metadata: metadata)
    var position = 0
    let inDataOrder = tensors.enumerated().sorted { left, right in
      (left.element.begin, left.element.end, left.offset)
        < (right.element.begin, right.element.end, right.offset)
    }
    for (_, tensor) in inDataOrder {
      let name = "'\(shortened(tensor.name))'"
      guard let type = ElementType(safetensorsName: tensor.type) else {
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
          "\(name) needs \(byteCount) bytes for \(type.safetensorsName) \(tensor.shape), its offsets "
            + "are \(tensor.begin) and \(tensor.end)")
      }
      guard tensor.end <= end - start else { throw Refusal("is cut short: \(name) lacks bytes") }
      contents.entries.append(
        TensorEntry(
          name: tensor.name, shape: tensor.shape, elementType: type,
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

  /// The part of JSON that a header needs.
  private struct Parser {
    let bytes: [UInt8]
    var index = 0
    var metadata: [(key: String, value: String)] = []

    init(bytes: [UInt8]) { self.bytes = bytes }

    mutating func parse() throws -> [Tensor] {
      // The format wants the brace first; spaces may only follow the object.
      guard bytes.first == UInt8(ascii: "{") else { throw damaged("does not begin with '{'") }
      var tensors: [Tensor] = []
      try object { parser, name in
        if ExactText(name) == ExactText("__metadata__") {
          try parser.object { parser, key in
            parser.metadata.append((key, try parser.string()))
          }
        } else {
          tensors.append(try parser.tensor(name))
        }
      }
      guard bytes[index...].allSatisfy({ $0 == UInt8(ascii: " ") }) else {
        throw damaged("goes on after its end")
      }
      return tensors
    }

    private mutating func tensor(_ name: String) throws -> Tensor {
      guard name.utf8.count <= PickleValue.longestText else {
        throw Refusal("has a tensor whose name is \(name.utf8.count) bytes long")
      }
      var type: String?
      var shape: [Int]?
      var offsets: [Int]?
      try object { parser, field in
        switch field {
        case "dtype": type = try parser.string()
        case "shape": shape = try parser.integers(atMost: 64)
        case "data_offsets": offsets = try parser.integers(atMost: 2)
        default: throw parser.damaged("has the unknown field '\(shortened(field))'")
        }
      }
      guard let type, let shape, let offsets, offsets.count == 2 else {
        throw Refusal("'\(shortened(name))' lacks its dtype, shape or data_offsets")
      }
      return Tensor(name: name, type: type, shape: shape, begin: offsets[0], end: offsets[1])
    }

    /// An object; `member` reads the value of each key. No key may occur twice.
    private mutating func object(
      _ member: (inout Parser, String) throws -> Void
    ) throws {
      try expect("{")
      if skip("}") { return }
      var keys: Set<ExactText> = []
      repeat {
        let key = try string()
        guard keys.insert(ExactText(key)).inserted else {
          throw damaged("has the key '\(shortened(key))' twice")
        }
        try expect(":")
        try member(&self, key)
      } while skip(",")
      try expect("}")
    }

    private mutating func integers(atMost limit: Int) throws -> [Int] {
      try expect("[")
      if skip("]") { return [] }
      var values: [Int] = []
      repeat {
        guard values.count < limit else { throw damaged("has a list that is too long") }
        values.append(try integer())
      } while skip(",")
      try expect("]")
      return values
    }

    /// Digits only: no sign, point, exponent or leading zero.
    private mutating func integer() throws -> Int {
      skipSpace()
      let start = index
      var value = 0
      while index < bytes.count, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(bytes[index]) {
        value = try checkedProduct(value, 10, "a number of the header")
        value = try checkedSum(value, Int(bytes[index] & 15), "a number of the header")
        index += 1
      }
      guard index > start, bytes[start] != UInt8(ascii: "0") || index == start + 1 else {
        throw damaged("has something else where a whole number is wanted")
      }
      return value
    }

    private mutating func string() throws -> String {
      try expect("\"")
      var text: [UInt8] = []
      while index < bytes.count {
        let byte = bytes[index]
        index += 1
        switch byte {
        case UInt8(ascii: "\""):
          guard let string = String(validating: text, as: UTF8.self) else {
            throw damaged("is not UTF-8")
          }
          return string
        case UInt8(ascii: "\\"): try escape(&text)
        case 0..<0x20: throw damaged("has a control character in a text")
        default: text.append(byte)
        }
      }
      throw damaged("is cut short")
    }

    private mutating func escape(_ text: inout [UInt8]) throws {
      guard index < bytes.count else { throw damaged("is cut short") }
      let byte = bytes[index]
      index += 1
      switch byte {
      case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): text.append(byte)
      case UInt8(ascii: "b"): text.append(0x08)
      case UInt8(ascii: "f"): text.append(0x0C)
      case UInt8(ascii: "n"): text.append(0x0A)
      case UInt8(ascii: "r"): text.append(0x0D)
      case UInt8(ascii: "t"): text.append(0x09)
      case UInt8(ascii: "u"):
        var code = try hexadecimal()
        if (0xD800..<0xDC00).contains(code), index + 1 < bytes.count,
          bytes[index] == UInt8(ascii: "\\"), bytes[index + 1] == UInt8(ascii: "u")
        {
          index += 2
          let low = try hexadecimal()
          guard (0xDC00..<0xE000).contains(low) else { throw damaged("has half a character") }
          code = 0x10000 + (code - 0xD800) << 10 + (low - 0xDC00)
        }
        guard let scalar = Unicode.Scalar(code) else { throw damaged("has half a character") }
        text += Array(String(scalar).utf8)
      default: throw damaged("has an unknown escape in a text")
      }
    }

    private mutating func hexadecimal() throws -> UInt32 {
      guard bytes.count - index >= 4 else { throw damaged("is cut short") }
      var code: UInt32 = 0
      for byte in bytes[index..<index + 4] {
        guard let digit = Character(Unicode.Scalar(byte)).hexDigitValue else {
          throw damaged("has an unknown escape in a text")
        }
        code = code << 4 | UInt32(digit)
      }
      index += 4
      return code
    }

    private mutating func skipSpace() {
      while index < bytes.count, [0x20, 0x09, 0x0A, 0x0D].contains(bytes[index]) { index += 1 }
    }

    /// Skips a sign if it comes next.
    private mutating func skip(_ sign: Unicode.Scalar) -> Bool {
      skipSpace()
      guard index < bytes.count, bytes[index] == UInt8(ascii: sign) else { return false }
      index += 1
      return true
    }

    private mutating func expect(_ sign: Unicode.Scalar) throws {
      guard skip(sign) else { throw damaged("lacks '\(sign)'") }
    }

    private func damaged(_ what: String) -> Refusal {
      Refusal("the header \(what), near its byte \(index)")
    }
  }
}
