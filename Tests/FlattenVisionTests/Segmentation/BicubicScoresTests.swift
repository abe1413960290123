import FlattenBackbones
import FlattenConfig
import FlattenImage
import FlattenRegions
import FlattenTensor
import TestSupport
import Testing

@testable import FlattenVision

/// Scores that are enlarged bicubically, as EfficientViT's evaluation has it.
@Suite struct BicubicScoresTests {
  private func segmenter(
    _ inference: String, input: String = "short_side: 64, multiple_of: 32, resize: bicubic",
    threads: Int = 2
  ) throws -> Segmenter {
    let text = """
      dataset: camvid
      model:
        backbone: {type: efficientvit, width_list: [8, 8, 16, 24, 32], depth_list: [1, 1, 2, 1, 1], dim: 8}
        decode_head: {type: efficientvit_head, channels: 16, head_depth: 1, expand_ratio: 4,
          middle_op: mbconv, final_expand: 4, act_func: hswish, norm_eps: 1.0e-5, num_classes: 11}
      input: {mean: [100, 110, 120], std: [50, 50, 50], \(input)}
      inference: \(inference)
      """
    return try SegmentationConfiguration(
      ConfigNode.parse(text, name: "small.yaml"), attentions: AttentionRegistry()
    ).untrained(seed: 3, threads: threads, precision: .float32, purpose: .inference)
  }

  /// Noise with something of a picture in it.
  private func picture(_ height: Int, _ width: Int) -> Image {
    var generator = SeededGenerator(seed: 5)
    return Image(
      width: width, height: height,
      pixels: (0..<height * width * 3).map { index in
        UInt8(40 + index * 120 / (height * width * 3) + Int.random(in: 0...90, using: &generator))
      })
  }

  private func scores(
    _ segmenter: Segmenter, _ picture: Image, _ options: Segmenter.Options = Segmenter.Options()
  ) throws -> (Segmentation, Tensor) {
    let collector = ScoreCollector(
      classes: segmenter.classes.count, height: picture.height, width: picture.width)
    let result = try segmenter.segment(
      picture, options: options, sinks: [(.logits, collector.take)])
    return (result, collector.tensor)
  }

  /// Logits go to the picture's size at once, whatever its sides are multiples of.
  @Test(arguments: [(50, 70), (37, 129), (64, 64), (130, 90)])
  func oneResizeLeadsToThePicture(size: (Int, Int)) throws {
    let segmenter = try segmenter("{mode: whole, scores: bicubic}")
    let picture = picture(size.0, size.1)
    let (result, got) = try scores(segmenter, picture)
    #expect(min(result.networkSize.height, result.networkSize.width) == 64)
    #expect(result.networkSize.height % 32 == 0 && result.networkSize.width % 32 == 0)

    let rule = segmenter.configuration.input
    let resized = picture.resized(
      width: result.networkSize.width, height: result.networkSize.height, by: .bicubic)
    let logits = try segmenter.loaded(
      rule.normalised(resized, to: resized.size, pool: BufferPool()))
    #expect(logits.shape[1] == result.networkSize.height / 8)
    let wanted = ForwardPass(threadCount: 1).resizeBicubic(
      logits, height: size.0, width: size.1, layer: "")
    #expect(got.elements == wanted.channelsFirst().elements)
    #expect(result.labels.ids == wanted.argmax())
    // Bilinear scores are others.
    let (_, other) = try scores(self.segmenter("{mode: whole}"), picture)
    #expect(other.elements != got.elements)
  }

  /// The bits do not depend on the number of threads, with windows, flips and sizes of all kinds.
  @Test(arguments: [
    "{mode: whole, scores: bicubic}",
    "{mode: slide, crop_size: [64, 64], stride: [40, 48], scores: bicubic}",
  ])
  func threadsDoNotMatter(inference: String) throws {
    let picture = picture(75, 140)
    var options = Segmenter.Options()
    options.flips = [.horizontal, .vertical]
    options.scales = [.factor(1), .size(PixelSize(height: 64, width: 200))]
    options.keepsConfidence = true
    let results = try (1...3).map {
      try scores(segmenter(inference, threads: $0), picture, options)
    }
    for (result, scores) in results.dropFirst() {
      #expect(result.labels == results[0].0.labels && scores.elements == results[0].1.elements)
    }
    #expect(results[0].1.elements.allSatisfy { $0.isFinite })
  }

  /// A window that holds the whole picture gives what the whole gives, by way of the network's size.
  @Test func windowsAreEnlargedAlike() throws {
    let picture = picture(64, 96)
    let input = "multiple_of: 32, resize: bicubic"
    let (_, whole) = try scores(segmenter("{mode: whole, scores: bicubic}", input: input), picture)
    let (_, window) = try scores(
      segmenter(
        "{mode: slide, crop_size: [64, 96], stride: [64, 96], scores: bicubic}", input: input),
      picture)
    #expect(whole.elements == window.elements)
    // Two windows side by side differ from the whole at their border, not much elsewhere, and their mean where
    // they overlap is finite.
    let (_, two) = try scores(
      segmenter(
        "{mode: slide, crop_size: [64, 64], stride: [64, 32], scores: bicubic}", input: input),
      picture)
    #expect(two.elements.allSatisfy { $0.isFinite } && two.elements != whole.elements)
  }

  @Test func otherNamesAreRefused() {
    let error = #expect(throws: ConfigError.self) { try segmenter("{mode: whole, scores: cubic}") }
    #expect(error?.key == "inference.scores")
  }
}
