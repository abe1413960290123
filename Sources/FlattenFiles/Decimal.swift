/// Decimal numbers as binary ones.
enum Decimal {
  /// The Double nearest to `mantissa * 10^exponent`, of two equally near ones the even; `nil` where the
  /// exponent is beyond what is done here, 19 either way.
  ///
  /// Exact: where both factors are Doubles without rounding, one operation on them rounds once; else the
  /// quotient or product is made with 128 bits, of which 53 and the knowledge whether the rest is 0 remain.
  @inline(__always)
  static func nearest(_ mantissa: UInt64, _ exponent: Int) -> Double? {
    if exponent == 0 { return Double(mantissa) }
    if mantissa <= 1 << 53, -22 <= exponent, exponent <= 22 {
      return exponent < 0
        ? Double(mantissa) / doublePowers[-exponent] : Double(mantissa) * doublePowers[exponent]
    }
    if mantissa == 0 { return 0 }
    return wide(mantissa, exponent)
  }

  @inline(never)
  private static func wide(_ mantissa: UInt64, _ exponent: Int) -> Double? {
    guard -19 <= exponent, exponent <= 19 else { return nil }
    return exponent < 0
      ? quotient(mantissa, powers[-exponent]) : product(mantissa, powers[exponent])
  }

  private static func quotient(_ dividend: UInt64, _ divisor: UInt64) -> Double {
    let (up, down) = (dividend.leadingZeroBitCount, divisor.leadingZeroBitCount)
    let (high, low) = (dividend << up, divisor << down)
    // dividend / divisor = high / low * 2^(down - up); the quotient below has its highest bit set.
    let isLarger = high >= low
    let (digits, rest) = low.dividingFullWidth(
      isLarger ? (high >> 1, high << 63) : (high, 0))
    return rounded(digits, hasRest: rest != 0, exponent: down - up - (isLarger ? 63 : 64))
  }

  private static func product(_ left: UInt64, _ right: UInt64) -> Double {
    let (high, low) = left.multipliedFullWidth(by: right)
    if high == 0 { return Double(low) }
    let up = high.leadingZeroBitCount
    let digits = up == 0 ? high : high << up | low >> (64 - up)
    return rounded(digits, hasRest: low << up != 0, exponent: 64 - up)
  }

  /// `(digits + rest) * 2^exponent`, where the rest is below 1 and the highest of the 64 digits is set.
  private static func rounded(_ digits: UInt64, hasRest: Bool, exponent: Int) -> Double {
    var kept = digits >> 11
    let cut = digits & 0x7FF
    if cut > 0x400 || (cut == 0x400 && (hasRest || kept & 1 == 1)) { kept += 1 }
    return Double(sign: .plus, exponent: exponent + 11, significand: Double(kept))
  }

  private static let powers: [UInt64] = (0...19).map { count in
    (0..<count).reduce(1) { power, _ in power * 10 }
  }

  private static let doublePowers: [Double] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
    1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
  ]
}
