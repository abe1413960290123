import FlattenData
import FlattenFiles
import FlattenMetrics
import Foundation
import TestSupport
import Testing

/// Data sets whose pictures and labels are decoded.
@Suite struct DatasetFilesTests {
  @Test func theSampleIsClean() throws {
    let description = try DatasetDescription.load(nameOrPath: "street")
    let root = Fixtures.repository.appending(path: "Datasets/street").path
    var steps: [Int] = []
    let check = try Dataset.check(description, root: root) { done, _ in steps.append(done) }
    #expect(check.isClean && check.pictures == 4 && check.orphanLabels.isEmpty)
    #expect(steps == [1, 2, 3, 4])
    #expect(check.census.pixels == 4 * 480 * 360)
    #expect(check.census.classPixels.allSatisfy { $0 > 0 } && check.warnings.isEmpty)

    let dataset = try Dataset.open(description, root: root)
    let pair = try dataset.load(dataset.items[0])
    #expect(pair.image.width == pair.label.width && pair.image.height == pair.label.height)
  }

  @Test(.enabled(if: Fixtures.exists(Fixtures.shared.appending(path: "data/camvid"))))
  func camVidIsFound() throws {
    let root = Fixtures.shared.appending(path: "data/camvid").path
    let description = try DatasetDescription.load(nameOrPath: "camvid")
    for (split, count) in [("train", 367), ("val", 101), ("test", 233)] {
      let dataset = try Dataset.open(description, root: root, split: split)
      #expect(dataset.items.count == count && dataset.orphanLabels.isEmpty)
      #expect(try dataset.load(dataset.items[0]).label.ids.allSatisfy { $0 <= 11 })
    }
  }

  @Test(.enabled(if: Fixtures.exists(Fixtures.shared.appending(path: "data/ade20k-sample"))))
  func ade20kIsFound() throws {
    let root = Fixtures.shared.appending(path: "data/ade20k-sample").path
    let check = try Dataset.check(DatasetDescription.load(nameOrPath: "ade20k"), root: root)
    #expect(check.isClean && check.pictures == 3)
    #expect(check.census.ignoredPixels > 0)
  }
}

@Suite struct DatasetCheckTests {
  /// One of each: all are reported, each once, and the good label is still counted.
  @Test func everyProblemIsReported() throws {
    let folder = try DatasetTests.TemporaryFolder([
      "images/empty.jpg", "images/lonely.jpg", "labels/empty.png",
    ])
    let sample = Fixtures.repository.appending(path: "Datasets/street")
    for (from, to) in [
      ("images/street_0000.jpg", "images/good.jpg"),
      ("annotations/street_0000.png", "labels/good.png"),
      ("images/street_0000.jpg", "images/kind.jpg"), ("images/street_0000.jpg", "labels/kind.png"),
    ] {
      try FileManager.default.copyItem(
        at: sample.appending(path: from), to: folder.url.appending(path: to))
    }
    var options = DatasetOptions()
    options.classes = DatasetOptions.classNames(count: 11)
    let description = try DatasetDescription.load(nameOrPath: "folder")
    let check = try Dataset.check(description, root: folder.path, options: options)
    #expect(check.pictures == 4)
    #expect(
      check.counts.map { "\($0.kind): \($0.count)" }
        == ["missingLabel: 1", "badPicture: 2", "badLabel: 2"])
    #expect(check.census.pixels == 480 * 360)

    options.classes = DatasetOptions.classNames(count: 5)
    let fewer = try Dataset.check(description, root: folder.path, options: options)
    #expect(fewer.problems.filter { $0.kind == .idOutOfRange }.count == 1)
    #expect(fewer.census.classPixels == [0, 0, 0, 0, 0])
  }
}

/// The data sets of the bad-inputs collection, which a plain clone does not have.
@Suite(.enabled(if: Fixtures.badInputs != nil, "the bad-inputs collection is not present"))
struct DatasetBadInputsTests {
  struct Entry: Sendable, CustomTestStringConvertible {
    let json: JSONValue
    var testDescription: String { json["file"].text ?? "" }
  }

  static let entries: [Entry] = {
    guard let folder = Fixtures.badInputs,
      let data = try? Data(contentsOf: folder.appending(path: "manifest.json")),
      let manifest = try? JSONDecoder().decode(JSONValue.self, from: data)
    else { return [] }
    return manifest.list.filter { $0["kind"].text == "dataset" }.map { Entry(json: $0) }
  }()

