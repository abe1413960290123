import FlattenData
import FlattenFiles
import FlattenImage
import FlattenRegions
import Foundation
import TestSupport
import Testing

/// How pictures, labels, lists and predictions find each other by their names.
@Suite struct DatasetNamesTests {
  private typealias Files = DatasetTests.TemporaryFolder

  private func open(_ name: String, _ folder: Files, split: String? = nil) throws -> Dataset {
    var options = DatasetOptions()
    if name == "folder" { options.classes = ["a", "b", "c"] }
    return try Dataset.open(
      DatasetDescription.load(nameOrPath: name), root: folder.path, split: split,
      options: options)
  }

  private func list(_ bytes: [UInt8], named name: String, in folder: Files) throws {
    let lists = folder.url.appending(path: "ImageSets/Segmentation")
    try FileManager.default.createDirectory(at: lists, withIntermediateDirectories: true)
    try Data(bytes).write(to: lists.appending(path: name))
  }

  private func below(_ folder: Files, _ path: String) -> String {
    String(path.dropFirst(folder.path.count + 1))
  }

  // MARK: Capitals

  @Test(arguments: [
    ["images/a.JPG", "labels/a.PNG"], ["images/a.jpg", "labels/a.Png"],
    ["images/a.JPEG", "labels/a.png"], ["images/a.jfif", "labels/a.PNG"],
    ["images/a.JPE", "labels/a.PNG"],
  ])
  func suffixesInCapitals(files: [String]) throws {
    let folder = try Files(files)
    let dataset = try open("folder", folder)
    #expect(dataset.items.map(\.name) == ["a"])
    #expect(dataset.items.map { below(folder, $0.label) } == [files[1]])
    #expect(dataset.orphanLabels.isEmpty)
  }

  @Test func longSuffixesInCapitals() throws {
    let folder = try Files([
      "leftImg8bit/val/ulm/ulm_1_leftImg8bit.PNG", "gtFine/val/ulm/ulm_1_gtFine_labelTrainIds.PNG",
    ])
    let item = try #require(try open("cityscapes", folder).items.first)
    #expect(item.name == "ulm/ulm_1" && item.file == "ulm/ulm_1_leftImg8bit.PNG")
  }

  @Test func twoLabelsOfOnePictureAreRefused() throws {
    let folder = try Files(["images/a.jpg", "labels/a.png", "labels/a.PNG"])
    let problem = #expect(throws: DatasetProblem.self) { try open("folder", folder) }
    #expect(problem?.kind == .duplicateStem)
    #expect(problem?.description.contains("is a second label beside 'a.PNG'") == true)
  }

  // MARK: Lists

  @Test func aListOfAWindowsEditor() throws {
    let folder = try Files([
      "JPEGImages/a.JPG", "JPEGImages/b.jpg", "SegmentationClass/a.PNG", "SegmentationClass/b.png",
    ])
    try list([0xEF, 0xBB, 0xBF] + Array("a\r\nb\r\n".utf8), named: "val.TXT", in: folder)
    let dataset = try open("voc", folder)
    #expect(dataset.items.map(\.name) == ["a", "b"])
    #expect(below(folder, dataset.items[0].image) == "JPEGImages/a.JPG")
    #expect(below(folder, dataset.items[0].label) == "SegmentationClass/a.PNG")

    try list([0xFF, 0xFE, 0x61, 0, 0x0A, 0], named: "val.txt", in: folder)
    let problem = #expect(throws: DatasetProblem.self) { try open("voc", folder) }
    #expect(problem?.kind == .folder && problem?.reason.contains("UTF-16") == true)
  }

  /// The lists of other tools: with suffix, from the root, with a label.
  @Test(arguments: [
    "a.jpg", "JPEGImages/a.jpg", "JPEGImages/a.jpg SegmentationClass/a.png",
    "/JPEGImages/a.jpg /SegmentationClass/a.png", "a.jpg\ta.png", "a,a",
  ])
  func linesOfOtherTools(line: String) throws {
    let folder = try Files(["JPEGImages/a.jpg", "SegmentationClass/a.png"])
    try list(Array(line.utf8), named: "val.txt", in: folder)
    let item = try #require(try open("voc", folder).items.first)
    #expect(item.name == "a" && item.file == "a.jpg")
    #expect(below(folder, item.image) == "JPEGImages/a.jpg")
    #expect(below(folder, item.label) == "SegmentationClass/a.png")
  }

