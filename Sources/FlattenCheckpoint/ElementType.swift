/// The type of a stored tensor's elements.
package enum ElementType: String, Sendable, CaseIterable {
  case float64, float32, float16, bfloat16
  case float8e4m3 = "float8_e4m3fn"
  case float8e5m2 = "float8_e5m2"
  case int64, int32, int16, int8
  case uint64, uint32, uint16, uint8
  case bool

  /// Bytes an element takes.
  package var byteSize: Int {
    switch self {
    case .float64, .int64, .uint64: 8
    case .float32, .int32, .uint32: 4
    case .float16, .bfloat16, .int16, .uint16: 2
    case .float8e4m3, .float8e5m2, .int8, .uint8, .bool: 1
    }
  }

  package var isFloatingPoint: Bool {
    switch self {
    case .float64, .float32, .float16, .bfloat16, .float8e4m3, .float8e5m2: true
    default: false
    }
  }

  /// The name in a safetensors header.
  package var safetensorsName: String {
    switch self {
    case .float64: "F64"
    case .float32: "F32"
    case .float16: "F16"
    case .bfloat16: "BF16"
    case .float8e4m3: "F8_E4M3"
    case .float8e5m2: "F8_E5M2"
    case .int64: "I64"
    case .int32: "I32"
    case .int16: "I16"
    case .int8: "I8"
    case .uint64: "U64"
    case .uint32: "U32"
    case .uint16: "U16"
    case .uint8: "U8"
    case .bool: "BOOL"
    }
  }

  init?(safetensorsName name: String) {
    guard let type = Self.allCases.first(where: { $0.safetensorsName == name }) else { return nil }
    self = type
  }
}

extension ElementType {
  /// Converts stored elements, little-endian and at any alignment, to single precision.
  ///
  /// - Parameters:
  ///   - bytes: `floats.count` whole elements.
  func convert(_ bytes: UnsafeRawBufferPointer, to floats: UnsafeMutableBufferPointer<Float>) {
    switch self {
    case .float64: fill(floats, bytes, UInt64.self) { Float(Double(bitPattern: $0)) }
    case .float32: fill(floats, bytes, UInt32.self) { Float(bitPattern: $0) }
    case .float16: fill(floats, bytes, UInt16.self) { HalfPrecision.float($0) }
    case .bfloat16: fill(floats, bytes, UInt16.self) { Float(bitPattern: UInt32($0) << 16) }
    case .float8e4m3: fill(floats, bytes, UInt8.self) { HalfPrecision.float(e4m3: $0) }
    case .float8e5m2: fill(floats, bytes, UInt8.self) { HalfPrecision.float(UInt16($0) << 8) }
    case .int64: fill(floats, bytes, Int64.self) { Float($0) }
    case .int32: fill(floats, bytes, Int32.self) { Float($0) }
    case .int16: fill(floats, bytes, Int16.self) { Float($0) }
    case .int8: fill(floats, bytes, Int8.self) { Float($0) }
    case .uint64: fill(floats, bytes, UInt64.self) { Float($0) }
    case .uint32: fill(floats, bytes, UInt32.self) { Float($0) }
    case .uint16: fill(floats, bytes, UInt16.self) { Float($0) }
    case .uint8: fill(floats, bytes, UInt8.self) { Float($0) }
    // A byte that is neither 0 nor 1 counts as true; it is never loaded as a `Bool`.
    case .bool: fill(floats, bytes, UInt8.self) { $0 == 0 ? 0 : 1 }
    }
  }

  /// The elements of an integer or truth type; `nil` for floating-point types and for values beyond
  /// 63 bits.
  func integers(_ bytes: [UInt8]) -> [Int64]? {
    switch self {
    case .int64: list(bytes, Int64.self) { $0 }
    case .int32: list(bytes, Int32.self) { Int64($0) }
    case .int16: list(bytes, Int16.self) { Int64($0) }
    case .int8: list(bytes, Int8.self) { Int64($0) }
    case .uint64: list(bytes, UInt64.self) { Int64(exactly: $0) }
    case .uint32: list(bytes, UInt32.self) { Int64($0) }
    case .uint16: list(bytes, UInt16.self) { Int64($0) }
    case .uint8: list(bytes, UInt8.self) { Int64($0) }
    case .bool: list(bytes, UInt8.self) { $0 == 0 ? 0 : 1 }
    default: nil
    }
  }