  private struct Setting {
    let root: String
    let description: DatasetDescription
    let options: DatasetOptions
    let predictions: String?
  }

  private func setting(_ entry: Entry) throws -> Setting {
    let folder = try #require(Fixtures.badInputs)
    let root = folder.appending(path: try #require(entry.json["file"].text)).path
    var options = DatasetOptions()
    options.classes = DatasetOptions.classNames(
      count: try #require(entry.json["num_classes"].int))
    options.ignoreIndex = entry.json["ignore_index"].int
    options.reducesZeroLabel = entry.json["reduce_zero_label"].bool
    options.imageFolder = entry.json["images"].text
    options.labelFolder = entry.json["labels"].text
    return Setting(
      root: root, description: try DatasetDescription.load(nameOrPath: "folder"),
      options: options, predictions: entry.json["predictions"].text.map { "\(root)/\($0)" })
  }

  /// Scores the predictions as an evaluation does: everything is read before a figure is made.
  private func score(_ setting: Setting) throws -> (Dataset, EvaluationReport) {
    let dataset = try Dataset.open(
      setting.description, root: setting.root, options: setting.options)
    var matrix = ConfusionMatrix(classes: dataset.description.classes.count)
    for item in dataset.items {
      let label = try dataset.load(item).label
      let prediction = try setting.predictions.map {
        try dataset.prediction(for: item, in: $0, scoredAgainst: label)
      }
      matrix.add(
        prediction: prediction ?? label, truth: label,
        ignoreIndex: Int(dataset.description.labelRule.ignoreIndex))
    }
    let report = try EvaluationReport(
      matrix: matrix, classNames: dataset.description.classes, pictures: dataset.items.count)
    return (dataset, report)
  }

  @Test func theCollectionHoldsDataSets() {
    #expect(Self.entries.count > 15)
  }

  @Test(arguments: entries.filter { $0.json["expect"].text == "ok" })
  func scoresWhatIsGood(_ entry: Entry) throws {
    let (dataset, report) = try score(try setting(entry))
    let expected = entry.json["metrics"]
    let confusion = expected["confusion"].list.map(\.ints)
    for (truth, row) in confusion.enumerated() {
      for (prediction, count) in row.enumerated() {
        #expect(report.matrix[truth: truth, prediction: prediction] == count)
      }
    }
    func compare(_ got: Double, _ wanted: JSONValue) {
      guard let value = wanted.number else {
        #expect(wanted.isNull && got.isNaN)
        return
      }
      #expect(abs(got - value) <= 1e-12, "\(got), expected \(value)")
    }
    for (got, wanted) in zip(report.scores[.iou], expected["iou"].list) { compare(got, wanted) }
    for (got, wanted) in zip(report.scores[.accuracy], expected["acc"].list) {
      compare(got, wanted)
    }
    compare(report.scores.mIoU, expected["mIoU"])
    compare(report.scores.mAcc, expected["mAcc"])
    compare(report.scores.aAcc, expected["aAcc"])
    #expect(report.matrix.pixels == expected["pixels"].int)
    if let pictures = entry.json["pictures"].int {
      #expect(dataset.items.count == pictures)
      #expect(dataset.hiddenFiles > 0 && dataset.otherFiles > 0)
    }
    #expect(dataset.orphanLabels.isEmpty == (entry.json["warn"].bool != true))
    let setting = try setting(entry)
    #expect(
      try Dataset.check(setting.description, root: setting.root, options: setting.options).isClean)
  }

  @Test(arguments: entries.filter { $0.json["expect"].text == "error" })
  func refusesWhatIsNot(_ entry: Entry) throws {
    let setting = try setting(entry)
    let says = entry.json["says"].list.compactMap(\.text)
    func checkMessage(_ message: String) {
      #expect(message.count <= 500)
      #expect(message.contains(setting.root), "the message names no file: \(message)")
      #expect(
        says.isEmpty || says.contains { message.lowercased().contains($0.lowercased()) },
        "message: \(message)")
    }
    let error = #expect(throws: (any Error).self) { try score(setting) }
    if let error { checkMessage("\(error)") }

    // Predictions are no part of the data set's own check.
    if setting.predictions == nil {
      let check = try Dataset.check(
        setting.description, root: setting.root, options: setting.options)
      #expect(!check.isClean)
      #expect(check.counts.map(\.count).reduce(0, +) == check.problems.count)
      for problem in check.problems { checkMessage(problem.description) }
    }
  }
}
