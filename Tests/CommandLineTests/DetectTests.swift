import FlattenFiles
import FlattenImage
import FlattenRegions
import Foundation
import TestSupport
import Testing

extension CommandLineTests {
  /// `detect`, with the built-in detector on rendered scenes.
  @Suite struct DetectTests {
    /// A folder with some of the scenes in `in`.
    private func setting(_ count: Int = 4) throws -> Scratch {
      let folder = try Scratch()
      try folder.makeFolder("in")
      for name in Street.names.prefix(count) {
        try folder.copy(Street.picture(name), to: "in/\(name).jpg")
      }
      return folder
    }

    /// Low enough that there is something to look at.
    private let score = ["--score", "0.02"]

    private func rows(_ outcome: Tool.Outcome) -> [[String]] {
      outcome.lines.map { $0.components(separatedBy: "\t") }
    }

    private func json(_ folder: Scratch, _ name: String) throws -> JSONValue {
      try JSONDecoder().decode(JSONValue.self, from: folder.read(name))
    }

    /// A region head without a region finds nothing.
    @Test func noProposals() throws {
      let folder = try setting(1)
      let config = try String(
        contentsOf: Fixtures.repository.appending(
          path: "Configs/street/mask_rcnn_flatten_pvtv2_b0.yaml"), encoding: .utf8)
      try folder.write(
        config.replacing(
          "fc_channels: 256}", with: "fc_channels: 256, test: {rpn: {min_bbox_size: 65536}}}"),
        to: "none.yaml")
      let weights = Fixtures.repository.appending(
        path: "Configs/street/mask_rcnn_flatten_pvtv2_b0.safetensors")
      let outcome = try Tool.run(
        [
          "detect", "in/street_0000.jpg", "--config", "none.yaml", "--weights", weights.path,
          "--json",
        ], in: folder)
      expectSuccess(outcome)
      let value = try JSONDecoder().decode(JSONValue.self, from: outcome.output)
      #expect(value["width"].int != nil && value["objects"].list.isEmpty)
    }

    // MARK: Standard output

