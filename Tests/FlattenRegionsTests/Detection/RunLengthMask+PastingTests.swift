import FlattenRegions
import Foundation
import TestSupport
import Testing

/// mmdetection's `_do_paste_mask` pixel by pixel: the probability of every pixel, `nil` where none is looked at.
private func plainPaste(
  _ mask: [Float], side: PixelSize, in box: Box, size: PixelSize
) -> [[Float?]] {
  func place(_ pixel: Int, _ start: Float, _ end: Float, _ cells: Int) -> Float {
    var position = (Float(pixel) + 0.5 - start) / (end - start) * 2 - 1
    if position.isInfinite { position = 0 }
    return (position + 1) * (Float(cells) / 2) - 0.5
  }
  func cell(_ row: Int, _ column: Int) -> Float {
    (0..<side.height).contains(row) && (0..<side.width).contains(column)
      ? mask[row * side.width + column] : 0
  }
  func isLookedAt(_ pixel: Int, _ start: Float, _ end: Float) -> Bool {
    Float(pixel) >= start.rounded(.down) - 1 && Float(pixel) < end.rounded(.up) + 1
  }
  return (0..<size.height).map { y in
    (0..<size.width).map { x in
      guard isLookedAt(x, box.left, box.right), isLookedAt(y, box.top, box.bottom) else {
        return nil
      }
      let u = place(x, box.left, box.right, side.width)
      let v = place(y, box.top, box.bottom, side.height)
      guard abs(u) < 1e6, abs(v) < 1e6 else { return u.isNaN || v.isNaN ? .nan : 0 }
      let (column, row) = (u.rounded(.down), v.rounded(.down))
      let (w, n) = (u - column, v - row)
      let (i, j) = (Int(row), Int(column))
      return cell(i, j) * ((1 - w) * (1 - n)) + cell(i, j + 1) * (w * (1 - n))
        + cell(i + 1, j) * ((1 - w) * n) + cell(i + 1, j + 1) * (w * n)
    }
  }
}

/// The pixels of a mask, row by row.
private func bitmap(_ mask: RunLengthMask) -> [Bool] { mask.bitmap().map { $0 != 0 } }

private func pasted(
  _ mask: [Float], side: PixelSize, in box: Box, size: PixelSize, threshold: Float
) -> RunLengthMask {
  mask.withUnsafeBufferPointer {
    RunLengthMask(pasting: $0, side: side, in: box, size: size, threshold: threshold)
  }
}

