import FlattenImage
import FlattenRegions
import FlattenVision
import Foundation
import TestSupport
import Testing

extension CommandLineTests {
  /// Pictures for which there is no memory: they are refused, and cost no other picture its result.
  @Suite(.enabled(if: !Tool.isSanitized, "a sanitizer takes terabytes of addresses"))
  struct MemoryTests {
    /// The built-in model without its limit on sizes, one small and one large picture.
    private func scratch() throws -> Scratch {
      let folder = try Scratch()
      let config = try String(
        contentsOf: Fixtures.repository.appending(path: "Configs/street/flatten_pvtv2_b0.yaml"),
        encoding: .utf8)
      let free = config.split(separator: "\n").filter { !$0.contains("largest:") }
      #expect(free.count < config.split(separator: "\n").count)
      try folder.write(Data(free.joined(separator: "\n").utf8), to: "free.yaml")
      try folder.makePicture("a.png")
      try folder.write(
        Data(
          Image(width: 3000, height: 2400, filledWith: RGBColor(red: 90, green: 120, blue: 40))
            .encodedAsPNG()), to: "large.png")
      return folder
    }

    private var model: String {
      let weights = Fixtures.repository.appending(
        path: "Configs/street/flatten_pvtv2_b0.safetensors")
      return "--config free.yaml --weights '\(weights.path)' -j 1"
    }

    private let limit = Tool.boundingMemory(kilobytes: 800_000)

    /// Large pictures first, in the middle and last; with each output that takes memory.
    @Test(arguments: ["", "--overlay", "--confidence --probabilities"])
    func predictDoesTheOthers(options: String) throws {
      let folder = try scratch()
      try folder.copy(URL(filePath: folder.path("large.png")), to: "large2.png")
      try folder.makePicture("b.png", 90, 70)
      let outcome = try Tool.shell(
        "\(limit) exec \"$tool\" predict large.png a.png large2.png b.png \(model) \(options) -o out",
        in: folder)
      #expect(outcome.status == 5 && !outcome.isSignalled, "\(outcome.errors)")
      let masks = folder.files("out").filter { ["a.png", "b.png"].contains($0) }
      #expect(masks == ["a.png", "b.png"] && !folder.files("out").contains("large.png"))
      let errors = outcome.errorLines.filter { $0.hasPrefix("error: large") }
      #expect(errors.count == 2 && errors.allSatisfy { $0.contains("3000x2400") })
      #expect(errors.allSatisfy { $0.contains("MB of memory") && $0.contains("--mode slide") })
    }

    /// What one pass has no memory for, windows have.
    @Test func windowsDoWhatIsTooLarge() throws {
      let folder = try scratch()
      expectFailure(
        try Tool.shell("\(limit) exec \"$tool\" predict large.png \(model) -o out", in: folder),
        status: 3, says: "large.png", "3000x2400", "--mode slide --crop 1024x1024")
      let outcome = try Tool.shell(
        "\(limit) exec \"$tool\" predict large.png \(model) --mode slide --crop 256 -o out",
        in: folder)
      #expect(outcome.status == 0, "\(outcome.errors)")
      #expect(try folder.mask("out/large.png").width == 3000)
    }

    @Test func otherCommandsRefuseAsWell() throws {
      let folder = try scratch()
      expectFailure(
        try Tool.shell(
          "\(limit) exec \"$tool\" attention large.png \(model) --no-rank -o out", in: folder),
        status: 3, says: "3000x2400", "MB of memory")
      try folder.makeFolder("data/images")
      try folder.makeFolder("data/labels")
      try folder.copy(URL(filePath: folder.path("large.png")), to: "data/images/large.png")
      try folder.write(
        Data(
          Image(width: 3000, height: 2400, filledWith: RGBColor(red: 1, green: 1, blue: 1))
            .encodedAsPNG()), to: "unused.png")
      let ids = [UInt16](repeating: 1, count: 3000 * 2400)
      try LabelMap(width: 3000, height: 2400, ids: ids)
        .write(to: folder.path("data/labels/large.png"), as: .grey8)
      expectFailure(
        try Tool.shell(
          """
          \(limit) exec "$tool" eval --dataset folder --classes 11 --data data \(model)
          """, in: folder),
        status: 3, says: "large.png", "3000x2400", "MB of memory")
      expectFailure(
        try Tool.shell("\(limit) exec \"$tool\" bench --size 4000x4000 -j 1", in: folder),
        status: 1, says: "4000x4000", "MB of memory")
    }

