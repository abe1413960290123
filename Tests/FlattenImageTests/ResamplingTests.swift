import FlattenRegions
import FlattenTensor
import TestSupport
import Testing

@testable import FlattenImage

private let resizeCases =
  Fixtures.allCases(kinds: ["image_resize"]) + Fixtures.literatureCases(kinds: ["image_resize"])
private let preprocessCases = Fixtures.allCases(kinds: ["classify_preprocess"])

@Suite struct ResamplingTests {
  private func resampling(of params: JSONValue) -> Resampling? {
    switch (params["backend"].text, params["interpolation"].text) {
    case ("cv2", "bilinear"): .bilinear
    case ("cv2", "cubic"): .bicubic
    case ("cv2", "nearest"): .nearest
    case ("pillow", "bilinear"): .antialiasedBilinear
    case ("pillow", "bicubic"): .antialiasedBicubic
    default: nil
    }
  }

  /// A picture or grey picture `[H, W, C]` or `[H, W]` of a case.
  private func raster(_ name: String, _ fixture: FixtureCase) throws -> Raster<UInt8> {
    let tensor = try #require(try fixture.tensors("inputs")[name], "no tensor '\(name)'")
    try #require(tensor.type == "U8")
    return Raster(
      width: tensor.shape[1], height: tensor.shape[0],
      channels: tensor.shape.count > 2 ? tensor.shape[2] : 1, samples: [UInt8](tensor.bytes))
  }

  @Test func noKindIsMissing() {
    #expect(Fixtures.lacking(["image_resize", "classify_preprocess"]).isEmpty)
    #expect(Fixtures.lackingLiterature(kinds: ["image_resize"]).isEmpty)
  }