  /// The list's label, not the one that the names suggest.
  @Test func aListMayNameOtherLabels() throws {
    let folder = try Files([
      "JPEGImages/a.jpg", "SegmentationClass/a.png", "SegmentationClassAug/a.png", "more/b.png",
      "more/b_label.png",
    ])
    let lines = "JPEGImages/a.jpg SegmentationClassAug/a.png\nmore/b.png more/b_label.png"
    try list(Array(lines.utf8), named: "val.txt", in: folder)
    let dataset = try open("voc", folder)
    #expect(dataset.items.map(\.name) == ["a", "more/b"])
    #expect(
      dataset.items.map { below(folder, $0.label) }
        == ["SegmentationClassAug/a.png", "more/b_label.png"])
  }

  /// Where every label is named, the description's folder of labels need not be there.
  @Test func allLabelsMayLieElsewhere() throws {
    let folder = try Files(["JPEGImages/a.jpg", "truth/a.png"])
    try list(Array("a.jpg truth/a.png".utf8), named: "val.txt", in: folder)
    #expect(try open("voc", folder).items.map { below(folder, $0.label) } == ["truth/a.png"])
    try list(Array("a.jpg truth/b.png".utf8), named: "val.txt", in: folder)
    let problem = #expect(throws: DatasetProblem.self) { try open("voc", folder) }
    #expect(problem?.kind == .folder)
  }

  @Test(arguments: [
    ("a gone.png", DatasetProblem.Kind.missingLabel, "gone.png"),
    ("a 1", .missingPicture, "JPEGImages/a 1.jpg"), ("gone.jpg a.png", .missingPicture, "gone.jpg"),
    ("../a.jpg a.png", .name, "val.txt"), ("a.jpg ../../a.png", .name, "val.txt"),
  ])
  func linesThatLeadNowhere(line: String, kind: DatasetProblem.Kind, says: String) throws {
    let folder = try Files(["JPEGImages/a.jpg", "SegmentationClass/a.png"])
    try list(Array(line.utf8), named: "val.txt", in: folder)
    let problem = #expect(throws: DatasetProblem.self) { try open("voc", folder) }
    #expect(problem?.kind == kind, "\(String(describing: problem))")
    #expect(problem?.description.contains(says) == true, "\(String(describing: problem))")
  }

  // MARK: What labels are made of

  @Test func labelsThatWereNotMadeAreNamed() throws {
    let cities = try Files([
      "leftImg8bit/val/ulm/ulm_1_leftImg8bit.png", "gtFine/val/ulm/ulm_1_gtFine_labelIds.png",
    ])
    let city = #expect(throws: DatasetProblem.self) { try open("cityscapes", cities) }
    #expect(city?.kind == .missingLabel)
    #expect(city?.description.contains("_gtFine_labelIds.png' is.") == true)
    #expect(city?.description.contains("csCreateTrainIdLabelImgs") == true)

    let coco = try Files(["images/val2017/1.jpg", "annotations/val2017/1.png"])
    let stuff = #expect(throws: DatasetProblem.self) { try open("coco_stuff164k", coco) }
    #expect(stuff?.description.contains("coco_stuff164k.py makes") == true)

    let neither = try Files([
      "leftImg8bit/val/ulm/ulm_1_leftImg8bit.png", "gtFine/val/ulm/ulm_2_gtFine_labelIds.png",
    ])
    let none = #expect(throws: DatasetProblem.self) { try open("cityscapes", neither) }
    #expect(none?.description.contains("csCreateTrainIdLabelImgs") == false)
    #expect(none?.description.contains("has no label") == true)
  }

  // MARK: Predictions

  private func prediction(
    _ names: [String], of item: String = "leftImg8bit/val/ulm/ulm_1_leftImg8bit.png"
  ) throws -> LabelMap {
    let folder = try Files([item, "gtFine/val/ulm/ulm_1_gtFine_labelTrainIds.png", "masks/ulm/x"])
    for (index, name) in names.enumerated() {
      try LabelMap(width: 2, height: 1, ids: [UInt16(index), 1])
        .write(to: folder.path + "/masks/ulm/\(name)", as: .grey8)
    }
    let dataset = try open("cityscapes", folder)
    return try dataset.prediction(
      for: dataset.items[0], in: folder.path + "/masks",
      scoredAgainst: LabelMap(width: 2, height: 1, ids: [0, 0]))
  }

  @Test(arguments: [
    "ulm_1.png", "ulm_1_leftImg8bit.png", "ulm_1_leftImg8bit.PNG", "ulm_1_leftImg8bit.png.png",
  ])
  func aPredictionHasOneOfTwoNames(name: String) throws {
    #expect(try prediction([name]).ids == [0, 1])
  }

  @Test func twoPredictionsOfOnePictureAreRefused() {
    let error = #expect(throws: DatasetProblem.self) {
      try prediction(["ulm_1.png", "ulm_1_leftImg8bit.png"])
    }
    #expect(error?.description.contains("masks/ulm/ulm_1.png: and ") == true)
    #expect(error?.description.contains("masks/ulm/ulm_1_leftImg8bit.png are both") == true)
    let missing = #expect(throws: DatasetProblem.self) { try prediction(["ulm_10.png"]) }
    #expect(missing?.kind == .missingPrediction)
    #expect(missing?.description.contains("nor 'ulm/ulm_1_leftImg8bit.png'") == true)
  }
}
