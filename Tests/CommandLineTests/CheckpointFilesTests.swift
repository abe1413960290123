import FlattenCheckpoint
import Foundation
import TestSupport
import Testing

extension CommandLineTests {
  /// Checkpoints as people bring them: wrapped, averaged, split, or not fetched at all.
  @Suite struct CheckpointFilesTests {
    private static let street = Fixtures.repository.appending(path: "Configs/street")
    private let config = street.appending(path: "flatten_pvtv2_b0.yaml").path
    private let weights = street.appending(path: "flatten_pvtv2_b0.safetensors").path

    /// Writes the built-in model's tensors under other names.
    ///
    /// - Parameter names: for each name those that the tensor has in the file; one that begins with `0:` is
    ///   that of zeros.
    private func write(
      to path: String, where isWritten: (String) -> Bool = { _ in true },
      _ names: (String) -> [String]
    ) throws {
      let source = try Checkpoint.open(path: weights)
      var stored: [String: String?] = [:]
      var tensors: [(name: String, shape: [Int])] = []
      for (name, shape, isFloatingPoint) in source.parameterShapes
      where isFloatingPoint && isWritten(name) {
        for other in names(name) {
          let isZero = other.hasPrefix("0:")
          let plain = isZero ? String(other.dropFirst(2)) : other
          stored[plain] = .some(isZero ? nil : name)
          tensors.append((plain, shape))
        }
      }
      try SafetensorsWriter(precision: .float32).write(tensors, to: path) { name, _, buffer in
        if let original = stored[name] ?? nil {
          try source.read(original, into: buffer)
        } else {
          buffer.initialize(repeating: 0)
        }
      }
    }

    private func predict(
      _ folder: Scratch, _ file: String, _ options: String...
    ) throws -> Tool.Outcome {
      if !folder.exists("a.png") { try folder.makePicture("a.png") }
      return try Tool.run(
        ["predict", "a.png", "--config", config, "--weights", file, "--overwrite"] + options,
        in: folder)
    }

    /// The mask of the model under its own names.
    private func expected(_ folder: Scratch) throws -> Data {
      expectSuccess(try predict(folder, weights, "-o", "expected.png"))
      return try folder.read("expected.png")
    }

    // MARK: Names

    @Test(arguments: ["module.", "_orig_mod.", "model._orig_mod.module.", "segmentor."])
    func whatWrappersPutBeforeNamesIsTakenOff(prefix: String) throws {
      let folder = try Scratch()
      let mask = try expected(folder)
      try write(to: folder.path("w.safetensors")) { [prefix + $0] }
      let outcome = try predict(folder, "w.safetensors")
      expectSuccess(outcome, isQuiet: false)
      #expect(
        outcome.errorLines
          == ["warning: w.safetensors: every key begins with '\(prefix)', which is taken off"])
      #expect(try folder.read("output/a.png") == mask)

      let inspected = try Tool.run(["inspect", "w.safetensors", "--json"], in: folder)
      expectSuccess(inspected)
      let json = try JSONDecoder().decode(JSONValue.self, from: inspected.output)
      #expect(json["prefix"].text == prefix && json["task"].text == "segmentation")
      #expect(json["looks_like"].text?.hasPrefix("FLatten-PVTv2 B0") == true)
      let text = try Tool.run(["inspect", "w.safetensors"], in: folder).text
      #expect(text.contains("\nprefix: \(prefix) (taken off for a model)\n"))
    }

    @Test func averagedCopiesBesideTheParameters() throws {
      let folder = try Scratch()
      let mask = try expected(folder)
      // The parameters themselves are zeros; running statistics have no copies.
      try write(to: folder.path("w.safetensors")) { name in
        name.contains("running_")
          ? [name] : ["0:" + name, "ema_" + name.replacing(".", with: "_")]
      }
      expectSuccess(try predict(folder, "w.safetensors"))
      #expect(try folder.read("output/a.png") != mask)
      expectSuccess(try predict(folder, "w.safetensors", "--container", "ema"))
      #expect(try folder.read("output/a.png") == mask)
      let text = try Tool.run(["inspect", "w.safetensors"], in: folder).text
      #expect(text.contains("left out for a model: 'ema_backbone_"))
    }

