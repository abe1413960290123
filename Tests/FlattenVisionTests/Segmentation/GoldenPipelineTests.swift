import FlattenRegions
import FlattenCheckpoint
import FlattenConfig
import FlattenData
import FlattenImage
import FlattenModels
import FlattenTensor
import Foundation
import TestSupport
import Testing

@testable import FlattenVision

/// Picture file to labels, every step of the golden set: decode, resize, network, both resizes of the
/// scores, windows, test-time augmentation.
@Suite struct GoldenPipelineTests {
  static let kinds: Set = ["pipeline", "pipeline_tta"]
  static let cases = Fixtures.allCases(kinds: kinds)

  @Test func noKindIsMissing() { #expect(Fixtures.lacking(Self.kinds).isEmpty) }

  @Test(arguments: cases) func pipelineAgrees(with fixture: FixtureCase) throws {
    let golden = try Golden(fixture)
    let segmenter = try Segmenter(golden: golden)
    let file = try #require(golden.json["files"]["image"].text)
    let picture = try Image.decode(path: golden.folder.appending(path: file).path).value
    if golden.expected["decoded_bgr"] != nil {
      #expect(golden.mismatch(bgr: "decoded_bgr", picture) == nil)
    }

    let tta = golden.parameters["tta"]
    var options = Segmenter.Options()
    if !tta.isNull {
      options.scales = golden.scales
      let flips = try golden.flips()
      try #require(flips.first == .some(nil), "the picture as it is comes first")
      options.flips = flips.compactMap { $0 }
    } else {
      try checkSteps(golden, segmenter, picture)
    }

    let logits = ScoreCollector(
      classes: segmenter.classes.count, height: picture.height, width: picture.width)
    let result = try segmenter.segment(picture, options: options, sinks: [(.logits, logits.take)])
    let name = tta.isNull ? "seg_logits" : "mean_probabilities"
    #expect(golden.mismatch(name, logits.tensor) == nil)
    #expect(golden.mismatch(labels: "labels", result.labels.ids) == nil)
    if !tta.isNull { try checkAugmentation(golden, segmenter, picture) }

    // Fused and in one piece agree: the labels are the best class of the scores that were handed out.
    let best = logits.tensor.reshaped(Shape([1] + logits.tensor.shape)).channelsLast().argmax()
    #expect(best == result.labels.ids)
  }

  /// The resized pictures, the network's input and its coarse logits.
  private func checkSteps(_ golden: Golden, _ segmenter: Segmenter, _ picture: Image) throws {
    let rule = segmenter.configuration.input
    let size = PixelSize(height: picture.height, width: picture.width)
    let first = try #require(rule.sizes(of: size).first)
    let resized =
      first == size
      ? picture : picture.resized(width: first.width, height: first.height, by: .bilinear)
    if golden.expected["resized_bgr"] != nil {
      #expect(golden.mismatch(bgr: "resized_bgr", resized) == nil)
    }
    let aligned = rule.resized(picture)
    if golden.expected["aligned_bgr"] != nil {
      #expect(golden.mismatch(bgr: "aligned_bgr", aligned) == nil)
    }
    let input = rule.normalised(
      aligned, to: rule.padded(aligned.size), pool: segmenter.loaded.memory)
    if golden.expected["input"] != nil {
      #expect(golden.mismatch(map: "input", input) == nil)
    }
    if golden.expected["logits"] != nil {
      #expect(golden.mismatch(map: "logits", try segmenter.loaded(input)) == nil)
    }
    if golden.expected["crop0_logits"] != nil,
      case .slide(let crop, let stride) = segmenter
        .configuration.mode
    {
      let rows = SlidingWindows.starts(
        extent: input.shape[1], crop: crop.height, stride: stride.height)
      let columns = SlidingWindows.starts(
        extent: input.shape[2], crop: crop.width, stride: stride.width)
      #expect(golden.expected["crop_count"]?.integers == [rows.count * columns.count])
      let window = input.window(
        top: 0, left: 0, height: rows[0].size, width: columns[0].size)
      #expect(golden.mismatch(map: "crop0_logits", try segmenter.loaded(window)) == nil)
    }
  }

  /// The one augmentation of which the case keeps the steps: its ratio and flip by its number.
  private func checkAugmentation(
    _ golden: Golden, _ segmenter: Segmenter, _ picture: Image
  ) throws {
    let (scales, flips) = (golden.scales, try golden.flips())
    for kept in golden.parameters["keep_augmentations"].ints {
      let flip = flips[kept % flips.count]
      let resized = segmenter.configuration.input.resized(
        picture, scale: scales[kept / flips.count])
      let image = flip.map(resized.flipped) ?? resized
      #expect(golden.mismatch(bgr: "aug\(kept)_image_bgr", image) == nil)
      let scores = ScoreCollector(
        classes: segmenter.classes.count, height: picture.height, width: picture.width)
      var field = segmenter.field(
        of: image, for: picture.size, flip: flip, mode: nil)
      _ = try PixelScores.labels(
        of: picture.size, threads: segmenter.loaded.threads, memory: segmenter.loaded.memory,
        wantsConfidence: false, sinks: [(.logits, scores.take)]
      ) { row in
        try field.grow(beyond: row)
        return (
          PixelScores(
            fields: [field.scores], size: picture.size,
            interpolation: .bilinear(alignCorners: false)),
          field.readyRows
        )
      }
      #expect(golden.mismatch("aug\(kept)_seg_logits", scores.tensor) == nil)
    }
  }
}

/// Puts bands of scores together: `[classes, height, width]`.
final class ScoreCollector: Sendable {
  private let values: Locked<[Float]>
  private let shape: Shape

