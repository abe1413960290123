import FlattenRegions
import TestSupport
import Testing

@Suite struct BoxCoderTests {
  private func coder(_ json: JSONValue) -> BoxCoder {
    func four(_ key: String, _ usual: Float) -> SIMD4<Float> {
      let numbers = json[key].list.compactMap(\.number).map(Float.init)
      return numbers.count == 4 ? SIMD4(numbers) : SIMD4(repeating: usual)
    }
    return BoxCoder(
      means: four("target_means", 0), stds: four("target_stds", 1),
      centreLimit: json["add_ctr_clamp"].bool == true
        ? Float(json["ctr_clamp"].number ?? 32) : nil)
  }

  @Test(arguments: regionCases("delta_decode")) func decodingAgrees(with fixture: FixtureCase)
    throws
  {
    let golden = try GoldenCase(fixture)
    let coder = coder(golden.parameters["coder"])
    let rois = try golden.boxes("rois")
    let deltas = try golden.input("deltas").floats
    let shape = golden.parameters["max_shape"].ints
    let clips = shape.count >= 2 && golden.parameters["coder"]["clip_border"].bool != false
    let clip = clips ? PixelSize(height: shape[0], width: shape[1]) : nil
    let classes = deltas.count / max(rois.count * 4, 1)
    let got = (0..<deltas.count / 4).flatMap { index in
      coder.decode(
        SIMD4(deltas[index * 4..<index * 4 + 4]), of: rois[index / classes], clip: clip
      ).edges
    }
    try golden.expect("boxes", got)
  }

  @Test(arguments: regionCases("delta_encode")) func encodingAgrees(with fixture: FixtureCase)
    throws
  {
    let golden = try GoldenCase(fixture)
    let coder = coder(golden.parameters["coder"])
    let got = zip(try golden.boxes("gt"), try golden.boxes("rois")).flatMap { target, box in
      let deltas = coder.encode(target, from: box)
      return [deltas.x, deltas.y, deltas.z, deltas.w]
    }
    try golden.expect("deltas", got)
  }

  /// NaN must not become a box: who drops boxes without area drops it.
  @Test func deltasThatAreNoNumbersGiveNoBox() {
    let box = BoxCoder().decode(
      SIMD4(repeating: .nan), of: Box(1, 2, 3, 4), clip: PixelSize(height: 9, width: 9))
    #expect(!(box.width > 0) && !(box.height > 0))
  }
}
