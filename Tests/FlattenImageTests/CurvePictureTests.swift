import Testing

@testable import FlattenImage

@Suite struct CurvePictureTests {
  private let blue = RGBColor(0x3355AA)

  private func panel(_ values: [Double]) -> CurvePicture.Panel {
    .init(title: "boxes", curves: [.init(name: "IoU .5", values: values)])
  }

  /// The rows of a column that a curve's colour is in.
  private func rows(_ picture: Image, column: Int) -> [Int] {
    (0..<picture.height).filter { row in
      let at = (row * picture.width + column) * 3
      return picture.pixels[at..<at + 3].elementsEqual([blue.red, blue.green, blue.blue])
    }
  }

  @Test func valuesAreWhereTheyBelong() throws {
    // The square is 400 pixels from (90, 60) on.
    let picture = CurvePicture.draw([panel([1, 0.5, 0.5])], across: "recall", upwards: "precision")
    #expect(rows(picture, column: 90 + 300) == [259, 260, 261])
    #expect(rows(picture, column: 90 + 100).contains(60 + 100))
    #expect(rows(picture, column: 90 + 1).first.map { (59...62).contains($0) } == true)
  }

  @Test func panelsStandSideBySide() {
    let one = CurvePicture.draw([panel([1, 0])], across: "a", upwards: "b")
    let four = CurvePicture.draw(
      [panel([1, 0]), panel([]), panel([.nan, 7]), panel([0])], across: "a", upwards: "b")
    #expect(four.width == 3 * one.width && four.height == 2 * one.height)
  }
}
