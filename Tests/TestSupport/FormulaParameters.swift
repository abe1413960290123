import FlattenCheckpoint
import FlattenTensor
import Foundation

/// Parameters of a full-size model whose numbers follow from name, index and shape;
/// Tools/reference/full_size.py computes the same.
package final class FormulaParameters: ParameterSource {
  package let name: String
  package let parameterShapes: [(name: String, shape: [Int], isFloatingPoint: Bool)]
  private let shapes: [String: [Int]]
  private let isEmpty: Bool
  private let adjustments: [Adjustment]

  /// What is done to the numbers of every parameter whose name ends in some way.
  package struct Adjustment: Sendable {
    let ending: String
    let scale: Float
    let offset: Float
    /// All elements, in place of those of the formula.
    let values: [Float]?

    /// `{"ending": ".bn.weight", "scale": 1, "offset": 1}`, or `"values"` in place of the two.
    package init(_ json: JSONValue) {
      ending = json["ending"].text ?? ""
      scale = json["scale"].number.map { Float($0) } ?? .nan
      offset = json["offset"].number.map { Float($0) } ?? .nan
      values = json["values"].isNull ? nil : json["values"].list.map { Float($0.number ?? .nan) }
    }
  }

  /// - Parameters:
  ///   - isEmpty: whether all elements are zero, which is quicker.
  ///   - adjustments: of each parameter the first that fits is applied.
  package init(
    _ parameters: [(name: String, shape: [Int], isFloatingPoint: Bool)], isEmpty: Bool = false,
    adjustments: [Adjustment] = [], name: String = "made for a test"
  ) {
    self.name = name
    self.isEmpty = isEmpty
    self.adjustments = adjustments
    parameterShapes = parameters
    shapes = Dictionary(parameters.map { ($0.name, $0.shape) }, uniquingKeysWith: { $1 })
  }

  /// The keys of an original model of full size.
  ///
  /// - Parameter list: the file's name in `Tests/FamilyFixtures/keys`, without its ending.
  package convenience init(keysOf list: String, isEmpty: Bool = false) throws {
    try self.init(
      list: Fixtures.families.appending(path: "keys/\(list).txt"), isEmpty: isEmpty)
  }

  /// The keys of a list: on each line a name, a shape as in `16x3x4x4` or `scalar`, and `int` after it
  /// where the elements are integers.
  package convenience init(list file: URL, isEmpty: Bool = false) throws {
    let lines = try String(contentsOf: file, encoding: .utf8).split(separator: "\n")
    self.init(
      lines.map { line in
        let words = line.split(separator: " ")
        // The shape of a single number is written as a word.
        let shape = words[1].split(separator: "x").compactMap { Int($0) }
        return (String(words[0]), shape, words.count == 2)
      }, isEmpty: isEmpty, name: file.deletingPathExtension().lastPathComponent)
  }

  /// Well mixed numbers that belong to a name.
  package static func mixed(_ name: String, count: Int) -> [UInt32] {
    var seed: UInt32 = 2_166_136_261
    for byte in name.utf8 { seed = (seed ^ UInt32(byte)) &* 16_777_619 }
    return (0..<UInt32(count)).map { index in
      var z = index &* 2_654_435_761 &+ seed
      z ^= z >> 16
      z = z &* 0x85EB_CA6B
      z ^= z >> 13
      z = z &* 0xC2B2_AE35
      return z ^ z >> 16
    }
  }

  /// Numbers in [-1, 1).
  private static func uniform(_ name: String, count: Int) -> [Float] {
    mixed(name, count: count).map { Float($0 >> 8) * 0x1p-23 - 1 }
  }

  /// `[B, H, W, 3]`, numbers in [-2, 2).
  package static func picture(batch: Int = 1, height: Int, width: Int) -> Tensor {
    let values = uniform("x", count: batch * 3 * height * width).map { 2 * $0 }
    return Tensor([batch, 3, height, width], values).channelsLast()
  }

  package func read(_ name: String, into buffer: UnsafeMutableBufferPointer<Float>) throws {
    guard let shape = shapes[name] else { throw Golden.Missing(description: name) }
    if isEmpty { return buffer.initialize(repeating: 0) }
    let scale: Float
    var offset: Float = 0
    if shape.count > 1, !["pos", "scale", "token", "table"].contains(where: name.contains) {
      // What passes through a matrix keeps its size.
      scale = Float((3 / Double(shape.dropFirst().reduce(1, *))).squareRoot())
    } else {
      scale = 0.5
      let isFactor = name.contains("norm") && name.hasSuffix("weight")
      if isFactor || name.hasSuffix("running_var") { offset = 1 }
    }
    var values = Self.uniform(name, count: buffer.count).map { offset + scale * $0 }
    if let adjustment = adjustments.first(where: { name.hasSuffix($0.ending) }) {
      values = adjustment.values ?? values.map { $0 * adjustment.scale + adjustment.offset }
      guard values.count == buffer.count else {
        throw Golden.Missing(description: "\(values.count) values for \(name) \(shape)")
      }
    }
    _ = buffer.initialize(from: values)
  }
}
