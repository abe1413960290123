import FlattenRegions
import FlattenTensor
import Foundation
import TestSupport
import Testing

/// mmcv's loops over the points of each bin, in double precision but for the coordinates.
private func plainRoIAlign(
  _ map: Tensor, _ region: RegionOfInterest, scale: Float, size: (height: Int, width: Int),
  samplingRatio: Int, aligned: Bool
) -> [Double] {
  let x = Naive.Array4(map)
  let channels = map.shape[3]
  func points(_ start: Float, _ end: Float, _ bins: Int) -> (first: Float, bin: Float, count: Int) {
    let shift: Float = aligned ? 0.5 : 0
    let first = start * scale - shift
    var side = (end * scale - shift) - first
    if !aligned { side = max(side, 1) }
    let bin = side / Float(bins)
    return (first, bin, samplingRatio > 0 ? samplingRatio : Int(bin.rounded(.up)))
  }
  let vertical = points(region.box.top, region.box.bottom, size.height)
  let horizontal = points(region.box.left, region.box.right, size.width)
  func place(_ axis: (first: Float, bin: Float, count: Int), _ bin: Int, _ point: Int) -> Float {
    axis.first + Float(bin) * axis.bin + (Float(point) + 0.5) * axis.bin / Float(axis.count)
  }
  func read(_ y: Float, _ z: Float, _ channel: Int) -> Double {
    let (height, width) = (map.shape[1], map.shape[2])
    if y < -1 || y > Float(height) || z < -1 || z > Float(width) { return 0 }
    func cells(_ place: Float, _ extent: Int) -> [(Int, Double)] {
      let place = max(place, 0)
      let low = Int(place)
      if low >= extent - 1 { return [(extent - 1, 1)] }
      let rest = Double(place - Float(low))
      return [(low, 1 - rest), (low + 1, rest)]
    }
    var sum = 0.0
    for (row, a) in cells(y, height) {
      for (column, b) in cells(z, width) { sum += a * b * x[region.item, row, column, channel] }
    }
    return sum
  }
  var result: [Double] = []
  for row in 0..<size.height {
    for column in 0..<size.width {
      for channel in 0..<channels {
        var sum = 0.0
        for i in 0..<max(vertical.count, 0) {
          for j in 0..<max(horizontal.count, 0) {
            sum += read(place(vertical, row, i), place(horizontal, column, j), channel)
          }
        }
        result.append(sum / Double(max(vertical.count * horizontal.count, 1)))
      }
    }
  }
  return result
}

@Suite struct RoIAlignTests {
  private static func cases(_ name: String) -> [FixtureCase] {
    Fixtures.detectionCases(kind: "det_op", operators: [name])
  }

  @Test func noOperatorIsMissing() {
    #expect(Fixtures.lackingDetection(operators: DetectionOperators.tensors).isEmpty)
  }

  /// Rows of picture, left, top, right, bottom.
  private func regions(_ golden: Golden) throws -> [RegionOfInterest] {
    let rows = try golden.input("rois").elements
    return stride(from: 0, to: rows.count, by: 5).map {
      RegionOfInterest(
        item: Int(rows[$0]), level: 0,
        box: Box(
          left: rows[$0 + 1], top: rows[$0 + 2], right: rows[$0 + 3], bottom: rows[$0 + 4]))
    }
  }

