import Testing

@testable import FlattenImage

@Suite struct ConfusionPictureTests {
  @Test func shadesRunFromWhiteToNavy() {
    #expect(ConfusionPicture.shade(0) == .white)
    #expect(ConfusionPicture.shade(1) == RGBColor(0x0B2C57))
    #expect(ConfusionPicture.shade(-3) == .white && ConfusionPicture.shade(7).red == 0x0B)
    let steps = stride(from: 0, through: 1, by: 0.01).map { ConfusionPicture.shade($0).luma }
    #expect(zip(steps, steps.dropFirst()).allSatisfy { $0 >= $1 })
  }

  /// Two classes, no text in the corners of cells: the matrix can be read off the picture.
  @Test func rowsAreTruthAndSumToOne() throws {
    let picture = ConfusionPicture.draw(names: ["a", "b"], counts: [[30, 10], [0, 5]])
    let corners = try cellCorners(picture, classes: 2)
    #expect(corners[0][0] == ConfusionPicture.shade(0.75))
    #expect(corners[0][1] == ConfusionPicture.shade(0.25))
    #expect(corners[1][0] == .white)
    #expect(corners[1][1] == ConfusionPicture.shade(1))
  }

  @Test func classesThatNeverOccurAreGrey() throws {
    let counts: [[Double]] = [[1, 0, 0], [0, 0, 0], [.nan, -4, .infinity]]
    let corners = try cellCorners(
      ConfusionPicture.draw(names: [], counts: counts), classes: 3)
    #expect(corners[0] == [ConfusionPicture.shade(1), .white, .white])
    #expect(corners[1] == [RGBColor](repeating: RGBColor(0xE8E8E8), count: 3))
    #expect(corners[2] == corners[1])
  }

  @Test func hugeCountsAndRaggedRowsAreFine() throws {
    let most = Double.greatestFiniteMagnitude
    let corners = try cellCorners(
      ConfusionPicture.draw(names: ["a"], counts: [[most, most], [1, 1, 8]]), classes: 2)
    #expect(corners[0] == [ConfusionPicture.shade(0.5), ConfusionPicture.shade(0.5)])
    #expect(corners[1] == corners[0])
  }

  @Test(arguments: [1, 2, 20, 21, 150, 260])
  func copesWithAnyNumberOfClasses(_ classes: Int) {
    let counts = (0..<classes).map { row in (0..<classes).map { $0 == row ? 3.0 : 0 } }
    let names = (0..<classes).map { "a very long class name \($0)" }
    let picture = ConfusionPicture.draw(names: names, counts: counts)
    #expect(picture.width < 2400 && picture.height < 2400)
    let dark = stride(from: 0, to: picture.pixels.count, by: 3)
      .count { picture.pixels[$0] == 0x0B && picture.pixels[$0 + 2] == 0x57 }
    #expect(dark >= classes * 4, "the diagonal is missing")
  }

  /// The colour of each cell's upper left pixel, found through the grid line around the matrix.
  private func cellCorners(_ picture: Image, classes: Int) throws -> [[RGBColor]] {
    let grid = RGBColor(0xD0D0D0)
    let top = try #require(
      (0..<picture.height).first { y in
        (0..<picture.width).contains { picture[$0, y] == grid }
      })
    let left = try #require((0..<picture.width).first { picture[$0, top] == grid })
    let side = (0..<picture.width).count { picture[$0, top] == grid } - 2
    let cell = side / classes
    return (0..<classes).map { row in
      (0..<classes).map { picture[left + 1 + $0 * cell, top + 1 + row * cell] }
    }
  }
}
