import FlattenData
import FlattenImage
import Foundation
import TestSupport
import Testing

@testable import FlattenVision

/// What is not committed, and where it would be.
private enum Material {
  static let models = Fixtures.shared.appending(path: "models")
  static let camvid = Fixtures.shared.appending(path: "data/camvid")
  static let street = Fixtures.shared.appending(path: "data/street")
  static let isPresent = [models.appending(path: "expected.json"), camvid, street]
    .allSatisfy { Fixtures.exists($0) }
  static let names = [
    "camvid_flatten_pvt_t", "street_flatten_pvtv2_b0", "street_flatten_pvtv2_b0_2",
  ]
  /// The name of the built-in model.
  static let builtIn = "street_flatten_pvtv2_b0_2"

  #if DEBUG
    static let isOptimised = false
  #else
    static let isOptimised = true
  #endif
}

/// Trained weights on real pictures against the scores of the reference implementation. Needs the
/// material beside the repository and an optimised build; skipped, visibly, without them.
@Suite(
  .serialized,
  .enabled(if: Material.isPresent, "shared/models or shared/data is not beside the clone"))
struct CamVidTests {
  private func segmenter(
    _ name: String, precision: Precision = .float32
  ) throws -> Segmenter {
    // The built-in model and the one before it are the same network.
    let config = name == Material.builtIn ? "street_flatten_pvtv2_b0" : name
    let suffix = name == Material.builtIn ? "safetensors" : "pth"
    return try Segmenter.load(
      config: Fixtures.repository.appending(path: "Configs/camvid/\(config).yaml").path,
      weights: Material.models.appending(path: "\(name).\(suffix)").path, precision: precision)
  }

  private func expectation(_ name: String) throws -> JSONValue {
    let data = try Data(contentsOf: Material.models.appending(path: "expected.json"))
    return try JSONDecoder().decode(JSONValue.self, from: data)[name]
  }

  /// Label maps of the reference, pixel by pixel: at least 99.99 % equal.
  @Test(arguments: Material.names) func labelMapsAgree(_ name: String) throws {
    let folder = Material.models.appending(path: "expected_labels/\(name)")
    let files = try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
    try #require(!files.isEmpty)
    let segmenter = try segmenter(name)
    for file in files {
      let stem = String(file.dropLast(4))
      let picture = try Image.decode(
        path: Material.camvid.appending(path: "images/test/\(stem).jpg").path
      ).value
      let wanted = try LabelImage.decode(path: folder.appending(path: file).path).value
      let got = try segmenter.segment(picture).labels
      try #require(got.width == wanted.width && got.height == wanted.height)
      let different = zip(got.ids, wanted.ids).filter { $0 != $1 }.count
      #expect(Double(different) <= 1e-4 * Double(wanted.ids.count), "\(stem): \(different) pixels")
    }
  }

  @Test(
    .enabled(if: Material.isOptimised, "233 pictures need an optimised build"),
    arguments: Material.names)
  func scoresAgree(_ name: String) throws {
    try check(
      try segmenter(name), on: Material.camvid, split: "test",
      against: try expectation(name)["test"])
  }

  /// bfloat16 beside float32: 99 % of the labels, and the reference's mIoU within 0.1 points.
  @Test(
    .enabled(if: Material.isOptimised, "233 pictures need an optimised build"),
    .enabled(if: Precision.automatic == .bfloat16, "this CPU has no bfloat16 products"))
  func bfloat16Agrees() throws {
    let name = Material.names[0]
    let (exact, rounded) = (try segmenter(name), try segmenter(name, precision: .bfloat16))
    #expect(rounded.precision == .bfloat16)
    let dataset = try Dataset.open(
      rounded.configuration.dataset, root: Material.camvid.path, split: "test")
    let report = try Evaluation.run(rounded, on: dataset)
    let wanted = try #require(try expectation(name)["test"]["mIoU"].number)
    #expect(abs(report.scores.mIoU * 100 - wanted) <= 0.1, "mIoU is \(report.scores.mIoU * 100)")
    var (equal, all) = (0, 0)
    for item in dataset.items.prefix(40) {
      let picture = try dataset.load(item).image
      let labels = try exact.segment(picture).labels.ids
      equal += zip(labels, try rounded.segment(picture).labels.ids).filter { $0 == $1 }.count
      all += labels.count
    }
    #expect(Double(equal) >= 0.99 * Double(all), "\(equal) of \(all) labels are equal")
  }

  /// The model inside the binary, by its own config: on the rendered scenes, and on one street of CamVid.
  @Test func theBuiltInModelAgrees() throws {
    let segmenter = try Segmenter.builtIn()
    try check(
      segmenter, on: Material.street, split: nil,
      against: try expectation(Material.builtIn)["street"])
    let file = "Seq05VD_f02700"
    let picture = try Image.decode(
      path: Material.camvid.appending(path: "images/test/\(file).jpg").path
    ).value
    let wanted = try LabelImage.decode(
      path: Material.models.appending(path: "expected_labels/\(Material.builtIn)/\(file).png").path
    ).value
    let different = zip(try segmenter.segment(picture).labels.ids, wanted.ids)
      .filter { $0 != $1 }.count
    #expect(Double(different) <= 1e-4 * Double(wanted.ids.count), "\(different) pixels")
  }

  private func check(
    _ segmenter: Segmenter, on root: URL, split: String?, against expected: JSONValue
  ) throws {
    let dataset = try Dataset.open(
      segmenter.configuration.dataset, root: root.path, split: split)
    #expect(dataset.items.count == expected["pictures"].int)
    let report = try Evaluation.run(segmenter, on: dataset)
    let figures = [
      ("aAcc", report.scores.aAcc), ("mIoU", report.scores.mIoU), ("mAcc", report.scores.mAcc),
    ]
    for (figure, value) in figures {
      let wanted = try #require(expected[figure].number)
      #expect(abs(value * 100 - wanted) <= 0.02, "\(figure) is \(value * 100), wanted \(wanted)")
    }
    for (index, className) in report.classNames.enumerated() {
      let wanted = try #require(expected["IoU"][className].number)
      #expect(abs(report.scores[.iou][index] * 100 - wanted) <= 0.05, "\(className)")
    }
  }
}
