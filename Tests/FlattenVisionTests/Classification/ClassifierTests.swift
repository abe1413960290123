import FlattenRegions
import FlattenBackbones
import FlattenCheckpoint
import FlattenConfig
import FlattenData
import FlattenImage
import FlattenTensor
import Foundation
import TestSupport
import Testing

@testable import FlattenVision

@Suite struct ClassifierTests {
  private func list(_ names: [String]) throws -> ClassList {
    try ClassList(
      ConfigNode.parse("{name: letters, classes: [\(names.joined(separator: ", "))]}", name: "l"))
  }

  // MARK: Preparation

  static let cases = Fixtures.allCases(kinds: ["classify_preprocess"])

  @Test func noKindIsMissing() {
    #expect(Fixtures.lacking(["classify_preprocess", "classifier"]).isEmpty)
  }

  @Test(arguments: cases) func picturesArePreparedLikeTheReference(fixture: FixtureCase) throws {
    let golden = try Golden(fixture)
    let p = golden.parameters
    let side = try #require(p["img_size"].int)
    let crops = p["crop"].bool ?? true
    let target = crops ? side * 256 / 224 : side
    let keepsProportions = p["style"].text == "pvt" && crops
    let input = ClassificationInput(
      .imageNet,
      resize: keepsProportions
        ? .shortSide(target) : .size(PixelSize(height: target, width: target)),
      crop: crops ? side : nil)
    let stored = try #require(golden.inputs["image"])
    let picture = Image(
      width: stored.shape[1], height: stored.shape[0], pixels: stored.integers.map { UInt8($0) })
    let prepared = input.prepared(picture)
    let x = input.afterwards.normalised(prepared, to: prepared.size, pool: BufferPool())
    let got = x.channelsFirst()
    #expect(golden.mismatch("x", got.reshaped(Shape(got.shape.dropFirst()))) == nil)
    #expect(input.nominalSize == PixelSize(height: side, width: side))
  }

  // MARK: The whole

  /// Config and weights of a golden case through the public entrance.
  @Test(arguments: Fixtures.cases(kinds: ["classifier"]) + Fixtures.familyCases(kind: "classifier"))
  func scoresAreThoseOfTheReference(_ fixture: FixtureCase) throws {
    let golden = try Golden(fixture)
    let folder = try TemporaryFolder()
    let config = try golden.writeClassifierConfig(in: folder)
    let weights = try #require(try fixture.file("weights")).path
    let classifier = try Classifier.load(config: config, weights: weights, threads: 2)
    let logits = try classifier.loaded(try golden.map()).logits
    #expect(golden.mismatch("logits", logits) == nil)

    // A picture, with other threads: the same bits, and probabilities of all classes add up to 1.
    let picture = Image(
      width: 50, height: 40, pixels: (0..<6000).map { UInt8(truncatingIfNeeded: $0 * 7919 / 13) })
    let result = try classifier.classify(picture)
    let again = try Classifier.load(config: config, weights: weights, threads: 3).classify(picture)
    #expect(result.logits == again.logits)
    #expect(abs(result.probabilities.reduce(0, +) - 1) < 1e-12)
    #expect(result.top(3).count == 3)
    #expect(result.top(1 << 20).count == golden.parameters["num_classes"].int)
  }

  @Test func theLikeliestComeFirst() throws {
    let result = Classification(logits: [1, 3, -800, 3], list: try list(["a", "b", "c", "d"]))
    #expect(result.top(4).map(\.name) == ["b", "d", "a", "c"])
    #expect((0..<4).map(result.rank) == [2, 0, 3, 1])
    let sum = exp(-2.0) + 2
    #expect(abs(result.probabilities[1] - 1 / sum) < 1e-12)
    #expect(abs(result.probabilities[0] - exp(-2.0) / sum) < 1e-12)
    #expect(result.probabilities[2] == 0)
    #expect(result.top(0).isEmpty && result.top(-1).isEmpty)
  }

  // MARK: Configs

  private func config(_ model: String, input: String = "resize: 256, crop: 224") throws
    -> ClassificationConfiguration
  {
    try ClassificationConfiguration(
      ConfigNode.parse(
        """
        dataset: imagenet
        model: {backbone: {type: pvt, variant: tiny}, \(model)}
        input: {mean: [0, 0, 0], std: [1, 1, 1], \(input)}
        """, name: "config.yaml"), attentions: AttentionRegistry())
  }

  @Test func aConfigIsRead() throws {
    let good = try config("classifier: {num_classes: 1000}")
    #expect(good.input.resize == .shortSide(256) && good.input.crop == 224)
    #expect(good.list.name == "imagenet" && good.name == "unnamed")
    let whole = try config("classifier: {num_classes: 1000}", input: "resize: [96, 64]")
    #expect(whole.input.resize == .size(PixelSize(height: 96, width: 64)))
    #expect(whole.input.nominalSize == PixelSize(height: 96, width: 64))
  }

  @Test(arguments: [
    ("classifier: {num_classes: 10}", "resize: 256", "dataset"),
    ("classifier: {}", "resize: 256", "model.classifier.num_classes"),
    ("classifier: {num_classes: 1000}", "crop: 224", "input.resize"),
    ("classifier: {num_classes: 1000}", "resize: 31", "input.resize"),
    ("classifier: {num_classes: 1000}", "resize: 256, scale: 3", "input.scale"),
  ])
  func mistakesAreNamed(model: String, input: String, key: String) {
    let error = #expect(throws: ConfigError.self) { try config(model, input: input) }
    #expect(error?.key == key)
  }

  @Test func theConfigOfAnotherTaskIsRefused() throws {
    let error = #expect(throws: TaskMismatch.self) {
      try config("decode_head: {type: fpn_head}")
    }
    guard case .config(let place, let wanted, let found) = try #require(error) else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(place.key == "model.decode_head" && place.line == 2)
    #expect(wanted == "classification" && found == "segmentation")
  }

  /// A strip of one pixel's width would become a picture of any length.
  @Test func stripsAreRefused() throws {
    let configuration = try config("classifier: {num_classes: 1000}")
    let input = configuration.input
    let strip = Image(width: 1, height: 4000, filledWith: RGBColor(red: 1, green: 2, blue: 3))
    #expect(input.resizedSize(of: strip.size) == PixelSize(height: 1_024_000, width: 256))
    let error = #expect(throws: InferenceError.self) {
      try configuration.prepared(strip, memory: BufferPool())
    }
    #expect(error == .proportions(PixelSize(height: 1_024_000, width: 256)))
    #expect(error?.description.contains("256x1024000") == true)
  }
}