    @Test func linesAndJSONAgree() throws {
      let folder = try setting(2)
      let one = try Tool.run(["detect", "in/street_0000.jpg"] + score, in: folder)
      expectSuccess(one)
      let rows = rows(one)
      try #require(!rows.isEmpty, "there are objects to look at")
      for row in rows {
        try #require(row.count == 6)
        #expect(["person", "car", "bicyclist"].contains(row[0]))
        #expect(row[1].wholeMatch(of: #/[01]\.\d{4}/#) != nil)
        #expect(row[2...].allSatisfy { Double($0) != nil })
      }
      let scores = rows.compactMap { Double($0[1]) }
      #expect(scores == scores.sorted(by: >) && scores.allSatisfy { $0 >= 0.02 })

      let document = try Tool.run(
        ["detect", "in/street_0000.jpg", "--json", "-j", "1"] + score, in: folder)
      expectSuccess(document)
      #expect(document.lines.count == 1)
      let value = try JSONDecoder().decode(JSONValue.self, from: document.output)
      #expect(value["input"].text == "in/street_0000.jpg")
      let size = try Image.decode(path: folder.path("in/street_0000.jpg")).value.size
      #expect(value["width"].int == size.width && value["height"].int == size.height)
      let objects = value["objects"].list
      #expect(objects.count == rows.count)
      for (object, row) in zip(objects, rows) {
        #expect(object["name"].text == row[0])
        #expect(String(format: "%.4f", try #require(object["score"].number)) == row[1])
        let box = try object["bbox_xywh"].list.map {
          String(format: "%.2f", try #require($0.number))
        }
        #expect(box == Array(row[2...]))
      }

      // With more than one picture, each line says whose it is; one in a folder too.
      let both = try Tool.run(["detect", "in"] + score, in: folder)
      expectSuccess(both)
      let named = self.rows(both)
      #expect(named.filter { $0[0] == "in/street_0000.jpg" }.map { Array($0[1...]) } == rows)
      #expect(named.allSatisfy { $0.count == 7 })
      #expect(folder.files() == ["in/street_0000.jpg", "in/street_0003.jpg"], "nothing is written")
    }

    @Test func standardInputAndLists() throws {
      let folder = try setting(1)
      let named = try Tool.run(["detect", "in/street_0000.jpg"] + score, in: folder)
      let piped = try Tool.run(["detect", "-"] + score, in: folder, input: "in/street_0000.jpg")
      expectSuccess(piped)
      #expect(piped.text == named.text && !piped.text.isEmpty)
      try folder.write("in/street_0000.jpg\n", to: "list.txt")
      let listed = try Tool.run(["detect", "--list", "list.txt"] + score, in: folder)
      #expect(listed.lines == named.lines.map { "in/street_0000.jpg\t" + $0 })
    }

    @Test func counts() throws {
      let folder = try setting(3)
      let outcome = try Tool.run(["detect", "in", "--counts"] + score, in: folder)
      expectSuccess(outcome)
      let rows = rows(outcome)
      let objects = rows.filter { $0.count == 7 }
      let counts = rows.filter { $0.count == 2 }
      #expect(objects.count + counts.count == rows.count && !counts.isEmpty)
      #expect(rows.suffix(counts.count) == counts[...])
      for count in counts {
        #expect(objects.count { $0[1] == count[0] } == Int(count[1]))
      }
      #expect(counts.compactMap { Int($0[1]) }.reduce(0, +) == objects.count)
      let json = try Tool.run(["detect", "in", "--counts", "--json"] + score, in: folder)
      let last = try JSONDecoder().decode(
        JSONValue.self, from: Data(try #require(json.lines.last).utf8))
      for count in counts { #expect(last["counts"][count[0]].int == Int(count[1])) }
    }

    @Test func classesAndMost() throws {
      let folder = try setting(2)
      let all = rows(try Tool.run(["detect", "in"] + score, in: folder))
      let kind = try #require(all.first)[1]
      let some = try Tool.run(["detect", "in", "--classes", kind.uppercased()] + score, in: folder)
      expectSuccess(some)
      #expect(!some.lines.isEmpty && rows(some).allSatisfy { $0[1] == kind })
      let two = try Tool.run(["detect", "in", "--max", "2"] + score, in: folder)
      let counts = Dictionary(grouping: rows(two)) { $0[0] }.mapValues(\.count)
      #expect(counts.values.allSatisfy { $0 <= 2 } && counts.values.contains(2))
    }

    /// An orientation turns the picture, and boxes are in the turned one.
    @Test func orientedPictures() throws {
      let folder = try setting(1)
      let picture = try Image.decode(path: folder.path("in/street_0000.jpg")).value
      // A quarter turn to the right, which orientation 6 asks for.
      let pixels = (0..<picture.width).flatMap { y in
        (0..<picture.height).flatMap { x in
          let colour = picture[y, picture.height - 1 - x]
          return [colour.red, colour.green, colour.blue]
        }
      }
      let shown = Image(width: picture.height, height: picture.width, pixels: pixels)
      try shown.writePNG(to: folder.path("upright.png"))
      let upright = try Tool.run(["detect", "upright.png"] + score, in: folder)
      let stored = try folder.read("in/street_0000.jpg")
      try folder.write(
        Data(Exif.inserted(Exif.block(6, big: true), intoJPEG: Array(stored))), to: "turned.jpg")
      let turned = try Tool.run(["detect", "turned.jpg"] + score, in: folder)
      #expect(!turned.text.isEmpty && turned.text == upright.text)
    }

    // MARK: Files

    private static let kinds = [
      "json", "overlay", "instances", "masks", "rle", "polygons", "labels", "crops", "yolo",
      "labelme", "csv",
    ]

    @Test func everythingOfAPicture() throws {
      let folder = try setting(1)
      let outcome = try Tool.run(
        ["detect", "in", "-o", "out", "--save", Self.kinds.joined(separator: ",")] + score,
        in: folder)
      expectSuccess(outcome)
      let document = try json(folder, "out/street_0000.json")
      let objects = document["objects"].list
      #expect(objects.count == outcome.lines.count && !objects.isEmpty)
      let numbered = objects.enumerated().map { index, object in
        String(format: "%03d", index + 1) + "_\(object["name"].text ?? "")"
      }
      #expect(
        folder.files("out")
          == ([
            ".csv", ".instances.png", ".json", ".labelme.json", ".labels.png", ".overlay.jpg",
            ".polygons.json", ".rle.json", ".txt",
          ].map { "street_0000" + $0 }
          + numbered.flatMap {
            ["street_0000.masks/\($0).png", "street_0000.crops/\($0).jpg"]
          }).sorted())
      let size = try Image.decode(path: folder.path("in/street_0000.jpg")).value.size
      for name in ["overlay.jpg", "instances.png", "labels.png"] {
        let file = folder.path("out/street_0000.\(name)")
        #expect(try Image.decode(path: file).value.size == size, "\(name)")
      }
      for (object, name) in zip(objects, numbered) {
        let mask = try Image.decode(path: folder.path("out/street_0000.masks/\(name).png")).value
        #expect(mask.size == size)
        let white = stride(from: 0, to: mask.pixels.count, by: 3).count { mask.pixels[$0] == 255 }
        #expect(white == object["area"].int)
      }
      let csv = String(decoding: try folder.read("out/street_0000.csv"), as: UTF8.self)
      #expect(csv.split(whereSeparator: \.isNewline).count == objects.count + 1)
      let yolo = String(decoding: try folder.read("out/street_0000.txt"), as: UTF8.self)
      #expect(yolo.split(separator: "\n").count == objects.count)
    }

    /// Masks bring the document that says whose they are; those of an earlier run with more objects go.
    @Test func whatExistsAlready() throws {
      let folder = try setting(1)
      let many = [
        "detect", "in/street_0000.jpg", "-o", "out", "--save", "masks", "--save", "crops",
      ]
      expectSuccess(try Tool.run(many + score, in: folder), isQuiet: false)
      let before = folder.files("out")
      #expect(before.contains("street_0000.json") && before.count > 2)
      expectFailure(
        try Tool.run(many + score, in: folder), status: 1,
        says: "out/street_0000.json: exists already", "--overwrite", "--skip-existing")
      let kept = try Tool.run(many + score + ["--skip-existing"], in: folder)
      #expect(kept.status == 0 && kept.text == "")
      #expect(kept.errors == "kept: out/street_0000.json\n")
      expectSuccess(
        try Tool.run(many + ["--max", "1", "--overwrite"] + score, in: folder), isQuiet: false)
      let after = folder.files("out")
      #expect(after.count == 3, "\(after)")
      // A folder of that name with something else in it stays as it is, and nothing else is changed.
      try folder.write("mine", to: "out/street_0000.masks/notes.txt")
      let refused = try Tool.run(many + score + ["--overwrite"], in: folder)
      expectFailure(refused, status: 1, says: "out/street_0000.masks: holds 'notes.txt'")
      #expect(folder.files("out") == (after + ["street_0000.masks/notes.txt"]).sorted())
    }

    // MARK: COCO results

    private let results = ["--coco-results", "results.json"]

    @Test func idsOfPicturesAndClasses() throws {
      let folder = try setting(2)
      try folder.copy(Street.picture("street_0000"), to: "in/000000000139.jpg")
      let numbered = try Tool.run(["detect", "in/000000000139.jpg"] + results, in: folder)
      expectSuccess(numbered)
      #expect(numbered.text == "results.json\n")
      let entries = try json(folder, "results.json").list
      #expect(!entries.isEmpty && entries.allSatisfy { $0["image_id"].int == 139 })
      #expect(entries.allSatisfy { ($0["score"].number ?? 0) > 0.05 })
      #expect(!folder.exists("results.images.json"))

      // Names that are no numbers: the pictures are counted, and a list says what they are.
      let counted = try Tool.run(["detect", "in", "--overwrite"] + results, in: folder)
      expectSuccess(counted)
      let images = try json(folder, "results.images.json")["images"].list
      #expect(images.map { $0["id"].int } == [1, 2, 3])
      #expect(
        images.map { $0["file_name"].text }
          == ["000000000139.jpg", "street_0000.jpg", "street_0003.jpg"])

      try folder.write(
        """
        {"images": [{"id": 7, "file_name": "x/street_0003.jpg", "width": 480, "height": 360}],
         "annotations": [], "categories": [{"id": 5, "name": "person"}, {"id": 9, "name": "car"}]}
        """, to: "gt.json")
      let named = try Tool.run(
        ["detect", "in", "--overwrite", "--annotations", "gt.json"] + results, in: folder)
      #expect(named.status == 0)
      #expect(named.errors.contains("'gt.json' does not list 2 of the 3 pictures"))
      #expect(
        named.errors.contains("1 class of the model, and their objects are left out: bicyclist"))
      for entry in try json(folder, "results.json").list {
        #expect(entry["image_id"].int == 7)
        #expect([5, 9].contains(entry["category_id"].int))
      }
    }

    @Test func scoresBelowTheConfigsAreTold() throws {
      let folder = try setting(1)
      let cut = try Tool.run(["detect", "in", "--score", "0.3"] + results, in: folder)
      #expect(cut.status == 0)
      #expect(
        cut.errors.contains("'results.json' will hold objects with a score above 0.3 only"))
      // What is drawn for people does not change what is written for scoring.
      expectSuccess(try Tool.run(["detect", "in"] + ["--coco-results", "a.json"], in: folder))
      expectSuccess(
        try Tool.run(["detect", "in", "--save", "json", "--coco-results", "b.json"], in: folder))
      #expect(try folder.read("a.json") == folder.read("b.json"))
    }

