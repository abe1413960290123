import Foundation
import TestSupport
import Testing

extension CommandLineTests {
  @Suite struct WeightsTests {
    private static let configs = Fixtures.repository.appending(path: "Configs")
    private let street = configs.appending(path: "street/flatten_pvtv2_b0.yaml")
    private let weights = configs.appending(path: "street/flatten_pvtv2_b0.safetensors")
    private let other = configs.appending(path: "ade20k/flatten_pvt_t_semantic_fpn.yaml")

    private func predict(_ folder: Scratch, config: String, weights: String) throws
      -> Tool.Outcome
    {
      if !folder.exists("a.png") { try folder.makePicture("a.png") }
      let outcome = try Tool.run(
        ["predict", "a.png", "--config", config, "--weights", weights], in: folder)
      if outcome.status != 0 { #expect(!folder.exists("output")) }
      return outcome
    }

    @Test func ownConfigAndWeights() throws {
      let folder = try Scratch()
      let named = try predict(folder, config: street.path, weights: weights.path)
      expectSuccess(named)
      let mask = try folder.read("output/a.png")
      expectSuccess(try Tool.run(["predict", "a.png", "-o", "b.png"], in: folder))
      #expect(try folder.read("b.png") == mask)
    }

    @Test func otherFamily() throws {
      let folder = try Scratch()
      let outcome = try predict(folder, config: other.path, weights: weights.path)
      expectFailure(
        outcome, status: 4, says: "flatten_pvtv2_b0.safetensors",
        "'backbone.patch_embed1.proj.weight' is [32, 3, 7, 7], the config wants [64, 3, 4, 4]",
        "looks like FLatten-PVTv2 B0", "Use the config")
      #expect(outcome.errorLines.count == 1)
    }

    @Test func otherNumberOfClasses() throws {
      let folder = try Scratch()
      let text = String(decoding: try Data(contentsOf: street), as: UTF8.self)
      try folder.write(
        text.replacing("num_classes: 11", with: "num_classes: 150")
          .replacing("dataset: street", with: "dataset: ade20k"), to: "150.yaml")
      let outcome = try predict(folder, config: "150.yaml", weights: weights.path)
      expectFailure(
        outcome, status: 4, says: "'decode_head.conv_seg.weight' is [11, 64, 1, 1]",
        "the config wants [150, 64, 1, 1]", "set classes: 11")
      #expect(outcome.errorLines.count == 1)
    }

    @Test func damagedWeights() throws {
      let folder = try Scratch()
      let whole = try Data(contentsOf: weights)
      for (index, count) in [0, 7, 1000, whole.count / 2, whole.count - 1].enumerated() {
        try folder.write(whole.prefix(count), to: "cut\(index).safetensors")
        expectFailure(
          try predict(folder, config: street.path, weights: "cut\(index).safetensors"),
          status: 4, says: "cut\(index).safetensors")
        expectFailure(
          try Tool.run(["inspect", "cut\(index).safetensors"], in: folder), status: 4,
          says: "cut\(index).safetensors")
      }
    }

    @Test(.enabled(if: Fixtures.badInputs != nil, "the folder of bad inputs is not here"))
    func cutTorchFiles() throws {
      let folder = try Scratch()
      guard let source = Fixtures.badInputs?.appending(path: "checkpoints/ok") else { return }
      let files = try FileManager.default.contentsOfDirectory(atPath: source.path)
      for name in files.filter({ $0.hasSuffix(".pth") }).sorted().prefix(8) {
        let whole = try Data(contentsOf: source.appending(path: name))
        try folder.write(whole.prefix(whole.count * 2 / 3), to: "cut.pth")
        expectFailure(
          try predict(folder, config: street.path, weights: "cut.pth"), status: 4,
          says: "cut.pth")
      }
    }

    @Test func filesThatAreNotThere() throws {
      let folder = try Scratch()
      expectFailure(
        try predict(folder, config: street.path, weights: "no.pth"), status: 3,
        says: "no.pth: no such file")
      expectFailure(
        try predict(folder, config: "no.yaml", weights: weights.path), status: 3,
        says: "no.yaml: no such file")
      expectFailure(
        try predict(folder, config: ".", weights: weights.path), status: 3,
        says: ".: is a folder")
      expectFailure(
        try predict(folder, config: street.path, weights: "."), status: 3, says: ".: is a folder")
      expectFailure(
        try predict(folder, config: weights.path, weights: weights.path), status: 3,
        says: "flatten_pvtv2_b0.safetensors")
      expectFailure(
        try predict(folder, config: street.path, weights: street.path), status: 4,
        says: "flatten_pvtv2_b0.yaml")
    }

    @Test func convertAndInit() throws {
      let folder = try Scratch()
      for dtype in ["f32", "f16", "bf16"] {
        let outcome = try Tool.run(
          ["convert", weights.path, "\(dtype).safetensors", "--dtype", dtype], in: folder)
        expectSuccess(outcome)
        #expect(outcome.lines == ["\(dtype).safetensors"])
        let inspected = try Tool.run(
          ["inspect", "\(dtype).safetensors", "--json"], in: folder)
        expectSuccess(inspected)
        let json = try JSONDecoder().decode(JSONValue.self, from: inspected.output)
        let type = ["f32": "float32", "f16": "float16", "bf16": "bfloat16"][dtype]
        #expect(json["tensors"].list.contains { $0["type"].text == type })
        #expect(json["looks_like"].text?.hasPrefix("FLatten-PVTv2 B0") == true)
        #expect(json["task"].text == "segmentation")
      }
      // What was widened to 32 bits computes the same.
      try folder.makePicture("a.png")
      expectSuccess(try Tool.run(["predict", "a.png", "-o", "built-in.png"], in: folder))
      let base = ["predict", "a.png", "--config", street.path, "--weights"]
      expectSuccess(try Tool.run(base + ["f32.safetensors", "-o", "f32.png"], in: folder))
      #expect(try folder.read("f32.png") == folder.read("built-in.png"))

      let initialise = ["init", "--config", street.path]
      expectSuccess(try Tool.run(initialise + ["one.safetensors"], in: folder))
      expectSuccess(try Tool.run(initialise + ["same.safetensors", "--seed", "0"], in: folder))
      expectSuccess(try Tool.run(initialise + ["two.safetensors", "--seed", "1"], in: folder))
      #expect(try folder.read("one.safetensors") == folder.read("same.safetensors"))
      #expect(try folder.read("one.safetensors") != folder.read("two.safetensors"))
      expectSuccess(try Tool.run(base + ["one.safetensors"], in: folder))
    }

    @Test func outputsOfConvertAndInit() throws {
      let folder = try Scratch()
      try folder.copy(weights, to: "w.safetensors")
      try folder.copy(street, to: "c.yaml")
      let before = try folder.read("w.safetensors")
      let cases: [([String], String)] = [
        (["convert", "w.safetensors", "w.safetensors"], "w.safetensors: is the input itself"),
        (["convert", "w.safetensors", "./w.safetensors"], "is the input itself"),
        (["init", "--config", "c.yaml", "c.yaml"], "c.yaml: is the input itself"),
        (["convert", "w.safetensors", "."], ".: is a folder"),
        (["convert", "w.safetensors", "no/x"], "no/x: its folder does not exist"),
        (["convert", "w.safetensors", "/dev/full"], "/dev/full: is not a regular file"),
        (["init", "--config", "c.yaml", "no/x"], "no/x: its folder does not exist"),
      ]
      for (arguments, message) in cases {
        expectFailure(try Tool.run(arguments, in: folder), status: 1, says: message)
      }
      expectFailure(
        try Tool.run(["convert", "c.yaml", "x"], in: folder), status: 4, says: "c.yaml")
      #expect(folder.files() == ["c.yaml", "w.safetensors"])
      #expect(try folder.read("w.safetensors") == before)
    }

    @Test func infoCountsParameters() throws {
      let outcome = try Tool.run(
        ["info", "--config", street.path, "--size", "64x96", "--json"], in: Scratch())
      expectSuccess(outcome)
      let json = try JSONDecoder().decode(JSONValue.self, from: outcome.output)
      #expect(json["height"].int == 64 && json["width"].int == 96)
      let layers = json["layers"].list
      #expect(json["parameters"].int == layers.reduce(0) { $0 + ($1["parameters"].int ?? 0) })
      #expect(json["macs"].int == layers.reduce(0) { $0 + ($1["macs"].int ?? 0) })
      let table = try Tool.run(["info", "--size", "64x96"], in: Scratch())
      expectSuccess(table)
      #expect(table.text.contains("parameters \(json["parameters"].int ?? 0) "))
    }
  }
}
