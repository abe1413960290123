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

  /// Colours that are easy to tell apart, for classes that come without any.
  ///
  /// Each id's bits, in turn, give the high bits of red, green and blue: the first 256 colours are
  /// those of PASCAL VOC's label pictures, all different, id 0 black.
  public static func distinct(count: Int) -> Palette {
    Palette(
      (0..<max(count, 0)).map { id in
        var samples = [0, 0, 0]
        var rest = id
        for bit in stride(from: 7, through: 0, by: -1) {
          for channel in 0..<3 { samples[channel] |= (rest >> channel & 1) << bit }
          rest >>= 3
        }
        return RGBColor(
          red: UInt8(samples[0]), green: UInt8(samples[1]), blue: UInt8(samples[2]))
      })
  }
}
