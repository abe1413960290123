import FlattenRegions
import TestSupport
import Testing

@testable import FlattenImage

@Suite struct DetectionOverlayTests {
  private static func box(_ x: Int, _ y: Int, _ width: Int, _ height: Int) -> Box {
    Box(left: Float(x), top: Float(y), right: Float(x + width), bottom: Float(y + height))
  }

  /// Names in any number stay inside the picture and apart; one is left out only where no letters have room.
  @Test(arguments: [(640, 427), (96, 64), (30, 200), (6000, 400)], [1, 10, 100, 400])
  func namesStayInsideAndApart(_ size: (width: Int, height: Int), _ count: Int) {
    var numbers = SeededGenerator(seed: UInt64(count))
    let picture = PixelSize(height: size.height, width: size.width)
    var plates = NamePlates(picture: picture)
    var areas: [PixelRectangle] = []
    for _ in 0..<count {
      let x = Int.random(in: 0..<size.width, using: &numbers)
      let y = Int.random(in: 0..<size.height, using: &numbers)
      let box = PixelRectangle(
        x: x, y: y, width: Int.random(in: 1...size.width - x, using: &numbers),
        height: Int.random(in: 1...size.height - y, using: &numbers))
      let text = "thing 0.5"
      if let plate = plates.place([text], at: box, largest: 3) {
        #expect(plate.area.x >= 0 && plate.area.x + plate.area.width <= size.width)
        #expect(plate.area.y >= 0 && plate.area.y + plate.area.height <= size.height)
        #expect(areas.allSatisfy { !$0.overlaps(plate.area) })
        areas.append(plate.area)
      } else {
        // No place of the grid of the smallest letters is free.
        let (width, height) = (BitmapFont.width(of: text) + 4, BitmapFont.height + 4)
        for y in stride(from: 0, through: size.height - height, by: height) {
          for x in stride(from: 0, through: size.width - width, by: height) {
            let place = PixelRectangle(x: x, y: y, width: width, height: height)
            #expect(areas.contains { $0.overlaps(place) })
          }
        }
      }
    }
    if size.width >= 640 { #expect(!areas.isEmpty) }
  }

  /// The contrast of WCAG 2 between the letters and their plate, for all colours that a class can have.
  @Test func namesAreLegible() {
    func linear(_ sample: UInt8) -> Double {
      let s = Double(sample) / 255
      // sRGB's curve at its tabulated accuracy: x^2.4 as x^2 * x^0.4 by two square roots and Newton's method.
      if s <= 0.04045 { return s / 12.92 }
      let base = (s + 0.055) / 1.055
      var root = 1.0  // base^(1/5)
      for _ in 0..<60 { root = (4 * root + base / (root * root * root * root)) / 5 }
      return base * base * root * root
    }
    func luminance(_ colour: RGBColor) -> Double {
      0.2126 * linear(colour.red) + 0.7152 * linear(colour.green) + 0.0722 * linear(colour.blue)
    }
    for colour in Palette.distinct(count: 257).colours {
      let (a, b) = (luminance(colour), luminance(colour.ink))
      let contrast = (max(a, b) + 0.05) / (min(a, b) + 0.05)
      #expect(contrast >= 4.4, "\(colour)")
    }
  }

  @Test func masksAreTintedAndOutlined() throws {
    let grey = RGBColor(red: 100, green: 100, blue: 100)
    let picture = Image(width: 60, height: 50, filledWith: grey)
    let colour = RGBColor(red: 200, green: 0, blue: 0)
    let mask = RunLengthMask(
      polygons: [[10, 10, 50, 10, 50, 40, 10, 40]], size: picture.size)
    let item = DetectionOverlay.Item(
      box: Self.box(0, 0, 0, 0), mask: mask, name: "", score: nil, colour: colour)
    let drawing = DetectionOverlay([item]).drawn(on: picture, opacity: 0.5)
    #expect(drawing.namesLeftOut == 0)
    let half = RGBColor(red: 150, green: 50, blue: 50)
    for y in 0..<50 {
      for x in 0..<60 {
        let inside = (10..<50).contains(x) && (10..<40).contains(y)
        let depth = min(x - 10, 49 - x, y - 10, 39 - y)
        let expected = !inside ? grey : depth == 0 ? colour : depth == 1 ? colour.ink : half
        #expect(drawing.image[x, y] == expected, "(\(x), \(y))")
      }
    }
    let outlined = DetectionOverlay([item]).drawn(on: picture, opacity: .nan).image
    #expect(outlined[30, 25] == grey && outlined[10, 25] == colour)
  }

  /// What is drawn without names changes nothing but masks and frames.
  @Test func boxesAreFramesInsideTheirPixels() {
    let picture = Sample.image(40, 30)
    let item = DetectionOverlay.Item(
      box: Box(left: 3.5, top: 4.2, right: 30.1, bottom: 50), mask: nil, name: "", score: nil,
      colour: RGBColor(red: 1, green: 2, blue: 3))
    let drawn = DetectionOverlay([item]).drawn(on: picture).image
    for y in 0..<30 {
      for x in 0..<40 {
        let inside = (3..<31).contains(x) && y >= 4
        let depth = min(x - 3, 30 - x, y - 4, 29 - y)
        let expected =
          !inside || depth > 1 ? picture[x, y] : depth == 0 ? item.colour : item.colour.ink
        #expect(drawn[x, y] == expected, "(\(x), \(y))")
      }
    }
  }

  @Test func whatCannotBeDrawnIsCounted() {
    let picture = Sample.image(8, 6)
    let colour = RGBColor(red: 250, green: 0, blue: 0)
    let boxes = [
      Self.box(0, 0, 8, 6), Box(left: .nan, top: 0, right: 1, bottom: 1), Self.box(100, 100, 5, 5),
    ]
    let overlay = DetectionOverlay(
      boxes.map {
        DetectionOverlay.Item(box: $0, mask: nil, name: "car", score: 0.9, colour: colour)
      })
    #expect(overlay.drawn(on: picture).namesLeftOut == 3)
    // There is room for the name alone.
    let narrow = Image(width: 30, height: 60, filledWith: .black)
    #expect(DetectionOverlay([overlay.items[0]]).drawn(on: narrow).namesLeftOut == 0)
    #expect(DetectionOverlay([]).drawn(on: picture).image == picture)
  }

  @Test func detectionsBecomeItems() {
    let size = PixelSize(height: 40, width: 200)
    let objects = [("car", 1), ("\u{4E2D}", 0), (String(repeating: "n", count: 99), 5)].map {
      DetectedObject(
        label: $1, categoryID: $1, name: $0, score: 0.876, box: Self.box(5, 20, 50, 18), mask: nil)
    }
    let palette = Palette.distinct(count: 2)
    let overlay = DetectionOverlay(Detections(size: size, objects: objects), palette: palette)
    #expect(overlay.items.map(\.name).prefix(2) == ["car", "0: \u{4E2D}"])
    #expect(overlay.items[2].name.count == 24)
    #expect(
      overlay.items.map(\.colour)
        == [palette.colours[1], palette.colours[0], palette.colours[1]])
  }

