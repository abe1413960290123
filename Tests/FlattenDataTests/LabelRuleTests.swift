import FlattenRegions
import FlattenData
import FlattenTensor
import TestSupport
import Testing

@Suite struct LabelRuleTests {
  private func labelMap(_ tensor: FixtureTensor) -> LabelMap {
    LabelMap(
      width: tensor.shape[1], height: tensor.shape[0], ids: tensor.integers.map { UInt16($0) })
  }

  /// Labels as mmsegmentation loads them, for the cases that rewrite any.
  @Test(arguments: Fixtures.cases(kinds: ["metrics"]))
  func loadsLabelsAsMMSegmentationDoes(_ fixture: FixtureCase) throws {
    let parameters = try fixture.json()["params"]
    let inputs = try fixture.tensors("inputs")
    let expected = try fixture.tensors("expected")
    let map = parameters["label_map"].fields.compactMap { entry in
      UInt16(entry.key).flatMap { key in entry.value.int.map { (key, UInt16($0)) } }
    }
    let rule = LabelRule(
      ignoreIndex: UInt16(try #require(parameters["ignore_index"].int)),
      reducesZeroLabel: parameters["reduce_zero_label"].bool ?? false,
      labelMap: Dictionary(map) { first, _ in first })
    var index = 0
    while let stored = inputs["label\(index)"] {
      let wanted = expected["loaded_label\(index)"] ?? stored
      #expect(rule.apply(labelMap(stored)) == labelMap(wanted))
      index += 1
    }
    #expect(index > 0)
  }

  @Test func reduceZeroLabelKeepsNumbersApart() {
    let rule = LabelRule(ignoreIndex: 255, reducesZeroLabel: true)
    let cases: [(UInt16, UInt16)] = [
      (0, 255), (1, 0), (150, 149), (254, 253), (255, 255), (256, 256), (257, 256),
      (65535, 65534),
    ]
    for (stored, id) in cases { #expect(rule.apply(stored) == id, "\(stored)") }
  }

  @Test func theMapComesSecondAndDoesNotChain() {
    let rule = LabelRule(
      ignoreIndex: 255, reducesZeroLabel: true, labelMap: [0: 1, 1: 2, 3: 255])
    #expect([1, 2, 3, 4, 0].map { rule.apply($0 as UInt16) } == [1, 2, 2, 255, 255])
  }

  @Test func violationsNameTheStoredNumber() {
    let rule = LabelRule(ignoreIndex: 255, reducesZeroLabel: true)
    let map = LabelMap(width: 3, height: 2, ids: [0, 1, 5, 6, 255, 6])
    #expect(
      rule.violations(in: map, classes: 5).map(\.description)
        == ["6 (2 pixels, first at x 0, y 1)"])
    #expect(rule.violations(in: map, classes: 6).isEmpty)
    let big = LabelMap(width: 1, height: 1, ids: [256])
    #expect(rule.violations(in: big, classes: 150).map(\.id) == [256])
  }
}
