import Foundation
import TestSupport
import Testing

extension CommandLineTests {
  @Suite struct BenchTests {
    private func json(_ arguments: String...) throws -> JSONValue {
      let outcome = try Tool.run(arguments, in: Scratch())
      expectSuccess(outcome)
      return try JSONDecoder().decode(JSONValue.self, from: outcome.output)
    }

    @Test func jsonHasTheKeysAndTheLayers() throws {
      let report = try json("bench", "--size", "64x96", "--repeat", "2", "-j", "1", "--json")
      let median = try #require(report["median_ms"].number)
      let least = try #require(report["min_ms"].number)
      #expect(least > 0 && least <= median)
      #expect(report["precision"].text == "f32" && report["threads"].int == 1)
      #expect(report["height"].int == 64 && report["width"].int == 96)
      #expect((report["peak_rss_mb"].number ?? 0) > 1 && (report["peak_gflops"].number ?? 0) > 0)
      let operators = report["operators"].list
      #expect(operators.first?["name"].text == "backbone.patch_embed1.proj")
      #expect(operators.last?["shape"].text == "1x16x24x11")
      #expect(operators.allSatisfy { ($0["ms"].number ?? -1) >= 0 })
      // The operations are those that `info` counts.
      let counted = try json("info", "--size", "64x96", "--json")
      #expect(operators.reduce(0) { $0 + ($1["macs"].int ?? 0) } == counted["macs"].int)
    }

    // MARK: Many models

    /// A folder of two small models in folders of their own, and a file that is no config.
    private func models() throws -> Scratch {
      let folder = try Scratch()
      try folder.write("{name: letters, classes: [a, b, c]}", to: "letters.yaml")
      for (index, width) in [8, 16].enumerated() {
        try FileManager.default.createDirectory(
          at: folder.url.appending(path: "Configs/\(index)"), withIntermediateDirectories: true)
        try folder.write(
          """
          name: width | \(width)
          dataset: ../../letters.yaml
          model:
            backbone:
              {type: pvt_v2, embed_dims: [\(width), 8, 8, 8], num_heads: [1, 1, 1, 1],
               mlp_ratios: [1, 1, 1, 1], depths: [1, 1, 1, 1]}
            classifier: {num_classes: 3}
          input: {mean: [120, 120, 120], std: [60, 60, 60], resize: 40, crop: 32}
          """, to: "Configs/\(index)/model.yaml")
      }
      return folder
    }

    @Test func everyModelHasALine() throws {
      let folder = try models()
      let table = try Tool.run(["bench", "--all", "--repeat", "1"], in: folder)
      #expect(table.status == 0)
      try #require(table.lines.count == 5)
      #expect(table.lines[0].hasPrefix("model       config"))
      #expect(table.errorLines == ["1 of 2: Configs/0/model.yaml", "2 of 2: Configs/1/model.yaml"])

      let markdown = try Tool.run(
        [
          "bench", "--all", "--configs", "Configs/1", "Configs/0/model.yaml", "--size", "40x33",
          "--format", "markdown", "--repeat", "1", "-j", "1",
        ], in: folder)
      try #require(markdown.lines.count == 4)
      #expect(
        markdown.lines.prefix(2) == [
          "| model | config | M parameters | size | GMAC | ms | MB |",
          "| --- | --- | ---: | ---: | ---: | ---: | ---: |",
        ])
      #expect(markdown.lines[2].hasPrefix("| width \\| 16 | Configs/1/model.yaml | 0.0 | 40x33 | "))
      #expect(markdown.lines[3].hasPrefix("| width \\| 8 | Configs/0/model.yaml | 0.0 | 40x33 | "))

      let report = try Tool.run(["bench", "--all", "--repeat", "1", "--json"], in: folder)
      #expect(report.status == 0)
      let json = try JSONDecoder().decode(JSONValue.self, from: report.output)
      #expect(
        json["models"].list.map { $0["config"].text } == [
          "Configs/0/model.yaml", "Configs/1/model.yaml",
        ])
      let info = try Tool.run(["info", "--config", "Configs/1/model.yaml", "--json"], in: folder)
      let counted = try JSONDecoder().decode(JSONValue.self, from: info.output)
      let last = try #require(json["models"].list.last)
      #expect(last["parameters"].int == counted["parameters"].int)
      #expect(last["macs"].int == counted["macs"].int && last["height"].int == 32)
      #expect((last["median_ms"].number ?? 0) > 0 && (last["peak_rss_mb"].number ?? 0) > 1)
    }

    @Test func aModelThatFailsIsReportedAndTheRestGoOn() throws {
      let folder = try models()
      try folder.write("nonsense: 1", to: "Configs/bad.yaml")
      let some = try Tool.run(["bench", "--all", "--repeat", "1", "--json"], in: folder)
      #expect(some.status == 5)
      #expect(some.errors.contains("'nonsense' is not a known key"))
      #expect(some.errors.contains("1 of 3 models failed:\n  Configs/bad.yaml"))
      let json = try JSONDecoder().decode(JSONValue.self, from: some.output)
      #expect(json["models"].list.count == 2)
      #expect(json["failed"].list.map(\.text) == ["Configs/bad.yaml"])
      let none = try Tool.run(["bench", "--all", "--configs", "Configs/bad.yaml"], in: folder)
      #expect(none.status == 3)
      #expect(none.text == "")
      expectFailure(
        try Tool.run(["bench", "--all", "--configs", "no.yaml"], in: folder), status: 3,
        says: "no.yaml: no such file")
      try FileManager.default.createDirectory(
        at: folder.url.appending(path: "empty"), withIntermediateDirectories: true)
      expectFailure(
        try Tool.run(["bench", "--all", "--configs", "empty"], in: folder), status: 3,
        says: "empty: holds no configs")
    }
  }
}
