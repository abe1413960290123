import FlattenRegions
import Foundation
import TestSupport
import Testing

extension CommandLineTests {
  /// Built-in configs by name, in an empty folder with nothing but the program.
  @Suite struct ConfigsTests {
    private let name = "ade20k/flatten_pvt_t_semantic_fpn"

    @Test func listing() throws {
      let folder = try Scratch()
      let all = try Tool.run(["configs"], in: folder)
      expectSuccess(all)
      let header = all.lines.first?.split(separator: " ")
      #expect(header == ["config", "task", "published", "classes"])
      let row = all.lines.first { $0.hasPrefix(name + " ") } ?? ""
      let words = row.split(separator: " ")
      #expect(words[1...] == ["segmentation", "mIoU", "37.21,", "mAcc", "48.95", "150"])
      #expect(all.lines.contains { $0.hasPrefix("imagenet/deit_s ") && $0.contains("top1 79.9") })
      let json = try Tool.run(["configs", "--json"], in: folder)
      expectSuccess(json)
      let list = try JSONDecoder().decode(JSONValue.self, from: json.output).list
      #expect(list.count == 151 && list.count == all.lines.count - 3)
      let one = list.first { $0["name"].text == name }
      #expect(one?["title"].text == "FLatten-PVT-T Semantic FPN, ADE20K")
      #expect(one?["classes"].int == 150 && one?["published"]["mIoU"].number == 37.21)

      let some = try Tool.run(["configs", "ade20k"], in: folder)
      expectSuccess(some)
      #expect(some.lines.count == 39 + 3)
    }

    @Test func printing() throws {
      let folder = try Scratch()
      let printed = try Tool.run(["configs", name], in: folder)
      expectSuccess(printed)
      let file = Fixtures.repository.appending(path: "Configs/\(name).yaml")
      #expect(printed.output == (try Data(contentsOf: file)))
      expectFailure(
        try Tool.run(["configs", "ade20k/flatten_pvt_t_semantic_fpm"], in: folder), status: 2,
        says: "Did you mean '\(name)'?", "'flatten-seg configs' lists them.")
    }

    /// Every command with --config takes a name, and says what may have been meant.
    @Test func everyCommandTakesAName() throws {
      let folder = try Scratch()
      try folder.makePicture("a.png", 64, 48)
      try folder.makeFolder("set")
      let commands = [
        ["info"], ["bench", "--size", "32", "--repeat", "1"], ["init", "w.safetensors"],
        ["predict", "a.png", "--weights", "w"], ["classify", "a.png", "--weights", "w"],
        ["attention", "a.png", "--weights", "w"], ["eval", "--data", "set", "--weights", "w"],
        ["bench", "--all", "--repeat", "1", "--size", "32"],
      ]
      for command in commands {
        let option = command.contains("--all") ? "--configs" : "--config"
        expectFailure(
          try Tool.run(command + [option, "street/flaten_pvtv2_b0"], in: folder), status: 3,
          says: "Did you mean 'street/flatten_pvtv2_b0'? 'flatten-seg configs' lists them.")
      }
      for command in commands.prefix(3) {
        let outcome = try Tool.run(command + ["--config", "street/flatten_pvtv2_b0"], in: folder)
        expectSuccess(outcome)
      }
      let table = try Tool.run(
        ["bench", "--all", "--configs", "imagenet/pvt_v2_b0", "--size", "32", "--repeat", "1"],
        in: folder)
      expectSuccess(table, isQuiet: false)
      #expect(table.text.contains("imagenet/pvt_v2_b0"))
    }

    /// The program alone, in an empty folder: a mask by a config's name, and scores of a data set of one's own.
    @Test func nothingButTheProgram() throws {
      let folder = try Scratch()
      try folder.makeFolder("fields/images")
      try folder.makeFolder("fields/labels")
      try folder.makePicture("fields/images/a.png", 64, 48)
      try LabelMap(width: 64, height: 48, ids: (0..<64 * 48).map { UInt16($0 / 64 / 24) })
        .write(to: folder.path("fields/labels/a.png"), as: .grey8)
      let model = "ade20k/pvt_v2_b0_semantic_fpn"
      expectSuccess(try Tool.run(["init", "--config", model, "w.safetensors"], in: folder))
      let outcome = try Tool.run(
        [
          "predict", "fields/images/a.png", "--config", model, "--weights", "w.safetensors",
          "--overlay", "--palette", "distinct",
        ], in: folder)
      expectSuccess(outcome)
      #expect(outcome.lines == ["output/a.png", "output/a.overlay.jpg"])
      let scores = try Tool.run(
        [
          "eval", "--dataset", "folder", "--classes", "150", "--data", "fields", "--config", model,
          "--weights", "w.safetensors", "--format", "json", "--quiet",
        ], in: folder)
      expectSuccess(scores)
      let report = try JSONDecoder().decode(JSONValue.self, from: scores.output)
      #expect(report["pictures"].int == 1 && report["classes"].list.count == 150)
    }
  }
}
