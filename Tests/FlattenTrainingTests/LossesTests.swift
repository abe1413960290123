import FlattenTensor
import FlattenTraining
import TestSupport
import Testing

@Suite struct LossesTests {
  @Test(arguments: trainingCases("loss")) func lossesAgree(with fixture: FixtureCase) throws {
    let golden = try Golden(fixture)
    let p = golden.parameters["loss"]
    let isNone = golden.parameters["reduction_override"].text == "none"
    let divisor: LossDivisor =
      isNone ? .one : golden.parameters["avg_factor"].number.map(LossDivisor.factor) ?? .mean
    let scale = p["loss_weight"].number ?? 1
    let predictions = try golden.input("pred")
    let (x, classes) = (predictions.elements, predictions.shape[1])
    let target = try golden.input("target").elements
    let weights = golden.inputs["weight"]?.floats
    let loss: Loss
    switch try #require(p["type"].text) {
    case "FocalLoss":
      loss = Losses.focal(
        x, classes: classes, labels: target.map { Int($0) }, gamma: p["gamma"].number ?? 2,
        alpha: p["alpha"].number ?? 0.25, weights: weights, divisor: divisor, scale: scale)
    case "L1Loss":
      loss = Losses.l1(x, targets: target, weights: weights, divisor: divisor, scale: scale)
    case "SmoothL1Loss":
      loss = Losses.smoothL1(
        x, targets: target, beta: p["beta"].number ?? 1, weights: weights, divisor: divisor,
        scale: scale)
    case "CrossEntropyLoss" where p["use_mask"].bool == true:
      loss = Losses.maskCrossEntropy(
        x, classes: classes, labels: try #require(golden.inputs["labels"]).integers,
        targets: target, scale: scale)
    case "CrossEntropyLoss" where p["use_sigmoid"].bool == true:
      loss = Losses.sigmoidCrossEntropy(
        x, classes: classes, labels: target.map { Int($0) }, weights: weights, divisor: divisor,
        scale: scale)
    case "CrossEntropyLoss":
      loss = Losses.softmaxCrossEntropy(
        x, classes: classes, labels: target.map { Int($0) }, weights: weights, divisor: divisor,
        scale: scale)
    case let name:
      Issue.record("no loss '\(name)'")
      return
    }
    let shape = try #require(golden.expected["loss"]).shape
    let values = isNone ? loss.elements.map { Float($0) } : [Float(loss.value)]
    #expect(golden.mismatch("loss", Tensor(shape, values)) == nil)
    #expect(golden.mismatch("grad_pred", Tensor(predictions.shape, loss.gradient)) == nil)
  }

  /// Logits that a sigmoid in single precision makes 0 or 1 of.
  @Test func farLogitsHaveFiniteLosses() {
    let far: [Float] = [-1000, 1000, 0, -1000, 1000, 0]
    for loss in [
      Losses.focal(far, classes: 3, labels: [0, 3], gamma: 2, alpha: 0.25, divisor: .one),
      Losses.sigmoidCrossEntropy(far, classes: 3, labels: [1, 3], divisor: .mean),
      Losses.softmaxCrossEntropy(far, classes: 3, labels: [0, 2], divisor: .mean),
      Losses.maskCrossEntropy(far, classes: 1, labels: [0], targets: [1, 0, 0.5, 0, 1, 1]),
    ] {
      #expect(loss.elements.allSatisfy(\.isFinite) && loss.gradient.allSatisfy(\.isFinite))
    }
  }
}