@Suite struct PastingTests {
  @Test(arguments: regionCases("paste_masks")) func masksAgree(with fixture: FixtureCase) throws {
    let golden = try GoldenCase(fixture)
    let p = golden.parameters
    let logits = try golden.input("mask_logits")
    let side = PixelSize(height: logits.shape[2], width: logits.shape[3])
    let labels = try golden.input("labels").integers
    let factors = p["scale_factor"].list.compactMap(\.number).map(Float.init)
    let isRescaled = p["rescale"].bool == true
    let shape = p["ori_shape"].ints
    let size =
      isRescaled
      ? PixelSize(height: shape[0], width: shape[1])
      : PixelSize(
        height: Int((Float(shape[0]) * factors[1]).rounded(.toNearestOrEven)),
        width: Int((Float(shape[1]) * factors[0]).rounded(.toNearestOrEven)))
    let boxes = try golden.boxes("boxes").map {
      isRescaled ? $0.divided(x: factors[0], y: factors[1]) : $0
    }
    try golden.expect("boxes_after", boxes.flatMap(\.edges))
    let threshold = Float(try #require(p["mask_thr_binary"].number))
    let wanted = try golden.expected("masks").integers
    let allowed = try #require(golden.json["expected"]["masks"]["max_mismatched_pixels"].int)
    try #require(wanted.count == boxes.count * size.area)
    var different = 0
    for (index, box) in boxes.enumerated() {
      let channel = p["class_agnostic"].bool == true ? 0 : labels[index]
      let first = (index * logits.shape[1] + channel) * side.area
      let mask = logits.floats[first..<first + side.area].map { 1 / (1 + exp(-$0)) }
      let got = pasted(mask, side: side, in: box, size: size, threshold: threshold)
      let pixels = bitmap(got)
      try #require(pixels.count == size.area)
      for pixel in pixels.indices {
        different += pixels[pixel] == (wanted[index * size.area + pixel] != 0) ? 0 : 1
      }
    }
    #expect(different <= allowed)
  }

  /// Every pixel as the plain loops have it, also where a map is almost even around the threshold.
  @Test(arguments: 0..<12) func itIsThePlainLoop(seed: Int) {
    var noise = Noise(UInt64(seed))
    let size = PixelSize(height: 97, width: 61)
    let sides = [(28, 28), (14, 14), (7, 9), (1, 1)]
    let boxes =
      (0..<20).map { _ in
        let (x, y) = (noise.float(-80...70), noise.float(-90...110))
        return Box(x, y, x + noise.float(0...150), y + noise.float(0...200))
      } + [
        Box(3, 4, 3, 60), Box(3.5, 4, 3.5, 60), Box(10, 9, 40, 9), Box(10, 9.5, 40, 9.5),
        Box(5.5, 6.5, 5.5, 6.5), Box(20, 20, 19.5, 30), Box(20, 20, 30, 19.25), Box(0, 0, 61, 97),
        Box(20, 20, 20.0001, 70), Box(20, 20, 70, 20 + 0x1p-19), Box(-1e9, -1e9, 1e9, 1e9),
        Box(200, 10, 300, 20), Box(-90, 10, -50, 20), Box(10, 300, 20, 400), Box(0, 0, 1e-30, 50),
      ]
    for (height, width) in sides {
      let side = PixelSize(height: height, width: width)
      for (spread, threshold): (Float, Float) in [(0.5, 0.5), (1e-6, 0.5), (0.5, 0.02), (0, 0.5)] {
        let mask = (0..<height * width).map { _ in 0.5 + noise.float(-spread...spread) }
        for box in boxes {
          let got = bitmap(pasted(mask, side: side, in: box, size: size, threshold: threshold))
          let wanted = plainPaste(mask, side: side, in: box, size: size).flatMap { row in
            row.map { ($0 ?? 0) >= threshold }
          }
          #expect(got == wanted, "\(side), \(box), \(spread)")
        }
      }
    }
  }

  @Test func awkwardNumbersGiveAMask() {
    let side = PixelSize(height: 2, width: 2)
    let size = PixelSize(height: 5, width: 4)
    let empty: [UInt32] = [20]
    for box in [
      Box(.nan, 0, 3, 3), Box(0, 0, .nan, 3), Box(0, .nan, 3, .nan),
      Box(.infinity, 0, .infinity, 3),
      Box(9, 0, 3, 3),
    ] {
      #expect(
        pasted([1, 1, 1, 1], side: side, in: box, size: size, threshold: 0.5).counts == empty)
    }
    let box = Box(0, 0, 4, 5)
    let holes = pasted([.nan, 1, 1, 1], side: side, in: box, size: size, threshold: 0.5)
    #expect(bitmap(holes).count == 20 && !bitmap(holes)[0] && bitmap(holes)[19])
    let none = pasted(
      [1], side: PixelSize(height: 1, width: 1), in: box, size: PixelSize(height: 0, width: 0),
      threshold: 0.5)
    #expect(none.counts == [0])
  }

  /// Columns that are full to the bottom and from the top are one run.
  @Test func runsGoOnInTheNextColumn() {
    let mask = pasted(
      [1], side: PixelSize(height: 1, width: 1), in: Box(-4, -9, 8, 18),
      size: PixelSize(height: 9, width: 4), threshold: 0.2)
    #expect(mask.counts == [0, 36])
  }
}
