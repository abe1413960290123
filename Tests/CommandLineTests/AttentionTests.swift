import FlattenImage
import Foundation
import TestSupport
import Testing

extension CommandLineTests {
  /// `attention`, with the model inside the binary and a classifier.
  @Suite struct AttentionTests {
    private func document(_ outcome: Tool.Outcome) throws -> JSONValue {
      try JSONDecoder().decode(JSONValue.self, from: outcome.output)
    }

    /// A line a head, and the same as JSON with the weights beside it.
    @Test func linesJSONAndWeightsAgree() throws {
      let folder = try Scratch()
      try folder.makePicture("a.png", 96, 64)
      let arguments = ["attention", "a.png", "--stage", "1", "--block", "1", "--point", "70,20"]
      let outcome = try Tool.run(arguments, in: folder)
      expectSuccess(outcome)
      #expect(outcome.lines.count == 3 && outcome.lines[0] == "output/a.attention.png")
      #expect(folder.files() == ["a.png", "output/a.attention.png"])
      let rows = outcome.lines.dropFirst().map { $0.split(separator: "\t").map(String.init) }
      #expect(rows.map { $0[0] } == ["0", "1"])
      #expect(rows.allSatisfy { $0.count == 4 && $0[3] == "96x96" })
      for row in rows {
        let rank = try #require(Int(row[1]))
        // Heads of this model have 32 channels; the depthwise term restores most of 96.
        #expect((1...32).contains(rank))
        #expect(try #require(Int(row[2])) > 64)
      }
      let drawn = try Image.decode(path: folder.path("output/a.attention.png")).value
      #expect(drawn.width == 3 * 240 + 4 * 6)

      let json = try Tool.run(
        arguments + ["--json", "--matrix", "w.npy", "-o", "b.png", "-j", "1"], in: folder)
      expectSuccess(json)
      let object = try document(json)
      #expect(object["input"].text == "a.png")
      #expect(object["files"].list.map(\.text) == ["b.png", "w.npy"])
      #expect(object["attention"].text == "linear" && object["heads"].int == 2)
      #expect(object["head"] == .null && object["head_channels"].int == 32)
      #expect(object["point"]["x"].int == 70 && object["point"]["y"].int == 20)
      #expect(object["token"]["row"].int == 2 && object["token"]["column"].int == 8)
      #expect(object["tokens"]["rows"].int == 8 && object["tokens"]["columns"].int == 12)
      #expect(object["keys"] == object["tokens"])
      #expect(object["rank_epsilon"].number == 0x1p-23)
      for (rank, row) in zip(object["ranks"].list, rows) {
        #expect(rank["rank"].int.map(String.init) == row[1])
        #expect(rank["rank_with_depthwise"].int.map(String.init) == row[2])
        #expect(rank["whole"] == .bool(true))
      }
      #expect(try folder.read("b.png") == folder.read("output/a.attention.png"))
      let weights = try NumpyArray(folder.read("w.npy"))
      #expect(weights.shape == [2, 2, 8, 12])
      for head in 0..<2 {
        let own = weights.values[head * 96..<(head + 1) * 96]
        #expect(abs(own.reduce(0, +) - 1) < 1e-3)
        let largest = object["weights"].list[head]["largest"].number
        #expect(own.max() == largest.map { Float($0) })
        let added = weights.values[(head + 2) * 96..<(head + 3) * 96]
        #expect(added.count { $0 != 0 } == 25)
      }
    }

    @Test func standardStreamsAndOneHead() throws {
      let folder = try Scratch()
      try folder.makePicture("a.png", 64, 64)
      let named = try Tool.run(
        ["attention", "a.png", "--stage", "3", "--head", "5", "--channel", "7", "-o", "a/"],
        in: folder)
      expectSuccess(named)
      #expect(named.lines.count == 2 && named.lines[1].hasPrefix("5\t"))
      let piped = try Tool.run(
        ["attention", "-", "--stage", "3", "--head", "5", "--channel", "7", "-o", "-"],
        in: folder, input: "a.png")
      expectSuccess(piped)
      #expect(piped.output == (try folder.read("a/a.attention.png")))
      let quick = try Tool.run(["attention", "a.png", "--no-rank"], in: folder)
      expectSuccess(quick)
      #expect(quick.text == "output/a.attention.png\n")
    }

