import FlattenConfig
import FlattenData
import Foundation
import Testing

@Suite struct LabelCensusTests {
  private func description(_ labels: String = "", classes: Int = 2) throws -> DatasetDescription {
    let names = (0..<classes).map { "c\($0)" }.joined(separator: ", ")
    return try DatasetDescription(
      ConfigNode.parse(
        """
        name: a
        images: {folder: i}
        labels: {folder: l\(labels)}
        classes: [\(names)]
        """, name: "d.yaml"))
  }

  private func warnings(
    _ classPixels: [Int], _ ignored: Int, _ description: DatasetDescription
  ) -> [String] {
    LabelCensus(classPixels: classPixels, ignoredPixels: ignored).warnings(for: description)
  }

  @Test func labelsOf0And255AreNamed() throws {
    let two = try description()
    let found = warnings([900, 0], 100, two)
    #expect(found.count == 1)
    for word in ["0 and 255 alone", "'c1' has no pixel", "label_map: [[255, 1]]"] {
      #expect(found.first?.contains(word) == true, "\(found)")
    }
    // Where 255 is most of it, that is told too.
    #expect(warnings([100, 0], 900, two).count == 2)
    // More classes: the others are told as well.
    #expect(warnings([900, 0, 0], 100, try description(classes: 3)).count == 2)
    // What the description says about 255 is believed.
    for labels in [", label_map: [[255, 1]]", ", ignore_index: 9", ", reduce_zero_label: true"] {
      let found = warnings([900, 0], 100, try description(labels))
      #expect(!found.contains { $0.contains("alone") }, "\(labels): \(found)")
    }
    #expect(warnings([500, 400], 100, two).isEmpty)
  }

  @Test func classesWithoutAPixelAreNamed() throws {
    #expect(
      warnings([4, 0], 0, try description()) == ["the class 'c1' has no pixel in the labels."])
    let many = warnings([0, 5, 0, 0, 0, 1], 0, try description(classes: 6))
    #expect(
      many == ["4 of 6 classes have no pixel in the labels: 'c0', 'c2', 'c3' and 1 more."])
    #expect(warnings([0, 0], 0, try description()).isEmpty)
  }

  @Test(arguments: [(50, 0), (51, 1), (99, 1), (10, 0)])
  func manyPixelsThatAreNotScored(ignored: Int, count: Int) throws {
    let found = warnings([1000 - 10 * ignored - 1, 1], 10 * ignored, try description())
    #expect(found.count == count)
    #expect(found.allSatisfy { $0.hasPrefix("\(Double(ignored)) % of the labels' pixels") })
  }
}