    /// Two models in one file: refused with their names, and read by every command by name.
    @Test func aContainerForEveryCommand() throws {
      let folder = try Scratch()
      let mask = try expected(folder)
      try write(to: folder.path("w.safetensors")) { ["0:student." + $0, "teacher." + $0] }
      expectFailure(
        try predict(folder, "w.safetensors"), status: 4,
        says: "w.safetensors: does not fit the config", "below 'student' and 'teacher'",
        "--container student")
      expectSuccess(try predict(folder, "w.safetensors", "--container", "teacher"))
      #expect(try folder.read("output/a.png") == mask)
      let model = [
        "--config", config, "--weights", "w.safetensors", "--container", "teacher", "-j", "1",
      ]
      let commands = [
        ["attention", "a.png", "--no-rank", "--overwrite", "-o", "b.png"],
        ["bench", "--size", "64x64", "--repeat", "1"],
        ["eval", "--data", Street.folder.path, "--limit", "1", "-q"],
      ]
      for command in commands {
        expectSuccess(try Tool.run(command + model, in: folder))
        expectFailure(
          try Tool.run(command + model.map { $0 == "teacher" ? "ema" : $0 }, in: folder),
          status: 4, says: "w.safetensors: has no weights under 'ema'")
      }
      for command in [
        ["inspect", "w.safetensors"], ["convert", "w.safetensors", "t.safetensors"],
      ] {
        expectSuccess(try Tool.run(command + ["--container", "teacher"], in: folder))
      }
      expectSuccess(try predict(folder, "t.safetensors"))
      #expect(try folder.read("output/a.png") == mask)
    }

    @Test func classifiersHaveContainersToo() throws {
      let folder = try Scratch()
      try folder.makePicture("a.png")
      try folder.write(
        """
        name: small
        dataset: imagenet
        model:
          backbone: {type: flatten_pvt, embed_dims: [8, 8, 8, 8], num_heads: [1, 1, 1, 1], \
        mlp_ratios: [1, 1, 1, 1], depths: [1, 1, 1, 1], img_size: 64}
          classifier: {num_classes: 1000}
        input: {mean: [120, 110, 100], std: [60, 60, 60], resize: 64}
        """, to: "c.yaml")
      expectSuccess(try Tool.run(["init", "--config", "c.yaml", "w.safetensors"], in: folder))
      let classify = ["classify", "a.png", "--config", "c.yaml", "--weights"]
      let plain = try Tool.run(classify + ["w.safetensors"], in: folder)
      expectSuccess(plain)
      let source = try Checkpoint.open(path: folder.path("w.safetensors"))
      try SafetensorsWriter(precision: .float32).write(
        source.parameterShapes.map { ("best.net." + $0.name, $0.shape) },
        to: folder.path("both.safetensors")
      ) { name, _, buffer in try source.read(String(name.dropFirst(9)), into: buffer) }
      let wrapped = try Tool.run(
        classify + ["both.safetensors", "--container", "best"], in: folder)
      expectSuccess(wrapped, isQuiet: false)
      #expect(wrapped.text == plain.text)
      #expect(wrapped.errors.contains("every key begins with 'net.'"))
    }

    @Test func aContainerNeedsWeights() throws {
      let folder = try Scratch()
      for command in [["predict", "a.png"], ["bench"], ["attention", "a.png"]] {
        let outcome = try Tool.run(command + ["--container", "ema"], in: folder)
        #expect(outcome.status == 2)
        #expect(outcome.errors.contains("--container belongs to --weights."))
      }
    }

    /// What is said of weights that do not fit is said because of their tensors.
    @Test func hintsNeedEvidence() throws {
      let folder = try Scratch()
      let classifier = Fixtures.repository.appending(
        path: "Tests/OfficialCheckpoints/flatten_swin.pth")
      expectFailure(
        try predict(folder, classifier.path), status: 4, says: "These are a classifier's weights")
      try write(to: folder.path("b.safetensors"), where: { $0.hasPrefix("backbone.") }) { [$0] }
      expectFailure(
        try predict(folder, "b.safetensors"), status: 4, says: "have no segmentation head")
      try write(to: folder.path("x.safetensors")) { ["thing." + $0.replacing(".", with: "-")] }
      let unknown = try predict(folder, "x.safetensors")
      expectFailure(unknown, status: 4, says: "--container thing", "below 'thing'")
      #expect(!unknown.errors.contains("head") && !unknown.errors.contains("classifier"))
      // Without one tensor of the head it is still no backbone's.
      try write(
        to: folder.path("h.safetensors"), where: { $0 != "decode_head.conv_seg.weight" }
      ) { [$0] }
      let part = try predict(folder, "h.safetensors")
      expectFailure(part, status: 4, says: "1 are missing: 'decode_head.conv_seg.weight'")
      #expect(!part.errors.contains("no segmentation head"))
    }

