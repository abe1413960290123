import FlattenData
import Foundation
import Testing

/// Enumeration only looks at names, so empty files do.
@Suite struct DatasetTests {
  /// A folder that holds the given files and links, and is gone when the test is.
  final class TemporaryFolder {
    let url = FileManager.default.temporaryDirectory.appending(path: "dataset-\(UUID())")
    var path: String { url.path }

    init(_ files: [String], links: [(at: String, to: String)] = []) throws {
      let manager = FileManager.default
      try manager.createDirectory(at: url, withIntermediateDirectories: true)
      for file in files {
        let target = url.appending(path: file)
        try manager.createDirectory(
          at: target.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data().write(to: target)
      }
      for link in links {
        try manager.createSymbolicLink(
          atPath: url.appending(path: link.at).path, withDestinationPath: link.to)
      }
    }

    deinit { try? FileManager.default.removeItem(at: url) }
  }

  private func open(
    _ name: String, _ folder: TemporaryFolder, split: String? = nil, labels: Bool = true
  ) throws -> Dataset {
    var options = DatasetOptions()
    if name == "folder" { options.classes = ["a", "b"] }
    return try Dataset.open(
      DatasetDescription.load(nameOrPath: name), root: folder.path, split: split,
      options: options, requiresLabels: labels)
  }

  @Test func picturesComeInTheOrderOfTheirBytes() throws {
    let names = ["b", "B", "a10", "a9", "\u{E9}", "e\u{301}", "-x", "a b", "z.y"]
    let folder = try TemporaryFolder(
      names.flatMap { ["images/\($0).jpg", "labels/\($0).png"] }
        + ["images/.hidden.jpg", "images/notes.txt", "images/Thumbs.db", "labels/extra.png"])
    let dataset = try open("folder", folder)
    #expect(
      dataset.items.map { Array($0.name.utf8) }
        == ["-x", "B", "a b", "a10", "a9", "b", "e\u{301}", "z.y", "\u{E9}"].map { Array($0.utf8) })
    #expect(dataset.hiddenFiles == 1 && dataset.otherFiles == 2)
    #expect(dataset.orphanLabels == [folder.path + "/labels/extra.png"])
  }