  @inline(__always)
  private func fill<Stored: FixedWidthInteger>(
    _ floats: UnsafeMutableBufferPointer<Float>, _ bytes: UnsafeRawBufferPointer, _: Stored.Type,
    _ convert: (Stored) -> Float
  ) {
    let size = MemoryLayout<Stored>.size
    precondition(bytes.count == floats.count * size, "bytes and elements differ in number")
    guard let source = bytes.baseAddress, let target = floats.baseAddress else { return }
    for index in 0..<floats.count {
      let stored = (source + index * size).loadUnaligned(as: Stored.self)
      (target + index).initialize(to: convert(Stored(littleEndian: stored)))
    }
  }

  private func list<Stored: FixedWidthInteger>(
    _ bytes: [UInt8], _: Stored.Type, _ convert: (Stored) -> Int64?
  ) -> [Int64]? {
    let size = MemoryLayout<Stored>.size
    var values: [Int64] = []
    values.reserveCapacity(bytes.count / size)
    let isWhole = bytes.withUnsafeBytes { raw in
      for index in 0..<raw.count / size {
        let stored = raw.loadUnaligned(fromByteOffset: index * size, as: Stored.self)
        guard let value = convert(Stored(littleEndian: stored)) else { return false }
        values.append(value)
      }
      return true
    }
    return isWhole ? values : nil
  }
}

/// Conversions between single precision and the 8- and 16-bit formats, by bits: exact, without
/// branches that keep a loop from being vectorised, and the same on every machine.
package enum HalfPrecision {
  /// The value of a float16.
  static func float(_ half: UInt16) -> Float {
    let magnitude = UInt32(half & 0x7FFF) << 13
    // Moves the exponent's bias from 15 to 127; exact for subnormals too.
    let scaled = (Float(bitPattern: magnitude) * 0x1p112).bitPattern
    let bits = half & 0x7C00 == 0x7C00 ? magnitude | 0x7F80_0000 : scaled
    return Float(bitPattern: bits | UInt32(half & 0x8000) << 16)
  }

  /// The value of a float8 of 4 exponent and 3 fraction bits; it has no infinities.
  static func float(e4m3 byte: UInt8) -> Float {
    let magnitude = byte & 0x7F
    guard magnitude != 0x7F else { return .nan }
    let exponent = Int(magnitude >> 3)
    let fraction = Float(magnitude & 7)
    let value = exponent == 0 ? fraction * 0x1p-9 : (8 + fraction) * power(of: exponent - 10)
    return byte & 0x80 == 0 ? value : -value
  }

  private static func power(of exponent: Int) -> Float {
    Float(sign: .plus, exponent: exponent, significand: 1)
  }

  /// The nearest float16, halves to even; infinity where the value is too large.
  package static func float16(_ value: Float) -> UInt16 {
    let sign = UInt16(truncatingIfNeeded: value.bitPattern >> 16) & 0x8000
    let magnitude = value.bitPattern & 0x7FFF_FFFF
    let rounded: UInt32
    if magnitude > 0x7F80_0000 {
      rounded = 0x7E00 | magnitude >> 13 & 0x3FF  // NaN stays NaN
    } else if magnitude >= 0x477F_F000 {
      rounded = 0x7C00  // 65520 and above
    } else if magnitude < 0x3880_0000 {
      // Subnormal: at 0.5 the unit in the last place is 2^-24, so adding 0.5 rounds.
      rounded = (Float(bitPattern: magnitude) + 0.5).bitPattern - 0x3F00_0000
    } else {
      rounded = (magnitude - 0x3800_0000 + 0xFFF + (magnitude >> 13 & 1)) >> 13
    }
    return sign | UInt16(truncatingIfNeeded: rounded)
  }

  /// The nearest bfloat16, halves to even; infinity where the value is too large.
  package static func bfloat16(_ value: Float) -> UInt16 {
    let bits = value.bitPattern
    if value.isNaN { return UInt16(truncatingIfNeeded: bits >> 16) | 0x40 }
    return UInt16(truncatingIfNeeded: (bits + 0x7FFF + (bits >> 16 & 1)) >> 16)
  }
}
