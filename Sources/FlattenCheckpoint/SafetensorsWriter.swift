import FlattenFiles
import FlattenTensor

/// Writes safetensors files, one tensor in memory at a time.
///
/// The same input gives the same file. Wider elements come first, which keeps every tensor aligned;
/// otherwise the order of the input stays.
package struct SafetensorsWriter {
  /// The type that floating-point tensors are converted to; others stay as they are.
  package enum Precision: String, Sendable, CaseIterable {
    case float32 = "f32"
    case float16 = "f16"
    case bfloat16 = "bf16"

    var elementType: ElementType {
      switch self {
      case .float32: .float32
      case .float16: .float16
      case .bfloat16: .bfloat16
      }
    }
  }

  private let precision: Precision
  private let metadata: [(key: String, value: String)]

  /// - Parameters:
  ///   - metadata: written in this order; each key once.
  package init(precision: Precision, metadata: [(key: String, value: String)] = []) {
    self.precision = precision
    self.metadata = metadata
  }

  /// One tensor to write; `write` appends its elements.
  private struct Part {
    let name: String
    let shape: [Int]
    let type: ElementType
    let write: (AtomicFile) throws -> Void
  }

  /// Writes all tensors of a checkpoint under their names.
  ///
  /// - Throws: ``FileError`` where a finite number becomes infinite in the precision asked for, or
  ///   the checkpoint cannot be read, or the file cannot be written. Nothing is left behind then.
  package func write(_ checkpoint: Checkpoint, to path: String) throws {
    try write(
      checkpoint.entries.map { entry in
        if let type = entry.elementType, !type.isFloatingPoint {
          return Part(name: entry.name, shape: entry.shape, type: type) {
            try $0.write(try checkpoint.readBytes(entry))
          }
        }
        return Part(name: entry.name, shape: entry.shape, type: precision.elementType) {
          let tensor = try checkpoint.read(entry)
          try append(tensor, name: entry.name, to: $0)
        }
      }, to: path)
  }

  /// Writes floating-point tensors whose elements are made when their turn comes.
  package func write(
    _ tensors: [(name: String, shape: [Int])], to path: String,
    elements: (
      _ name: String, _ shape: [Int], _ buffer: UnsafeMutableBufferPointer<Float>
    ) throws -> Void
  ) throws {
    try withoutActuallyEscaping(elements) { elements in
      try write(
        tensors.map { name, shape in
          Part(name: name, shape: shape, type: precision.elementType) {
            let tensor = try Tensor([shape.reduce(1, *)]) { try elements(name, shape, $0) }
            try append(tensor, name: name, to: $0)
          }
        }, to: path)
    }
  }

  private func write(_ parts: [Part], to path: String) throws {
    // Sorting by width is stable only with the position as the second key.
    let ordered = parts.enumerated().sorted { left, right in
      (-left.element.type.byteSize, left.offset) < (-right.element.type.byteSize, right.offset)
    }.map(\.element)
    let file = try AtomicFile(path: path)
    try file.write(header(ordered))
    for part in ordered { try part.write(file) }
    try file.commit()
  }

  private func append(_ tensor: Tensor, name: String, to file: AtomicFile) throws {
    try tensor.withUnsafeBuffer { values in
      if precision == .float32, 1.littleEndian == 1 {
        return try file.write(UnsafeRawBufferPointer(values))
      }
      var bytes: [UInt8] = []
      var start = 0
      while start < values.count {
        let piece = values[start..<min(start + (1 << 16), values.count)]
        bytes.removeAll(keepingCapacity: true)
        for value in piece { try encode(value, name: name, to: file, &bytes) }
        try file.write(bytes)
        start += piece.count
      }
    }
  }

  private func encode(
    _ value: Float, name: String, to file: AtomicFile, _ bytes: inout [UInt8]
  ) throws {
    let bits: UInt16
    let isInfinite: Bool
    switch precision {
    case .float32:
      withUnsafeBytes(of: value.bitPattern.littleEndian) { bytes += $0 }
      return
    case .float16:
      bits = HalfPrecision.float16(value)
      isInfinite = bits & 0x7FFF == 0x7C00
    case .bfloat16:
      bits = HalfPrecision.bfloat16(value)
      isInfinite = bits & 0x7FFF == 0x7F80
    }
    guard !isInfinite || value.isInfinite else {
      throw FileError(
        path: file.path, kind: .unwritable,
        reason: "'\(shortened(name))' holds \(value), too large for \(precision.rawValue). Write "
          + (precision == .float16 ? "bf16 or f32" : "f32"))
    }
    bytes.append(UInt8(truncatingIfNeeded: bits))
    bytes.append(UInt8(truncatingIfNeeded: bits >> 8))
  }

  // MARK: The header

  private func header(_ parts: [Part]) -> [UInt8] {
    var members: [String] = []
    if !metadata.isEmpty {
      let texts = metadata.map { "\(quoted($0.key)):\(quoted($0.value))" }
      members.append("\"__metadata__\":{\(texts.joined(separator: ","))}")
    }
    var offset = 0
    for part in parts {
      let end = offset + part.shape.reduce(1, *) * part.type.byteSize
      let shape = part.shape.map(String.init).joined(separator: ",")
      members.append(
        "\(quoted(part.name)):{\"dtype\":\"\(part.type.safetensorsName)\",\"shape\":[\(shape)],"
          + "\"data_offsets\":[\(offset),\(end)]}")
      offset = end
    }
    var text = Array("{\(members.joined(separator: ","))}".utf8)
    // The data begins at a multiple of 8, so that a reader may map it.
    while !text.count.isMultiple(of: 8) { text.append(UInt8(ascii: " ")) }
    return withUnsafeBytes(of: UInt64(text.count).littleEndian, Array.init) + text
  }

  private func quoted(_ text: String) -> String {
    var result = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": result += "\\\""
      case "\\": result += "\\\\"
      case _ where scalar.value < 0x20:
        let digits = String(scalar.value, radix: 16)
        result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result + "\""
  }
}

extension ParameterTree {
  /// Writes every tensor that has been asked for; each is made or read once more, so that only one is
  /// in memory.
  package func write(
    to path: String, precision: SafetensorsWriter.Precision = .float32,
    metadata: [(key: String, value: String)] = []
  ) throws {
    try SafetensorsWriter(precision: precision, metadata: metadata).write(requested, to: path) {
      name, shape, buffer in
      try fill(buffer, name: name, shape: shape)
    }
  }
}
