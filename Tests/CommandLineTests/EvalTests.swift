import FlattenImage
import FlattenTensor
import Foundation
import TestSupport
import Testing

extension CommandLineTests {
  @Suite struct EvalTests {
    private let data = Street.folder.path

    private func json(_ outcome: Tool.Outcome) throws -> JSONValue {
      try JSONDecoder().decode(JSONValue.self, from: outcome.output)
    }

    /// A data set of two 8x6 pictures with 3 classes, and a perfect prediction.
    private func smallSet() throws -> Scratch {
      let folder = try Scratch()
      for name in ["set/images", "set/labels", "masks"] { try folder.makeFolder(name) }
      for name in ["a", "b"] {
        try folder.makePicture("set/images/\(name).png", 8, 6)
        let label = LabelMap(width: 8, height: 6, ids: (0..<48).map { UInt16($0 % 3) })
        try label.write(to: folder.path("set/labels/\(name).png"), as: .grey8)
        try label.write(to: folder.path("masks/\(name).png"), as: .grey8)
      }
      return folder
    }

    private let small = [
      "eval", "--data", "set", "--dataset", "folder", "--classes", "3", "--predictions", "masks",
    ]

    @Test func scoresOfTheBuiltInModel() throws {
      let folder = try Scratch()
      let outcome = try Tool.run(
        [
          "eval", "--data", data, "--format", "json", "--quiet", "--confusion", "direct.csv",
          "--confusion-picture", "direct.png",
        ], in: folder)
      expectSuccess(outcome)
      let report = try json(outcome)
      for key in ["aAcc", "mIoU", "mAcc", "mDice", "mFscore"] {
        let value = report[key].number ?? -1
        #expect((40...100).contains(value), "\(key) is \(value)")
      }
      #expect(report["pictures"].int == 4)
      let classes = report["classes"].list
      #expect(classes.count == 11)
      #expect(classes.first?["name"].text == "sky")
      for key in ["name", "IoU", "Acc", "Dice", "Fscore", "Precision", "Recall"] {
        #expect(classes.allSatisfy { $0.fields.keys.contains(key) }, "\(key)")
      }
      let picture = try Image.decode(path: folder.path("direct.png")).value
      #expect(picture.width > 100 && picture.height > 100)

      // Masks written by predict have the same counts.
      expectSuccess(
        try Tool.run(["predict", "\(data)/images", "--output", "masks"], in: folder))
      let again = try Tool.run(
        [
          "eval", "--data", data, "--predictions", "masks", "--dataset", "street", "--format",
          "json", "-q", "--confusion", "masks.csv",
        ], in: folder)
      expectSuccess(again)
      #expect(again.output == outcome.output)
      #expect(try folder.read("masks.csv") == folder.read("direct.csv"))
      let rows = String(decoding: try folder.read("masks.csv"), as: UTF8.self)
        .split(separator: "\n")
      #expect(rows.count == 12)
      let counts = rows.dropFirst().flatMap {
        $0.split(separator: ",").dropFirst().compactMap { Int($0) }
      }
      #expect(counts.count == 121)
      #expect(counts.reduce(0, +) == report["pixels"].int)
    }

    @Test func formats() throws {
      let folder = try smallSet()
      let table = try Tool.run(small, in: folder)
      #expect(table.status == 0)
      #expect(table.lines.first?.hasPrefix("class") == true)
      #expect(table.errors.hasPrefix("2 pictures in "))
      let csv = try Tool.run(small + ["--format", "csv", "-q"], in: folder)
      expectSuccess(csv)
      #expect(csv.lines.first == "class,IoU,Acc,Dice,Fscore,Precision,Recall")
      #expect(csv.lines.contains { $0.hasSuffix(",100.0,100.0,100.0,100.0,100.0,100.0") })
      let markdown = try Tool.run(small + ["--format", "markdown", "-q"], in: folder)
      #expect(markdown.lines.first?.hasPrefix("| class | IoU |") == true)
      let file = try Tool.run(
        small + ["--format", "csv", "-q", "--output", "scores.csv"], in: folder)
      expectSuccess(file)
      #expect(file.text == "")
      #expect(try folder.read("scores.csv") == csv.output)
      let same = try Tool.run(
        small + ["--format", "csv", "-q"], in: folder,
        environment: ["LC_ALL": "de_DE.UTF-8"])
      #expect(same.output == csv.output)
    }

