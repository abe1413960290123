import FlattenRegions
import Foundation

/// A picture with the objects that were found in it: masks tinted and outlined, boxes, names and scores.
///
/// Lines and letters grow with the picture. A name stands on a plate of its object's colour, near the box, inside
/// the picture, and covers no other name; one that finds no place at its box stands elsewhere, at the end of a line.
public struct DetectionOverlay: Sendable {
  /// An object to draw.
  public struct Item: Sendable {
    /// Its box, in pixels of the picture.
    public var box: Box
    /// Its pixels; `nil` for the box alone.
    public var mask: RunLengthMask?
    /// What its plate says before the score; long names are cut.
    public var name: String
    /// Written with two decimals behind the name; `nil` writes none.
    public var score: Float?
    /// Colour of its mask, its box and its plate.
    public var colour: RGBColor

    /// Makes an item.
    public init(box: Box, mask: RunLengthMask?, name: String, score: Float?, colour: RGBColor) {
      self.box = box
      self.mask = mask
      self.name = name
      self.score = score
      self.colour = colour
    }
  }

  /// A picture with objects on it.
  public struct Drawing: Sendable {
    /// The picture.
    public let image: Image
    /// How many objects have no name on the picture, because no place was free.
    public let namesLeftOut: Int
  }

  /// The objects, the most important first: it is drawn above the others, and its name finds its place first.
  public var items: [Item]

  /// Makes an overlay.
  public init(_ items: [Item]) { self.items = items }

  /// Makes an overlay of detections.
  ///
  /// - Parameter palette: a colour for each class, from label 0 on; it begins again where there are more classes.
  public init(_ detections: Detections, palette: Palette) {
    let colours = palette.colours.isEmpty ? [.white] : palette.colours
    items = detections.objects.map { object in
      Item(
        box: object.box, mask: object.mask,
        name: BitmapFont.label(object.name, id: object.label, longest: Self.longestName),
        score: object.score, colour: colours[max(object.label, 0) % colours.count])
    }
  }

  /// Longest name in characters.
  private static let longestName = 24

  /// Draws the objects on a picture.
  ///
  /// - Parameters:
  ///   - picture: the one they were found in.
  ///   - opacity: of the masks' tint, 0 to 1. Their outlines are drawn in any case.
  /// - Precondition: masks have the picture's size.
  public func drawn(on picture: Image, opacity: Double = 0.45) -> Drawing {
    var canvas = Canvas(picture)
    let scale = Self.scale(of: picture.size)
    // NaN fails the comparison and counts as 0.
    let share = opacity > 0 ? Int((min(opacity, 1) * 256).rounded()) : 0
    let masks = items.reversed().compactMap { item in item.mask.map { (item, $0) } }
    for (item, mask) in masks {
      precondition(
        mask.size == picture.size, "a mask of \(mask.size) on a picture of \(picture.size)")
      if share > 0 { canvas.tint(mask, item.colour, share: share) }
    }
    for (item, mask) in masks {
      let polygons = mask.polygons()
      let lines = Self.lines(scale, in: mask.bounds)
      if lines.ink > 0 {
        canvas.outline(polygons, line: lines.colour + lines.ink, item.colour.ink)
      }
      canvas.outline(polygons, line: lines.colour, item.colour)
    }
    for item in items.reversed() {
      guard let frame = item.box.pixels(in: picture.size) else { continue }
      let lines = Self.lines(scale, in: frame)
      if lines.ink > 0, item.mask == nil {
        canvas.frame(frame, line: lines.colour + lines.ink, item.colour.ink)
      }
      canvas.frame(frame, line: lines.colour, item.colour)
    }
    let leftOut = drawNames(on: &canvas, scale: scale)
    return Drawing(image: canvas.image, namesLeftOut: leftOut)
  }

  /// Pixels of a letter's dot, and of the line of a large box.
  private static func scale(of size: PixelSize) -> Int {
    min(max((max(size.width, size.height) + 200) / 420, 1), 16)
  }

  /// Pixels of the line around an object, and of the black or white one inside it.
  ///
  /// Two lines tell objects of one class that touch apart on any ground; in a small object they would hide it.
  private static func lines(_ scale: Int, in bounds: PixelRectangle) -> (colour: Int, ink: Int) {
    let side = min(bounds.width, bounds.height)
    let colour = max(1, min(scale, side / 12))
    return (colour, side >= 24 * colour ? (colour + 1) / 2 : 0)
  }

  /// How many names had no room.
  private func drawNames(on canvas: inout Canvas, scale: Int) -> Int {
    var plates = NamePlates(picture: canvas.image.size)
    let texts = items.map(Self.texts)
    let letters = plates.scale(of: texts.compactMap(\.first), largest: scale)
    var placed: [(item: Item, plate: NamePlates.Plate)] = []
    var leftOut = 0
    for (item, texts) in zip(items, texts) where !texts.isEmpty {
      let anchor = item.box.pixels(in: canvas.image.size) ?? item.mask?.bounds
      if let anchor, anchor.width > 0,
        let plate = plates.place(texts, at: anchor, largest: letters)
      {
        placed.append((item, plate))
      } else {
        leftOut += 1
      }
    }
    for (item, plate) in placed {
      guard let pointer = plate.pointer else { continue }
      canvas.line(
        from: pointer.from, to: pointer.to, line: plate.scale + 2 * ((plate.scale + 1) / 2),
        item.colour.ink)
      canvas.line(from: pointer.from, to: pointer.to, line: plate.scale, item.colour)
    }
    for (item, plate) in placed {
      let (area, margin) = (plate.area, NamePlates.margin * plate.scale)
      canvas.fill(x: area.x, y: area.y, width: area.width, height: area.height, item.colour)
      canvas.text(
        plate.text, x: area.x + margin, y: area.y + margin, scale: plate.scale, item.colour.ink)
    }
    return leftOut
  }

