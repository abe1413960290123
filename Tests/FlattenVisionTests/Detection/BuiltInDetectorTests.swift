import FlattenCheckpoint
import FlattenImage
import FlattenRegions
import FlattenTensor
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

  /// Pictures of one size find the same alone and together; others are padded to the largest.
  @Test func picturesGoTogether() throws {
    let folder = Fixtures.repository.appending(path: "Datasets/street/images")
    let names = try FileManager.default.contentsOfDirectory(atPath: folder.path)
      .filter { $0.hasSuffix(".jpg") }.sorted()
    var pictures = try names.prefix(2).map {
      try Image.decode(path: folder.appending(path: $0).path).value
    }
    let detector = try Detector.builtIn()
    var options = Detector.Options()
    options.score = 0.5
    let alone = try pictures.map { try detector.detect($0, options: options).objects }
    #expect(alone.allSatisfy { !$0.isEmpty })
    let together = try detector.detect(pictures, options: options).map(\.objects)
    #expect(together == alone)

    // Half a picture beside a whole one: what is found is where it was, whatever lies below it.
    let half = PixelSize(height: pictures[0].height, width: pictures[0].width / 2)
    pictures[1] = pictures[0].cropped(left: 0, top: 0, to: half)
    let mixed = try detector.detect(pictures, options: options)
    #expect(mixed.map(\.size) == pictures.map(\.size))
    #expect(mixed[0].objects.map(\.label) == alone[0].map(\.label))
    #expect(
      mixed[1].objects.allSatisfy { $0.mask?.size == half && Int($0.box.right) <= half.width })
  }

  /// Only what is asked for: classes, scores, counts, and no masks.
  @Test func optionsAreKept() throws {
    let folder = Fixtures.repository.appending(path: "Datasets/street/images")
    let picture = try Image.decode(path: folder.appending(path: "street_0003.jpg").path).value
    let detector = try Detector.builtIn()
    let all = try detector.detect(picture).objects
    #expect(Set(all.map(\.label)).count > 1 && all.allSatisfy { $0.mask?.size == picture.size })
    var options = Detector.Options()
    options.labels = [1]
    options.most = 2
    options.makesMasks = false
    let cars = try detector.detect(picture, options: options).objects
    #expect(cars.map(\.box) == all.filter { $0.name == "car" }.prefix(2).map(\.box))
    #expect(cars.allSatisfy { $0.mask == nil })
    options = Detector.Options()
    options.score = 0.9
    #expect(try detector.detect(picture, options: options).objects == all.filter { $0.score > 0.9 })
  }

  /// Seams cut nothing that fits the overlap, and nothing is found twice.
  @Test func tilesFindEachThingOnce() throws {
    let folder = Fixtures.repository.appending(path: "Datasets/street/images")
    let names = try FileManager.default.contentsOfDirectory(atPath: folder.path)
      .filter { $0.hasSuffix(".jpg") }.sorted()
    // Four scenes beside each other, as one picture.
    let scenes = try names.prefix(2).map {
      try Image.decode(path: folder.appending(path: $0).path).value
    }
    let (width, height) = (scenes[0].width, scenes[0].height)
    var pixels: [UInt8] = []
    for row in 0..<height {
      for scene in scenes {
        pixels += scene.pixels[row * width * 3..<(row + 1) * width * 3]
      }
    }
    let wide = Image(width: 2 * width, height: height, pixels: pixels)
    let detector = try Detector.builtIn()
    var options = Detector.Options()
    options.score = 0.8
    options.tiles = Tiling(size: PixelSize(height: height, width: width), overlap: 0.5)
    let found = try detector.detect(wide, options: options)
    #expect(found.size == wide.size)
    // The tiles that are a scene each find what the scene alone has.
    options.tiles = nil
    for (index, scene) in scenes.enumerated() {
      for object in try detector.detect(scene, options: options).objects {
        var box = object.box
        box.left += Float(index * width)
        box.right += Float(index * width)
        let same = found.objects.filter {
          $0.label == object.label && $0.box.intersectionOverUnion(with: box) > 0.5
        }
        #expect(same.count == 1, "\(object.name) \(box): \(same.count)")
      }
    }
  }

  /// Numbers that are not finite behind the first scores are no "nothing found".
  @Test(arguments: ["roi_head.bbox_head.fc_cls.bias", "roi_head.mask_head.conv_logits.bias"])
  func damagedHeadsAreRefused(parameter: String) throws {
    let picture = try Image.decode(
      path: Fixtures.repository.appending(path: "Datasets/street/images/street_0003.jpg").path
    ).value
    let detector = try DetectionConfiguration.builtIn().load(
      Detector.openBuiltInWeights(), threads: 2, precision: .float32, purpose: .training)
    var parameters = detector.parameters
    let bias = try #require(parameters[parameter])
    parameters[parameter] = Tensor(bias.shape, bias.elements.map { _ in Float.nan })
    let damaged = try detector.rebuilt(from: parameters)
    #expect(throws: InferenceError.scoresNotFinite) { try damaged.detect(picture) }
  }

  /// A model of a known architecture is told by its parameters, whatever its classes are called.
  @Test func weightsTellTheirConfig() throws {
    let folder = try TemporaryFolder()
    let path = folder.url.appending(path: "weights.safetensors").path
    try DetectionConfiguration.load(path: "coco/pvt_v2_b0_retinanet")
      .writeRandomWeights(seed: 3, to: path)
    let found = try DetectionConfiguration.matching(Checkpoint.open(path: path))
    #expect(found.name == (try DetectionConfiguration.load(path: "coco/pvt_v2_b0_retinanet").name))
    #expect(found.dataset.classes.count == 80)
    let other = folder.url.appending(path: "other.safetensors").path
    try SegmentationConfiguration.builtIn().writeRandomWeights(seed: 3, to: other)
    #expect(throws: UnknownArchitectureError.self) {
      try DetectionConfiguration.matching(Checkpoint.open(path: other))
    }
  }
}