    /// Killed while it works, as often as it takes, and gone on with: the same bytes as one run.
    @Test func killedAndContinued() throws {
      let folder = try setting()
      for index in 0..<4 {
        try folder.copy(Street.picture(Street.names[index]), to: "in/again\(index).jpg")
      }
      expectSuccess(
        try Tool.run(["detect", "in", "--coco-results", "whole.json"], in: folder))
      var kills = 0
      while !folder.exists("results.json") && kills < 20 {
        let run = try Run(["detect", "in", "--skip-existing"] + results, in: folder)
        let lines = try journalLines(folder)
        let deadline = ContinuousClock.now + .seconds(60)
        while run.isRunning, try journalLines(folder) < max(lines, 1) + 2,
          ContinuousClock.now < deadline
        { usleep(2000) }
        kill(run.process.processIdentifier, SIGKILL)
        if try run.finish().isSignalled { kills += 1 }
      }
      #expect(kills >= 2)
      #expect(try folder.read("results.json") == folder.read("whole.json"))
      #expect(try folder.read("results.images.json") == folder.read("whole.images.json"))
      #expect(!folder.exists("results.json.partial"))
    }

    private func journalLines(_ folder: Scratch) throws -> Int {
      guard folder.exists("results.json.partial") else { return 0 }
      return try folder.read("results.json.partial").count { $0 == 10 }
    }

