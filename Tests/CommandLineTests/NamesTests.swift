import FlattenImage
import FlattenRegions
import Foundation
import TestSupport
import Testing

extension CommandLineTests {
  /// Pictures, results, lists and labels that find each other by their names.
  @Suite struct NamesTests {
    private func json(_ line: String) throws -> JSONValue {
      try JSONDecoder().decode(JSONValue.self, from: Data(line.utf8))
    }

    // MARK: Masks of one's own

    /// A data set in Cityscapes' layout, with labels of every class.
    private func cities() throws -> Scratch {
      let folder = try Scratch()
      for city in ["ulm", "bonn"] {
        try folder.makeFolder("leftImg8bit/val/\(city)")
        try folder.makeFolder("gtFine/val/\(city)")
        try folder.makePicture("leftImg8bit/val/\(city)/\(city)_1_leftImg8bit.png", 38, 33)
        try LabelMap(width: 38, height: 33, ids: (0..<38 * 33).map { UInt16($0 % 19) })
          .write(
            to: folder.path("gtFine/val/\(city)/\(city)_1_gtFine_labelTrainIds.png"), as: .grey8)
      }
      return folder
    }

    private let score = [
      "eval", "--dataset", "cityscapes", "--data", ".", "--predictions", "masks",
    ]

    @Test func predictsMasksAreFound() throws {
      let folder = try cities()
      expectSuccess(
        try Tool.run(["predict", "leftImg8bit/val", "-r", "-o", "masks"], in: folder))
      #expect(
        folder.files("masks") == ["bonn/bonn_1_leftImg8bit.png", "ulm/ulm_1_leftImg8bit.png"])
      let own = try Tool.run(score + ["--format", "json"], in: folder)
      expectSuccess(own, isQuiet: false)
      #expect(try json(own.text)["pictures"].int == 2)
      // The names of the official scripts are as good.
      for city in ["ulm", "bonn"] {
        try FileManager.default.moveItem(
          atPath: folder.path("masks/\(city)/\(city)_1_leftImg8bit.png"),
          toPath: folder.path("masks/\(city)/\(city)_1.png"))
      }
      #expect(try Tool.run(score + ["--format", "json"], in: folder).output == own.output)
      try folder.write(folder.read("masks/ulm/ulm_1.png"), to: "masks/ulm/ulm_1_leftImg8bit.png")
      expectFailure(
        try Tool.run(score, in: folder), status: 3, says: "masks/ulm/ulm_1.png",
        "masks/ulm/ulm_1_leftImg8bit.png", "both predictions of one picture")
    }

    /// The masks of a run in the folder of the pictures are no pictures.
    @Test func masksMayLieBelowThePictures() throws {
      let folder = try cities()
      expectSuccess(
        try Tool.shell("cd leftImg8bit/val && \"$tool\" predict . -r", in: folder))
      let scored = try Tool.run(
        score.dropLast() + ["leftImg8bit/val/output", "--format", "json"], in: folder)
      #expect(scored.status == 0, "\(scored.errors)")
      #expect(try json(scored.text)["pictures"].int == 2)
    }

    // MARK: Going on

    /// Pictures in a folder and one in it, and the results of a first run in the same place.
    private func begun(_ output: [String]) throws -> (folder: Scratch, first: Tool.Outcome) {
      let folder = try Scratch()
      try folder.makeFolder("photos/sub")
      try folder.makePicture("photos/a.png")
      try folder.makePicture("photos/sub/b.png", 33, 41)
      return (folder, try predict(output, in: folder))
    }

    private func predict(_ options: [String], in folder: Scratch) throws -> Tool.Outcome {
      let words = (["predict", ".", "--recursive"] + options).joined(separator: " ")
      return try Tool.shell("cd photos && \"$tool\" \(words)", in: folder)
    }

    @Test(arguments: [
      [], ["-o", "sub/masks"], ["-o", "../photos/output"], ["--overlay", "--confidence"],
    ])
    func aRunGoesOnBelowThePictures(output: [String]) throws {
      let (folder, first) = try begun(output)
      expectSuccess(first)
      let before = folder.files("photos")
      #expect(before.count == 2 + first.lines.count)
      let masks = first.lines.filter { $0.hasSuffix("a.png") || $0.hasSuffix("b.png") }

      let kept = try predict(output + ["--skip-existing"], in: folder)
      expectSuccess(kept, isQuiet: false)
      #expect(kept.text == "" && kept.messages == masks.map { "kept: \($0)" })
      let again = try predict(output + ["--overwrite"], in: folder)
      expectSuccess(again)
      #expect(again.lines == first.lines)
      #expect(folder.files("photos") == before)

      // One more picture, and one result that was never made.
      try folder.makePicture("photos/c.png")
      let more = try predict(output + ["--skip-existing", "--quiet"], in: folder)
      expectSuccess(more)
      #expect(more.lines.count == first.lines.count / 2 && more.text.contains("/c.png"))
      // Without leave to keep or replace, each result stays, and each picture is told.
      let refused = try predict(output, in: folder)
      #expect(refused.status == 3 || refused.status == 1)
      #expect(refused.errors.contains("is taken for a picture"))
      #expect(refused.errors.contains("exists already"))
    }