  @Test func citiesAreSubfolders() throws {
    let folder = try TemporaryFolder([
      "leftImg8bit/val/ulm/ulm_1_leftImg8bit.png",
      "leftImg8bit/val/aachen/aachen_2_leftImg8bit.png",
      "gtFine/val/ulm/ulm_1_gtFine_labelTrainIds.png", "gtFine/val/ulm/ulm_1_gtFine_color.png",
      "gtFine/val/aachen/aachen_2_gtFine_labelTrainIds.png", "leftImg8bit/train/x_leftImg8bit.png",
    ])
    let dataset = try open("cityscapes", folder)
    #expect(dataset.items.map(\.name) == ["aachen/aachen_2", "ulm/ulm_1"])
    #expect(
      dataset.items[0].label
        == folder.path + "/gtFine/val/aachen/aachen_2_gtFine_labelTrainIds.png")
    #expect(dataset.orphanLabels.isEmpty)
    #expect(dataset.split?.name == "val")
  }

  @Test func cocoLabelsHaveTheirOwnEnding() throws {
    let folder = try TemporaryFolder([
      "images/val2017/1.jpg", "annotations/val2017/1_labelTrainIds.png",
      "annotations/val2017/1.png",
    ])
    #expect(try open("coco_stuff164k", folder, split: "validation").items.map(\.name) == ["1"])
  }

  @Test func aListDecidesWhereThereIsOne() throws {
    let folder = try TemporaryFolder([
      "JPEGImages/b.jpg", "JPEGImages/a.jpg", "JPEGImages/unlisted.jpg", "SegmentationClass/a.png",
      "SegmentationClass/b.png", "SegmentationClass/c.png",
    ])
    let lists = folder.url.appending(path: "ImageSets/Segmentation")
    try FileManager.default.createDirectory(at: lists, withIntermediateDirectories: true)
    func write(_ text: String) throws {
      try Data(text.utf8).write(to: lists.appending(path: "val.txt"))
    }
    try write("b\r\n a \n\n")
    let dataset = try open("voc", folder)
    #expect(dataset.items.map(\.name) == ["b", "a"])
    #expect(dataset.orphanLabels.isEmpty)

    for (text, kind, says) in [
      ("a\nc\n", .missingPicture, "JPEGImages/c.jpg"), ("a\na\n", .duplicateStem, "same stem"),
      ("../../etc/passwd\n", .name, "etc/passwd"), ("/etc/passwd\n", .name, "val.txt"),
      ("\n", .empty, "lists no pictures"),
    ] as [(String, DatasetProblem.Kind, String)] {
      try write(text)
      let problem = #expect(throws: DatasetProblem.self) { try open("voc", folder) }
      #expect(problem?.kind == kind)
      #expect(problem?.description.contains(says) == true, "\(String(describing: problem))")
    }
    let missing = #expect(throws: DatasetProblem.self) {
      try open("voc", folder, split: "train")
    }
    #expect(missing?.description.contains("train.txt: no such file") == true)
  }

  @Test func problemsAreNamed() throws {
    let cases: [([String], DatasetProblem.Kind, String)] = [
      (["labels/a.png"], .folder, "images: there is no such folder"),
      (["images/a.jpg"], .folder, "labels: there is no such folder"),
      (["images", "labels/a.png"], .folder, "images: is a file"),
      (["images/a.bmp", "labels/a.png"], .empty, "0 hidden and 1 other files"),
      (["images/a.jpg", "images/b.jpg", "labels/a.png"], .missingLabel, "b.jpg: has no label"),
      (["images/a.jpg", "images/a.PNG", "labels/a.png"], .duplicateStem, "a.jpg: has the same"),
      (["images/a.jpg", "labels/a.png/x"], .badLabel, "a.png: is a folder"),
    ]
    for (files, kind, says) in cases {
      let folder = try TemporaryFolder(files)
      let problem = #expect(throws: DatasetProblem.self) { try open("folder", folder) }
      #expect(problem?.kind == kind)
      #expect(problem?.description.contains(says) == true, "\(String(describing: problem))")
    }
  }

  @Test func labelsAreNotNeededToPredict() throws {
    let folder = try TemporaryFolder(["images/a.jpg"])
    #expect(try open("folder", folder, labels: false).items.count == 1)
  }

  @Test func classesAreNeededToScore() throws {
    let folder = try TemporaryFolder(["images/a.jpg", "labels/a.png"])
    #expect(throws: DatasetError.self) {
      try Dataset.open(DatasetDescription.load(nameOrPath: "folder"), root: folder.path)
    }
  }

  @Test func linkLoopsEnd() throws {
    let folder = try TemporaryFolder(
      ["images/b/1.jpg", "images/2.jpg", "labels/b/1.png", "labels/2.png", "elsewhere/3.jpg"],
      links: [
        ("images/a", "b"), ("images/b/up", ".."), ("images/self", "self"),
        ("images/dangling.jpg", "nothing.jpg"), ("images/out", "../elsewhere"),
        ("images/again", "../elsewhere"),
      ])
    let dataset = try open("folder", folder, labels: false)
    // Real folders keep their names; a folder that several links lead to is entered by the first.
    #expect(dataset.items.map(\.name) == ["2", "again/3", "b/1", "dangling"])
  }

  @Test func namesThatAreNotUTF8AreNamed() throws {
    let folder = try TemporaryFolder(["images/a.jpg", "labels/a.png"])
    let bytes: [CChar] =
      (folder.path + "/images/b").utf8CString.dropLast() + [-24]
      + ".jpg".utf8CString
    let file = bytes.withUnsafeBufferPointer { $0.baseAddress.flatMap { fopen($0, "w") } }
    if let file { fclose(file) }
    let problem = #expect(throws: DatasetProblem.self) { try open("folder", folder) }
    #expect(problem?.kind == .name)
  }
}