    @Test func limitAndGates() throws {
      let folder = try smallSet()
      let limited = try Tool.run(small + ["--limit", "1", "--format", "json"], in: folder)
      #expect(try json(limited)["pictures"].int == 1)
      #expect(limited.errors.hasPrefix("1 picture in "))
      // A limit beyond the set is the whole set.
      let all = try Tool.run(small + ["--limit", "9", "--format", "json"], in: folder)
      #expect(try json(all)["pictures"].int == 2)

      expectSuccess(try Tool.run(small + ["-q", "--fail-under", "mIoU=100"], in: folder))
      try LabelMap(width: 8, height: 6, ids: .init(repeating: 0, count: 48))
        .write(to: folder.path("masks/a.png"), as: .grey8)
      let missed = try Tool.run(
        small + ["-q", "--fail-under", "mIoU=99", "--fail-under", "aAcc=50"], in: folder)
      #expect(missed.status == 6)
      #expect(missed.text.contains("mIoU"))
      #expect(missed.errorLines == ["error: mIoU is 50.0000, at least 99.0 is demanded"])
    }

    @Test func whatIsNotThere() throws {
      let folder = try smallSet()
      expectFailure(
        try Tool.run(["eval", "--data", "nowhere"], in: folder), status: 3,
        says: "nowhere/images: there is no such folder")
      expectFailure(
        try Tool.run(["eval", "--data", data, "--split", "val"], in: folder), status: 2,
        says: "has no splits", "Leave --split out")
      expectFailure(
        try Tool.run(
          ["eval", "--data", "set", "--dataset", "camvid", "--split", "vall"], in: folder),
        status: 2, says: "'vall'", "training", "validation", "test")
      expectFailure(
        try Tool.run(["eval", "--data", data, "--dataset", "ade20k"], in: folder),
        status: 2, says: "'ade20k' has 150 classes, the model 11")
      expectFailure(
        try Tool.run(
          ["eval", "--data", data, "--dataset", "absent.yaml", "--predictions", "masks"],
          in: folder), status: 3, says: "absent.yaml: no such file")
      expectFailure(
        try Tool.run(
          small.dropLast() + ["nomasks"], in: folder), status: 3, says: "nomasks/a.png",
        "Predict all pictures first")
    }

    @Test func badLabelsAndMasks() throws {
      let folder = try smallSet()
      let good = try folder.read("set/labels/b.png")
      try LabelMap(width: 8, height: 6, ids: .init(repeating: 7, count: 48))
        .write(to: folder.path("set/labels/b.png"), as: .grey8)
      expectFailure(
        try Tool.run(small, in: folder), status: 3, says: "set/labels/b.png",
        "7 (48 pixels, first at x 0, y 0)", "expected 0 to 2")
      try folder.write(good.prefix(40), to: "set/labels/b.png")
      expectFailure(try Tool.run(small, in: folder), status: 3, says: "set/labels/b.png")
      // A result of one picture of two would not be the set's.
      #expect(folder.exists("set/labels/a.png"))

      try folder.write(good, to: "set/labels/b.png")
      try LabelMap(width: 8, height: 6, ids: .init(repeating: 3, count: 48))
        .write(to: folder.path("masks/b.png"), as: .grey8)
      expectFailure(
        try Tool.run(small, in: folder), status: 3, says: "masks/b.png", "the id 3")
      try LabelMap(width: 6, height: 8, ids: .init(repeating: 0, count: 48))
        .write(to: folder.path("masks/b.png"), as: .grey8)
      expectFailure(
        try Tool.run(small, in: folder), status: 3, says: "masks/b.png", "6x8", "8x6")
    }

    /// Hours of computing do not end in a result that has no place.
    @Test func outputsAreTriedFirst() throws {
      let folder = try smallSet()
      for option in ["--output", "--confusion", "--confusion-picture"] {
        let missing = try Tool.run(small + [option, "no/where"], in: folder)
        expectFailure(missing, status: 1, says: "no/where: its folder does not exist")
        expectFailure(
          try Tool.run(small + [option, "set"], in: folder), status: 1, says: "set: is a folder")
        expectFailure(
          try Tool.run(small + [option, "/dev/full"], in: folder), status: 1,
          says: "/dev/full: is not a regular file")
      }
      #expect(folder.files().allSatisfy { $0.hasPrefix("set/") || $0.hasPrefix("masks/") })
    }

    @Test func checkingADataSet() throws {
      let folder = try smallSet()
      let check = ["datasets", "check", "folder", "set", "--classes", "3"]
      let clean = try Tool.run(check, in: folder)
      expectSuccess(clean)
      #expect(clean.lines.first?.hasPrefix("2 pictures, 0 problems;") == true)
      try FileManager.default.removeItem(atPath: folder.path("set/labels/a.png"))
      let broken = try Tool.run(check + ["--quiet"], in: folder)
      #expect(broken.status == 3)
      #expect(broken.lines.count == 1)
      #expect(broken.text.contains("set/images/a.png: has no label"))
      #expect(broken.errorLines == ["error: set: 1 problem"])
    }
  }
}
