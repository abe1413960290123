import FlattenBackbones
import FlattenImage
import FlattenRegions
import FlattenTensor
import TestSupport
import Testing

@testable import FlattenVision

/// The memory that is counted before a picture is computed, against what its passes take.
@Suite struct PictureNeedTests {
  private func picture(_ height: Int, _ width: Int) -> Image {
    Image(
      width: width, height: height,
      pixels: (0..<height * width * 3).map { UInt8(truncatingIfNeeded: $0 &* 7919 >> 3) })
  }

  /// One slab of the counted size is enough for every family, and not much larger than what is used.
  @Test(arguments: Fixtures.wideSegmentors, [(64, 64), (128, 192)])
  func countedMemoryIsEnough(fixture: FixtureCase, sides: (Int, Int)) throws {
    let folder = try TemporaryFolder()
    let config = try Golden(fixture).writeSegmentorConfig(in: folder)
    for threads in [1, 3] {
      let segmenter = try Segmenter.untrained(config: config, threads: threads)
      let picture = picture(sides.0, sides.1)
      let need = try segmenter.memoryNeed(for: picture.size, options: .init())
      _ = try segmenter.segment(picture)
      let held = segmenter.loaded.memory.heldBytes
      #expect(held <= max(need.runs, 8 << 20), "held \(held), counted \(need.runs)")
      // Of what was counted the network's own part was used, but for what threads may lend themselves.
      let run = try segmenter.loaded.memoryNeed(of: picture.size) - threads * (4 << 20)
      #expect(segmenter.loaded.memory.mostBytes >= run / 2)
    }
  }

  /// Sliding windows keep the scores of a few rows of windows, however tall a picture is.
  @Test func windowsNeedNoMoreForTallerPictures() throws {
    let segmenter = try Segmenter.builtIn(threads: 1)
    var options = Segmenter.Options()
    options.mode = .slide(
      crop: PixelSize(height: 64, width: 64), stride: PixelSize(height: 32, width: 32))
    options.scales = [1.0]
    var configuration = segmenter.configuration
    configuration.input.largest = nil
    let free = Segmenter(configuration, segmenter.loaded)
    let needs = try [400, 4000].map {
      try free.memoryNeed(for: PixelSize(height: $0, width: 300), options: options)
    }
    #expect(needs[0].runs == needs[1].runs)
    var whole = options
    whole.mode = .whole
    let size = PixelSize(height: 4000, width: 300)
    #expect(try free.memoryNeed(for: size, options: whole).runs > 4 * needs[1].runs)
    // And so they do.
    _ = try free.segment(picture(700, 130), options: options)
    let held = free.loaded.memory.heldBytes
    _ = try free.segment(picture(2100, 130), options: options)
    #expect(free.loaded.memory.heldBytes == held)
  }

  @Test func aPictureBeyondAllMemoryIsRefused() throws {
    let segmenter = try Segmenter.builtIn(threads: 1)
    var configuration = segmenter.configuration
    configuration.input.largest = nil
    configuration.input.scale = (long: 1 << 16, short: 1 << 16)
    let free = Segmenter(configuration, segmenter.loaded)
    let error = #expect(throws: InferenceError.self) { _ = try free.segment(picture(40, 50)) }
    guard case .pictureTooLarge(let size, let bytes, let windowsHelp) = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(size == PixelSize(height: 40, width: 50) && bytes > 1 << 38 && windowsHelp)
    // Sizes whose pixels or costs are no Int are not even counted.
    for scale in [AugmentationScale.factor(1e6), .factor(1e300)] {
      var options = Segmenter.Options()
      options.scales = [scale]
      #expect(throws: InferenceError.self) {
        _ = try segmenter.segment(picture(40, 50), options: options)
      }
    }
    // The model is as good as before.
    _ = try segmenter.segment(picture(40, 50))
  }
}
