import FlattenRegions
import Testing

@Suite struct DetectionMapTests {
  private let size = PixelSize(height: 3, width: 5)

  private func object(_ label: Int, _ box: Box, mask: [UInt8]? = nil) -> DetectedObject {
    DetectedObject(
      label: label, categoryID: label + 1, name: "thing", score: 0.5, box: box,
      mask: mask.map { RunLengthMask(bitmap: $0, size: size) })
  }

  @Test func theBestObjectHasAPixel() {
    let found = Detections(
      size: size,
      objects: [
        object(
          7, Box(left: 0, top: 0, right: 5, bottom: 3),
          mask: [
            0, 1, 1, 0, 0,
            0, 1, 0, 0, 0,
            0, 0, 0, 0, 0,
          ]),
        object(2, Box(left: 0, top: 0, right: 2, bottom: 2)),
        object(7, Box(left: 1, top: 1, right: 9, bottom: 9)),
      ])
    #expect(
      found.instanceMap()
        == LabelMap(
          width: 5, height: 3,
          ids: [
            2, 1, 1, 0, 0,
            2, 1, 3, 3, 3,
            0, 3, 3, 3, 3,
          ]))
    #expect(
      found.classMap()
        == LabelMap(
          width: 5, height: 3,
          ids: [
            3, 8, 8, 0, 0,
            3, 8, 8, 8, 8,
            0, 8, 8, 8, 8,
          ]))
  }

  @Test func nothingIsBackground() {
    let none = Detections(size: size, objects: [])
    #expect(none.instanceMap().ids == [UInt16](repeating: 0, count: 15))
    let nowhere = Detections(
      size: size,
      objects: [
        object(1, Box(left: .nan, top: 0, right: 3, bottom: 3)),
        object(1, Box(left: 10, top: 10, right: 30, bottom: 30)),
      ])
    #expect(nowhere.classMap().ids == [UInt16](repeating: 0, count: 15))
  }

  @Test(arguments: [
    (
      Box(left: 0.2, top: 0.9, right: 1.1, bottom: 2),
      PixelRectangle(x: 0, y: 0, width: 2, height: 2)
    ),
    (Box(left: 2, top: 1, right: 4, bottom: 2), PixelRectangle(x: 2, y: 1, width: 2, height: 1)),
    (
      Box(left: -.infinity, top: -1e30, right: 1e30, bottom: .infinity),
      PixelRectangle(x: 0, y: 0, width: 5, height: 3)
    ),
  ])
  func boxesAreRoundedOutwardsAndCut(box: Box, pixels: PixelRectangle) {
    #expect(box.pixels(in: size) == pixels)
  }

  @Test(arguments: [
    Box(left: 1, top: 1, right: 1, bottom: 2), Box(left: 2, top: 1, right: 1, bottom: 2),
    Box(left: .nan, top: 1, right: 2, bottom: 2), Box(left: 1, top: 1, right: 2, bottom: .nan),
    Box(left: 5, top: 0, right: 9, bottom: 3), Box(left: -4, top: 0, right: 0, bottom: 3),
  ])
  func aBoxWithoutPixelsHasNone(box: Box) {
    #expect(box.pixels(in: size) == nil)
  }
}
