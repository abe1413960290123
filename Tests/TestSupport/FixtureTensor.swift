import FlattenTensor
import Foundation

/// A tensor of a golden file, read here by a few lines of our own so that the reader under test is
/// not its own judge.
package struct FixtureTensor: Sendable {
  package let shape: Shape
  /// safetensors name of the element type: `F32`, `U8`, ...
  package let type: String
  package let bytes: Data

  struct Problem: Error, CustomStringConvertible {
    let description: String
  }

  /// All tensors of a safetensors file.
  package static func read(_ file: URL) throws -> [String: FixtureTensor] {
    let data = try Data(contentsOf: file)
    guard data.count >= 8 else { throw Problem(description: "\(file.path): too short") }
    let length = data.prefix(8).reversed().reduce(0) { $0 << 8 | Int($1) }
    let header = try JSONDecoder().decode(JSONValue.self, from: data[8..<(8 + length)])
    var tensors: [String: FixtureTensor] = [:]
    for (name, entry) in header.fields where name != "__metadata__" {
      let range = entry["data_offsets"].ints
      guard range.count == 2, let type = entry["dtype"].text else {
        throw Problem(description: "\(file.path): bad entry '\(name)'")
      }
      tensors[name] = FixtureTensor(
        shape: Shape(entry["shape"].ints), type: type,
        bytes: Data(data[(8 + length + range[0])..<(8 + length + range[1])]))
    }
    return tensors
  }

  private func values<Stored>(_: Stored.Type) -> [Stored] {
    bytes.withUnsafeBytes { raw in
      (0..<(raw.count / MemoryLayout<Stored>.size)).map {
        raw.loadUnaligned(fromByteOffset: $0 * MemoryLayout<Stored>.size, as: Stored.self)
      }
    }
  }

  /// The elements as double precision numbers, row-major.
  package var doubles: [Double] {
    switch type {
    case "F64": values(Double.self)
    case "F32": values(Float.self).map(Double.init)
    case "F16":
      values(UInt16.self).map { Double(Float(Float16(bitPattern: $0))) }
    case "BF16": values(UInt16.self).map { Double(Float(bitPattern: UInt32($0) << 16)) }
    case "I64": values(Int64.self).map(Double.init)
    case "I32": values(Int32.self).map(Double.init)
    case "I16": values(Int16.self).map(Double.init)
    case "I8": values(Int8.self).map(Double.init)
    default: values(UInt8.self).map(Double.init)
    }
  }

  /// The elements as single precision numbers, row-major.
  package var floats: [Float] { type == "F32" ? values(Float.self) : doubles.map(Float.init) }
  /// The elements of an integer tensor.
  package var integers: [Int] {
    type == "I64" ? values(Int64.self).map(Int.init) : doubles.map { Int($0) }
  }
}
