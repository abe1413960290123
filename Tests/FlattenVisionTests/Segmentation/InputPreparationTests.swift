import FlattenBackbones
import FlattenConfig
import FlattenRegions
import FlattenImage
import FlattenTensor
import Testing

@testable import FlattenVision

@Suite struct InputPreparationTests {
  private func rule(
    scale: (long: Int, short: Int)? = nil, multiple: Int = 1, padding: Int = 1
  ) -> InputRule {
    InputRule(
      Normalisation(mean: [10, 20, 30], std: [2, 4, 8]), scale: scale, multiple: multiple,
      padding: padding)
  }

  @Test(arguments: [
    // ADE20K's rule: the short side to 512 unless the long one would pass 2048.
    (height: 683, width: 512, sizes: [683, 512, 704, 512]),
    (height: 256, width: 512, sizes: [512, 1024, 512, 1024]),
    (height: 100, width: 1000, sizes: [205, 2048, 224, 2048]),
    (height: 1, width: 1, sizes: [512, 512, 512, 512]),
  ])
  func sizesFollowTheRule(height: Int, width: Int, sizes: [Int]) {
    let got = rule(scale: (2048, 512), multiple: 32)
      .sizes(of: PixelSize(height: height, width: width))
    #expect(got.flatMap { [$0.height, $0.width] } == sizes)
  }

  /// Sizes of test-time augmentation take the place of the rule's own.
  @Test func augmentationHasSizes() {
    let picture = PixelSize(height: 49, width: 67)
    var rule = rule(scale: (2048, 512))
    func size(_ scale: AugmentationScale?) -> PixelSize? {
      rule.sizes(of: picture, scale: scale).first
    }
    let box = AugmentationScale.size(PixelSize(height: 48, width: 128))
    #expect(size(nil) == PixelSize(height: 512, width: 700))
    #expect(size(box) == PixelSize(height: 48, width: 66))
    #expect(
      size(.size(PixelSize(height: 128, width: 48))) == size(box), "a box may stand or lie")
    #expect(size(0.5) == PixelSize(height: 25, width: 34))
    (rule.scale, rule.exactSize) = (nil, PixelSize(height: 40, width: 80))
    #expect(size(nil) == PixelSize(height: 40, width: 80))
    #expect(size(box) == PixelSize(height: 48, width: 128))
    #expect(size(0.5) == PixelSize(height: 25, width: 34))
  }

  /// EfficientViT's rule on ADE20K: one resize to a short side of 512 and a long side rounded up to 32.
  @Test(arguments: [
    (height: 512, width: 683, wanted: [512, 704]), (height: 683, width: 512, wanted: [704, 512]),
    (height: 300, width: 300, wanted: [512, 512]), (height: 256, width: 512, wanted: [512, 1024]),
    (height: 1, width: 1, wanted: [512, 512]), (height: 1024, width: 1023, wanted: [544, 512]),
    (height: 31, width: 1000, wanted: [512, 16544]),
  ])
  func theShortSideIsExact(height: Int, width: Int, wanted: [Int]) {
    var rule = rule(multiple: 32)
    rule.shortSide = 512
    let got = rule.sizes(of: PixelSize(height: height, width: width))
    #expect(got.flatMap { [$0.height, $0.width] } == wanted)
    let augmented = rule.sizes(of: PixelSize(height: height, width: width), scale: 0.5)
    #expect(augmented.count == 1)
    #expect(augmented.allSatisfy { $0.height % 32 == 0 && $0.width % 32 == 0 })
  }

  /// The filter of a rule is the one that resizes.
  @Test func theFilterIsTaken() {
    var noise = SystemRandomNumberGenerator()
    let image = Image(
      width: 9, height: 7, pixels: (0..<9 * 7 * 3).map { _ in .random(in: 0...255, using: &noise) })
    var rule = rule(multiple: 32)
    #expect(
      rule.resized(image).pixels == image.resized(width: 32, height: 32, by: .bilinear).pixels)
    rule.filter = .bicubic
    #expect(rule.resized(image).pixels == image.resized(width: 32, height: 32, by: .bicubic).pixels)
  }

  /// Padding to a size adds nothing to a side that is longer.
  @Test func paddingToASize() {
    var rule = rule()
    rule.paddedSize = PixelSize(height: 64, width: 40)
    #expect(
      rule.padded(PixelSize(height: 50, width: 33)) == PixelSize(height: 64, width: 40))
    #expect(
      rule.padded(PixelSize(height: 65, width: 41)) == PixelSize(height: 65, width: 41))
  }

  private func config(_ input: String) throws -> InputRule {
    try SegmentationConfiguration(
      ConfigNode.parse(
        """
        dataset: camvid
        model:
          backbone: {type: pvt, variant: tiny}
          neck: {type: fpn, out_channels: 8}
          decode_head: {type: fpn_head, channels: 8, num_classes: 11}
        input: {mean: [0, 0, 0], std: [50, 50, 50], \(input)}
        """, name: "config.yaml"), attentions: AttentionRegistry()
    ).input
  }

  @Test func sizesOfAConfig() throws {
    let exact = try config("scale: [80, 40], keep_ratio: false")
    #expect(exact.scale == nil && exact.exactSize == PixelSize(height: 40, width: 80))
    let kept = try config("scale: [40, 80], keep_ratio: true")
    #expect(kept.scale?.long == 80 && kept.scale?.short == 40 && kept.exactSize == nil)
    let padded = try config("pad_to: [128, 96]")
    #expect(padded.paddedSize == PixelSize(height: 96, width: 128))
    let turned = try config("pad_to: [96, 128]")
    #expect(exact != kept && padded != turned)
    let short = try config("short_side: 512, multiple_of: 32, resize: bicubic")
    #expect(short.shortSide == 512 && short.filter == .bicubic && short.multiple == 32)
    #expect(try config("resize: bilinear") == config("multiple_of: 1"))
    #expect(short.summary == "short side 512, by a bicubic filter, sides up to a multiple of 32")
  }

  @Test(arguments: [
    ("keep_ratio: false", "input.keep_ratio"),
    ("keep_ratio: 1, scale: [80, 40]", "input.keep_ratio"),
    ("pad_to: [128, 96], pad_to_multiple_of: 32", "input.pad_to"),
    ("pad_to: 128", "input.pad_to"), ("pad_to: [128]", "input.pad_to"),
    ("pad_to: [0, 96]", "input.pad_to[0]"),
    ("short_side: 500, multiple_of: 32", "input.short_side"), ("short_side: 0", "input.short_side"),
    ("short_side: 512, scale: [80, 40]", "input.short_side"), ("resize: cubic", "input.resize"),
  ])
  func sizesThatAreRefused(input: String, key: String) {
    let error = #expect(throws: ConfigError.self) { try config(input) }
    #expect(error?.key == key)
  }

  /// What is missing to the least side or to a multiple is padded.
  @Test func inputsArePadded() {
    let image = Image(width: 1, height: 2, pixels: [12, 20, 38, 10, 28, 30])
    let memory = BufferPool()
    for (padding, side) in [(3, 32), (35, 35)] {
      let rule = rule(padding: padding)
      let size = rule.padded(image.size)
      #expect(size == PixelSize(height: side, width: side))
      #expect(rule.normalised(image, to: size, pool: memory).shape == [1, side, side, 3])
    }
  }
}