  @Test(arguments: resizeCases)
  func resizesLikeTheReference(_ fixture: FixtureCase) throws {
    let params = try fixture.json()["params"]
    let method = try #require(resampling(of: params), "unknown kind of resizing")
    let size = params["size"].ints
    try #require(size.count == 2)
    let source = try raster("image", fixture)
    let result = source.resized(width: size[1], height: size[0], by: method)
    let shape = [result.height, result.width] + (source.channels > 1 ? [source.channels] : [])
    try expectEqual(
      result.samples, shape: Shape(shape), to: "resized", of: fixture,
      isLenient: method == .bicubic)
    if method == .nearest, source.channels == 1 {
      let map = LabelMap(
        width: source.width, height: source.height, ids: source.samples.map(UInt16.init))
      #expect(
        map.resized(width: size[1], height: size[0]).ids == result.samples.map(UInt16.init))
    }
  }

  @Test(arguments: preprocessCases)
  func preparesLikeTheReference(_ fixture: FixtureCase) throws {
    let params = try fixture.json()["params"]
    let side = try #require(params["img_size"].int)
    let crops = params["crop"].bool ?? true
    let keepsRatio = params["style"].text == "pvt"
    let image = Image(try raster("image", fixture))
    let target = crops ? Int(Double(256) / 224 * Double(side)) : side
    var (width, height) = (target, target)
    if keepsRatio && crops {
      let short = min(image.width, image.height)
      width = image.width == short ? target : target * image.width / short
      height = image.height == short ? target : target * image.height / short
    }
    let resized = image.resized(width: width, height: height, by: .antialiasedBicubic)
    let expected = try fixture.tensors("expected")
    if expected["resized_rgb"] != nil {
      try expectEqual(resized.pixels, shape: [height, width, 3], to: "resized_rgb", of: fixture)
    }
    let cropped = crops ? resized.centreCropped(width: side, height: side) : resized
    if expected["cropped_rgb"] != nil {
      try expectEqual(cropped.pixels, shape: [side, side, 3], to: "cropped_rgb", of: fixture)
    }
    let x = try #require(expected["x"])
    let problem = Comparison.mismatch(
      normalised(cropped), shape: [3, cropped.height, cropped.width], expected: x.doubles,
      expectedShape: x.shape, atol: try fixture.json()["expected"]["x"]["atol"].number ?? 0)
    #expect(problem == nil, "x")
  }

  /// `[3, H, W]`, less ImageNet's mean, over its deviation.
  private func normalised(_ image: Image) -> [Float] {
    let statistics: [(mean: Float, deviation: Float)] = [
      (0.485, 0.229), (0.456, 0.224), (0.406, 0.225),
    ]
    return statistics.enumerated().flatMap { channel, its in
      stride(from: channel, to: image.pixels.count, by: 3).map {
        (Float(image.pixels[$0]) / 255 - its.mean) / its.deviation
      }
    }
  }

  /// The formula in real numbers; the integer one cuts several times, at most one level in all.
  @Test func bilinearIsTheFormula() {
    let source = Sample.image(23, 17).raster
    for (width, height) in [(31, 40), (9, 7), (23, 5), (46, 34), (1, 1), (22, 16)] {
      let got = source.resized(width: width, height: height, by: .bilinear)
      for (x, y) in [(0, 0), (width - 1, height - 1), (width / 2, height / 3), (width / 3, 0)] {
        for channel in 0..<3 {
          let wanted = interpolated(source, width, height, x, y, channel)
          let value = Double(got.samples[(y * width + x) * 3 + channel])
          #expect(abs(value - wanted) <= 1, "\(width)x\(height) at \(x), \(y)")
        }
      }
    }
  }

  private func interpolated(
    _ source: Raster<UInt8>, _ width: Int, _ height: Int, _ x: Int, _ y: Int, _ channel: Int
  ) -> Double {
    func axis(_ output: Int, _ from: Int, _ to: Int) -> (Int, Int, Double) {
      let position = (Double(output) + 0.5) * Double(from) / Double(to) - 0.5
      let clamped = min(max(position, 0), Double(from - 1))
      let low = Int(clamped)
      return (low, min(low + 1, from - 1), clamped - Double(low))
    }
    let (x0, x1, fx) = axis(x, source.width, width)
    let (y0, y1, fy) = axis(y, source.height, height)
    func at(_ x: Int, _ y: Int) -> Double {
      Double(source.samples[(y * source.width + x) * 3 + channel])
    }
    return (at(x0, y0) * (1 - fx) + at(x1, y0) * fx) * (1 - fy)
      + (at(x0, y1) * (1 - fx) + at(x1, y1) * fx) * fy
  }

  @Test(arguments: Resampling.allCases)
  func keepsWhatItShould(_ method: Resampling) {
    let image = Sample.image(13, 7)
    #expect(image.resized(width: 13, height: 7, by: method) == image)
    let flat = Image(
      width: 5, height: 3, filledWith: RGBColor(red: 255, green: 0, blue: 77))
    for (width, height) in [(1, 1), (2, 9), (40, 31), (5, 1)] {
      let resized = flat.resized(width: width, height: height, by: method)
      #expect(resized.width == width && resized.height == height)
      #expect(Set((0..<width).map { resized[$0, height - 1] }) == [flat[0, 0]])
    }
    let single = Sample.image(1, 1)
    #expect(single.resized(width: 3, height: 2, by: method)[2, 1] == single[0, 0])
  }

  /// Which of Pillow's two passes comes first: resizing one side after the other, each alone, is the same
  /// in that order only.
  @Test(arguments: [
    // From, to, whether the height comes first: it loses more than twice what the width loses.
    (41, 70, 54, 54, true), (70, 41, 54, 54, false), (40, 40, 30, 20, false),
    (40, 40, 30, 19, true), (30, 50, 20, 30, false), (30, 50, 20, 29, true),
    (20, 30, 50, 29, true), (20, 30, 50, 31, false),
  ])
  func pillowsPassesHaveAnOrder(
    width: Int, height: Int, newWidth: Int, newHeight: Int, heightFirst: Bool
  ) {
    let source = Sample.image(width, height)
    for method in [Resampling.antialiasedBilinear, .antialiasedBicubic] {
      func inTwoSteps(_ first: (Int, Int)) -> Image {
        source.resized(width: first.0, height: first.1, by: method)
          .resized(width: newWidth, height: newHeight, by: method)
      }
      let whole = source.resized(width: newWidth, height: newHeight, by: method)
      let (down, across) = (inTwoSteps((width, newHeight)), inTwoSteps((newWidth, height)))
      #expect(down != across, "a picture that cannot tell")
      #expect(whole == (heightFirst ? down : across))
    }
  }

  @Test func nearestCopiesIds() {
    let map = LabelMap(width: 3, height: 1, ids: [7, 1000, 65535])
    #expect(
      map.resized(width: 6, height: 2).ids == [7, 7, 1000, 1000, 65535, 65535]
        + [7, 7, 1000, 1000, 65535, 65535])
    #expect(map.resized(width: 1, height: 1).ids == [7])
  }

  @Test func cropsTheMiddle() {
    let image = Sample.image(7, 6)
    let crop = image.centreCropped(width: 2, height: 3)
    // Margins of 5 and 3: 2.5 and 1.5 both round to 2.
    #expect(crop[0, 0] == image[2, 2])
    #expect(crop[1, 2] == image[3, 4])
    let padded = image.centreCropped(width: 10, height: 4)
    #expect(padded[0, 0] == .black)
    #expect(padded[1, 0] == image[0, 1])
    #expect(padded[7, 3] == image[6, 4])
    #expect(padded[8, 3] == .black)
  }

  @Test func mirrors() {
    let image = Sample.image(5, 3)
    let mirrored = image.flipped(.horizontal)
    #expect(mirrored[0, 2] == image[4, 2])
    #expect(mirrored[3, 1] == image[1, 1])
    #expect(image.flipped(.vertical)[3, 0] == image[3, 2])
    #expect(image.flipped(.diagonal) == mirrored.flipped(.vertical))
    for flip in Flip.allCases { #expect(image.flipped(flip).flipped(flip) == image) }
  }
}