    /// Counting layers takes no memory that grows with the size.
    @Test func layersOfAnySizeAreCounted() throws {
      let folder = try Scratch()
      let outcome = try Tool.shell(
        "\(limit) exec \"$tool\" info --size 65536x65536 --json", in: folder)
      expectSuccess(outcome)
      let document = try JSONSerialization.jsonObject(with: outcome.output) as? [String: Any]
      #expect(document?["height"] as? Int == 65536 && (document?["macs"] as? Int ?? 0) > 1 << 46)
    }

    /// A picture within a model's limit on sizes is not touched, a larger one is shrunk.
    @Test func largestIsAppliedAndTold() throws {
      let folder = try scratch()
      let outcome = try Tool.run(["predict", "large.png", "a.png", "--json"], in: folder)
      #expect(outcome.status == 0, "\(outcome.errors)")
      let sizes = try outcome.lines.map { line in
        let document =
          try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
        return document?["network_size"] as? [String: Int]
      }
      #expect(sizes == [["width": 480, "height": 384], ["width": 64, "height": 64]])
      let warnings = outcome.allErrors.split(separator: "\n").filter { $0.hasPrefix("warning: ") }
      #expect(
        warnings.count == 1 && warnings[0].contains("a.png") && warnings[0].contains("smaller"))
    }

    @Test(arguments: [
      ("--mode slide --crop 64 --stride 96", "--stride"),
      ("--mode slide --crop 64x128 --stride 64x129", "--stride"),
    ])
    func stridesBeyondTheWindow(options: String, word: String) throws {
      let folder = try scratch()
      for command in ["predict a.png", "eval --data . --dataset folder --classes 11"] {
        expectFailure(
          try Tool.shell("exec \"$tool\" \(command) \(options)", in: folder), status: 2, says: word)
      }
    }
  }
}

extension CommandLineTests {
  /// `--precision auto` takes what is faster here, and says why.
  @Suite struct AutomaticPrecisionTests {
    private func run(_ environment: [String: String], _ arguments: [String] = []) throws
      -> (chosen: String, errors: String)
    {
      let folder = try Scratch()
      try folder.makePicture("a.png")
      let outcome = try Tool.run(
        ["predict", "a.png", "--precision", "auto", "-v"] + arguments, in: folder,
        environment: environment)
      #expect(outcome.status == 0, "\(outcome.errors)")
      let line = try #require(outcome.errorLines.first { $0.hasPrefix("inference: ") })
      return (String(line.split(separator: ", ")[1]), outcome.errors)
    }

    /// Without instructions nothing is measured.
    @Test(arguments: ["avx2", "generic", "ref"]) func withoutInstructionsItIsFloat32(
      isa: String
    ) throws {
      let (chosen, errors) = try run(["FLATTEN_ISA": isa])
      #expect(chosen == "f32" && errors.contains("no instructions for bfloat16"))
    }

    /// With them the measured time decides.
    @Test func theMeasuredTimeDecides() throws {
      let (chosen, errors) = try run([:])
      guard let share = errors.firstMatch(of: #/bfloat16 takes ([0-9.]+) of float32's time/#),
        let time = Double(share.1)
      else {
        #expect(chosen == "f32" && errors.contains("no instructions for bfloat16"))
        return
      }
      #expect(time > 0.05 && time < 20)
      // Shown with two digits.
      if abs(time - 1) > 0.01 { #expect(chosen == (time < 1 ? "bf16" : "f32")) }
    }
  }
}
