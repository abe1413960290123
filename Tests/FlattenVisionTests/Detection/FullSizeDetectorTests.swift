import FlattenCheckpoint
import FlattenImage
import FlattenModels
import FlattenRegions
import FlattenTensor
import Foundation
import TestSupport
import Testing

@testable import FlattenVision

/// Detectors of full size on pictures of usual sizes against mmdetection's, see
/// Tests/FullSizeFixtures/detectors/README.md.
@Suite struct FullSizeDetectorTests {
  static let folder = Fixtures.repository.appending(path: "Tests/FullSizeFixtures/detectors")

  static let files: [String] = {
    let all = try? FileManager.default.contentsOfDirectory(atPath: folder.path)
    return (all ?? []).filter { $0.hasSuffix(".json") }.sorted()
  }()

  @Test func thereAreSome() { #expect(Self.files.count >= 3) }

  private func detector(_ json: JSONValue) throws -> Detector {
    let configuration = try DetectionConfiguration.load(path: try #require(json["config"].text))
    let shapes = ParameterTree.shapesOnly()
    _ = try ObjectDetector(configuration.model, from: shapes.root)
    let parameters = FormulaParameters(
      shapes.requested.map { ($0.name, $0.shape, true) },
      adjustments: json["adjusted"].list.map(FormulaParameters.Adjustment.init))
    let threads = ThreadPool(threads: 2)
    let tree = ParameterTree(
      source: configuration.model.translating(parameters),
      context: LoadingContext(threads: threads, .float32))
    return Detector(
      configuration, try LoadedModel(configuration.model, tree, threads: threads))
  }

  @Test(arguments: files) func objectsAgree(file: String) throws {
    let json = try JSONDecoder().decode(
      JSONValue.self, from: Data(contentsOf: Self.folder.appending(path: file)))
    let detector = try detector(json)
    let pictures = json["pictures"].list
    try #require(!pictures.isEmpty)
    for wanted in pictures {
      let name = try #require(wanted["picture"].text)
      let picture = try Image.decode(path: Self.folder.appending(path: name).path).value
      let found = try detector.detect(picture).objects
      #expect(found.map(\.label) == wanted["labels"].ints, "\(name)")
      let boxes = wanted["boxes"].list.map { $0.list.compactMap(\.number) }
      let scores = wanted["scores"].list.compactMap(\.number)
      let masks = wanted["masks"].list.compactMap(\.text)
      try #require(found.count == boxes.count && (20...100).contains(found.count))
      var (different, painted) = (0, 0)
      for (index, object) in found.enumerated() {
        let box = [object.box.left, object.box.top, object.box.right, object.box.bottom]
        #expect(
          zip(box, boxes[index]).allSatisfy { abs(Double($0) - $1) <= 0.05 },
          "\(name) \(index): \(box), expected \(boxes[index])")
        #expect(abs(Double(object.score) - scores[index]) <= 1e-4, "\(name) \(index)")
        #expect((object.mask == nil) == masks.isEmpty)
        guard let mask = object.mask else { continue }
        let expected = try RunLengthMask(cocoString: masks[index], size: picture.size)
        different += mask.area + expected.area - 2 * mask.intersectionArea(with: expected)
        painted += expected.area
      }
      #expect(Double(different) <= 0.001 * Double(painted), "\(name): \(different) of \(painted)")
    }
  }
}