  @Test func cropsAreTheTouchedPixels() throws {
    let picture = Sample.image(9, 7)
    let crop = try #require(
      picture.cropped(to: Box(left: 1.5, top: 2, right: 4.1, bottom: 99)))
    #expect(crop.width == 4 && crop.height == 5)
    for y in 0..<5 {
      for x in 0..<4 { #expect(crop[x, y] == picture[x + 1, y + 2]) }
    }
    #expect(picture.cropped(to: Self.box(9, 0, 3, 3)) == nil)
  }
}

@Suite struct MaskPNGTests {
  @Test(arguments: [(1, 1), (7, 3), (8, 3), (9, 5), (65, 33)])
  func masksComeBack(_ width: Int, _ height: Int) throws {
    var numbers = SeededGenerator(seed: UInt64(width))
    let size = PixelSize(height: height, width: width)
    for density in [0, 40, 128, 255] {
      let pixels = (0..<size.area).map { _ in
        UInt8(Int.random(in: 0...254, using: &numbers) < density ? 1 : 0)
      }
      let file = try RunLengthMask(bitmap: pixels, size: size).encodedAsPNG()
      // One bit a pixel, grey.
      #expect(file[24] == 1 && file[25] == 0)
      let read = try LabelImage.decode(file, name: "mask.png")
      #expect(read.value == LabelMap(width: width, height: height, ids: pixels.map(UInt16.init)))
      let shown = try Image.decode(file, name: "mask.png").value
      #expect(shown.pixels == pixels.flatMap { [UInt8](repeating: $0 * 255, count: 3) })
    }
  }
}