  /// What a plate may say, the best first: name and score, or one of them where there is no room for both.
  private static func texts(of item: Item) -> [String] {
    let name = BitmapFont.cut(item.name, to: longestName)
    guard let score = item.score else { return name.isEmpty ? [] : [name] }
    let hundredths = score.isFinite ? Int((min(max(score, 0), 9) * 100).rounded()) : 0
    let digits = "\(hundredths / 100).\(hundredths % 100 / 10)\(hundredths % 10)"
    return name.isEmpty ? [digits] : ["\(name) \(digits)", name, digits]
  }
}

/// Finds places for names, none of which covers another.
struct NamePlates {
  struct Plate {
    let text: String
    let area: PixelRectangle
    /// Pixels of a letter's dot.
    let scale: Int
    /// A line from the plate to its box, where it stands apart.
    var pointer: (from: (x: Int, y: Int), to: (x: Int, y: Int))?
  }

  /// Dots around a text.
  static let margin = 2

  private let picture: PixelSize
  private var taken: [PixelRectangle] = []

  init(picture: PixelSize) { self.picture = picture }

  /// Pixels of a dot with which all texts together take at most a sixth of the picture.
  func scale(of texts: [String], largest: Int) -> Int {
    let dots = texts.map { Self.size(of: $0, scale: 1).area }.reduce(0, +)
    let room = Double(picture.area) / Double(6 * max(dots, 1))
    return max(1, min(largest, Int(room.squareRoot())))
  }

  /// Takes a place for one of some texts: near the box with the largest letters that fit, else apart from it.
  ///
  /// - Parameters:
  ///   - texts: the best first.
  ///   - largest: pixels of a dot. Near the box letters down to a half of it are tried, apart down to one pixel.
  mutating func place(_ texts: [String], at box: PixelRectangle, largest: Int) -> Plate? {
    let smallest = (largest + 1) / 2
    for text in texts {
      for scale in stride(from: largest, through: smallest, by: -1) {
        if let area = near(box, size: Self.size(of: text, scale: scale)) {
          taken.append(area)
          return Plate(text: text, area: area, scale: scale)
        }
      }
    }
    for scale in stride(from: smallest, through: 1, by: -1) {
      for text in texts {
        if let area = nearest(to: box, size: Self.size(of: text, scale: scale)) {
          taken.append(area)
          let from = (x: area.x + area.width / 2, y: area.y + area.height / 2)
          let to = (
            x: min(max(from.x, box.x), box.x + box.width - 1),
            y: min(max(from.y, box.y), box.y + box.height - 1)
          )
          return Plate(text: text, area: area, scale: scale, pointer: (from, to))
        }
      }
    }
    return nil
  }

  private static func size(of text: String, scale: Int) -> PixelSize {
    PixelSize(
      height: (BitmapFont.height + 2 * margin) * scale,
      width: (BitmapFont.width(of: text) + 2 * margin) * scale)
  }

  /// A free place above the box, inside at its top, below, at its sides, or further down inside.
  private func near(_ box: PixelRectangle, size: PixelSize) -> PixelRectangle? {
    let (right, bottom) = (box.x + box.width - size.width, box.y + box.height)
    var places = [
      (box.x, box.y - size.height), (right, box.y - size.height), (box.x, box.y), (right, box.y),
      (box.x, bottom), (right, bottom), (box.x + box.width, box.y), (box.x - size.width, box.y),
      (box.x, bottom - size.height), (right, bottom - size.height),
    ]
    places += stride(from: box.y, to: bottom - size.height, by: max(size.height / 2, 1)).map {
      (box.x, $0)
    }
    for (x, y) in places {
      // A plate that stands out on the left or on the right moves in; up or down it would leave its box.
      let inside = min(max(x, 0), picture.width - size.width)
      let area = PixelRectangle(x: inside, y: y, width: size.width, height: size.height)
      if isFree(area) { return area }
    }
    return nil
  }

  /// The free place of a grid that is nearest to the box.
  private func nearest(to box: PixelRectangle, size: PixelSize) -> PixelRectangle? {
    var best: (distance: Int, area: PixelRectangle)?
    for y in stride(from: 0, through: picture.height - size.height, by: size.height) {
      for x in stride(from: 0, through: picture.width - size.width, by: size.height) {
        let area = PixelRectangle(x: x, y: y, width: size.width, height: size.height)
        let across = max(box.x - x - size.width, x - box.x - box.width, 0)
        let down = max(box.y - y - size.height, y - box.y - box.height, 0)
        let distance = across * across + down * down
        if distance < best?.distance ?? .max, isFree(area) { best = (distance, area) }
      }
    }
    return best?.area
  }

  private func isFree(_ area: PixelRectangle) -> Bool {
    area.x >= 0 && area.y >= 0 && area.x + area.width <= picture.width
      && area.y + area.height <= picture.height && !taken.contains { $0.overlaps(area) }
  }
}

extension RGBColor {
  /// Black or white: which of the two is easier to read on this colour.
  var ink: RGBColor {
    // sRGB's curve. Black and white have equal contrast (WCAG 2) where (L + 0.05)^2 = 1.05 * 0.05.
    func light(_ sample: UInt8) -> Double {
      let s = Double(sample) / 255
      return s <= 0.04045 ? s / 12.92 : pow((s + 0.055) / 1.055, 2.4)
    }
    let luminance = 0.2126 * light(red) + 0.7152 * light(green) + 0.0722 * light(blue)
    return luminance > 0.1791 ? .black : .white
  }
}
