import FlattenRegions
import FlattenTensor
import Testing

@Suite struct ScoreFieldTests {
  @Test func overlapsAreAveragedAndFlipsTurnedBack() {
    // Two windows of 4x4 over a 4x6 input, one class per constant: 1 on the left, 3 on the right.
    func tile(_ value: Float, left: Int) -> ScoreField.Tile {
      ScoreField.Tile(
        logits: Tensor([1, 1, 1, 1], [value]), top: 0, left: left, height: 4, width: 4)
    }
    let size = PixelSize(height: 4, width: 6)
    for (isFlipped, expected) in [
      (false, [1, 1, 2, 2, 3, 3] as [Float]), (true, [3, 3, 2, 2, 1, 1]),
    ] {
      let field = ScoreField(
        [tile(1, left: 0), tile(3, left: 2)], size: size, isFlipped: isFlipped,
        interpolation: .bilinear(alignCorners: false))
      let out = Tensor(zeros: [6])
      var rows = field.rows(memory: BufferPool())
      rows.write(2, into: out.mutablePointer)
      #expect(out.elements == expected)
    }
  }
}
