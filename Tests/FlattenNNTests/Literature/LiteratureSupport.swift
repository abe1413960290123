import FlattenCheckpoint
import FlattenInspection
import FlattenNN
import FlattenTensor
import TestSupport

/// Golden cases of attentions of the literature.
extension Golden {
  /// The grid of the case's tokens.
  var grid: Grid { Grid(parameters["H"].int ?? 0, parameters["W"].int ?? 0) }
  var channels: Int { parameters["dim"].int ?? 0 }
  var heads: Int { parameters["num_heads"].int ?? 0 }

  /// The input as tokens `[B, N, C]`, whether the case has a map or tokens.
  func tokens() throws -> Tensor {
    let x = try input()
    return x.shape.count == 4 ? x.channelsLast().asTokens : x
  }

  /// What is wrong with a module's result: against the expected tokens or their sample, and against the bits of the
  /// same with other numbers of threads.
  ///
  /// - Parameters:
  ///   - ignored: keys that the module does not read, with the reason.
  ///   - compute: makes the module and its result, `[B, N, C]`; reads all other weights.
  func problems(
    ignoring ignored: [IgnoredKeys] = [],
    _ compute: (_ tree: ParameterTree, _ pass: ForwardPass) throws -> Tensor
  ) throws -> [String] {
    var problems: [String] = []
    var bits: [UInt32] = []
    for threads in 1...3 {
      for purpose in [Purpose.inference, .inspection] {
        let tree = try weights()
        let y = try compute(tree, ForwardPass(threadCount: threads, purpose: purpose))
        try tree.finish(ignoring: ignored)
        let got = y.elements.map(\.bitPattern)
        if bits.isEmpty {
          bits = got
          if let problem = mismatch(tokens: y) { problems.append(problem) }
        } else if got != bits {
          problems.append("\(threads) threads, \(purpose): other bits than one thread's")
        }
      }
    }
    return problems
  }

  /// What is wrong with tokens `[B, N, C]`, of which some cases have every so many only, and some the map.
  func mismatch(tokens y: Tensor) -> String? {
    let isMap = inputs["x"]?.shape.count == 4
    if expected["y"] != nil { return isMap ? mismatch(map: "y", y.asMap(grid)) : mismatch("y", y) }
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
    let rows = Tensor(Shape(batch, picked.count, channels), sample)
    guard isMap else { return mismatch("y_sample", rows) }
    let turned = rows.reshaped(Shape(batch, 1, picked.count, channels)).channelsFirst()
    return mismatch("y_sample", turned.reshaped(Shape(batch, channels, picked.count)))
  }

  /// What is wrong with the rows that an attention gives of its first picture, or `nil`.
  func mismatch(rowsOf record: AttentionRecord) -> String? {
    let tokens = record.layout.tokens
    let rows = (0..<record.heads).flatMap { head in
      let matrix = AttentionMatrix(record, head: head, window: 0)
      return (0..<tokens).flatMap { matrix.attention(row: $0) }
    }
    return mismatch(
      "matrix",
      Tensor(Shape(record.heads, tokens, rows.count / record.heads / tokens), rows.map(Float.init)))
  }

  /// The same of the one record that a module hands to a pass; `nil` also where the case has no matrix.
  func mismatch(
    rowsOf compute: (_ tree: ParameterTree, _ pass: ForwardPass) throws -> Tensor
  ) throws -> String? {
    guard expected["matrix"] != nil else { return nil }
    let pass = ForwardPass(threads: ThreadPool(threads: 2), purpose: .inspection)
    let tap = OutputTap(pass)
    _ = try compute(weights(), pass)
    guard tap.attentions.count == 1 else { return "\(tap.attentions.count) records" }
    return mismatch(rowsOf: tap.attentions[0])
  }

  /// What a module loses in bfloat16: the largest difference of its result from that in float32, over the largest
  /// magnitude of the latter.
  func lossInBFloat16(
    _ compute: (_ tree: ParameterTree, _ pass: ForwardPass) throws -> Tensor
  ) throws -> Float {
    let pass = ForwardPass(threadCount: 2)
    let wanted = try compute(weights(), pass).elements
    let tree = ParameterTree(source: try source(), context: .plain(.bfloat16))
    let got = try compute(tree, pass).elements
    let largest = wanted.map(abs).max() ?? 0
    return (zip(got, wanted).map { abs($0 - $1) }.max() ?? .infinity) / largest
  }
}
