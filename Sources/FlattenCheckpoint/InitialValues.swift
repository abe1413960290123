/// How a parameter begins where there is no file: a rule that its layer names where it asks for it.
///
/// The same bits on every platform and in any order of requests: the generator is seeded by the parameter's
/// name, and nothing but additions, multiplications, comparisons and one square root is used.
public enum InitialValues: Sendable, Equatable {
  /// 0 everywhere: biases.
  case zeros
  /// 1 everywhere: the weights and the variances of norms.
  case ones
  /// Normal around 0, cut off at two standard deviations: tables of positions, with 0.02.
  case normal(deviation: Float)
  /// The same with the deviation `1 / sqrt(inputs)`, where `inputs` is the product of all extents but the
  /// first: weights of linear layers and convolutions.
  case fanIn

  /// Writes a parameter's elements.
  func fill(
    _ buffer: UnsafeMutableBufferPointer<Float>, name: String, shape: [Int], seed: UInt64
  ) {
    let deviation: Float
    switch self {
    case .zeros: return buffer.initialize(repeating: 0)
    case .ones: return buffer.initialize(repeating: 1)
    case .normal(let given): deviation = given
    case .fanIn:
      deviation = (1 / Float(max(shape.dropFirst().reduce(1, *), 1))).squareRoot()
    }
    var generator = SplitMix64(state: seed ^ Self.hash(name))
    for index in buffer.indices {
      buffer.initializeElement(at: index, to: deviation * generator.truncatedNormal())
    }
  }

  /// 64-bit FNV-1a of the name's bytes.
  private static func hash(_ name: String) -> UInt64 {
    name.utf8.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x0000_0100_0000_01B3 }
  }
}

/// The generator of Steele, Lea and Flood, "Fast splittable pseudorandom number generators" (2014).
struct SplitMix64 {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }

  /// Uniform in [0, 1), a multiple of 2^-24.
  mutating func unit() -> Float { Float(next() >> 40) * 0x1p-24 }

  /// Standard normal, cut off at -2 and 2.
  ///
  /// By rejection: y uniform in [-2, 2) is kept with probability exp(-y²/2), which is two successes
  /// in a row of probability exp(-y²/4).
  mutating func truncatedNormal() -> Float {
    while true {
      let value = 4 * unit() - 2
      let exponent = value * value / 4
      if succeeds(exponent), succeeds(exponent) { return value }
    }
  }

  /// True with probability exp(-exponent), for exponents in [0, 1].
  ///
  /// Von Neumann's comparison (1951): the length of a falling run of uniform numbers that starts
  /// below `exponent` is even with probability exp(-exponent). No exponential is computed.
  private mutating func succeeds(_ exponent: Float) -> Bool {
    var previous = exponent
    var isEven = true
    while true {
      let value = unit()
      if value >= previous { return isEven }
      previous = value
      isEven.toggle()
    }
  }
}