    /// The masks beside the pictures may be pictures: nothing is replaced.
    @Test func resultsBesideThePicturesAreRefusedTheSecondTime() throws {
      let folder = try Scratch()
      try folder.makeFolder("photos")
      try folder.write(
        Data(Sample.picture(40, 33).encodedAsJPEG()), to: "photos/a.jpg")
      expectSuccess(try predict(["-o", "."], in: folder))
      let mask = try folder.read("photos/a.png")
      for option in ["--skip-existing", "--overwrite"] {
        let again = try predict(["-o", ".", option], in: folder)
        #expect(again.status == 2 && again.text == "")
      }
      #expect(try folder.read("photos/a.png") == mask)
      #expect(folder.files("photos") == ["a.jpg", "a.png"])
    }

    @Test func picturesThatDifferInTheSuffixAlone() throws {
      let folder = try Scratch()
      try folder.makeFolder("in")
      try folder.makePicture("in/a.png")
      try folder.write(Data(Sample.picture(40, 33).encodedAsJPEG()), to: "in/a.jpg")
      try folder.makePicture("in/b.png")
      let outcome = try Tool.run(["predict", "in", "--overlay"], in: folder)
      expectSuccess(outcome, isQuiet: false)
      #expect(
        outcome.lines == [
          "output/a.jpg.png", "output/a.jpg.overlay.jpg", "output/a.png.png",
          "output/a.png.overlay.jpg", "output/b.png", "output/b.overlay.jpg",
        ])
      #expect(
        outcome.messages == [
          "note: 2 pictures differ from others in the suffix alone, so results keep it: "
            + "'a.jpg.png'"
        ])
      let jpeg = try folder.mask("output/a.jpg.png")
      #expect(jpeg.width == 40 && jpeg.height == 33)
      let kept = try Tool.run(["predict", "in", "--skip-existing", "-q"], in: folder)
      expectSuccess(kept)
      #expect(kept.text == "")
    }

    @Test func namesWithDotsAreNames() throws {
      let folder = try Scratch()
      for name in ["cam_12.30.45", "cam_12.30.46", "v1.5"] { try folder.makePicture(name) }
      let outcome = try Tool.run(
        ["predict", "cam_12.30.45", "cam_12.30.46", "v1.5"], in: folder)
      expectSuccess(outcome)
      #expect(
        outcome.lines == [
          "output/cam_12.30.45.png", "output/cam_12.30.46.png", "output/v1.5.png",
        ])
      let drawn = try Tool.run(["attention", "v1.5", "--no-rank"], in: folder)
      #expect(drawn.lines.first == "output/v1.5.attention.png")
    }

    // MARK: Lists

    @Test func aListOfAWindowsEditor() throws {
      let folder = try Scratch()
      try folder.makeFolder("lists")
      try folder.makePicture("lists/a.png")
      try folder.makePicture("lists/b.png")
      let text = "\u{FEFF}a.png\r\nb.png\r\n"
      try folder.write(text, to: "lists/list.txt")
      let outcome = try Tool.run(["predict", "--list", "lists/list.txt"], in: folder)
      expectSuccess(outcome)
      #expect(outcome.lines == ["output/a.png", "output/b.png"])
      let piped = try Tool.shell(
        "cd lists && \"$tool\" predict --list - -o ../piped < list.txt", in: folder)
      expectSuccess(piped)
      #expect(piped.lines == ["../piped/a.png", "../piped/b.png"])
      try folder.write(Data(text.data(using: .utf16LittleEndian) ?? Data()), to: "wide.txt")
      expectFailure(
        try Tool.run(["predict", "--list", "wide.txt"], in: folder), status: 3,
        says: "wide.txt: is UTF-16 text", "Save it as UTF-8")
    }

    // MARK: What failed

    @Test func foldersThatAreNotEnteredAreNamed() throws {
      let folder = try Scratch()
      try folder.makeFolder("in/deep")
      try folder.makePicture("in/deep/a.png")
      try folder.makePicture("b.png")
      expectFailure(
        try Tool.run(["predict", "in"], in: folder), status: 3,
        says: "no pictures in in itself; --recursive", "1 picture")
      let both = try Tool.run(["predict", "in", "b.png"], in: folder)
      #expect(both.status == 0 && both.lines == ["output/b.png"])
      #expect(both.errors.contains("warning: no pictures in in itself; --recursive"))
      expectSuccess(try Tool.run(["predict", "in", "b.png", "-q", "-o", "quiet"], in: folder))
    }

    @Test func failuresAreInTheJSON() throws {
      let folder = try Scratch()
      try folder.makePicture("a.png")
      try folder.makePicture("large.png", 100, 90)
      try folder.write("no picture", to: "bad.png")
      let outcome = try Tool.run(
        ["predict", "gone.png", "bad.png", "a.png", "large.png", "--json", "--max-pixels", "5000"],
        in: folder)
      #expect(outcome.status == 5 && outcome.lines.count == 4)
      let documents = try outcome.lines.map(json)
      #expect(documents.map { $0["input"].text } == ["gone.png", "bad.png", "a.png", "large.png"])
      #expect(documents[0]["error"].text == "gone.png: no such file")
      let reason = try #require(documents[1]["error"].text)
      #expect(reason.hasPrefix("bad.png: is a text, not a JPEG or PNG"))
      #expect(documents[2]["mask"].text == "output/a.png")
      #expect(documents[2]["error"].isNull)
      #expect(documents[3]["error"].text?.contains("--max-pixels raises the limit") == true)
      #expect(outcome.errors.contains("error: large.png: is too large: 100 x 90 pixels"))
    }
  }
}
