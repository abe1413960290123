/// An 8-bit RGB colour.
public struct RGBColor: Sendable, Hashable {
  /// Red, 0 to 255.
  public var red: UInt8
  /// Green, 0 to 255.
  public var green: UInt8
  /// Blue, 0 to 255.
  public var blue: UInt8

  /// Makes a colour from its samples.
  public init(red: UInt8, green: UInt8, blue: UInt8) {
    self.red = red
    self.green = green
    self.blue = blue
  }

  /// Makes a colour from 0xRRGGBB.
  init(_ hex: UInt32) {
    self.init(
      red: UInt8(truncatingIfNeeded: hex >> 16), green: UInt8(truncatingIfNeeded: hex >> 8),
      blue: UInt8(truncatingIfNeeded: hex))
  }

  static let black = RGBColor(0x000000)
  static let white = RGBColor(0xFFFFFF)

  /// Perceived brightness, 0 to 255 (the weights of ITU-R BT.601).
  var luma: Int { (Int(red) * 299 + Int(green) * 587 + Int(blue) * 114) / 1000 }

  /// A colour between stops at equal distances: the first at share 0, the last at share 1. Shares outside
  /// are cut.
  static func between(_ stops: [RGBColor], share: Double) -> RGBColor {
    let position = min(max(share, 0), 1) * Double(stops.count - 1)
    let index = min(Int(position), stops.count - 2)
    return stops[index].mixed(
      with: stops[index + 1], share: Int(((position - Double(index)) * 256).rounded()))
  }

  /// This colour at share 0, `other` at share 256, in between by straight mixing, rounded.
  func mixed(with other: RGBColor, share: Int) -> RGBColor {
    func mix(_ a: UInt8, _ b: UInt8) -> UInt8 {
      UInt8(truncatingIfNeeded: (Int(a) * (256 - share) + Int(b) * share + 128) >> 8)
    }
    return RGBColor(
      red: mix(red, other.red), green: mix(green, other.green), blue: mix(blue, other.blue))
  }
}

/// The colour of each class id.
public struct Palette: Sendable, Hashable {
  /// Colours in the order of the ids, from 0 on.
  public var colours: [RGBColor]

  /// Makes a palette from its colours.
  public init(_ colours: [RGBColor]) { self.colours = colours }

  /// The colour of a class, or `nil` where the palette has none: ignored pixels stay undrawn.
  public func colour(of id: UInt16) -> RGBColor? {
    Int(id) < colours.count ? colours[Int(id)] : nil
  }
}
