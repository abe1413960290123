import Testing

@testable import FlattenImage

@Suite struct HeatMapPictureTests {
  /// Lightness rises with the number, so that the map reads in grey as well.
  @Test func coloursRunFromBlackToPaleYellow() {
    #expect(HeatMapPicture.colour(0) == RGBColor(0x000004))
    #expect(HeatMapPicture.colour(1) == RGBColor(0xFCFFA4))
    #expect(HeatMapPicture.colour(-1) == HeatMapPicture.colour(0))
    #expect(HeatMapPicture.colour(2) == HeatMapPicture.colour(1))
    let steps = stride(from: 0, through: 1, by: 0.02).map { HeatMapPicture.colour($0).luma }
    #expect(zip(steps, steps.dropFirst()).allSatisfy { $0 < $1 })
  }

  /// Above zero the colours are those of magnitudes; below they are blue, and as light.
  @Test func signedColoursAreBlackAtZeroAndAsLightOnBothSides() {
    #expect(HeatMapPicture.signedColour(0) == RGBColor(0x000004))
    #expect(HeatMapPicture.signedColour(-1) == RGBColor(0xC4FFFF))
    #expect(HeatMapPicture.signedColour(-2) == HeatMapPicture.signedColour(-1))
    for share in stride(from: 0.0, through: 1, by: 0.01) {
      let (above, below) = (
        HeatMapPicture.signedColour(share), HeatMapPicture.signedColour(-share)
      )
      #expect(above == HeatMapPicture.colour(share))
      #expect(abs(above.luma - below.luma) <= 8, "\(share)")
      #expect(share < 0.05 || above.red > below.red && above.blue < below.blue, "\(share)")
      #expect(share < 0.05 || below.blue > below.red, "\(share)")
    }
  }

  /// A row of both signs, with the scale below it; beside a panel of magnitudes, which is what it was before.
  @Test func numbersOfEitherSign() throws {
    let grey = RGBColor(red: 100, green: 100, blue: 100)
    let picture = Image(width: 400, height: 240, filledWith: grey)
    let cells = [-3, -1, -0.5, 0, 0.25, 1, 3, nil]
    func drawn(_ panels: [HeatMapPicture.Panel]) -> Image {
      HeatMapPicture(picture, mark: (x: 200, y: 120), heading: [], panels: panels) { x, _ in
        Int(x / 50)
      }.drawn()
    }
    let magnitudes = HeatMapPicture.Panel(
      title: "row", cells: cells.map { $0.map(\.magnitude) }, limit: 1, limitText: "1 or more")
    let signed = HeatMapPicture.Panel(
      title: "row", cells: cells, limit: 1, limitText: "1 or more", negativeLimitText: "-1 or less")
    let both = drawn([magnitudes, signed])
    let top = try #require(
      (0..<both.height).first { both[6, $0] == tint(1, grey) })
    for (index, cell) in cells.enumerated() {
      let (x, y) = (index * 50 + 3, top + 10)
      let expected = cell.map { tint(HeatMapPicture.signedColour($0), grey) } ?? grey
      #expect(both[6 + 406 + x, y] == expected)
      #expect(both[6 + x, y] == cell.map { tint(min($0.magnitude, 1), grey) } ?? grey)
    }
    // The bar: blue at its left end, black in the middle, pale yellow at its right.
    let bar = top + 240 + 6
    #expect(both[6, bar] == HeatMapPicture.colour(0))
    #expect(both[6 + 399, bar] == HeatMapPicture.colour(1))
    #expect(both[412, bar] == HeatMapPicture.signedColour(-1))
    #expect(both[412 + 200, bar].luma < 3)
    #expect(both[412 + 399, bar] == HeatMapPicture.colour(1))
    // Labels: three below the bar of both signs, two below the other.
    func isInked(_ columns: Range<Int>) -> Bool {
      columns.contains { x in
        (bar + BitmapFont.height..<both.height).contains { both[x, $0] != .white }
      }
    }
    #expect(isInked(412..<430) && isInked(606..<620) && isInked(790..<812))
    #expect(isInked(6..<14) && !isInked(180..<230) && isInked(384..<406))
  }

  /// Four cells over a grey picture: each quarter has its cell's colour, a quarter without a number stays
  /// grey.
  @Test func cellsLieOverThePicture() throws {
    let grey = RGBColor(red: 100, green: 100, blue: 100)
    let picture = Image(width: 400, height: 300, filledWith: grey)
    let drawn = HeatMapPicture(
      picture, mark: (x: 200, y: 150), heading: ["a", "b"],
      panels: [
        HeatMapPicture.Panel(
          title: "one", cells: [0, 1, nil, 5], limit: 2, limitText: "2"),
        HeatMapPicture.Panel(
          title: "none", cells: [0, 0, 0, 0], limit: 0, limitText: "0"),
      ]
    ) { x, y in (y < 150 ? 0 : 2) + (x < 200 ? 0 : 1) }.drawn()
    // Both panels, and the gaps around them.
    #expect(drawn.width == 2 * 400 + 3 * 6)
    let top = try #require((0..<drawn.height).first { drawn[6, $0] == tint(0, grey) })
    func panel(_ index: Int, _ x: Int, _ y: Int) -> RGBColor {
      drawn[6 + index * 406 + x, top + y]
    }
    for (x, y) in [(0, 0), (150, 100)] {
      #expect(panel(0, x, y) == tint(0, grey))
      #expect(panel(0, 399 - x, y) == tint(0.5, grey))
      #expect(panel(0, x, 299 - y) == grey)
      #expect(panel(0, 399 - x, 299 - y) == tint(1, grey))
      #expect(panel(1, x, y) == tint(0, grey))
    }
    // The marked pixel is visible between the arms around it.
    #expect(panel(0, 200, 150) == tint(1, grey))
    #expect(panel(0, 200 + 8, 150) == .white && panel(0, 200, 150 - 8) == .white)
  }

  @Test(arguments: [(1, 1), (3000, 20), (20, 3000), (640, 480), (641, 10)])
  func anySizeOfPicture(width: Int, height: Int) {
    let picture = Image(width: width, height: height, filledWith: .white)
    let drawn = HeatMapPicture(
      picture, mark: (x: width - 1, y: height - 1),
      heading: [String(repeating: "long ", count: 30)],
      panels: [HeatMapPicture.Panel(title: "t", cells: [1], limit: 1, limitText: "1")]
    ) { _, _ in 0 }.drawn()
    #expect(drawn.width < 2000 && drawn.height < 1000)
    #expect(drawn.width >= min(max(width, 240), 640) * width / max(width, height))
  }

  private func tint(_ share: Double, _ grey: RGBColor) -> RGBColor {
    tint(HeatMapPicture.colour(share), grey)
  }

  private func tint(_ colour: RGBColor, _ grey: RGBColor) -> RGBColor {
    colour.mixed(with: grey, share: 96)
  }
}
