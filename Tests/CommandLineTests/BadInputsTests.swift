import FlattenFiles
import FlattenImage
import Foundation
import TestSupport
import Testing

/// One entry of the collection of awkward and hostile files.
struct BadInput: Sendable, CustomTestStringConvertible {
  let json: JSONValue
  let path: String

  var testDescription: String { file }
  var file: String { json["file"].text ?? "?" }
  var kind: String { json["kind"].text ?? "?" }
  var expect: String { json["expect"].text ?? "?" }
  /// The name that a message has to hold.
  var name: String { URL(filePath: path).lastPathComponent }

  static let all: [BadInput] = {
    guard let folder = Fixtures.badInputs,
      let data = try? Data(contentsOf: folder.appending(path: "manifest.json")),
      let manifest = try? JSONDecoder().decode(JSONValue.self, from: data)
    else { return [] }
    return manifest.list.map { entry in
      BadInput(json: entry, path: folder.appending(path: entry["file"].text ?? "").path)
    }
  }()

  static func entries(_ kinds: String..., expect: String? = nil) -> [BadInput] {
    all.filter { kinds.contains($0.kind) && (expect == nil || $0.expect == expect) }
  }
}

extension CommandLineTests {
  @Suite(.enabled(if: Fixtures.badInputs != nil, "the folder of bad inputs is not here"))
  struct BadInputsTests {
    /// Runs the binary with a bound on its memory.
    ///
    /// - Parameter megabytes: address space, of which the process needs some hundred for its
    ///   libraries.
    private func run(
      _ arguments: [String], in folder: Scratch, megabytes: Int = 1500, timeout: Double = 30
    ) throws -> Tool.Outcome {
      let quoted = arguments.map { "'" + $0.replacing("'", with: "'\\''") + "'" }
      return try Tool.shell(
        """
        \(Tool.boundingMemory(kilobytes: megabytes * 1024))
        exec "$tool" \(quoted.joined(separator: " "))
        """, in: folder, timeout: timeout)
    }

    /// What holds for every entry, whatever its verdict.
    private func expectCalm(_ outcome: Tool.Outcome, _ input: BadInput, in folder: Scratch) {
      #expect(
        !outcome.isSignalled && outcome.status < 128, "\(input.file): status \(outcome.status)")
      #expect(isPrintable(outcome.errors), "\(input.file): \(outcome.errors)")
      #expect(isPrintable(outcome.text), "\(input.file)")
      for line in outcome.errorLines {
        #expect(line.count <= 500, "\(input.file): \(line)")
      }
      if let forbidden = input.json["output_must_not_contain"].text {
        #expect(!(outcome.text + outcome.errors).contains(forbidden), "\(input.file)")
      }
      let seconds = (input.json["max_seconds"].number ?? 5) * (Tool.isOptimised ? 1 : 4)
      #expect(outcome.seconds < seconds, "\(input.file): \(outcome.seconds) s")
      #expect(!folder.files().contains { $0.contains(".flatten-seg.") }, "\(input.file)")
    }

