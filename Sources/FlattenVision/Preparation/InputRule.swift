import FlattenConfig
import FlattenImage
import FlattenRegions

/// How a picture is brought to the network's input.
public struct InputRule: Sendable, Equatable {
  /// How bytes become numbers.
  public var normalisation: Normalisation
  /// Longest and shortest side that a picture may keep: a larger one is shrunk first, antialiased and with its
  /// proportions; a smaller one is left as it is. `nil` sets no limit.
  public var largest: (long: Int, short: Int)?
  /// Longest and shortest side of the pictures that the model was trained with, for a warning where the
  /// network sees far larger or smaller ones; `nil` where it is not known.
  public var trained: (long: Int, short: Int)?
  /// Longest and shortest side after a first resize that keeps the proportions; `nil` leaves the size.
  public var scale: (long: Int, short: Int)?
  /// Size after a first resize that does not keep the proportions, in the place of ``scale``.
  public var exactSize: PixelSize?
  /// Shortest side after a resize that leads to the network's size at once: the other side is rounded up to
  /// ``multiple``, so that the proportions change a little. In the place of ``scale``.
  public var shortSide: Int?
  /// The filter of the resizes.
  public var filter = Resampling.bilinear
  /// Both sides are resized up to a multiple of this; 1 leaves them.
  public var multiple: Int
  /// After normalisation, zeros are added at the right and the bottom up to a multiple of this; the
  /// scores there are thrown away. 1 adds none.
  public var padding: Int
  /// The same up to this size, in the place of ``padding``; a side that is longer gets nothing.
  public var paddedSize: PixelSize?

  /// Makes a rule.
  public init(
    _ normalisation: Normalisation, scale: (long: Int, short: Int)?, multiple: Int, padding: Int
  ) {
    self.normalisation = normalisation
    self.scale = scale
    self.multiple = multiple
    self.padding = padding
  }

  /// Whether two rules prepare every picture alike.
  public static func == (a: InputRule, b: InputRule) -> Bool {
    a.normalisation == b.normalisation && a.scale?.long == b.scale?.long
      && a.scale?.short == b.scale?.short && a.multiple == b.multiple && a.padding == b.padding
      && a.exactSize == b.exactSize && a.paddedSize == b.paddedSize
      && a.largest?.long == b.largest?.long && a.largest?.short == b.largest?.short
      && a.trained?.long == b.trained?.long && a.trained?.short == b.trained?.short
      && a.shortSide == b.shortSide && a.filter == b.filter
  }
}

extension InputRule {
  /// Reads the `input` section of a config.
  init(_ node: ConfigNode) throws {
    let map = try node.map(known: [
      "mean", "std", "largest", "trained_size", "scale", "keep_ratio", "short_side", "resize",
      "multiple_of", "pad_to_multiple_of", "pad_to",
    ])
    func sides(_ key: String) throws -> (long: Int, short: Int)? {
      let sides = try map.optional(key)?.ints(count: 2, in: 1...65536)
      return sides.map { (long: max($0[0], $0[1]), short: min($0[0], $0[1])) }
    }
    self.init(
      try Normalisation(map), scale: try sides("scale"),
      multiple: try map.optional("multiple_of")?.int(in: 1...1024) ?? 1,
      padding: try map.optional("pad_to_multiple_of")?.int(in: 1...1024) ?? 1)
    largest = try sides("largest")
    trained = try sides("trained_size") ?? largest
    if let keeps = map.optional("keep_ratio"), try !keeps.bool() {
      guard let scale = try map.optional("scale")?.ints(count: 2, in: 1...65536) else {
        throw keeps.error(found: "is false", expected: "input.scale, [width, height], beside it")
      }
      (self.scale, exactSize) = (nil, PixelSize(height: scale[1], width: scale[0]))
    }
    filter = try map.optional("resize")?.choice(Filter.self).resampling ?? .bilinear
    if let node = map.optional("short_side") {
      shortSide = try node.int(in: 1...65536)
      if let other = ["scale", "keep_ratio"].first(where: { map.optional($0) != nil }) {
        throw node.error(found: "stands beside input.\(other)", expected: "one of the two")
      }
      if let side = shortSide, side % multiple != 0 {
        throw node.error(
          found: "is \(side)", expected: "a multiple of input.multiple_of, \(multiple)")
      }
    }
    if let node = map.optional("pad_to") {
      let size = try node.ints(count: 2, in: 1...65536)
      guard padding == 1 else {
        throw node.error(
          found: "stands beside input.pad_to_multiple_of", expected: "one of the two")
      }
      paddedSize = PixelSize(height: size[1], width: size[0])
    }
  }
}

/// The names of filters in configs.
private enum Filter: String, CaseIterable {
  case bilinear
  case bicubic

  var resampling: Resampling {
    switch self {
    case .bilinear: .bilinear
    case .bicubic: .bicubic
    }
  }
}

extension InputRule {
  /// What becomes of a picture's size, in a few words.
  package var summary: String {
    var rule: [String] = []
    if let largest {
      rule.append("shrunk to long side <= \(largest.long), short side <= \(largest.short)")
    }
    if let scale { rule.append("long side <= \(scale.long), short side <= \(scale.short)") }
    if let size = exactSize { rule.append("resized to \(size.height)x\(size.width)") }
    if let shortSide { rule.append("short side \(shortSide)") }
    if filter == .bicubic { rule.append("by a bicubic filter") }
    if multiple > 1 { rule.append("sides up to a multiple of \(multiple)") }
    if padding > 1 { rule.append("padded to a multiple of \(padding)") }
    if let size = paddedSize { rule.append("padded to \(size.height)x\(size.width)") }
    return rule.isEmpty ? "size as it is" : rule.joined(separator: ", ")
  }
}
