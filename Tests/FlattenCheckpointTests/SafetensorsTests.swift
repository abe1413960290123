import FlattenFiles
import Foundation
import TestSupport
import Testing

@testable import FlattenCheckpoint

@Suite struct SafetensorsTests {
  static let awkward: [Float] = [
    0, -0.0, 1, -1.5, .pi, 65504, -65504, 6.1035156e-5, 5.9604645e-8, -5.9604645e-8, 2.9802322e-8,
    2.98023242e-8, 1e-10, .infinity, -.infinity, .nan, 1 + 0x1p-11, 1 + 0x1.8p-10, 1 + 0x1p-8,
    1 + 0x1.8p-7, .leastNonzeroMagnitude, 65519.996, 2048.5, 4097,
  ]

  @Test(arguments: SafetensorsWriter.Precision.allCases)
  func roundTrip(precision: SafetensorsWriter.Precision) throws {
    let values = Self.awkward
    let bytes = try safetensors(
      [("odd", [3], [1, 2, 3]), ("x", [values.count], values), ("empty", [0, 4], [])],
      precision: precision)
    try bytes.withUnsafeBytes { raw in
      let checkpoint = try Checkpoint.open(staticBytes: raw, name: "round trip")
      #expect(Set(checkpoint.entries.map(\.name)) == ["odd", "x", "empty"])
      for (got, value) in zip(try checkpoint.read("x").elements, values) {
        let want =
          switch precision {
          case .float32: value
          case .float16: Float(Float16(value))
          case .bfloat16: bfloat16(value)
          }
        #expect(got.bitPattern == want.bitPattern || (got.isNaN && want.isNaN), "\(value)")
      }
      #expect(checkpoint.nonFiniteTensors == ["x"])
    }
    #expect(
      bytes
        == (try safetensors(
          [("odd", [3], [1, 2, 3]), ("x", [values.count], values), ("empty", [0, 4], [])],
          precision: precision)))
  }

  /// The nearest bfloat16, halves to even, by trying both neighbours in double precision.
  private func bfloat16(_ value: Float) -> Float {
    guard value.isFinite else { return value }
    let low = Float(bitPattern: value.bitPattern & 0xFFFF_0000)
    let high = Float(bitPattern: (value.bitPattern & 0xFFFF_0000) &+ 0x1_0000)
    let toLow = abs(Double(value) - Double(low))
    let toHigh = abs(Double(high) - Double(value))
    if toLow == toHigh { return low.bitPattern >> 16 & 1 == 0 ? low : high }
    return toLow < toHigh ? low : high
  }

  /// All 65536 patterns of each 16-bit type survive the way to single precision and back.
  @Test func everyHalfIsExact() {
    for bits in UInt16.min...UInt16.max {
      let half = HalfPrecision.float(bits)
      let reference = Float(Float16(bitPattern: bits))
      #expect(half.bitPattern == reference.bitPattern || (half.isNaN && reference.isNaN))
      if !half.isNaN { #expect(HalfPrecision.float16(half) == bits) }
      let brain = Float(bitPattern: UInt32(bits) << 16)
      if !brain.isNaN { #expect(HalfPrecision.bfloat16(brain) == bits) }
    }
  }

  @Test func roundingToHalfIsThatOfTheHardware() {
    var random = SplitMix64(state: 7)
    for _ in 0..<100_000 {
      let value = Float(bitPattern: UInt32(truncatingIfNeeded: random.next()))
      guard !value.isNaN else { continue }
      #expect(HalfPrecision.float16(value) == Float16(value).bitPattern, "\(value)")
      // Most patterns are far outside the range of a half; scale some into it.
      let small = Float(Int32(truncatingIfNeeded: random.next() >> 40)) * 0x1p-26
      #expect(HalfPrecision.float16(small) == Float16(small).bitPattern, "\(small)")
    }
  }

  @Test func eightBitFloats() {
    #expect(HalfPrecision.float(e4m3: 0x7E) == 448)
    #expect(HalfPrecision.float(e4m3: 0x01) == 0x1p-9)
    #expect(HalfPrecision.float(e4m3: 0x08) == 0x1p-6)
    #expect(HalfPrecision.float(e4m3: 0xB8) == -1)
    #expect(HalfPrecision.float(e4m3: 0x7F).isNaN)
  }

  @Test(arguments: [(SafetensorsWriter.Precision.float16, Float(65520)), (.bfloat16, 3.4e38)])
  func overflowNamesTheTensor(precision: SafetensorsWriter.Precision, value: Float) {
    let error = #expect(throws: FileError.self) {
      try safetensors([("fine", [1], [1]), ("loud", [1], [value])], precision: precision)
    }
    #expect(error?.description.contains("'loud'") == true)
  }

  /// Names and texts with quotes, control characters and other scripts.
  @Test func conversionKeepsNames() throws {
    let names = ["plain", "with \"quotes\" \\ and \n", "caf\u{E9}", "cafe\u{301}"]
    let metadata = [(key: "format", value: "a\tb\u{1}\""), (key: "é", value: "")]
    try withTemporaryFile { path in
      let writer = SafetensorsWriter(precision: .float32, metadata: metadata)
      try writer.write(names.map { ($0, [2]) }, to: path) { name, _, buffer in
        buffer.initialize(repeating: Float(name.utf8.count))
      }
      let checkpoint = try Checkpoint.open(path: path)
      #expect(checkpoint.metadata.map(\.key) == metadata.map(\.key))
      #expect(checkpoint.metadata.map(\.value) == metadata.map(\.value))
      #expect(checkpoint.entries.map { Array($0.name.utf8) } == names.map { Array($0.utf8) })
      for name in names {
        #expect(try checkpoint.read(name).elements[0] == Float(name.utf8.count))
      }
    }
  }
}
