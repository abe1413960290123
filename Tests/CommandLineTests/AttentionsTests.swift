import Foundation
import TestSupport
import Testing

extension CommandLineTests {
  /// `attentions`, and `bench --attentions`.
  @Suite struct AttentionsTests {
    private func json(_ outcome: Tool.Outcome) throws -> JSONValue {
      try JSONDecoder().decode(JSONValue.self, from: outcome.output)
    }

    @Test func everyAttentionIsListedAndShown() throws {
      let folder = try Scratch()
      let list = try Tool.run(["attentions", "--json"], in: folder)
      expectSuccess(list)
      let attentions = try json(list).list
      let letters = attentions.compactMap(\.["letter"].text)
      #expect(letters.count == attentions.count && Set(letters).count == letters.count)
      #expect(letters.prefix(2) == ["L", "S"])
      let table = try Tool.run(["attentions"], in: folder)
      expectSuccess(table)
      for attention in attentions {
        let (letter, name) = (attention["letter"].text ?? "", attention["name"].text ?? "")
        #expect(letter.count == 1 && name.count > 1)
        #expect(table.lines.contains { $0.hasPrefix("\(letter)       \(name) ") }, "\(name)")
        #expect(["linear", "quadratic", "few keys"].contains(attention["cost"].text))
        let page = try Tool.run(["attentions", letter], in: folder)
        expectSuccess(page)
        #expect(page.text == (try Tool.run(["attentions", name], in: folder)).text)
        #expect(!attention["equation"].list.isEmpty && !attention["parameters"].list.isEmpty)
        for line in attention["equation"].list + attention["parameters"].list {
          #expect(page.text.contains(line.text ?? "-"))
        }
      }
      let unknown = try Tool.run(["attentions", "softmx"], in: folder)
      expectFailure(unknown, status: 2, says: "Did you mean 'softmax'?")
    }

    private func write(_ letters: String, to folder: Scratch, _ name: String) throws {
      try folder.write(
        """
        name: small
        dataset: camvid
        model:
          backbone: {type: flatten_pvt, embed_dims: [16, 16, 16, 16], num_heads: [1, 1, 2, 2],
            mlp_ratios: [1, 1, 1, 1], depths: [1, 1, 1, 1], attn_type: \(letters)}
          neck: {type: fpn, out_channels: 16}
          decode_head: {type: fpn_head, channels: 16, num_classes: 11}
        input: {mean: [123, 116, 103], std: [58, 57, 57], scale: [64, 64]}
        inference: {mode: whole}
        """, to: name)
    }

    /// What the list says of matrices is what can be drawn.
    @Test func thoseWithAMatrixAreDrawn() throws {
      let folder = try Scratch()
      try folder.makePicture("a.png", 64, 64)
      var kinds: Set<Bool> = []
      for attention in try json(Tool.run(["attentions", "--json"], in: folder)).list {
        let letter = try #require(attention["letter"].text)
        let hasMatrix = attention["matrix"].bool == true
        kinds.insert(hasMatrix)
        let (config, weights) = ("\(letter).yaml", "\(letter).safetensors")
        try write(String(repeating: letter, count: 4), to: folder, config)
        try #require(try Tool.run(["init", "--config", config, weights], in: folder).status == 0)
        let drawn = try Tool.run(
          [
            "attention", "a.png", "--config", config, "--weights", weights, "--stage", "1",
            "--output", "out_\(letter)",
          ], in: folder)
        #expect((drawn.status == 0) == hasMatrix, "\(letter): \(drawn.errors)")
        if !hasMatrix { #expect(drawn.errors.contains("has no matrix that could be drawn")) }
      }
      #expect(kinds.count == 2)
    }

    @Test func attentionsAreTimedInOneModel() throws {
      let folder = try Scratch()
      try write("LLSS", to: folder, "small.yaml")
      let bench = ["bench", "--config", "small.yaml", "--attentions", "--repeat", "1"]
      let sizes = ["--sizes", "96x64", "64x64"]
      let outcome = try Tool.run(bench + ["--letters", "L", "--json"] + sizes, in: folder)
      #expect(outcome.status == 0, "\(outcome.errors)")
      let rows = try json(outcome)["attentions"].list
      #expect(rows.map { $0["letter"].text } == ["L", "L"])
      #expect(rows.map { $0["height"].int } == [64, 96], "the smallest first")
      #expect(rows.map { $0["time_growth"].isNull } == [true, false])
      for row in rows {
        #expect(row["pace_over_focused"].number == 1)
        let (part, whole) = (row["attention"], row["whole"])
        for key in ["parameters", "macs", "ms"] {
          let (less, more) = (part[key].number ?? 0, whole[key].number ?? 0)
          #expect(0 < less && less < more, "\(key): \(less) of \(more)")
        }
      }
      let table = try Tool.run(bench + ["--format", "markdown"], in: folder)
      #expect(table.status == 0, "\(table.errors)")
      let listed = try json(Tool.run(["attentions", "--json"], in: folder)).list
      #expect(table.lines.count == listed.count + 2)
      for attention in listed {
        let start = "| \(attention["letter"].text ?? "") | \(attention["name"].text ?? "") |"
        #expect(table.lines.contains { $0.hasPrefix(start) }, "\(start)")
      }
      // Quadratic ones stop at the first size, unless they are asked for.
      let all = try json(Tool.run(bench + ["--letters", "L,S", "--json"] + sizes, in: folder))
      #expect(
        all["attentions"].list.map { $0["letter"].text } == ["L", "S", "L", "S"])
      let one = try Tool.run(
        ["bench", "--config", "small.yaml", "--attention", "S", "--repeat", "1", "--json"],
        in: folder)
      expectSuccess(one)
      #expect(
        try json(one)["operators"].list.contains { $0["kind"].text == "softmax attention" })

      for (options, says) in [
        (["--letters", "L"], "belong to --attentions"),
        (["--attentions", "--letters", "9"], "There is no attention '9'"),
        (["--attentions", "--all"], "--attentions takes"),
        (["--attention", "L", "--weights", "w.pth"], "random weights"),
      ] {
        expectFailure(try Tool.run(["bench"] + options, in: folder), status: 2, says: says)
      }
    }
  }
}
