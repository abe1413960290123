import FlattenRegions
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

    /// 32 pixels a class; half of class 2 is taken for class 1. Of class 1 then 32 of 48 predicted pixels
    /// are right, of class 2 16 of 32 true ones are found.
    @Test func formats() throws {
      let folder = try smallSet()
      try LabelMap(width: 8, height: 6, ids: (0..<48).map { [0, 1, 1][$0 % 3] })
        .write(to: folder.path("masks/b.png"), as: .grey8)
      let footing = """
        2 pictures, 96 labelled pixels. mmsegmentation IoUMetric: ignored pixels are left out; a \
        class absent from labels and predictions is nan and leaves the means; a class only \
        predicted has IoU 0; exact counts.

        """
      let table = try Tool.run(small, in: folder)
      #expect(table.status == 0)
      #expect(
        table.text == """
          class       IoU     Acc    Dice  Fscore  Precision  Recall
          ----------------------------------------------------------
          class_0  100.00  100.00  100.00  100.00     100.00  100.00
          class_1   66.67  100.00   80.00   80.00      66.67  100.00
          class_2   50.00   50.00   66.67   66.67     100.00   50.00
          ----------------------------------------------------------
          mean      72.22   83.33   82.22   82.22      88.89   83.33
          aAcc 83.33  mIoU 72.22  mAcc 83.33

          """ + footing)
      #expect(table.errorLines.count == 1 && table.errors.hasPrefix("2 pictures in "))

      let markdown = try Tool.run(small + ["--format", "markdown", "-q"], in: folder)
      expectSuccess(markdown)
      #expect(
        markdown.text == """
          | class | IoU | Acc | Dice | Fscore | Precision | Recall |
          | --- | ---: | ---: | ---: | ---: | ---: | ---: |
          | class_0 | 100.00 | 100.00 | 100.00 | 100.00 | 100.00 | 100.00 |
          | class_1 | 66.67 | 100.00 | 80.00 | 80.00 | 66.67 | 100.00 |
          | class_2 | 50.00 | 50.00 | 66.67 | 66.67 | 100.00 | 50.00 |
          | **mean** | 72.22 | 83.33 | 82.22 | 82.22 | 88.89 | 83.33 |

          aAcc 83.33  mIoU 72.22  mAcc 83.33


          """ + footing)

      let csv = try Tool.run(small + ["--format", "csv", "-q"], in: folder)
      expectSuccess(csv)
      try expectRows(
        csv.lines,
        [
          ("class_0", [1, 1, 1, 1, 1, 1]),
          ("class_1", [2.0 / 3, 1, 4.0 / 5, 4.0 / 5, 2.0 / 3, 1]),
          ("class_2", [1.0 / 2, 1.0 / 2, 2.0 / 3, 2.0 / 3, 1, 1.0 / 2]),
          ("mean", [13.0 / 18, 5.0 / 6, 37.0 / 45, 37.0 / 45, 8.0 / 9, 5.0 / 6]),
        ])
      let document = try json(Tool.run(small + ["--format", "json", "-q"], in: folder))
      for line in csv.lines.dropFirst().dropLast() {
        let fields = line.split(separator: ",").map(String.init)
        let entry = document["classes"].list.first { $0["name"].text == fields[0] }
        let keys = ["IoU", "Acc", "Dice", "Fscore", "Precision", "Recall"]
        #expect(
          try keys.map { try #require(entry?[$0].number) } == fields.dropFirst().map(Double.init))
      }

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

    /// A table of comma-separated percentages with full digits.
    private func expectRows(_ lines: [String], _ wanted: [(name: String, shares: [Double])]) throws
    {
      #expect(lines.first == "class,IoU,Acc,Dice,Fscore,Precision,Recall")
      try #require(lines.count == 1 + wanted.count)
      for (line, row) in zip(lines.dropFirst(), wanted) {
        let fields = line.split(separator: ",", omittingEmptySubsequences: false)
        #expect(fields.first.map(String.init) == row.name && fields.count == 1 + row.shares.count)
        for (field, share) in zip(fields.dropFirst(), row.shares) {
          #expect(abs(try #require(Double(field)) - 100 * share) <= 1e-12 * 100, "\(line)")
        }
      }
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
