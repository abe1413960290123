import FlattenRegions
import Testing

@testable import FlattenImage

@Suite struct ContoursTests {
  /// Where a picture was drawn on, as rows of text.
  private func drawn(_ before: Image, _ after: Image) -> [String] {
    (0..<before.height).map { y in
      String((0..<before.width).map { x in before[x, y] == after[x, y] ? "." : "#" })
    }
  }

  private func outlined(_ ids: [[UInt16]], on colour: RGBColor) -> (Image, [String]) {
    let map = LabelMap(width: ids[0].count, height: ids.count, ids: Array(ids.joined()))
    let picture = Image(width: map.width, height: map.height, filledWith: colour)
    var result = picture
    result.drawContours(of: map)
    return (result, drawn(picture, result))
  }

  private let grey = RGBColor(0x808080)

  /// One pixel wide: on one side of the border only. The picture's border has none.
  @Test func aLineBetweenClasses() {
    let (_, lines) = outlined(
      [
        [3, 3, 3, 3, 7],
        [3, 3, 3, 3, 7],
        [3, 9, 9, 3, 7],
        [3, 9, 9, 3, 7],
        [3, 3, 3, 3, 7],
        [3, 3, 3, 3, 7],
      ], on: grey)
    #expect(
      lines == [
        "...#.",
        ".###.",
        "#.##.",
        "####.",
        "...#.",
        "...#.",
      ])
  }

  @Test func oneClassHasNone() {
    for (width, height) in [(1, 1), (1, 9), (9, 1), (5, 4)] {
      let row = [UInt16](repeating: 255, count: width)
      let (_, lines) = outlined([[UInt16]](repeating: row, count: height), on: grey)
      #expect(!lines.joined().contains("#"))
    }
  }

  @Test func narrowPictures() {
    #expect(outlined([[1, 2, 2, 3]], on: grey).1 == ["#.#."])
    #expect(outlined([[1], [2], [2], [3]], on: grey).1 == ["#", ".", "#", "."])
  }

  /// Black on what is light, white on what is dark: at least a quarter of the range away.
  @Test(
    arguments: [
      0x000000, 0x000080, 0x400000, 0x505050, 0x808080, 0x00FF00, 0xFFFFFF,
    ] as [UInt32])
  func theLineIsSeen(on hex: UInt32) {
    let colour = RGBColor(hex)
    let (picture, _) = outlined([[0, 1]], on: colour)
    let line = picture[0, 0]
    #expect(line == .black || line == .white)
    #expect(abs(line.luma - colour.luma) >= 64)
    #expect(picture[1, 0] == colour)
  }
}
