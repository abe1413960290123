import Foundation
import TestSupport
import Testing

extension CommandLineTests {
  /// `classify`, and `eval` and `info` with a classifier's config.
  @Suite struct ClassifyTests {
    /// A config of three classes, random weights for it, and two pictures.
    private func setting() throws -> Scratch {
      let folder = try Scratch()
      try folder.write(
        "{name: fruit, classes: [{id: n1, name: apple}, {id: n2, name: \"pear, Pyrus\"}, quince]}",
        to: "fruit.yaml")
      try folder.write(
        """
        name: small
        dataset: fruit.yaml
        model:
          backbone:
            {type: pvt_v2, embed_dims: [8, 8, 8, 8], num_heads: [1, 1, 1, 1],
             mlp_ratios: [1, 1, 1, 1], depths: [1, 1, 1, 1]}
          classifier: {num_classes: 3}
        input: {mean: [120, 120, 120], std: [60, 60, 60], resize: 40, crop: 32}
        """, to: "model.yaml")
      expectSuccess(
        try Tool.run(["init", "--config", "model.yaml", "w.safetensors"], in: folder))
      try folder.makePicture("a.png", 50, 41)
      try folder.makePicture("b.png", 33, 90)
      return folder
    }

    private let model = ["--config", "model.yaml", "--weights", "w.safetensors"]

    @Test func linesAndJSONAgree() throws {
      let folder = try setting()
      let outcome = try Tool.run(["classify", "a.png", "b.png"] + model, in: folder)
      expectSuccess(outcome)
      let rows = outcome.lines.map { $0.split(separator: "\t").map(String.init) }
      #expect(rows.map(\.count) == [4, 4, 4, 4, 4, 4])
      #expect(rows.map { $0[0] } == ["a.png", "a.png", "a.png", "b.png", "b.png", "b.png"])
      #expect(Set(rows.prefix(3).map { $0[2] }) == ["n1", "n2", "quince"])
      let probabilities = rows.prefix(3).compactMap { Double($0[1]) }
      #expect(probabilities == probabilities.sorted(by: >))
      #expect(abs(probabilities.reduce(0, +) - 1) < 2e-4)

      let json = try Tool.run(
        ["classify", "a.png", "--top", "2", "--json", "-j", "1"] + model, in: folder)
      expectSuccess(json)
      #expect(json.lines.count == 1)
      let document = try JSONDecoder().decode(JSONValue.self, from: json.output)
      #expect(document["input"].text == "a.png")
      #expect(document["width"].int == 50 && document["height"].int == 41)
      #expect((document["seconds"].number ?? -1) >= 0)
      let guesses = document["classes"].list
      #expect(guesses.map { $0["id"].text } == rows.prefix(2).map { $0[2] })
      #expect(guesses.map { $0["name"].text } == rows.prefix(2).map { $0[3] })
      for (guess, row) in zip(guesses, rows) {
        let probability = try #require(guess["probability"].number)
        #expect(String(format: "%.4f", probability) == row[1])
        #expect(["n1", "n2", "quince"].firstIndex(of: row[2]) == guess["index"].int)
      }
    }

    @Test func foldersListsAndStandardInput() throws {
      let folder = try setting()
      try folder.makeFolder("in")
      try folder.makePicture("in/c.png", 40, 40)
      try folder.write("a.png\n# nothing\nb.png\n", to: "list.txt")
      let outcome = try Tool.run(
        ["classify", "in", "--list", "list.txt", "--top", "1"] + model, in: folder)
      expectSuccess(outcome)
      #expect(outcome.lines.map { $0.prefix { $0 != "\t" } } == ["in/c.png", "a.png", "b.png"])
      let piped = try Tool.run(["classify", "-"] + model, in: folder, input: "a.png")
      expectSuccess(piped)
      let named = try Tool.run(["classify", "a.png"] + model, in: folder)
      #expect(piped.text == named.text.replacing("a.png\t", with: "-\t"))
    }

    @Test func oneBadPictureStopsNoOther() throws {
      let folder = try setting()
      try folder.write("no picture", to: "bad.png")
      let outcome = try Tool.run(
        ["classify", "bad.png", "a.png", "--top", "1"] + model, in: folder)
      #expect(outcome.status == 5)
      #expect(outcome.lines.count == 1 && outcome.text.hasPrefix("a.png\t"))
      #expect(outcome.errors.contains("bad.png"))
      #expect(outcome.errors.contains("1 of 2 pictures failed:"))
      let json = try Tool.run(["classify", "bad.png", "a.png", "--json"] + model, in: folder)
      let documents = try json.lines.map {
        try JSONDecoder().decode(JSONValue.self, from: Data($0.utf8))
      }
      #expect(documents.map { $0["input"].text } == ["bad.png", "a.png"])
      let reason = "bad.png: is a text, not a JPEG or PNG picture: 'no picture'"
      #expect(documents.first?["error"].text == reason)
      expectFailure(try Tool.run(["classify", "bad.png"] + model, in: folder), status: 3)
      expectFailure(
        try Tool.run(["classify", "missing.png"] + model, in: folder), status: 3,
        says: "missing.png")
      try folder.makePicture("strip.png", 1, 4000)
      expectFailure(
        try Tool.run(["classify", "strip.png"] + model, in: folder), status: 3, says: "strip")
    }

