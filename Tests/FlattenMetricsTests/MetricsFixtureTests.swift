import FlattenRegions
import FlattenMetrics
import FlattenTensor
import TestSupport
import Testing

/// Scores against mmsegmentation's own: 1.x in single precision, 0.x in double.
@Suite struct MetricsFixtureTests {
  private func labelMap(_ tensor: FixtureTensor) -> LabelMap {
    LabelMap(
      width: tensor.shape[1], height: tensor.shape[0], ids: tensor.integers.map { UInt16($0) })
  }

  @Test(arguments: Fixtures.cases(kinds: ["metrics"]))
  func agreesWithTheReference(_ fixture: FixtureCase) throws {
    let json = try fixture.json()
    let parameters = json["params"]
    let classes = try #require(parameters["num_classes"].int)
    let inputs = try fixture.tensors("inputs")
    let expected = try fixture.tensors("expected")

    // Where labels are rewritten on loading (reduce_zero_label, label_map), the reference's loaded
    // labels are the truth here; the rewriting itself is tested with the data sets.
    var pictures: [ConfusionMatrix] = []
    while let prediction = inputs["pred\(pictures.count)"] {
      let index = pictures.count
      let truth = try #require(expected["loaded_label\(index)"] ?? inputs["label\(index)"])
      var matrix = ConfusionMatrix(classes: classes)
      matrix.add(
        prediction: labelMap(prediction), truth: labelMap(truth),
        ignoreIndex: parameters["ignore_index"].int)
      pictures.append(matrix)
    }
    #expect(!pictures.isEmpty)

    let areas: [(String, (ConfusionMatrix) -> [Int])] = [
      ("area_intersect", \.intersection), ("area_union", \.unionArea),
      ("area_pred_label", \.predictionArea), ("area_label", \.truthArea),
    ]
    for (name, area) in areas {
      #expect(try pictures.flatMap(area) == #require(expected[name]).integers, "\(name)")
    }

    let matrix = pictures.reduce(ConfusionMatrix(classes: classes), +)
    let scores = SegmentationScores(
      matrix, beta: parameters["beta"].number ?? 1,
      nanReplacement: parameters["nan_to_num"].number)
    var compared = 0
    func compare(_ got: [Double], _ name: String) throws {
      guard let wanted = expected[name] else { return }
      let atol = try #require(json["expected"][name]["atol"].number)
      #expect(got.count == wanted.doubles.count)
      for (index, pair) in zip(got, wanted.doubles).enumerated() {
        let same = pair.1.isNaN ? pair.0.isNaN : abs(pair.0 - pair.1) <= atol
        #expect(same, "\(name)[\(index)]: \(pair.0), expected \(pair.1)")
      }
      compared += 1
    }
    try compare([scores.aAcc], "aAcc")
    try compare([scores.aAcc], "mean_aAcc")
    try compare([scores.aAcc], "legacy_aAcc")
    for metric in SegmentationMetric.allCases {
      try compare(scores[metric], metric.rawValue)
      try compare(scores[metric], "legacy_\(metric.rawValue)")
      try compare([scores.mean(metric)], "mean_\(metric.rawValue)")
    }
    #expect(compared >= 6)
  }

  @Test func noKindIsMissing() { #expect(Fixtures.lacking(["metrics"]).isEmpty) }
}
