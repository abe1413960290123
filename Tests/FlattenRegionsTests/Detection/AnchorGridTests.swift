import FlattenRegions
import TestSupport
import Testing

@Suite struct AnchorGridTests {
  private func shapes(_ generator: JSONValue) throws -> AnchorShapes {
    let strides: [AnchorShapes.Stride] = generator["strides"].list.compactMap { entry in
      if let step = entry.int { return .init(step) }
      return entry.ints.count == 2 ? .init(x: entry.ints[0], y: entry.ints[1]) : nil
    }
    var scales = generator["scales"].list.compactMap(\.number).map(Float.init)
    if let base = generator["octave_base_scale"].number {
      scales = AnchorShapes.octave(
        base: base, count: try #require(generator["scales_per_octave"].int))
    }
    return AnchorShapes(
      strides: strides, scales: scales,
      ratios: generator["ratios"].list.compactMap(\.number).map(Float.init),
      baseSizes: generator["base_sizes"].isNull ? nil : generator["base_sizes"].ints,
      centreOffset: generator["center_offset"].number ?? 0,
      isScaleMajor: generator["scale_major"].bool ?? true)
  }

  @Test(arguments: regionCases("anchors")) func anchorsAgree(with fixture: FixtureCase) throws {
    let golden = try GoldenCase(fixture)
    let sizes = golden.parameters["featmap_sizes"].list.map {
      PixelSize(height: $0[0].int ?? 0, width: $0[1].int ?? 0)
    }
    let grid = AnchorGrid(try shapes(golden.parameters["generator"]), sizes: sizes)
    let pad = golden.parameters["pad_shape"].ints
    for level in sizes.indices {
      try golden.expect("base\(level)", grid.shapes.base[level].flatMap(\.edges))
      try golden.expect("anchors\(level)", grid.anchors(level: level).flatMap(\.edges))
      guard pad.count >= 2 else { continue }
      let flags = grid.validFlags(
        level: level, padded: PixelSize(height: pad[0], width: pad[1]))
      try golden.expect("valid\(level)", flags.map { $0 ? 1 : 0 })
    }
  }
}
