import FlattenCheckpoint
import FlattenTensor
import Foundation

/// A golden case's inputs, weights and expectations in our layout.
package struct Golden {
  package let folder: URL
  package let json: JSONValue
  package let inputs: [String: FixtureTensor]
  package let expected: [String: FixtureTensor]

  package init(_ fixture: FixtureCase) throws {
    folder = fixture.folder
    json = try fixture.json()
    inputs = try fixture.tensors("inputs")
    expected = try fixture.tensors("expected")
  }

  package var parameters: JSONValue { json["params"] }

  /// The reference's class names of the heads, and their names in our configs.
  package static let heads = [
    "FPNHead": "fpn_head", "UPerHead": "uper_head", "SegformerHead": "segformer_head",
  ]

  package struct Missing: Error, CustomStringConvertible {
    package let description: String

    package init(description: String) { self.description = description }
  }

  /// An input as it is stored.
  package func input(_ name: String = "x") throws -> Tensor {
    guard let tensor = inputs[name] else {
      throw Missing(description: "\(folder.lastPathComponent) has no input '\(name)'")
    }
    return Tensor(tensor.shape, tensor.floats)
  }

  /// An input `[B, C, H, W]` as `[B, H, W, C]`.
  ///
  /// One that is marked `formula` is not stored: it is ``FormulaParameters/picture(batch:height:width:)``.
  package func map(_ name: String = "x") throws -> Tensor {
    let described = json["inputs"][name]
    guard described["formula"].bool == true else { return try input(name).channelsLast() }
    let shape = described["shape"].ints
    guard shape.count == 4, shape[1] == 3 else {
      throw Missing(description: "\(folder.lastPathComponent) has no picture '\(name)'")
    }
    return FormulaParameters.picture(batch: shape[0], height: shape[2], width: shape[3])
  }

  /// The weights: those of `files.weights`, or ``FormulaParameters`` with the keys of `files.keys`.
  package func source() throws -> any ParameterSource {
    if let list = json["files"]["keys"].text {
      return try FormulaParameters(list: folder.appending(path: list))
    }
    guard let name = json["files"]["weights"].text else {
      throw Missing(description: "\(folder.lastPathComponent) has no weights")
    }
    return try FixtureParameters(folder.appending(path: name))
  }

  /// The weights as a parameter tree.
  ///
  /// - Parameter translating: gives the file our names.
  package func weights(
    translating: (any ParameterSource) -> any ParameterSource = { $0 }
  ) throws -> ParameterTree {
    ParameterTree(source: translating(try source()))
  }

  /// What is wrong with a result, or `nil`. The tolerance is the case's own.
  ///
  /// - Parameters:
  ///   - alternative: an expected tensor that is accepted as well, with its own tolerance or this one.
  package func mismatch(
    _ name: String, _ got: Tensor, finiteOnly: Bool = false, alternative: String? = nil
  ) -> String? {
    guard let tensor = expected[name] else { return "no expected tensor '\(name)'" }
    let tolerance = json["expected"][name]
    guard let atol = tolerance["atol"].number else { return "'\(name)' has no tolerance" }
    let problem = Comparison.mismatch(
      got.elements, shape: got.shape, expected: tensor.doubles, expectedShape: tensor.shape,
      atol: atol, rtol: tolerance["rtol"].number ?? 0, finiteOnly: finiteOnly)
    if problem != nil, let alternative, let other = expected[alternative] {
      let atol = json["expected"][alternative]["atol"].number ?? atol
      return Comparison.mismatch(
        got.elements, shape: got.shape, expected: other.doubles, expectedShape: other.shape,
        atol: atol)
    }
    return problem.map { "\(name): \($0)" }
  }

  /// The same for a map `[B, H, W, C]` whose expectation is `[B, C, H, W]`, or every so many rows and
  /// columns of it where the expectation has a `stride`; `shape` is then that of the whole map.
  package func mismatch(map name: String, _ got: Tensor) -> String? {
    let described = json["expected"][name]
    guard !described["stride"].isNull else { return mismatch(name, got.channelsFirst()) }
    let steps = described["stride"].ints
    guard steps.count == 2, steps.allSatisfy({ $0 > 0 }) else {
      return "'\(name)' has no stride of rows and columns"
    }
    let whole = got.channelsFirst()
    guard whole.shape == Shape(described["shape"].ints) else {
      return "\(name): shape \(whole.shape), expected \(described["shape"].ints)"
    }
    return mismatch(name, got.sampled(rows: steps[0], columns: steps[1]).channelsFirst())
  }

  /// What is wrong with labels, or `nil` where at most the case's number of pixels differ.
  ///
  /// - Parameter emptyAllowed: whether there may be no labels to compare.
  package func mismatch(
    labels name: String, emptyAllowed: Bool = false, _ got: [UInt16]
  ) -> String? {
    guard let tensor = expected[name] else { return "no expected tensor '\(name)'" }
    guard let allowed = json["expected"][name]["max_mismatched_pixels"].int else {
      return "'\(name)' has no tolerance"
    }
    let wanted = tensor.integers
    guard got.count == wanted.count, emptyAllowed || !wanted.isEmpty else {
      return "\(name): \(got.count) labels, expected \(wanted.count)"
    }
    let different = zip(got, wanted).filter { Int($0) != $1 }.count
    return different <= allowed ? nil : "\(name): \(different) pixels differ, \(allowed) may"
  }
}

