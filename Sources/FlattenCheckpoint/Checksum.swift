/// The CRC-32 of zip archives (polynomial 0x04C11DB7, reflected), eight bytes a step.
package struct Checksum: Sendable {
  private var state: UInt32 = 0xFFFF_FFFF

  /// The checksum of all bytes so far.
  package var value: UInt32 { ~state }

  package init() {}

  /// Table `k` advances a byte that is followed by `k` more ("slicing by 8").
  private static let tables: [UInt32] = {
    var tables = [UInt32](repeating: 0, count: 8 * 256)
    for byte in 0..<256 {
      var remainder = UInt32(byte)
      for _ in 0..<8 { remainder = remainder >> 1 ^ (remainder & 1 == 1 ? 0xEDB8_8320 : 0) }
      tables[byte] = remainder
    }
    for index in 256..<8 * 256 {
      let previous = tables[index - 256]
      tables[index] = previous >> 8 ^ tables[Int(previous & 0xFF)]
    }
    return tables
  }()

  /// The checksum of a text's bytes, in eight hexadecimal digits.
  package static func digest(_ text: String) -> String { digest(Array(text.utf8)[...]) }

  /// The checksum of bytes, in eight hexadecimal digits.
  package static func digest(_ bytes: ArraySlice<UInt8>) -> String {
    var sum = Checksum()
    bytes.withUnsafeBytes { sum.update($0) }
    let digits = String(sum.value, radix: 16)
    return String(repeating: "0", count: 8 - digits.count) + digits
  }

  /// Takes in more bytes.
  package mutating func update(_ bytes: UnsafeRawBufferPointer) {
    guard let base = bytes.baseAddress else { return }
    Self.tables.withUnsafeBufferPointer { buffer in
      guard let tables = buffer.baseAddress else { return }
      var crc = state
      var offset = 0
      while bytes.count - offset >= 8 {
        let word = UInt64(littleEndian: (base + offset).loadUnaligned(as: UInt64.self))
        let low = UInt32(truncatingIfNeeded: word) ^ crc
        let high = UInt32(truncatingIfNeeded: word >> 32)
        let front =
          tables[7 * 256 + Int(low & 0xFF)] ^ tables[6 * 256 + Int(low >> 8 & 0xFF)]
          ^ tables[5 * 256 + Int(low >> 16 & 0xFF)] ^ tables[4 * 256 + Int(low >> 24)]
        let back =
          tables[3 * 256 + Int(high & 0xFF)] ^ tables[2 * 256 + Int(high >> 8 & 0xFF)]
          ^ tables[256 + Int(high >> 16 & 0xFF)] ^ tables[Int(high >> 24)]
        crc = front ^ back
        offset += 8
      }
      while offset < bytes.count {
        crc = crc >> 8 ^ tables[Int((crc ^ UInt32(bytes[offset])) & 0xFF)]
        offset += 1
      }
      state = crc
    }
  }
}
