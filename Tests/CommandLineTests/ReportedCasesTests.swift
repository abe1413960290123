import FlattenImage
import FlattenRegions
import Foundation
import TestSupport
import Testing

private let folder = Fixtures.shared.appending(path: "cases")

extension CommandLineTests {
  /// Situations that people reported of other tools, in a folder beside the repository: its README.md has
  /// the situation, the command and the right result of each.
  @Suite(.enabled(if: Fixtures.exists(folder), "shared/cases is not beside the clone"))
  struct ReportedCasesTests {
    private let scratch: Scratch

    init() throws { scratch = try Scratch() }

    /// Options of the small model that most cases have.
    private let model = "--config ../model/model.yaml --weights ../model/nano.safetensors -j 1"

    /// Copies a case and the models, and runs a shell script in the case's folder, in which `$tool` is the
    /// binary.
    private func run(_ name: String, _ script: String) throws -> Tool.Outcome {
      for item in [name, "model"] where !scratch.exists(item) {
        try FileManager.default.copyItem(
          atPath: folder.appending(path: item).path, toPath: scratch.path(item))
      }
      return try Tool.shell("chmod -R u+w . && cd '\(name)' && \(script)", in: scratch)
    }

    private func ids(_ mask: String) throws -> LabelMap {
      try LabelImage.decode(path: scratch.path(mask)).value
    }

    /// Every case has a test here.
    @Test func allCasesAreListed() throws {
      let listed: Set = [
        "beyond-memory", "slide-in-padding", "stride-gap", "own-masks-cityscapes", "one-class",
        "resume-inside", "list-bom", "capital-suffix", "key-prefix", "harmless-objects",
        "overlay-too-long", "binary-labels",
      ]
      let present = try FileManager.default.contentsOfDirectory(atPath: folder.path)
      #expect(Set(present).subtracting(["README.md", "model"]) == listed)
    }

    /// A bound on the address space stands for a small machine. Under the case's own the picture may fit, under
    /// the smaller one it cannot.
    @Test(
      .enabled(if: !Tool.isSanitized, "a sanitizer takes terabytes of addresses"),
      arguments: [1_500_000, 450_000])
    func beyondMemory(kilobytes: Int) throws {
      let outcome = try run(
        "beyond-memory",
        """
        \(Tool.boundingMemory(kilobytes: kilobytes)) \
        exec "$tool" predict a.png large.png b.png \(model) -o ../out
        """)
      #expect(!outcome.isSignalled)
      if outcome.status == 0 && kilobytes == 1_500_000 {
        #expect(scratch.files("out") == ["a.png", "b.png", "large.png"])
        return
      }
      #expect(outcome.status == 5, "\(outcome.errors)")
      #expect(scratch.files("out") == ["a.png", "b.png"])
      let errors = outcome.errorLines.filter { $0.hasPrefix("error: ") }
      let error = try #require(errors.first)
      #expect(errors.count == 1 && error.contains("large.png"))
      #expect(error.contains("3000x2500") && error.contains("MB of memory"), "\(error)")
    }

    /// Scores of the padding are cut; what is kept is as if the padding had been in the picture.
    @Test func slideInPadding() throws {
      let outcome = try run(
        "slide-in-padding",
        """
        "$tool" predict a.png --config slide_pad.yaml \
        --weights ../model/nano.safetensors -j 1 -o ../out && \
        exec "$tool" predict extended.png --config slide.yaml \
        --weights ../model/nano.safetensors -j 1 -o ../out
        """)
      expectSuccess(outcome)
      let (mask, extended) = (try ids("out/a.png"), try ids("out/extended.png"))
      #expect(mask.width == 40 && mask.height == 30)
      let upperLeft = (0..<30).flatMap { y in
        (0..<40).map { extended.ids[y * extended.width + $0] }
      }
      let isEqual = mask.ids == upperLeft
      #expect(isEqual)
      #expect(Set(mask.ids).count > 1, "a mask that could not tell")
    }

    @Test(arguments: ["", "--confidence"]) func strideGap(option: String) throws {
      let outcome = try run(
        "stride-gap",
        """
        exec "$tool" predict a.png --config gap.yaml --weights ../model/nano.safetensors -j 1 \
        \(option) -o ../out
        """)
      expectFailure(outcome, status: 3, says: "gap.yaml", "inference.stride", "crop_size")
      #expect(scratch.files("out").isEmpty)
    }

    @Test func ownMasksOfCityscapes() throws {
      let outcome = try run(
        "own-masks-cityscapes",
        """
        "$tool" predict leftImg8bit/val --recursive -j 1 -q -o ../out > ../paths && \
        exec "$tool" eval --dataset cityscapes --data . --predictions ../out --format json -q
        """)
      #expect(outcome.status == 0 && !outcome.isSignalled, "\(outcome.errors)")
      let report = try JSONDecoder().decode(JSONValue.self, from: outcome.output)
      #expect(report["pictures"].int == 2)
      #expect((0...100).contains(report["aAcc"].number ?? -1))
    }

