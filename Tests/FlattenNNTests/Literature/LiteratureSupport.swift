import FlattenCheckpoint
import FlattenNN
import FlattenTensor
import TestSupport

/// Golden cases of attentions of the literature.
extension Golden {
  /// The grid of the case's tokens.
  var grid: Grid { Grid(parameters["H"].int ?? 0, parameters["W"].int ?? 0) }
  var channels: Int { parameters["dim"].int ?? 0 }
  var heads: Int { parameters["num_heads"].int ?? 0 }

  /// What is wrong with a module's result: against the expected tokens or their sample, and against the bits of the
  /// same with other numbers of threads.
  ///
  /// - Parameter compute: makes the module and its result, `[B, N, C]`; reads all weights.
  func problems(
    _ compute: (_ tree: ParameterTree, _ pass: ForwardPass) throws -> Tensor
  ) throws -> [String] {
    var problems: [String] = []
    var bits: [UInt32] = []
    for threads in 1...3 {
      let tree = try weights()
      let y = try compute(tree, ForwardPass(threadCount: threads))
      try tree.finish(ignoring: [])
      let got = y.elements.map(\.bitPattern)
      if threads == 1 {
        bits = got
        if let problem = mismatch(tokens: y) { problems.append(problem) }
      } else if got != bits {
        problems.append("\(threads) threads give other bits than one")
      }
    }
    return problems
  }

  /// What is wrong with tokens `[B, N, C]`, of which some cases have every so many only.
  func mismatch(tokens y: Tensor) -> String? {
    guard expected["y"] == nil else { return mismatch("y", y) }
    guard let step = parameters["sample"].int, step > 0 else { return "no 'y', no 'sample'" }
    let (batch, count, channels) = (y.shape[0], y.shape[1], y.shape[2])
    let values = y.elements
    let picked = Array(stride(from: 0, to: count, by: step))
    var sample: [Float] = []
    for item in 0..<batch {
      for token in picked {
        let first = (item * count + token) * channels
        sample += values[first..<first + channels]
      }
    }
    return mismatch("y_sample", Tensor(Shape(batch, picked.count, channels), sample))
  }
}
