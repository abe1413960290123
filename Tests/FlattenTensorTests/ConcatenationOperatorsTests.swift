import FlattenTensor
import TestSupport
import Testing

@Suite struct ConcatenationOperatorsTests {
  /// Each map lies in its channels with the bits that a resize by itself gives.
  @Test(arguments: [true, false], [1, 3])
  func isResizesSideBySide(alignCorners: Bool, threads: Int) {
    let maps = [
      Tensor.noise([2, 7, 11, 5], seed: 1), Tensor.noise([2, 4, 6, 19], seed: 2),
      Tensor.noise([2, 7, 11, 3], seed: 3), Tensor.noise([2, 1, 1, 8], seed: 4),
      Tensor.noise([2, 9, 2, 1], seed: 5),
    ]
    let pass = pass(threads: threads)
    let resized = maps.map {
      pass.resizeBilinear($0, height: 7, width: 11, alignCorners: alignCorners, layer: "one")
        .elements
    }
    var wanted: [Float] = []
    for pixel in 0..<2 * 7 * 11 {
      for (map, values) in zip(maps, resized) {
        let channels = map.shape[3]
        wanted += values[pixel * channels..<(pixel + 1) * channels]
      }
    }
    let all = pass.concatenatedResized(Array(maps), alignCorners: alignCorners, layer: "all")
    #expect(all.shape == [2, 7, 11, 36])
    #expect(all.bits == wanted.map(\.bitPattern))
  }

  @Test func oneMapIsItself() {
    let map = Tensor.noise([1, 3, 5, 7], seed: 1)
    let same = pass().concatenatedResized([map], alignCorners: false, layer: "same")
    #expect(same.shape == map.shape && same.bits == map.bits)
  }
}