    @Test func weightsUnderAnotherKey() throws {
      let folder = try Scratch()
      let inner = PickleFile.dictionary([("a", PickleFile.tensor), ("b", PickleFile.tensor)])
      try folder.write(Data(PickleFile.checkpoint([("net", inner)])), to: "w.pth")
      expectFailure(
        try predict(folder, "w.pth"), status: 4,
        says: "w.pth: has no weights where they are looked for. It has some under 'net'",
        "--container net")
      expectSuccess(try Tool.run(["inspect", "w.pth", "--container", "net"], in: folder))
    }

    // MARK: Several files, and none

    @Test func aModelInSeveralFiles() throws {
      let folder = try Scratch()
      let mask = try expected(folder)
      var map: [String] = []
      for (part, isBackbone) in [("one", true), ("two", false)] {
        try write(
          to: folder.path("\(part).safetensors"),
          where: { $0.hasPrefix("backbone.") == isBackbone }
        ) {
          map.append("\"\($0)\": \"\(part).safetensors\"")
          return [$0]
        }
      }
      let index = "model.safetensors.index.json"
      try folder.write("{\"weight_map\": {\(map.joined(separator: ", "))}}", to: index)
      expectSuccess(try predict(folder, index))
      #expect(try folder.read("output/a.png") == mask)
      let inspected = try Tool.run(["inspect", index], in: folder)
      #expect(inspected.text.contains("\nfiles: one.safetensors, two.safetensors\n"))
      try FileManager.default.removeItem(atPath: folder.path("two.safetensors"))
      expectFailure(
        try predict(folder, index), status: 4, says: index, "'two.safetensors'", "no such file")
    }

    private static let strays = [
      ("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n", "'git lfs pull'"),
      ("<!DOCTYPE html>\n<html></html>", "is a web page"),
      ("{\"error\": \"Invalid credentials\"}", "is a JSON text"), ("", "is empty"),
    ]

    @Test(arguments: strays) func whatIsNoCheckpointIsNamed(content: String, says: String) throws {
      let folder = try Scratch()
      try folder.makePicture("a.png")
      for name in ["w.pth", "w.safetensors"] {
        try folder.write(content, to: name)
        for command in [
          ["predict", "a.png", "--config", config, "--weights", name],
          ["bench", "--config", config, "--weights", name],
          ["attention", "a.png", "--config", config, "--weights", name],
          ["inspect", name], ["convert", name, "out.safetensors"],
        ] {
          expectFailure(try Tool.run(command, in: folder), status: 4, says: "\(name): ", says)
        }
      }
      #expect(!folder.exists("out.safetensors"))
    }

    @Test(arguments: strays) func whatIsNoPictureIsNamed(content: String, says: String) throws {
      let folder = try Scratch()
      try folder.makePicture("a.png")
      try folder.write(content, to: "b.jpg")
      // One file costs no other's result.
      let outcome = try Tool.run(["predict", "a.png", "b.jpg"], in: folder)
      #expect(
        outcome.status == 5 && outcome.errors.contains("b.jpg: \(says)") == says.hasPrefix("is "))
      #expect(outcome.errors.contains(says))
      #expect(folder.exists("output/a.png") && !folder.exists("output/b.png"))
      for command in [["predict", "b.jpg"], ["attention", "b.jpg"]] {
        expectFailure(try Tool.run(command, in: folder), status: 3, says: "b.jpg: ", says)
      }
      let piped = try Tool.run(["predict", "-"], in: folder, input: "b.jpg")
      expectFailure(piped, status: 3, says: "standard input", says)

      for (picture, suffix) in [("images", "jpg"), ("annotations", "png")] {
        let set = "set-\(picture)"
        try FileManager.default.copyItem(
          atPath: Street.folder.path, toPath: folder.path(set))
        let stray = "\(set)/\(picture)/\(Street.names[0]).\(suffix)"
        try FileManager.default.removeItem(atPath: folder.path(stray))
        try folder.write(content, to: stray)
        let check = try Tool.run(["datasets", "check", "street", set], in: folder)
        #expect(check.status == 3 && (check.text + check.errors).contains(says))
        let scores = try Tool.run(["eval", "--data", set, "-q"], in: folder)
        #expect(scores.status == 3 && scores.errors.contains(says))
      }
    }
  }
}