    /// The verdict "error": one message that names the file, and nothing else.
    private func expectRefusal(
      _ outcome: Tool.Outcome, _ input: BadInput, status: Int32, checksWords: Bool = true
    ) {
      #expect(outcome.status == status, "\(input.file): \(outcome.errors)")
      #expect(outcome.text == "", "\(input.file)")
      #expect(outcome.errorLines.count == 1, "\(input.file): \(outcome.errors)")
      #expect(outcome.errors.hasPrefix("error: "), "\(input.file): \(outcome.errors)")
      #expect(
        outcome.errors.contains(printable(input.name, limit: 200)),
        "\(input.file): \(outcome.errors)")
      let words = input.json["says"].list.compactMap(\.text)
      let text = outcome.errors.lowercased()
      #expect(
        !checksWords || words.isEmpty || words.contains { text.contains($0.lowercased()) },
        "\(input.file): '\(outcome.errors)' says none of \(words)")
    }

    private func expectNoCanary(in folder: Scratch) {
      for place in [
        folder.url.path, "/tmp", NSHomeDirectory(), FileManager.default.currentDirectoryPath,
      ] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: place)) ?? []
        #expect(!names.contains { $0.hasPrefix("flatten_seg_canary") }, "\(place)")
      }
    }

    /// Every loop below has something to run over.
    @Test(arguments: [
      ("checkpoint", 200), ("safetensors", 50), ("yaml", 50), ("image", 100), ("label", 20),
      ("dataset", 10),
    ])
    func theCollectionIsWhole(kind: String, least: Int) {
      #expect(BadInput.entries(kind).count >= least)
      for expect in ["ok", "error"] {
        #expect(!BadInput.entries(kind, expect: expect).isEmpty, "\(expect)")
      }
    }

    @Test func checkpoints() throws {
      let folder = try Scratch()
      for input in BadInput.entries("checkpoint", "safetensors") {
        let outcome = try run(["inspect", input.path], in: folder, megabytes: 1000)
        expectCalm(outcome, input, in: folder)
        switch input.expect {
        case "ok":
          #expect(outcome.status == 0, "\(input.file): \(outcome.errors)")
          #expect(outcome.text.contains("tensors: "), "\(input.file)")
        case "error": expectRefusal(outcome, input, status: 4)
        default: break
        }
      }
      #expect(folder.files() == [])
      expectNoCanary(in: folder)
    }

    /// The same files as weights of a model: whatever they are, the model's they are not.
    @Test func checkpointsAsWeights() throws {
      let folder = try Scratch()
      try folder.makePicture("a.png")
      let config = Fixtures.repository.appending(path: "Configs/street/flatten_pvtv2_b0.yaml").path
      let inputs = BadInput.entries("checkpoint", "safetensors")
      for input in inputs.enumerated().filter({ $0.offset.isMultiple(of: 4) }).map(\.element) {
        let outcome = try run(
          [
            "predict", "a.png", "--config", config, "--weights", input.path,
            "--skip-unknown-objects",
          ], in: folder)
        expectCalm(outcome, input, in: folder)
        expectRefusal(outcome, input, status: 4, checksWords: false)
      }
      #expect(folder.files() == ["a.png"])
      expectNoCanary(in: folder)
    }

    @Test func configs() throws {
      let folder = try Scratch()
      for input in BadInput.entries("yaml") {
        let outcome = try run(
          ["info", "--config", input.path], in: folder, megabytes: 600, timeout: 20)
        expectCalm(outcome, input, in: folder)
        // The files use the keys of another program, so the sound ones are refused too, by key.
        let isSyntax =
          !input.file.contains("/value-") && !input.file.contains("/type-")
          && !input.file.contains("/key-")
        expectRefusal(
          outcome, input, status: 3, checksWords: input.expect == "error" && isSyntax)
        if input.expect == "ok" {
          #expect(outcome.errors.contains("is not a known key"), "\(outcome.errors)")
        }
      }
      #expect(folder.files() == [])
    }

    @Test func picturesThatAreRead() throws {
      let folder = try Scratch()
      let inputs = BadInput.entries("image", expect: "ok")
      var list = ""
      for (index, input) in inputs.enumerated() {
        // Numbers for names: some of the files differ in their suffix alone.
        try FileManager.default.createSymbolicLink(
          atPath: folder.path("\(index).picture"), withDestinationPath: input.path)
        list += "\(index).picture\n"
      }
      try folder.write(list, to: "list.txt")
      let outcome = try Tool.run(
        ["predict", "--list", "list.txt", "--output", "out"], in: folder, timeout: 300)
      let optional = inputs.indices.filter { !inputs[$0].json["needs"].isNull }
      #expect(outcome.status == 0 || (outcome.status == 5 && !optional.isEmpty))
      for (index, input) in inputs.enumerated() {
        if optional.contains(index), !folder.exists("out/\(index).picture.png") { continue }
        let mask = try folder.mask("out/\(index).picture.png")
        #expect(mask.width == input.json["width"].int, "\(input.file)")
        #expect(mask.height == input.json["height"].int, "\(input.file)")
        if input.json["warn"].bool == true {
          #expect(outcome.errors.contains("warning: \(index).picture: "), "\(input.file)")
        }
      }
      #expect(isPrintable(outcome.errors))
    }

    @Test func picturesThatAreRefused() throws {
      let folder = try Scratch()
      for input in BadInput.entries("image").filter({ $0.expect != "ok" }) {
        let outcome = try run(["predict", input.path, "--output", "out"], in: folder)
        expectCalm(outcome, input, in: folder)
        if input.expect == "error" {
          expectRefusal(outcome, input, status: 3)
          #expect(!folder.exists("out"), "\(input.file)")
        } else if folder.exists("out") {
          try FileManager.default.removeItem(atPath: folder.path("out"))
        }
      }
      #expect(folder.files() == [])
    }

    /// Errors leave no state behind: a good picture between all the bad ones has its own mask.
    @Test func goodPicturesAmongBadOnes() throws {
      let folder = try Scratch()
      try folder.makePicture("a.png")
      expectSuccess(try Tool.run(["predict", "a.png", "-o", "alone.png"], in: folder))
      let bad = BadInput.entries("image", expect: "error")
      var list = ""
      for (index, input) in bad.enumerated() {
        if index.isMultiple(of: 20) {
          try folder.copy(URL(filePath: folder.path("a.png")), to: "good\(index).png")
          list += "good\(index).png\n"
        }
        try FileManager.default.createSymbolicLink(
          atPath: folder.path("bad\(index).picture"), withDestinationPath: input.path)
        list += "bad\(index).picture\n"
      }
      try folder.write(list, to: "list.txt")
      let outcome = try Tool.run(
        ["predict", "--list", "list.txt", "--output", "out"], in: folder, timeout: 300)
      #expect(outcome.status == 5)
      let alone = try folder.read("alone.png")
      let good = bad.indices.filter { $0.isMultiple(of: 20) }
      #expect(folder.files("out") == good.map { "good\($0).png" }.sorted())
      for index in good { #expect(try folder.read("out/good\(index).png") == alone) }
      for index in bad.indices {
        #expect(
          outcome.errors.contains("error: bad\(index).picture: "), "\(bad[index].file)")
      }
    }

    /// Labels, each as a data set of one picture whose masks are the label itself.
    @Test func labels() throws {
      let folder = try Scratch()
      for name in ["set/images", "set/labels"] { try folder.makeFolder(name) }
      for input in BadInput.entries("label") {
        let label = folder.path("set/labels/x.png")
        try? FileManager.default.removeItem(atPath: label)
        try FileManager.default.createSymbolicLink(
          atPath: label, withDestinationPath: input.path)
        let width = input.json["width"].int ?? 33
        let height = input.json["height"].int ?? 24
        try folder.makePicture("set/images/x.png", width, height)
        let outcome = try run(
          [
            "eval", "--data", "set", "--dataset", "folder", "--classes", "256",
            "--ignore-index", "65535", "--predictions", "set/labels", "--format", "json",
            "--quiet",
          ], in: folder)
        expectCalm(outcome, input, in: folder)
        if input.expect == "error" {
          #expect(outcome.status == 3, "\(input.file): \(outcome.errors)")
          #expect(outcome.text == "" && outcome.errors.contains("set/labels/x.png"))
        } else {
          let histogram = input.json["histogram"].fields
          let inRange = histogram.keys.allSatisfy { (Int($0) ?? 0) < 256 || $0 == "65535" }
          #expect((outcome.status == 0) == inRange, "\(input.file): \(outcome.errors)")
          guard outcome.status == 0 else { continue }
          let report = try JSONDecoder().decode(JSONValue.self, from: outcome.output)
          let pixels = histogram.reduce(0) { $1.key == "65535" ? $0 : $0 + ($1.value.int ?? 0) }
          #expect(report["pixels"].int == pixels, "\(input.file)")
          #expect(report["aAcc"].number == 100, "\(input.file)")
        }
      }
    }

    @Test func datasets() throws {
      let folder = try Scratch()
      for input in BadInput.entries("dataset") {
        var options = ["--classes", "\(input.json["num_classes"].int ?? 0)"]
        options += ["--ignore-index", "\(input.json["ignore_index"].int ?? 255)"]
        options += ["--images", input.json["images"].text ?? "images"]
        options += ["--labels", input.json["labels"].text ?? "labels"]
        if input.json["reduce_zero_label"].bool == true { options.append("--reduce-zero-label") }
        let check = try run(["datasets", "check", "folder", input.path] + options, in: folder)
        expectCalm(check, input, in: folder)
        let says = input.json["says"].list.compactMap(\.text)
        guard let predictions = input.json["predictions"].text else {
          #expect(check.status == 3, "\(input.file)")
          #expect(says.isEmpty || says.contains { check.text.contains($0) }, "\(check.text)")
          // A model fails on it as well.
          let model = try run(
            ["eval", "--data", input.path, "--dataset", "folder"]
              + options.map { $0 == "5" ? "11" : $0 }, in: folder)
          expectCalm(model, input, in: folder)
          if input.json["says"].list.first?.text != "outside" {
            expectFailure(model, status: 3)
          }
          continue
        }
        #expect(check.status == 0, "\(input.file): \(check.text)")
        let outcome = try run(
          [
            "eval", "--data", input.path, "--dataset", "folder", "--predictions",
            "\(input.path)/\(predictions)", "--format", "json", "--confusion", "matrix.csv",
          ] + options, in: folder)
        expectCalm(outcome, input, in: folder)
        guard input.expect == "ok" else {
          expectFailure(outcome, status: 3)
          #expect(says.contains { outcome.errors.contains($0) }, "\(outcome.errors)")
          #expect(!folder.exists("matrix.csv"))
          continue
        }
        #expect(outcome.status == 0, "\(input.file): \(outcome.errors)")
        if input.json["warn"].bool == true { #expect(outcome.errors.contains("warning: ")) }
        let matrix = String(decoding: try folder.read("matrix.csv"), as: UTF8.self)
          .split(separator: "\n").dropFirst()
          .map { $0.split(separator: ",").dropFirst().compactMap { Int($0) } }
        #expect(
          matrix == input.json["metrics"]["confusion"].list.map(\.ints), "\(input.file)")
        let report = try JSONDecoder().decode(JSONValue.self, from: outcome.output)
        let classes = report["classes"].list
        for (got, wanted) in zip(classes, input.json["metrics"]["iou"].list) {
          let percent = wanted.number.map { $0 * 100 }
          #expect(
            got["IoU"].number == percent
              || abs((got["IoU"].number ?? -1) - (percent ?? -9)) < 1e-9, "\(input.file)")
        }
        try FileManager.default.removeItem(atPath: folder.path("matrix.csv"))
      }
      #expect(folder.files() == [])
    }
  }
}