  init(classes: Int, height: Int, width: Int) {
    shape = [1, height, width, classes]
    values = Locked([Float](repeating: .nan, count: classes * height * width))
  }

  var take: PixelScores.Sink {
    { [self] firstRow, _, band in
      values.withLock { values in
        let start = firstRow * shape[2] * shape[3]
        for index in band.indices { values[start + index] = band[index] }
      }
    }
  }

  var tensor: Tensor {
    let map = Tensor(shape, values.withLock { $0 }).channelsFirst()
    return map.reshaped(Shape(map.shape.dropFirst()))
  }
}

extension Segmenter {
  /// The segmentor of a golden case with its own input rule.
  init(golden: Golden) throws {
    let p = golden.parameters
    let text = Golden.modelText(p["model"])
    let model = try SegmentorConfiguration(ConfigNode.parse(text, name: "case.json"))
    var names = DatasetOptions()
    names.classes = DatasetOptions.classNames(count: model.classes)
    let pre = p["preprocessor"]
    #expect(pre["bgr_to_rgb"].bool == true && pre["pad_val"].number == 0)
    let scale = p["pipeline"]["scale"].ints
    let divisor = p["pipeline"]["size_divisor"].int ?? p["tta"]["size_divisor"].int
    let plan = p["tta"].isNull ? p["pipeline"] : p["tta"]
    let known: Set = [
      "scale", "scales", "ratios", "flips", "keep_ratio", "size_divisor", "pad_to",
    ]
    #expect(known.isSuperset(of: plan.fields.keys))
    #expect(Set(["size", "size_divisor"]).isSuperset(of: pre["test_cfg"].fields.keys))
    let test = p["test_cfg"]
    let mode: InferenceMode =
      test["mode"].text == "slide"
      ? .slide(
        crop: PixelSize(height: test["crop_size"].ints[0], width: test["crop_size"].ints[1]),
        stride: PixelSize(height: test["stride"].ints[0], width: test["stride"].ints[1])) : .whole
    var rule = InputRule(
      Normalisation(
        mean: pre["mean"].list.map { Float($0.number ?? .nan) },
        std: pre["std"].list.map { Float($0.number ?? .nan) }),
      scale: scale.count == 2
        ? (long: max(scale[0], scale[1]), short: min(scale[0], scale[1])) : nil,
      multiple: divisor ?? 1, padding: pre["test_cfg"]["size_divisor"].int ?? 1)
    if plan["keep_ratio"] == .bool(false) {
      // Of sizes of test-time augmentation each takes this one's place.
      let exact = try #require(plan["scale"].isNull ? plan["scales"].list.first : plan["scale"])
      rule.exactSize = PixelSize(height: exact.ints[1], width: exact.ints[0])
      rule.scale = nil
    }
    if let rows = pre["test_cfg"]["size"][0].int, let columns = pre["test_cfg"]["size"][1].int {
      rule.paddedSize = PixelSize(height: rows, width: columns)
    }
    if let columns = plan["pad_to"][0].int, let rows = plan["pad_to"][1].int {
      rule.paddedSize = PixelSize(height: rows, width: columns)
    }
    let configuration = SegmentationConfiguration(
      name: "case", dataset: try DatasetDescription.load(nameOrPath: "folder").applying(names),
      model: model,
      input: rule, mode: mode)
    self.init(
      configuration,
      try LoadedModel(model, golden.weights(), threads: ThreadPool(threads: 2)))
  }
}

extension Golden {
  /// The sizes of test-time augmentation: ratios, or widths and heights in mmcv's order.
  var scales: [AugmentationScale] {
    let tta = parameters["tta"]
    return tta["ratios"].list.compactMap { $0.number.map(AugmentationScale.factor) }
      + tta["scales"].list.map(\.ints).filter { $0.count == 2 }
      .map { .size(PixelSize(height: $0[1], width: $0[0])) }
  }

  /// Its flips; `nil` is the picture as it is.
  func flips() throws -> [Flip?] {
    try parameters["tta"]["flips"].list.map { flip in
      try flip.text.map { try #require(Flip(rawValue: $0)) }
    }
  }

  /// What is wrong with a picture whose expectation is stored `[H, W, 3]` in BGR.
  func mismatch(bgr name: String, _ image: Image) -> String? {
    var values: [Float] = []
    for pixel in stride(from: 0, to: image.pixels.count, by: 3) {
      for channel in [2, 1, 0] { values.append(Float(image.pixels[pixel + channel])) }
    }
    return mismatch(name, Tensor([image.height, image.width, 3], values))
  }
}