    @Test func theWrongFilesAreNamed() throws {
      let folder = try setting()
      try folder.write("{}", to: "empty.yaml")
      expectFailure(
        try Tool.run(
          ["classify", "a.png", "--config", "empty.yaml", "--weights", "w.safetensors"],
          in: folder), status: 3, says: "empty.yaml", "'model' is missing")
      expectFailure(
        try Tool.run(
          ["classify", "a.png", "--config", "model.yaml", "--weights", "a.png"], in: folder),
        status: 4, says: "a.png")
      expectFailure(
        try Tool.run(["predict", "a.png"] + model, in: folder), status: 3,
        says: "'model.classifier' belongs to a classifier", "flatten-seg classify")
      let street = Fixtures.repository.appending(path: "Configs/street/flatten_pvtv2_b0")
      expectFailure(
        try Tool.run(
          [
            "classify", "a.png", "--config", street.path + ".yaml", "--weights",
            street.path + ".safetensors",
          ], in: folder), status: 3, says: "'model.decode_head' belongs to a segmentor",
        "flatten-seg predict")
    }

    @Test func infoCountsAClassifier() throws {
      let folder = try setting()
      let outcome = try Tool.run(["info", "--config", "model.yaml"], in: folder)
      expectSuccess(outcome)
      #expect(outcome.text.contains("at 32x32"))
      #expect(outcome.text.contains("head"))
    }

    @Test(arguments: [[], ["--weights", "w.safetensors"]]) func benchTimesAClassifier(
      weights: [String]
    ) throws {
      let folder = try setting()
      let outcome = try Tool.run(
        ["bench", "--config", "model.yaml", "--repeat", "1", "--json"] + weights, in: folder)
      expectSuccess(outcome)
      let document = try JSONDecoder().decode(JSONValue.self, from: outcome.output)
      #expect(document["name"].text == "small")
      #expect(document["height"].int == 32 && document["width"].int == 32)
      #expect((document["median_ms"].number ?? 0) > 0)
      #expect(document["operators"].list.contains { $0["name"].text == "head" })
    }

    // MARK: eval

    /// Pictures whose right class is what `classify` says, but for one.
    private func folders(_ folder: Scratch) throws {
      let outcome = try Tool.run(["classify", "a.png", "b.png", "--top", "1"] + model, in: folder)
      expectSuccess(outcome)
      for line in outcome.lines {
        let cells = line.split(separator: "\t").map(String.init)
        let wrong = ["n1", "n2", "quince"].first { $0 != cells[2] } ?? ""
        for name in [cells[2], wrong] { try folder.makeFolder("set/\(name)") }
        let picture = URL(filePath: folder.path(cells[0]))
        try folder.copy(picture, to: "set/\(cells[2])/\(cells[0])")
        if cells[0] == "a.png" { try folder.copy(picture, to: "set/\(wrong)/again.png") }
      }
    }

    @Test func evalCountsWhatIsRight() throws {
      let folder = try setting()
      try folders(folder)
      let eval = ["eval", "--data", "set"] + model
      let table = try Tool.run(eval, in: folder)
      expectSuccess(table, isQuiet: false)
      #expect(table.text == "top-1 66.67  top-5 100.00  3 pictures\n")
      #expect(table.errors.hasPrefix("3 pictures in "))
      let json = try Tool.run(eval + ["--format", "json", "-q"], in: folder)
      expectSuccess(json)
      let document = try JSONDecoder().decode(JSONValue.self, from: json.output)
      #expect(document["pictures"].int == 3 && document["top5"].number == 100)
      let csv = try Tool.run(eval + ["--format", "csv", "-q", "-o", "scores.csv"], in: folder)
      expectSuccess(csv)
      #expect(csv.text == "")
      let written = String(decoding: try folder.read("scores.csv"), as: UTF8.self)
      #expect(written.hasPrefix("index,id,name,pictures,top1,top5\n"))
      let missed = try Tool.run(eval + ["-q", "--fail-under", "top1=70"], in: folder)
      #expect(missed.status == 6)
      #expect(missed.errors == "error: top1 is 66.6667, at least 70.0 is demanded\n")
      expectSuccess(
        try Tool.run(eval + ["-q", "--fail-under", "top1=66", "--limit", "3"], in: folder))
    }

    @Test(arguments: [
      (["--flip"], "--flip has no meaning where a classifier"),
      (["--confusion", "c.csv"], "--confusion has no meaning"),
      (["--curves", "c.png"], "--curves has no meaning"),
      (["--classes", "3"], "--classes has no meaning"),
      (["--dataset", "street"], "--dataset has no meaning"),
      (["--fail-under", "mIoU=3"], "--fail-under names mIoU; this model has top1, top5."),
    ])
    func evalRefusesWhatItWouldIgnore(options: [String], says words: String) throws {
      let folder = try setting()
      try folders(folder)
      let outcome = try Tool.run(["eval", "--data", "set"] + model + options, in: folder)
      expectFailure(outcome, status: 2, says: words)
    }

    @Test func evalNamesBadFolders() throws {
      let folder = try setting()
      let outcome = try Tool.run(["eval", "--data", "nowhere"] + model, in: folder)
      expectFailure(outcome, status: 3, says: "nowhere: there is no such folder")
      try folder.makeFolder("set/banana")
      try folder.makePicture("set/banana/a.png", 40, 40)
      expectFailure(
        try Tool.run(["eval", "--data", "set"] + model, in: folder), status: 3,
        says: "set/banana: is the folder of no class of 'fruit'")
      try folder.makeFolder("bad/n1")
      try folder.write("no picture", to: "bad/n1/a.png")
      expectFailure(
        try Tool.run(["eval", "--data", "bad"] + model, in: folder), status: 3, says: "a.png")
    }
  }
}
