import FlattenKernels

/// How weights and the left sides of products are stored. Sums, norms, softmax and everything between
/// layers are float32 in both.
public enum Precision: String, Sendable, CaseIterable {
  /// IEEE single precision.
  case float32 = "f32"
  /// The upper half of a float32: its range, 8 bits of precision.
  case bfloat16 = "bf16"

  /// The faster one on this CPU: measured on products of the sizes that these models have, which takes some
  /// milliseconds, once a process. Instructions for bfloat16 alone say nothing: some CPUs have slow ones.
  public static let automatic: Precision = (bfloat16Time ?? 1) < 1 ? .bfloat16 : .float32

  /// The time of products in bfloat16 over that in float32; `nil` where this CPU has no instructions for it,
  /// as emulating them is never faster.
  package static let bfloat16Time: Double? =
    fk_active().pointee.has_bf16 != 0
    ? ProductTimes.ratio(.bfloat16, over: .float32) : nil
}

/// Times of the products that the models here consist of.
private enum ProductTimes {
  /// Inputs and outputs of layers: attention and feed-forward, from the first stage to the last.
  private static let layers = [(64, 64), (64, 512), (128, 1024), (320, 1280), (1280, 320)]
  private static let rows = 96
  private static let repeats = 3

  /// Interleaved, so that a moment of noise falls on both; of each layer the fastest.
  static func ratio(_ a: Precision, over b: Precision) -> Double {
    let pass = ForwardPass(threads: ThreadPool(threads: 1))
    var sums = [0.0, 0.0]
    for (inputs, outputs) in layers {
      let weight = Tensor(zeros: Shape(outputs, inputs))
      let x = Tensor(zeros: Shape(rows, inputs))
      let matrices = [a, b].map { PackedMatrix(weight, .plain($0)) }
      var fastest = [Double.infinity, .infinity]
      for _ in 0..<repeats {
        for (index, matrix) in matrices.enumerated() {
          let time = ContinuousClock().measure { _ = pass.linear(x, matrix, bias: nil, layer: "") }
          fastest[index] = min(fastest[index], time.seconds)
        }
      }
      // Each layer counts alike: in a pyramid the narrow ones have the more rows.
      for index in sums.indices { sums[index] += fastest[index] / Double(inputs * outputs) }
    }
    return sums[0] / sums[1]
  }
}