    @Test func aJournalOfOtherOptions() throws {
      let folder = try setting(3)
      expectSuccess(try Tool.run(["detect", "in", "--coco-results", "whole.json"], in: folder))
      // An interrupt leaves the journal, as any end but the last does.
      let run = try Run(["detect", "in"] + results, in: folder)
      while run.isRunning, try journalLines(folder) < 2 { usleep(1000) }
      kill(run.process.processIdentifier, SIGKILL)
      _ = try run.finish()
      try #require(folder.exists("results.json.partial"))
      expectFailure(
        try Tool.run(["detect", "in"] + results, in: folder), status: 1,
        says: "results.json.partial", "--skip-existing", "--overwrite")
      expectFailure(
        try Tool.run(["detect", "in", "--skip-existing", "--nms", "0.7"] + results, in: folder),
        status: 2, says: "another overlap of boxes, '0.5'", "'0.7'", "--overwrite")
      try folder.copy(Street.picture("street_0009"), to: "in/one_more.jpg")
      expectFailure(
        try Tool.run(["detect", "in", "--skip-existing"] + results, in: folder), status: 2,
        says: "pictures")
      try FileManager.default.removeItem(atPath: folder.path("in/one_more.jpg"))
      expectSuccess(
        try Tool.run(["detect", "in", "--skip-existing", "-q"] + results, in: folder))
      #expect(try folder.read("results.json") == folder.read("whole.json"))
      let kept = try Tool.run(["detect", "in", "--skip-existing"] + results, in: folder)
      #expect(kept.status == 0 && kept.errors == "kept: results.json\n")
    }

    /// Machines that share the work: their results are those of one.
    @Test func shards() throws {
      let folder = try setting()
      expectSuccess(try Tool.run(["detect", "in", "--coco-results", "whole.json"], in: folder))
      var parts: [JSONValue] = []
      for part in ["1", "2"] {
        expectSuccess(
          try Tool.run(
            ["detect", "in", "--shard", "\(part)/2", "--coco-results", "\(part).json"],
            in: folder))
        parts += try json(folder, "\(part).json").list
      }
      let whole = try json(folder, "whole.json").list
      #expect(!whole.isEmpty && whole.count == parts.count)
      let sorted = parts.enumerated().sorted {
        ($0.element["image_id"].int ?? 0, $0.offset) < ($1.element["image_id"].int ?? 0, $1.offset)
      }.map(\.element)
      #expect(sorted.map { $0["score"].number } == whole.map { $0["score"].number })
      #expect(sorted.map { $0["image_id"].int } == whole.map { $0["image_id"].int })
    }