/// The tensors of a golden weights file.
package final class FixtureParameters: ParameterSource {
  package let name: String
  private let tensors: [String: FixtureTensor]
  private let checkpoint: (any ParameterSource)?

  package init(_ file: URL) throws {
    name = file.lastPathComponent
    if file.pathExtension == "safetensors" {
      tensors = try FixtureTensor.read(file)
      checkpoint = nil
    } else {
      tensors = [:]
      checkpoint = try Checkpoint.open(path: file.path)
    }
  }

  package var parameterShapes: [(name: String, shape: [Int], isFloatingPoint: Bool)] {
    if let checkpoint { return checkpoint.parameterShapes }
    return tensors.sorted { $0.key < $1.key }.map {
      ($0.key, Array($0.value.shape), $0.value.type.contains("F"))
    }
  }

  package func read(_ name: String, into buffer: UnsafeMutableBufferPointer<Float>) throws {
    if let checkpoint { return try checkpoint.read(name, into: buffer) }
    guard let tensor = tensors[name] else { throw Golden.Missing(description: name) }
    _ = buffer.initialize(from: tensor.floats)
  }
}

extension Tensor {
  /// `[B, C, H, W]` as `[B, H, W, C]`.
  package func channelsLast() -> Tensor {
    let (batch, channels, area) = (shape[0], shape[1], shape[2] * shape[3])
    return Tensor([batch, shape[2], shape[3], channels]) { out in
      for item in 0..<batch {
        for channel in 0..<channels {
          for pixel in 0..<area {
            out[(item * area + pixel) * channels + channel] =
              pointer[(item * channels + channel) * area + pixel]
          }
        }
      }
    }
  }

  /// `[B, H, W, C]` as `[B, C, H, W]`.
  package func channelsFirst() -> Tensor {
    let (batch, channels, area) = (shape[0], shape[3], shape[1] * shape[2])
    return Tensor([batch, channels, shape[1], shape[2]]) { out in
      for item in 0..<batch {
        for channel in 0..<channels {
          for pixel in 0..<area {
            out[(item * channels + channel) * area + pixel] =
              pointer[(item * area + pixel) * channels + channel]
          }
        }
      }
    }
  }
}

extension Tensor {
  /// The first of every `rows` rows and of every `columns` columns of a map `[B, H, W, C]`.
  package func sampled(rows: Int, columns: Int) -> Tensor {
    let ys = Array(stride(from: 0, to: shape[1], by: rows))
    let xs = Array(stride(from: 0, to: shape[2], by: columns))
    let values = elements
    var picked: [Float] = []
    for item in 0..<shape[0] {
      for y in ys {
        for x in xs {
          let start = ((item * shape[1] + y) * shape[2] + x) * shape[3]
          picked += values[start..<start + shape[3]]
        }
      }
    }
    return Tensor([shape[0], ys.count, xs.count, shape[3]], picked)
  }
}

extension Golden {
  /// A stored weight under its own shape, or `nil` where there is none.
  package func weight(_ name: String) throws -> Tensor? {
    let root = try weights().root
    return root.contains(name) ? try root.tensorAsStored(name) : nil
  }
}

extension ParameterScope {
  /// A tensor under the shape that the file has.
  package func tensorAsStored(_ name: String) throws -> Tensor {
    guard let shape = shape(of: name) else {
      throw Golden.Missing(description: "no weight '\(name)'")
    }
    return try tensor(name, shape)
  }
}
