/// How a parameter without a file begins: from its name and shape, as upstream initialises it.
///
/// The same bits on every platform and in any order of requests: the generator is seeded by the
/// name, and nothing but additions, multiplications, comparisons and one square root is used.
struct RandomInitialisation {
  private enum Rule {
    case constant(Float)
    /// Normal, cut off at two standard deviations.
    case normal(deviation: Float)
  }

  private let name: String
  private let rule: Rule

  init(name: String, shape: [Int]) {
    self.name = name
    let last = name.utf8.split(separator: UInt8(ascii: ".")).last.map { String($0) ?? "" } ?? ""
    if last == "scale" {
      rule = .constant(0)
    } else if shape.count >= 2 {
      let isTable =
        last.hasSuffix("positional_encoding") || last.hasPrefix("pos_embed")
        || last == "relative_position_bias_table" || last == "cls_token"
      let inputs = shape.dropFirst().reduce(1, *)
      rule = .normal(deviation: isTable ? 0.02 : (1 / Float(max(inputs, 1))).squareRoot())
    } else {
      rule = .constant(shape.count == 1 && ["weight", "running_var"].contains(last) ? 1 : 0)
    }
  }

  /// Writes the parameter's elements.
  func fill(_ buffer: UnsafeMutableBufferPointer<Float>, seed: UInt64) {
    switch rule {
    case .constant(let value):
      buffer.initialize(repeating: value)
    case .normal(let deviation):
      var generator = SplitMix64(state: seed ^ Self.hash(name))
      for index in buffer.indices {
        buffer.initializeElement(at: index, to: deviation * generator.truncatedNormal())
      }
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
  /// below `exponent` is even with just that probability. No exponential is computed.
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
