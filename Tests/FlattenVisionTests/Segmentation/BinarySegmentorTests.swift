import FlattenConfig
import FlattenImage
import FlattenRegions
import FlattenTensor
import Foundation
import TestSupport
import Testing

@testable import FlattenVision

/// Models with one score a pixel, which a sigmoid and a threshold turn into two labels.
@Suite struct BinarySegmentorTests {
  private func config(
    in folder: TemporaryFolder, head: String, classes: String = "[crack]"
  ) throws -> String {
    try Data(
      """
      name: pair
      images: {folder: images, suffix: .png}
      labels: {folder: labels, suffix: .png, ignore_index: 255}
      classes: \(classes)
      """.utf8
    ).write(to: URL(filePath: folder.path("data.yaml")))
    try Data(
      """
      name: binary
      dataset: data.yaml
      model:
        backbone:
          {type: flatten_pvt, embed_dims: [4, 4, 8, 8], num_heads: [1, 1, 1, 1],
           mlp_ratios: [1, 1, 1, 1], depths: [1, 1, 1, 1], img_size: 32, attn_type: LLLL,
           la_sr_ratios: "1111", kernel_size: 3}
        neck: {type: fpn, out_channels: 4}
        decode_head: {type: fpn_head, channels: 8, \(head)}
      input: {mean: [123.675, 116.28, 103.53], std: [58.395, 57.12, 57.375]}
      """.utf8
    ).write(to: URL(filePath: folder.path("config.yaml")))
    return folder.path("config.yaml")
  }

  private let picture = Image(
    width: 50, height: 41,
    pixels: (0..<50 * 41 * 3).map { UInt8(truncatingIfNeeded: $0 &* 97 >> 2) })

  /// Labels, probabilities and confidence follow from the scores by mmsegmentation's rule.
  @Test(arguments: [
    ("num_classes: 1", 0.3 as Float), ("num_classes: 1, threshold: 0.55", 0.55),
    ("num_classes: 2, out_channels: 1, threshold: 0.48", 0.48),
  ])
  func theSigmoidDecides(head: String, threshold: Float) throws {
    let folder = try TemporaryFolder()
    let classes = head.hasPrefix("num_classes: 2") ? "[ground, crack]" : "[crack]"
    let segmenter = try Segmenter.untrained(
      config: config(in: folder, head: head, classes: classes), seed: 11, threads: 2)
    #expect(segmenter.classes.map(\.name).last == "crack" && segmenter.classes.count == 2)
    let logits = ScoreCollector(classes: 1, height: picture.height, width: picture.width)
    let probabilities = ScoreCollector(classes: 2, height: picture.height, width: picture.width)
    var options = Segmenter.Options()
    options.keepsConfidence = true
    let result = try segmenter.segment(
      picture, options: options,
      sinks: [(.logits, logits.take), (.probabilities, probabilities.take)])
    let scores = logits.tensor.elements
    let shares = probabilities.tensor.elements
    let confidence = try #require(result.confidence)
    let count = scores.count
    #expect(count == picture.size.area && shares.count == 2 * count)
    for pixel in 0..<count {
      let object = 1 / (1 + exp(-Double(scores[pixel])))
      #expect(abs(Double(shares[count + pixel]) - object) < 1e-6)
      #expect(abs(Double(shares[pixel]) - (1 - object)) < 1e-6)
      let isObject = shares[count + pixel] > threshold
      #expect(result.labels.ids[pixel] == (isObject ? 1 : 0))
      #expect(confidence[pixel] == shares[isObject ? count + pixel : pixel])
    }
  }

  /// Of several sizes the probabilities are averaged, not the scores.
  @Test func probabilitiesAreAveraged() throws {
    let folder = try TemporaryFolder()
    let segmenter = try Segmenter.untrained(
      config: config(in: folder, head: "num_classes: 1"), seed: 11, threads: 2)
    func object(_ scales: [AugmentationScale], _ kind: PixelScores.Kind) throws -> [Float] {
      var options = Segmenter.Options()
      options.scales = scales
      let classes = kind == .logits ? 1 : 2
      let taken = ScoreCollector(
        classes: classes, height: picture.height, width: picture.width)
      _ = try segmenter.segment(picture, options: options, sinks: [(kind, taken.take)])
      return Array(taken.tensor.elements.suffix(picture.size.area))
    }
    let one = try object([1.0], .probabilities)
    let two = try object([1.5], .probabilities)
    let both = try object([1.0, 1.5], .probabilities)
    for pixel in both.indices {
      let mean = (one[pixel] + two[pixel]) / 2
      #expect(abs(both[pixel] - mean) < 1e-6)
    }
    #expect(try object([1.0, 1.5], .logits) == both)
  }

  @Test(arguments: [
    ("num_classes: 3, out_channels: 1", "[a, b, c]", "out_channels"),
    ("num_classes: 2, out_channels: 3", "[a, b]", "out_channels"),
    ("num_classes: 2, threshold: 0.3", "[a, b]", "threshold"),
    ("num_classes: 1, threshold: 2", "[a]", "threshold"),
    ("num_classes: 1", "[a, b, c]", "dataset"),
  ])
  func configsThatMakeNoSense(head: String, classes: String, key: String) throws {
    let folder = try TemporaryFolder()
    let path = try config(in: folder, head: head, classes: classes)
    let error = #expect(throws: ConfigError.self) {
      _ = try SegmentationConfiguration.load(path: path)
    }
    #expect(error?.key.hasSuffix(key) == true, "\(String(describing: error))")
  }
}