    @Test func aNameChoosesTheFormat() throws {
      let folder = try Scratch()
      try folder.makePicture("a.png")
      let arguments = ["attention", "a.png", "--no-rank", "--output"]
      for name in ["b.png", "c.jpg"] {
        let outcome = try Tool.run(arguments + [name], in: folder)
        expectSuccess(outcome)
        #expect(outcome.text == "\(name)\n")
      }
      #expect(try folder.read("b.png").prefix(4) == Data([0x89, 0x50, 0x4E, 0x47]))
      #expect(try folder.read("c.jpg").prefix(3) == Data([0xFF, 0xD8, 0xFF]))
      let (png, jpeg) = (
        try Image.decode(path: folder.path("b.png")).value,
        try Image.decode(path: folder.path("c.jpg")).value
      )
      #expect(png.width == jpeg.width && png.height == jpeg.height)
    }

    @Test func classifiersAndSoftmax() throws {
      let folder = try Scratch()
      try folder.write("{name: fruit, classes: [apple, pear, quince]}", to: "fruit.yaml")
      try folder.write(
        """
        name: small
        dataset: fruit.yaml
        model:
          backbone: {type: deit, img_size: 64, patch_size: 8, embed_dim: 12, depth: 2, num_heads: 3}
          classifier: {num_classes: 3}
        input: {mean: [120, 120, 120], std: [60, 60, 60], resize: 64, crop: 64}
        """, to: "model.yaml")
      expectSuccess(
        try Tool.run(["init", "--config", "model.yaml", "w.safetensors"], in: folder))
      try folder.makePicture("a.png", 100, 64)
      let model = ["--config", "model.yaml", "--weights", "w.safetensors"]
      let outcome = try Tool.run(
        ["attention", "a.png", "--block", "1", "--json"] + model, in: folder)
      expectSuccess(outcome)
      let object = try document(outcome)
      #expect(object["attention"].text == "softmax" && object["model"].text == "small")
      let ranks = object["ranks"].list
      #expect(ranks.map { $0["rows"].int } == [65, 65, 65])
      #expect(ranks.allSatisfy { $0["rank_with_depthwise"] == .null })
      // The class token's weight.
      let elsewhere = object["weights"].list.compactMap { $0["elsewhere"].number }
      #expect(elsewhere.count == 3 && elsewhere.allSatisfy { $0 > 0 && $0 < 1 })
      expectFailure(
        try Tool.run(["attention", "a.png", "--point", "3,3", "-o", "b.png"] + model, in: folder),
        status: 2, says: "--point is 3,3, which the network does not see", "nearer to the middle")
      expectFailure(
        try Tool.run(["attention", "a.png", "--stage", "1", "-o", "b.png"] + model, in: folder),
        status: 2, says: "--stage is 1, this model has stages 0 only.")
    }