  @Test(arguments: cases("roi_align")) func itAgrees(with fixture: FixtureCase) throws {
    let golden = try Golden(fixture)
    let p = golden.parameters
    let size = (height: try #require(p["output_size"][0].int), width: p["output_size"][1].int ?? 0)
    let y = pass().roiAlign(
      [try golden.map()], regions: try regions(golden),
      scales: [Float(try #require(p["spatial_scale"].number))], size: size,
      samplingRatio: p["sampling_ratio"].int ?? 0, aligned: p["aligned"].bool == true, layer: "")
    #expect(golden.mismatch("y", y.channelsFirst()) == nil)
  }

  @Test(arguments: cases("roi_extractor")) func levelsAreReadFrom(fixture: FixtureCase) throws {
    let golden = try Golden(fixture)
    let p = golden.parameters["extractor"]
    let strides = p["featmap_strides"].ints
    let layer = p["roi_layer"]
    let bins = layer["output_size"].int ?? 0
    let regions = try regions(golden).map { region in
      var region = region
      region.level = RegionOfInterest.level(
        of: region.box, finestScale: Float(p["finest_scale"].number ?? 56), levels: strides.count)
      return region
    }
    let maps = try strides.indices.map { try golden.map("x\($0)") }
    let y = pass().roiAlign(
      maps, regions: regions, scales: strides.map { 1 / Float($0) }, size: (bins, bins),
      samplingRatio: layer["sampling_ratio"].int ?? 0, layer: "")
    #expect(golden.mismatch("y", y.channelsFirst()) == nil)
    #expect(golden.expected["levels"]?.integers == regions.map(\.level))
  }

  @Test(arguments: cases("roi_levels")) func levelsAgree(with fixture: FixtureCase) throws {
    let golden = try Golden(fixture)
    let p = golden.parameters["extractor"]
    let levels = try regions(golden).map {
      RegionOfInterest.level(
        of: $0.box, finestScale: Float(p["finest_scale"].number ?? 56),
        levels: p["featmap_strides"].list.count)
    }
    #expect(golden.expected["levels"]?.integers == levels)
  }

  @Test(arguments: [(0, true), (0, false), (1, true), (2, false), (3, true)])
  func itIsThePlainLoop(samplingRatio: Int, aligned: Bool) {
    let maps: [Tensor] = [.noise([2, 23, 31, 5], seed: 1), .noise([2, 12, 7, 5], seed: 2)]
    let scales: [Float] = [0.25, 1.0 / 3]
    var regions: [RegionOfInterest] = []
    for (index, box) in [
      Box(left: 3, top: 5, right: 90, bottom: 60), Box(left: -30, top: -9, right: 20, bottom: 30),
      Box(left: 100, top: 70, right: 190, bottom: 170), Box(left: 7, top: 8, right: 7, bottom: 40),
      Box(left: 50, top: 50, right: 50.5, bottom: 51), Box(left: 0, top: 0, right: 124, bottom: 92),
      Box(left: 500, top: 10, right: 600, bottom: 30), Box(left: 2, top: 2, right: 2, bottom: 2),
      Box(left: -900, top: 3, right: 1900, bottom: 9),
      Box(left: -4, top: 88, right: 12, bottom: 92),
    ].enumerated() {
      regions.append(RegionOfInterest(item: index % 2, level: index / 2 % 2, box: box))
      regions.append(RegionOfInterest(item: 1 - index % 2, level: 1 - index / 2 % 2, box: box))
    }
    for size in [(height: 7, width: 7), (height: 3, width: 8), (height: 1, width: 1)] {
      let y = pass().roiAlign(
        maps, regions: regions, scales: scales, size: size, samplingRatio: samplingRatio,
        aligned: aligned, layer: "")
      let wanted = regions.flatMap {
        plainRoIAlign(
          maps[$0.level], $0, scale: scales[$0.level], size: size, samplingRatio: samplingRatio,
          aligned: aligned)
      }
      let problem = Comparison.mismatch(
        y.elements, shape: y.shape, expected: wanted,
        expectedShape: [regions.count, size.height, size.width, 5], atol: 2e-6)
      #expect(problem == nil, "\(size)")
    }
  }

  /// Coordinates that no picture has neither crash nor take for ever.
  @Test func boxesThatAreNoneAreZero() {
    let map = Tensor.noise([1, 9, 11, 3], seed: 1)
    let far = [Float.nan, .infinity, -.infinity, .greatestFiniteMagnitude].map {
      Box(left: 1, top: 1, right: $0, bottom: 5)
    }
    let regions = (far + [Box(left: 9, top: 9, right: 3, bottom: 12)]).map {
      RegionOfInterest(item: 0, level: 0, box: $0)
    }
    let y = pass().roiAlign([map], regions: regions, scales: [1], size: (2, 2), layer: "")
    #expect(y.elements.allSatisfy { $0 == 0 })
    let wide = RegionOfInterest(
      item: 0, level: 0, box: Box(left: -5e8, top: 2, right: 5e8, bottom: 5))
    let z = pass().roiAlign([map], regions: [wide], scales: [1], size: (1, 2), layer: "")
    #expect(z.elements.allSatisfy { abs($0) < 1e-6 })
  }

  @Test func thereMayBeNoRegions() {
    let y = pass().roiAlign(
      [.noise([1, 9, 11, 3], seed: 1)], regions: [], scales: [1], size: (2, 2), layer: "")
    #expect(y.shape == [0, 2, 2, 3])
  }

  @Test func aDryRunHasItsShape() {
    let pass = ForwardPass(threads: ThreadPool(threads: 1), isDryRun: true)
    var names: [String] = []
    pass.observer = { if case .operation(let record, nil) = $0 { names.append(record.name) } }
    let region = RegionOfInterest(item: 0, level: 0, box: Box(left: 0, top: 0, right: 9, bottom: 9))
    let y = pass.roiAlign(
      [Tensor(uninitialized: [1, 9, 11, 3])], regions: [region, region], scales: [1], size: (2, 3),
      layer: "rois")
    #expect(y.shape == [2, 2, 3, 3] && names == ["rois"])
  }
}
