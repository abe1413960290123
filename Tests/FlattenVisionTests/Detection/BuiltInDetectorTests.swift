import FlattenImage
import FlattenRegions
import Foundation
import TestSupport
import Testing

@testable import FlattenVision

/// The detector inside the binary against what mmdetection finds with the same weights.
@Suite struct BuiltInDetectorTests {
  private static let expectation = Fixtures.shared.appending(path: "models/expected_detector.json")
  private static let pictures = Fixtures.shared.appending(path: "data/camvid/images/validation")
  static let isPresent = Fixtures.exists(expectation) && Fixtures.exists(pictures)

  @Test(.enabled(if: isPresent, "needs ../shared/models and ../shared/data/camvid"))
  func detectionsAgree() throws {
    let json = try JSONDecoder().decode(
      JSONValue.self, from: Data(contentsOf: Self.expectation))
    let set = json["eight_pictures"]
    let names = set["file_names"].list.compactMap(\.text)
    let identifiers = set["image_ids"].ints
    try #require(!names.isEmpty && names.count == identifiers.count)
    let detector = try Detector.builtIn()
    var compared = 0
    for (name, identifier) in zip(names, identifiers) {
      let picture = try Image.decode(path: Self.pictures.appending(path: name).path).value
      let found = try detector.detect(picture).objects
      let wanted = json["detections"].list.filter { $0["image_id"].int == identifier }
      try #require(found.count == wanted.count, "\(name)")
      for (object, expected) in zip(found, wanted) {
        compared += 1
        let box = expected["bbox"].list.compactMap(\.number)
        let got = [object.box.left, object.box.top, object.box.width, object.box.height]
        #expect(object.categoryID == expected["category_id"].int)
        #expect(abs(Double(object.score) - (expected["score"].number ?? -1)) <= 1e-3)
        #expect(zip(got, box).allSatisfy { abs(Double($0) - $1) <= 0.1 }, "\(name) \(object)")
      }
    }
    #expect(compared == set["detections"].int)
  }
}
