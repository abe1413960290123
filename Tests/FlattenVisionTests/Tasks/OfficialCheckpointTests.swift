import FlattenCheckpoint
import FlattenConfig
import Foundation
import TestSupport
import Testing

@testable import FlattenVision

/// Checkpoints as the families' own training scripts save them, with optimizers, configurations and
/// command lines pickled beside the weights: they load through the public entrances, without options, and
/// give the numbers of the golden case whose weights they hold.
@Suite struct OfficialCheckpointTests {
  struct File: Sendable, CustomTestStringConvertible {
    let name: String
    let fixture: FixtureCase

    var path: String { OfficialCheckpointTests.folder.appending(path: name).path }
    var testDescription: String { name }
  }

  static let folder = Fixtures.repository.appending(path: "Tests/OfficialCheckpoints")

  /// What Tools/reference/checkpoints.py wrote.
  static let files: [File] = {
    guard let data = try? Data(contentsOf: folder.appending(path: "index.json")),
      let index = try? JSONDecoder().decode(JSONValue.self, from: data)
    else { return [] }
    let tests = Fixtures.repository.appending(path: "Tests")
    return index["files"].list.map { file in
      File(
        name: file["file"].text ?? "",
        fixture: FixtureCase(id: file["case"].text ?? "", kind: "", in: tests))
    }
  }()

  static let awkward: Set<String> = ["unknown_class.pth", "command.pth"]
  static let segmentors = files.filter { $0.name.hasPrefix("mmseg") }
  static let classifiers = files.filter {
    !$0.name.hasPrefix("mmseg") && !awkward.contains($0.name)
  }

  private static func file(_ name: String) throws -> File {
    try #require(files.first { $0.name == name })
  }

  @Test func theSetIsComplete() {
    #expect(Self.classifiers.count == 7 && Self.segmentors.count == 2 && Self.files.count == 11)
  }

  @Test(arguments: classifiers) func aClassifierLoadsWithoutOptions(_ file: File) throws {
    let golden = try Golden(file.fixture)
    let folder = try TemporaryFolder()
    let classifier = try Classifier.load(
      config: golden.writeClassifierConfig(in: folder), weights: file.path, threads: 2)
    #expect(classifier.warnings.isEmpty)
    #expect(golden.mismatch("logits", try classifier.loaded(try golden.map()).logits) == nil)
  }

  @Test(arguments: segmentors) func aSegmentorLoadsWithoutOptions(_ file: File) throws {
    let golden = try Golden(file.fixture)
    let folder = try TemporaryFolder()
    let segmenter = try Segmenter.load(
      config: golden.writeSegmentorConfig(in: folder), weights: file.path, threads: 2)
    #expect(segmenter.warnings.isEmpty)
    #expect(golden.mismatch(map: "logits", try segmenter.loaded(try golden.map())) == nil)
  }

  @Test func aPrivateClassNeedsTheOption() throws {
    let file = try Self.file("unknown_class.pth")
    let golden = try Golden(file.fixture)
    let folder = try TemporaryFolder()
    let config = try golden.writeClassifierConfig(in: folder)
    let error = #expect(throws: UnknownObjectError.self) {
      try Classifier.load(config: config, weights: file.path)
    }
    #expect(error?.className == "company.training.Monitor" && error?.path == file.path)
    #expect(error?.description.contains("'company.training.Monitor'") == true)
    let classifier = try Classifier.load(
      config: config, weights: file.path, threads: 2, skipsUnknownObjects: true)
    #expect(golden.mismatch("logits", try classifier.loaded(try golden.map()).logits) == nil)
  }

  /// The command in the pickle would make a file in the current folder.
  @Test(arguments: [false, true]) func aHostileFileIsRefusedEitherWay(skips: Bool) throws {
    let file = try Self.file("command.pth")
    let folder = try TemporaryFolder()
    let config = try Golden(file.fixture).writeClassifierConfig(in: folder)
    let error = #expect(throws: WeightsError.self) {
      try Classifier.load(config: config, weights: file.path, skipsUnknownObjects: skips)
    }
    #expect(error?.description.contains("system'") == true)
    #expect(error?.description.contains("Nothing was called") == true)
    #expect(!FileManager.default.fileExists(atPath: "executed"))
  }

  // MARK: The other task

  /// What a loader of one task says to weights of another: the texts, and the two tasks.
  private func mismatch(
    _ load: () throws -> Void
  ) throws -> (texts: [String], wanted: String, found: String?) {
    let error = #expect(throws: TaskMismatch.self) { try load() }
    guard case .weights(let weights, let wanted, let found) = try #require(error) else {
      throw try #require(error)
    }
    return (["\(try #require(error))", weights.description, weights.summary()], wanted, found)
  }

  @Test func aClassifiersWeightsForASegmentor() throws {
    let folder = try TemporaryFolder()
    let segmentor = try Golden(try Self.file("mmseg_0.pth").fixture)
    let config = try segmentor.writeSegmentorConfig(in: folder)
    let (texts, wanted, found) = try mismatch {
      _ = try Segmenter.load(config: config, weights: Self.file("flatten_swin.pth").path)
    }
    #expect(wanted == "segmentation" && found == "classification")
    for text in texts {
      #expect(text.contains("looks like FLatten-Swin"))
      #expect(text.contains("classifier of 10 classes"))
    }
    #expect(texts[0].hasSuffix("These weights are of a model for classification: take its config."))
  }

  @Test func aSegmentorsWeightsForAClassifier() throws {
    let folder = try TemporaryFolder()
    let classifier = try Golden(try Self.file("deit.pth").fixture)
    let config = try classifier.writeClassifierConfig(in: folder)
    let (texts, wanted, found) = try mismatch {
      _ = try Classifier.load(config: config, weights: Self.file("mmseg_1.pth").path)
    }
    #expect(wanted == "classification" && found == "segmentation")
    for text in texts { #expect(text.contains("looks like FLatten-PVTv2")) }
    #expect(texts[0].hasSuffix("These weights are of a model for segmentation: take its config."))
  }

  @Test func aConfigOfTheOtherTaskSaysWhatItIs() throws {
    let folder = try TemporaryFolder()
    let file = try Self.file("deit.pth")
    let config = try Golden(file.fixture).writeClassifierConfig(in: folder)
    let error = #expect(throws: TaskMismatch.self) {
      try Segmenter.load(config: config, weights: file.path)
    }
    let text = try #require(error).description
    #expect(
      text.contains("'model.classifier' belongs to a classifier, expected a segmentor's config"))
  }
}
