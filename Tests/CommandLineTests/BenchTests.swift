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
  }
}