    /// Sigmoid and threshold, or a refusal; never one class everywhere at a probability of 1.
    @Test func oneClass() throws {
      let outcome = try run(
        "one-class",
        """
        exec "$tool" predict a.png --config ../model/one_class.yaml \
        --weights ../model/one_class.safetensors -j 1 -o ../out --probabilities
        """)
      expectSuccess(outcome)
      let probabilities = try NumpyArray(scratch.read("out/a.probs.npy"))
      let mask = try ids("out/a.png")
      #expect(probabilities.shape == [2, mask.height, mask.width])
      let object = probabilities.values.suffix(mask.ids.count)
      #expect(object.allSatisfy { $0 > 0 && $0 < 1 })
      // mmsegmentation's threshold of binary heads, 0.3.
      let isEqual = mask.ids == object.map { $0 > 0.3 ? 1 : 0 }
      #expect(isEqual)
    }

    @Test func resumeInside() throws {
      let first = try run("resume-inside", "cd photos && exec \"$tool\" predict . --recursive -j 1")
      #expect(first.status == 0 && !first.isSignalled, "\(first.errors)")
      let masks = ["a.png", "sub/b.png"]
      let output = "resume-inside/photos/output"
      #expect(scratch.files(output) == masks)
      let before = try masks.map { try scratch.read("\(output)/\($0)") }
      let second = try run(
        "resume-inside",
        "cd photos && exec \"$tool\" predict . --recursive -j 1 --skip-existing")
      #expect(second.status == 0 && !second.isSignalled, "\(second.errors)")
      #expect(scratch.files(output) == masks)
      #expect(try masks.map { try scratch.read("\(output)/\($0)") } == before)
    }

    @Test func listWithAByteOrderMark() throws {
      let outcome = try run(
        "list-bom", "exec \"$tool\" predict --list list.txt \(model) -o ../out")
      expectSuccess(outcome)
      #expect(scratch.files("out") == ["a.png", "b.png"])
    }

    @Test func capitalSuffix() throws {
      let outcome = try run(
        "capital-suffix", "exec \"$tool\" datasets check folder . --classes 3")
      expectSuccess(outcome)
      #expect(outcome.text.contains("0 problems"), "\(outcome.text)")
    }

    @Test func keyPrefix() throws {
      let outcome = try run(
        "key-prefix",
        """
        "$tool" predict a.png \(model) -o ../plain && \
        exec "$tool" predict a.png --config ../model/model.yaml --weights compiled.pth -j 1 -o ../out
        """)
      #expect(outcome.status == 0 && !outcome.isSignalled, "\(outcome.errors)")
      let isEqual = try ids("out/a.png") == ids("plain/a.png")
      #expect(isEqual)
    }

    @Test func harmlessObjects() throws {
      let outcome = try run("harmless-objects", "exec \"$tool\" inspect w.pth")
      expectSuccess(outcome)
      #expect(outcome.text.contains("tensors: 1, 6 elements"), "\(outcome.text)")
    }

    /// A JPEG has at most 65,500 pixels a side.
    @Test func overlayTooLong() throws {
      let outcome = try run(
        "overlay-too-long", "exec \"$tool\" predict pano.png \(model) --overlay -o ../out")
      #expect(outcome.status == 0 && !outcome.isSignalled, "\(outcome.errors)")
      let mask = try ids("out/pano.png")
      let picture = try Image.decode(path: scratch.path("overlay-too-long/pano.png")).value
      #expect(mask.width == picture.width && mask.height == picture.height)
      #expect(picture.width > 65500)
      let overlays = scratch.files("out").filter { $0.contains(".overlay.") }
      #expect(overlays.count == 1 || outcome.errors.contains("overlay"))
    }

    @Test func binaryLabels() throws {
      let check = try run(
        "binary-labels", "exec \"$tool\" datasets check folder . --classes 2")
      #expect(!check.isSignalled)
      let said = check.text + check.errors
      #expect(said.contains("class_0") && said.contains("class_1") && said.contains("255"))
      #expect(said.contains("warning"), "\(said)")
      let eval = try run(
        "binary-labels",
        "exec \"$tool\" eval --dataset folder --classes 2 --data . --predictions pred")
      #expect(eval.status == 0 && !eval.isSignalled, "\(eval.errors)")
      #expect(eval.errors.contains("warning") && eval.errors.contains("class_1"), "\(eval.errors)")
    }
  }
}