    /// TransNormer's queries and keys are turned by their places: some weights are below zero.
    @Test func weightsOfEitherSignHaveAScaleOfTwoColours() throws {
      let folder = try Scratch()
      try folder.write(
        """
        name: small
        dataset: camvid
        model:
          backbone: {type: flatten_pvt, variant: tiny, attn_type: NLLL}
          decode_head: {type: segformer_head, channels: 8, num_classes: 11, align_corners: false}
        input: {mean: [120, 120, 120], std: [60, 60, 60]}
        """, to: "model.yaml")
      expectSuccess(try Tool.run(["init", "--config", "model.yaml", "w.safetensors"], in: folder))
      try folder.makePicture("a.png", 64, 64)
      let arguments = [
        "attention", "a.png", "--no-rank", "--config", "model.yaml", "--weights", "w.safetensors",
      ]
      let text = try Tool.run(arguments, in: folder)
      expectSuccess(text)
      try #require(text.lines.count == 2)
      #expect(text.lines[0] == "output/a.attention.png")
      let scale = text.lines[1].split(separator: "\t").map(String.init)
      try #require(scale.count == 3)
      #expect(scale[0] == "scale" && scale[1] == "-\(scale[2])")
      let json = try Tool.run(arguments + ["--json", "--overwrite"], in: folder)
      expectSuccess(json)
      let object = try document(json)
      let scales = object["scales"].list
      #expect(scales.map { $0["panel"].text } == ["attention"])
      for scale in scales {
        let limit = try #require(scale["to"].number)
        #expect(scale["signed"] == .bool(true) && scale["from"].number == -limit && limit > 0)
      }
      #expect(String(format: "%.3g", scales[0]["to"].number ?? 0) == scale[2])
      let smallest = try #require(object["weights"].list[0]["smallest"].number)
      #expect(smallest < 0)

      // The next stage's has none.
      let other = try Tool.run(arguments + ["--stage", "1", "--overwrite"], in: folder)
      expectSuccess(other)
      #expect(other.lines.count == 1)
      let unsigned = try document(
        try Tool.run(arguments + ["--stage", "1", "--json", "--overwrite"], in: folder))
      #expect(unsigned["scales"].list.count == 3)
      for scale in unsigned["scales"].list {
        #expect(scale["signed"] == .bool(false) && scale["from"].number == 0)
      }
      let least = try #require(unsigned["weights"].list[0]["smallest"].number)
      #expect(least >= 0)
    }

    @Test(arguments: [
      (["--stage", "4"], "--stage is 4, this model has stages 0 to 3."),
      (["--block", "2"], "--block is 2, stage 0 of this model has blocks 0 to 1."),
      (["--head", "1"], "--head is 1, this block has heads 0 only."),
      (["--channel", "32"], "--channel is 32, the heads of this block have channels 0 to 31."),
      (["--point", "48,0"], "--point is 48,0, the picture has x 0 to 47 and y 0 to 39."),
    ])
    func whatIsNotThereIsWrongUsage(options: [String], message: String) throws {
      let folder = try Scratch()
      try folder.makePicture("a.png")
      let outcome = try Tool.run(["attention", "a.png"] + options, in: folder)
      expectFailure(outcome, status: 2, says: message)
      #expect(outcome.errors == "error: \(message)\n")
      #expect(folder.files() == ["a.png"])
    }

    @Test func filesThatFail() throws {
      let folder = try Scratch()
      try folder.makePicture("a.png")
      try folder.write("no picture", to: "bad.png")
      expectFailure(
        try Tool.run(["attention", "bad.png"], in: folder), status: 3, says: "bad.png")
      expectFailure(
        try Tool.run(["attention", "missing.png"], in: folder), status: 3, says: "missing.png")
      expectFailure(
        try Tool.run(["attention", "a.png", "--max-pixels", "9"], in: folder), status: 3,
        says: "a.png")
      expectFailure(
        try Tool.run(["attention", "a.png", "-o", "a.png", "--overwrite"], in: folder), status: 1,
        says: "a.png: is the picture itself")
      expectFailure(
        try Tool.run(["attention", "a.png", "--matrix", "no/w.npy"], in: folder), status: 1,
        says: "no/w.npy")
      #expect(folder.files() == ["a.png", "bad.png"])
      try folder.makeFolder("in")
      for name in ["in/b.png", "in/c.png"] { try folder.makePicture(name) }
      expectFailure(
        try Tool.run(["attention", "in"], in: folder), status: 2,
        says: "'in' holds 2 pictures, one is wanted.")
    }

    @Test func resultsThatExistAreKept() throws {
      let folder = try Scratch()
      try folder.makePicture("a.png")
      let arguments = ["attention", "a.png", "--no-rank", "--matrix", "w.npy"]
      expectSuccess(try Tool.run(arguments, in: folder))
      let first = try folder.read("output/a.attention.png")
      let again = try Tool.run(arguments + ["--point", "1,1"], in: folder)
      expectFailure(again, status: 1, says: "exists already; give --overwrite to replace it")
      #expect(try folder.read("output/a.attention.png") == first)
      expectSuccess(try Tool.run(arguments + ["--point", "1,1", "--overwrite"], in: folder))
      #expect(try folder.read("output/a.attention.png") != first)
    }
  }
}