    @Test func oneBadPictureStopsNoOther() throws {
      let folder = try setting(2)
      try folder.write("no picture", to: "in/bad.jpg")
      let outcome = try Tool.run(["detect", "in", "--overlay"] + results, in: folder)
      #expect(outcome.status == 5)
      #expect(outcome.errors.contains("in/bad.jpg"))
      #expect(
        folder.files("output") == ["street_0000.overlay.jpg", "street_0003.overlay.jpg"])
      let ids = Set(try json(folder, "results.json").list.compactMap { $0["image_id"].int })
      #expect(ids.isSubset(of: [2, 3]), "numbers are those of all pictures, the bad one's too")
      let alone = try Tool.run(
        ["detect", "in/bad.jpg"] + ["--coco-results", "b.json"], in: folder)
      expectFailure(alone, status: 3, says: "in/bad.jpg")
      #expect(!folder.exists("b.json") && !folder.exists("b.json.partial"))
    }

    // MARK: Refusals

    struct Refusal: Sendable, CustomTestStringConvertible {
      let arguments: [String]
      let message: String
      var testDescription: String { arguments.joined(separator: " ") }

      init(_ arguments: String..., says message: String) {
        self.arguments = arguments
        self.message = message
      }
    }

    @Test(arguments: [
      Refusal(
        "--classes", "cra", says: "--classes names 'cra', which this model does not know. Did"),
      Refusal("--classes", "zebra", says: "It knows person, car, bicyclist."),
      Refusal("--save", "overlya", says: "Did you mean 'overlay'?"),
      Refusal("--save", "json,", says: "'' is none of json, overlay"),
      Refusal("--save", "masks", "--no-masks", says: "--save masks needs masks"),
      Refusal("--score", "1.5", says: "--score is 1.5, a number from 0 to 1 is wanted."),
      Refusal("--nms", "nan", says: "--nms is nan, a number from 0 to 1 is wanted."),
      Refusal("--overlap", "0.5", says: "--overlap belongs to --tile."),
      Refusal("--tile", "512", "--overlap", "0.95", says: "a number from 0 to 0.9 is wanted."),
      Refusal("--tile", "8x8", says: "--tile is 8x8, at least 32x32 is wanted."),
      Refusal("--max", "0", says: "--max is 0, a number from 1 to 10000 is wanted."),
      Refusal("--annotations", "a.json", says: "--annotations belongs to --coco-results."),
      Refusal("--coco-results", "a.csv", says: "'a.csv' would hold JSON"),
      Refusal("--counts", "--skip-existing", says: "--counts counts what is found now"),
      Refusal("--overlay", "-o", "out.json", says: "'out.json'"),
    ])
    func usage(refusal: Refusal) throws {
      let folder = try setting(1)
      let outcome = try Tool.run(["detect", "in"] + refusal.arguments, in: folder)
      expectFailure(outcome, status: 2, says: refusal.message)
      #expect(folder.files() == ["in/street_0000.jpg"])
    }

    @Test func namesThatCollide() throws {
      let folder = try setting(1)
      try folder.makeFolder("other")
      try folder.copy(Street.picture("street_0003"), to: "other/street_0000.jpg")
      let both = ["detect", "in/street_0000.jpg", "other/street_0000.jpg"]
      expectFailure(
        try Tool.run(both + ["--overlay"], in: folder), status: 2,
        says: "would both become 'street_0000.overlay'")
      // Nothing is written, nothing collides.
      expectSuccess(try Tool.run(both, in: folder))
    }

    @Test func anotherTasksModel() throws {
      let folder = try setting(1)
      let outcome = try Tool.run(
        [
          "detect", "in", "--config", "ade20k/swin_t_upernet", "--weights", "w.pth",
        ], in: folder)
      expectFailure(outcome, status: 3, says: "'flatten-seg predict'")
    }

    /// Large pictures are looked at in parts too.
    @Test func tiles() throws {
      let folder = try setting(1)
      let whole = try Tool.run(["detect", "in"] + score, in: folder)
      let tiled = try Tool.run(
        ["detect", "in", "--tile", "256x256", "--overlap", "0.3"] + score, in: folder)
      expectSuccess(tiled)
      #expect(!tiled.lines.isEmpty && tiled.text != whole.text)
      let larger = try Tool.run(["detect", "in", "--tile", "4096"] + score, in: folder)
      #expect(larger.text == whole.text, "a picture that is no larger than a tile is one")
    }
  }
}
