import FlattenRegions
import TestSupport
import Testing

@Suite struct BoxTests {
  @Test func noOperatorIsMissing() {
    #expect(Fixtures.lackingDetection(operators: DetectionOperators.regions).isEmpty)
  }

  @Test(arguments: regionCases("bbox_overlaps")) func overlapsAgree(with fixture: FixtureCase)
    throws
  {
    let golden = try GoldenCase(fixture)
    let (a, b) = (try golden.boxes("a"), try golden.boxes("b"))
    try golden.expect("iou", a.flatMap { one in b.map(one.intersectionOverUnion(with:)) })
    try golden.expect("iof", a.flatMap { one in b.map(one.intersectionOverArea(with:)) })
  }

  @Test func boxesAreClippedToThePicture() {
    let size = PixelSize(height: 10, width: 20)
    #expect(Box(-3, -1, 25, 12).clipped(to: size) == Box(0, 0, 20, 10))
    #expect(Box(1, 2, 3, 4).clipped(to: size) == Box(1, 2, 3, 4))
    #expect(Box(30, 2, 33, 4).clipped(to: size) == Box(20, 2, 20, 4))
    #expect(Box(.nan, -.infinity, .infinity, .nan).clipped(to: size).left.isNaN)
    #expect(Box(.nan, -.infinity, .infinity, .nan).clipped(to: size).top == 0)
  }

  /// A third: the product with the inverse is another number than the quotient.
  @Test func quotientsAreNoProducts() {
    let box = Box(5, 7, 11, 13)
    #expect(box.scaled(x: 2, y: 3) == Box(10, 21, 22, 39))
    #expect(box.divided(x: 3, y: 7) == Box(5 / 3, 1, 11 / 3, 13 / 7))
  }
}
