import FlattenCheckpoint
import FlattenTensor
import Testing

@Suite struct TranslatedParametersTests {
  private final class Source: ParameterSource {
    let name = "made for a test"
    let tensors: [(name: String, shape: [Int])]

    init(_ tensors: [(name: String, shape: [Int])]) { self.tensors = tensors }

    var parameterShapes: [(name: String, shape: [Int], isFloatingPoint: Bool)] {
      tensors.map { ($0.name, $0.shape, true) }
    }

    /// 0, 1, 2, ...
    func read(_ name: String, into buffer: UnsafeMutableBufferPointer<Float>) throws {
      for index in buffer.indices { buffer[index] = Float(index) }
    }
  }

  private func translate(_ key: String) -> [TranslatedParameter] {
    switch key {
    case "fused":
      [
        TranslatedParameter("q", elements: .parts(0..<1, of: 3)),
        TranslatedParameter("kv", elements: .parts(1..<3, of: 3)),
      ]
    case "conv": [TranslatedParameter("linear", elements: .matrix)]
    case "cells": [TranslatedParameter("merged", elements: .unfoldedCells)]
    case "theirs": [TranslatedParameter("ours")]
    default: [TranslatedParameter(key)]
    }
  }

  private func read(
    _ shape: [Int], _ name: String, as ours: String, below scope: String = ""
  ) throws -> (shape: [Int], elements: [Float])? {
    let file = TranslatedParameters(Source([(name, shape)]), below: scope, translate)
    guard let entry = file.parameterShapes.first(where: { $0.name == ours }) else { return nil }
    let tensor = try Tensor(Shape(entry.shape)) { try file.read(ours, into: $0) }
    return (entry.shape, tensor.elements)
  }

  @Test func aFusedMatrixIsTakenApart() throws {
    let q = try #require(try read([6, 2], "fused", as: "q"))
    #expect(q.shape == [2, 2] && q.elements == [0, 1, 2, 3])
    let kv = try #require(try read([6, 2], "fused", as: "kv"))
    #expect(kv.shape == [4, 2] && kv.elements == [4, 5, 6, 7, 8, 9, 10, 11])
    let bias = try #require(try read([3], "fused", as: "kv"))
    #expect(bias.shape == [2] && bias.elements == [1, 2])
  }

  @Test func aConvolutionOfOneCellIsAMatrix() throws {
    let linear = try #require(try read([2, 3, 1, 1], "conv", as: "linear"))
    #expect(linear.shape == [2, 3] && linear.elements == [0, 1, 2, 3, 4, 5])
  }

  @Test func cellsAreOrderedAnew() throws {
    // Two channels, of each the cells (0, 0), (0, 1), (1, 0), (1, 1).
    let norm = try #require(try read([8], "cells", as: "merged"))
    #expect(norm.elements == [0, 4, 2, 6, 1, 5, 3, 7])
    let weight = try #require(try read([2, 8], "cells", as: "merged"))
    #expect(weight.elements == [0, 4, 2, 6, 1, 5, 3, 7, 8, 12, 10, 14, 9, 13, 11, 15])
  }

  @Test func namesOutsideTheScopeStay() throws {
    #expect(try read([2], "backbone.theirs", as: "backbone.ours", below: "backbone.") != nil)
    #expect(try read([2], "head.theirs", as: "head.theirs", below: "backbone.") != nil)
    #expect(try read([2], "theirs", as: "theirs", below: "backbone.") != nil)
  }

  /// What cannot be what its name says keeps its name, and loading reports it.
  @Test(
    arguments: [
      ("fused", [4, 2]), ("fused", []), ("conv", [2, 3]), ("conv", [2, 3, 1, 2]), ("conv", [1, 1]),
      ("conv", []), ("cells", [6]), ("cells", []),
    ] as [(String, [Int])])
  func unsuitableShapesKeepTheirNames(name: String, shape: [Int]) throws {
    let stored = try #require(try read(shape, name, as: name))
    #expect(stored.shape == shape)
  }

  /// A file with both spellings: nothing is lost, the second is left over.
  @Test func aNameThatIsTakenIsNotTakenTwice() throws {
    let file = TranslatedParameters(
      Source([("ours", [1]), ("theirs", [2]), ("q", [1]), ("fused", [3])]), below: "", translate)
    #expect(file.parameterShapes.map(\.name) == ["ours", "theirs", "q", "fused"])
    let tree = ParameterTree(source: file)
    _ = try tree.root.tensor("ours", [1])
    _ = try tree.root.tensor("q", [1])
    let error = #expect(throws: ParameterError.self) { try tree.finish(ignoring: []) }
    #expect(
      error?.problems
        == [.leftOver(name: "theirs", shape: [2]), .leftOver(name: "fused", shape: [3])])
  }
}
