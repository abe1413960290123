import FlattenRegions
import FlattenCheckpoint
import FlattenImage
import FlattenTensor
import Foundation
import TestSupport
import Testing

@testable import FlattenVision

@Suite struct SegmenterTests {
  /// A picture with an odd size and no symmetry.
  private func picture(width: Int = 97, height: Int = 61) -> Image {
    var pixels: [UInt8] = []
    for y in 0..<height {
      for x in 0..<width {
        pixels += [
          UInt8((x * 7 + y * 3) % 256), UInt8((x * x / 5 + y * 11) % 256),
          UInt8((x * y + 31) % 256),
        ]
      }
    }
    return Image(width: width, height: height, pixels: pixels)
  }

  @Test func theBuiltInModelKnowsAStreet() throws {
    let path = Fixtures.repository.appending(path: "Datasets/street/images/street_0000.jpg").path
    let result = try Segmenter.builtIn().segment(Image.decode(path: path).value)
    #expect(result.labels.width == 480 && result.labels.height == 360)
    let names = result.shares.prefix(3).map(\.segmentationClass.name)
    #expect(Set(names) == ["sky", "road", "building"])
    let sum = result.shares.reduce(0) { $0 + $1.share }
    #expect(abs(sum - 1) < 1e-12)
  }

  /// A model is made again of its parameters in memory, changed or not; the first stays as it was.
  @Test(arguments: ["f32", "bf16"])
  func parametersInMemoryMakeTheModelAgain(stored: String) throws {
    let precision = try #require(Precision(rawValue: stored))
    let folder = try TemporaryFolder()
    let golden = try Golden(try #require(Fixtures.wideSegmentors.first))
    let config = try golden.writeSegmentorConfig(in: folder)
    let trained = try Segmenter.untrained(
      config: config, seed: 3, precision: precision, purpose: .training)
    var options = Segmenter.Options()
    options.keepsConfidence = true
    let first = try trained.segment(picture(), options: options)

    var parameters = trained.parameters
    let same = try trained.rebuilt(from: parameters).segment(picture(), options: options)
    #expect(same.labels == first.labels && same.confidence == first.confidence)

    let bias = try #require(parameters["decode_head.conv_seg.bias"])
    var values = bias.elements
    values[values.count - 1] += 1000
    parameters["decode_head.conv_seg.bias"] = Tensor(bias.shape, values)
    let changed = try trained.rebuilt(from: parameters)
    #expect(changed.parameters["decode_head.conv_seg.bias"]?.elements == values)
    let last = UInt16(values.count - 1)
    #expect(try changed.segment(picture()).labels.ids.allSatisfy { $0 == last })
    #expect(!first.labels.ids.allSatisfy { $0 == last })
    #expect(try trained.segment(picture()).labels == first.labels)

    // Saved, they are what a model for inference loads, which keeps none itself.
    try parameters.write(to: folder.path("changed.safetensors"))
    let loaded = try Segmenter.load(
      config: config, weights: folder.path("changed.safetensors"), precision: precision)
    #expect(try loaded.segment(picture()).labels.ids.allSatisfy { $0 == last })
    #expect(loaded.parameters.names.isEmpty)
  }

  @Test func sameBitsForAnyNumberOfThreads() throws {
    var options = Segmenter.Options()
    options.keepsConfidence = true
    options.scales = [0.75, 1.0]
    options.flips = [.horizontal, .vertical]
    let one = try Segmenter.builtIn(threads: 1).segment(picture(), options: options)
    for threads in [2, 3, 8] {
      let other = try Segmenter.builtIn(threads: threads).segment(picture(), options: options)
      #expect(other.labels == one.labels)
      #expect(other.confidence == one.confidence)
    }
  }

  /// A picture and its mirror image, each averaged with its own mirror image, have one result, mirrored: whole,
  /// padded, and in windows.
  @Test(arguments: Flip.allCases, ["whole", "padded", "slide"])
  func mirrorsGiveOneResult(flip: Flip, way: String) throws {
    var configuration = try SegmentationConfiguration.builtIn()
    configuration.input.multiple = 1
    if way != "whole" { configuration.input.paddedSize = PixelSize(height: 96, width: 160) }
    let segmenter = try configuration.load(
      Segmenter.openBuiltInWeights(), threads: 2, precision: .float32)
    var options = Segmenter.Options()
    options.flips = [flip]
    options.keepsConfidence = true
    if way == "slide" {
      options.mode = .slide(
        crop: PixelSize(height: 40, width: 64), stride: PixelSize(height: 24, width: 40))
    }
    let plain = try segmenter.segment(picture(), options: options)
    let mirrored = try segmenter.segment(picture().flipped(flip), options: options)
    let back = mirrored.labels.flipped(flip)
    // Rounding may decide between two classes that are equally likely.
    let same = zip(back.ids, plain.labels.ids).count { $0 == $1 }
    #expect(same >= plain.labels.ids.count - 3)
    let means = try [plain, mirrored].map { result in
      try #require(result.confidence).reduce(0, +) / Float(result.labels.ids.count)
    }
    #expect(abs(means[0] - means[1]) < 1e-5)
    options.flips = []
    #expect(try segmenter.segment(picture(), options: options).confidence != plain.confidence)
  }

  @Test func manyCallersGetTheSameResult() throws {
    let segmenter = try Segmenter.builtIn(threads: 2)
    let expected = try segmenter.segment(picture()).labels
    let results = Locked<[LabelMap?]>([])
    DispatchQueue.concurrentPerform(iterations: 6) { _ in
      let labels = try? segmenter.segment(picture()).labels
      results.withLock { $0.append(labels) }
    }
    #expect(results.withLock { $0 } == [LabelMap?](repeating: expected, count: 6))
  }

  @Test(arguments: [(1, 1), (1, 500), (500, 1), (7, 3), (31, 33), (32, 32), (2000, 40)])
  func anySizeGivesAMapOfThePicturesSize(width: Int, height: Int) throws {
    let result = try Segmenter.builtIn().segment(picture(width: width, height: height))
    #expect(result.labels.width == width && result.labels.height == height)
    #expect(result.labels.ids.allSatisfy { $0 < 11 })
  }

  @Test func confidenceIsTheWinnersProbability() throws {
    let segmenter = try Segmenter.builtIn()
    var options = Segmenter.Options()
    options.keepsConfidence = true
    let scores = ScoreCollector(classes: 11, height: 61, width: 97)
    let result = try segmenter.segment(
      picture(), options: options, sinks: [(.probabilities, scores.take)])
    let probabilities = scores.tensor.elements  // [classes, height, width]
    let confidence = try #require(result.confidence)
    for pixel in 0..<61 * 97 {
      let all = (0..<11).map { probabilities[$0 * 61 * 97 + pixel] }
      #expect(abs(all.reduce(0, +) - 1) < 1e-5)
      #expect(all[Int(result.labels.ids[pixel])] == confidence[pixel])
      #expect(all.allSatisfy { $0 <= confidence[pixel] })
    }
  }

  @Test func weightsThatAreNotFiniteAreAnErrorNotAMask() throws {
    let segmenter = try Segmenter.builtIn()
    let damaged = Segmenter(
      segmenter.configuration,
      try LoadedModel(
        segmenter.configuration.model, ParameterTree(source: NaNParameters()),
        threads: ThreadPool(threads: 1)))
    let error = #expect(throws: InferenceError.self) { try damaged.segment(picture()) }
    #expect(error == .scoresNotFinite)
    #expect(error?.description.contains("not finite") == true)
  }

  @Test func slidingOneWindowEqualsTheWhole() throws {
    let segmenter = try Segmenter.builtIn()
    let whole = try segmenter.segment(picture(width: 96, height: 64))
    var options = Segmenter.Options()
    options.mode = .slide(
      crop: PixelSize(height: 64, width: 96), stride: PixelSize(height: 40, width: 40))
    #expect(
      try segmenter.segment(picture(width: 96, height: 64), options: options).labels == whole.labels
    )
  }
}

/// The built-in weights with one NaN.
private final class NaNParameters: ParameterSource {
  private let checkpoint: Checkpoint

  init() throws { checkpoint = try Segmenter.openBuiltInWeights() }

  var name: String { checkpoint.name }

  var parameterShapes: [(name: String, shape: [Int], isFloatingPoint: Bool)] {
    checkpoint.parameterShapes
  }

  func read(_ name: String, into buffer: UnsafeMutableBufferPointer<Float>) throws {
    try checkpoint.read(name, into: buffer)
    if name == "decode_head.conv_seg.bias" { buffer[0] = .nan }
  }
}
