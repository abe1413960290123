import FlattenBackbones
import FlattenFiles
import FlattenImage
import FlattenRegions
import Foundation
import TestSupport
import Testing

extension CommandLineTests {
  /// The packages in Examples: each is copied to a folder outside the repository, made to depend on the
  /// repository by its path, built, and run.
  @Suite struct ExamplesTests {
    private let folder: Scratch
    private let config = Fixtures.repository
      .appending(path: "Configs/street/flatten_pvtv2_b0.yaml").path
    private let weights = Fixtures.repository
      .appending(path: "Configs/street/flatten_pvtv2_b0.safetensors").path
    private let picture = Street.picture(Street.names[1])

    init() throws { folder = try Scratch() }

    /// Where all examples are built, and stay between runs, so that the libraries are built once. Not the
    /// folder of the tests' own build, which is locked while they run.
    private static let products = Fixtures.repository.appending(path: ".build-examples").path

    /// Builds an example outside the repository and gives the path of its program.
    private func build(_ name: String) throws -> String {
      let example = Fixtures.repository.appending(path: "Examples/\(name)")
      try folder.makeFolder(name)
      for item in ["Package.swift", "Sources"] {
        try FileManager.default.copyItem(
          at: example.appending(path: item), to: folder.url.appending(path: "\(name)/\(item)"))
      }
      let manifest = try String(decoding: folder.read("\(name)/Package.swift"), as: UTF8.self)
      let outside = manifest.replacing(
        "path: \"../..\"", with: "path: \"\(Fixtures.repository.path)\"")
      try #require(outside != manifest, "\(name) does not depend on the repository by its path")
      try folder.write(outside, to: "\(name)/Package.swift")
      // The versions that the repository was just built with, which need not be asked for again.
      let pins = Fixtures.repository.appending(path: "Package.resolved")
      if Fixtures.exists(pins) { try folder.copy(pins, to: "\(name)/Package.resolved") }

      let built = try Tool.shell(
        """
        exec nice swift build -c release --package-path \(name) --scratch-path '\(Self.products)' \
        2>&1
        """, in: folder, timeout: 900)
      #expect(built.status == 0, "\(built.text)")
      #expect(!built.lines.contains { $0.contains(".swift:") && $0.contains("warning:") })
      return "\(Self.products)/release/\(name)"
    }

    private func run(_ program: String, _ arguments: [String]) throws -> Tool.Outcome {
      let outcome = try Tool.run(executable: program, arguments, in: folder)
      expectSuccess(outcome)
      return outcome
    }

    /// The files hold the library's own maps, in numpy's format and PyTorch's order.
    @Test func featuresOfAPicture() throws {
      let program = try build("PictureFeatures")
      let outcome = try run(program, [config, weights, picture.path, folder.url.path])
      let backbone = try Backbone.load(config: config, weights: weights)
      let maps = try backbone(try Image.decode(path: picture.path).value)
      #expect(outcome.lines.count == 4 && maps.count == 4)
      for (map, line) in zip(maps, outcome.lines) {
        let nchw = map.nchw()
        #expect(nchw.shape == [1, map.channels, map.height, map.width])
        let largest = nchw.elements.max() ?? .nan
        let file = folder.path("stride\(map.stride).npy")
        #expect(line == "\(file) \(map.channels) \(map.height) \(map.width) \(largest)")
        let bytes = [UInt8](try folder.read("stride\(map.stride).npy"))
        let header = NumpyFile.header(shape: Array(nchw.shape))
        #expect(bytes.starts(with: header) && bytes.count == header.count + 4 * nchw.count)
        let values = nchw.elements.indices.map { index in
          let start = header.count + 4 * index
          return Float(
            bitPattern: bytes[start..<start + 4].reversed().reduce(0) { $0 << 8 | UInt32($1) })
        }
        #expect(values == nchw.elements)
      }
    }

    /// The mask is the one that `flatten-seg predict` writes, and so are the classes and their shares.
    @Test func aSegmentedPicture() throws {
      let program = try build("SegmentPicture")
      let outcome = try run(program, [picture.path, "mask.png"])
      let predicted = try Tool.run(
        ["predict", picture.path, "--output", "masks", "--json"], in: folder)
      expectSuccess(predicted)
      let document = try JSONDecoder().decode(JSONValue.self, from: predicted.output)
      let classes = try document["classes"].list.map { entry in
        try "\(#require(entry["name"].text)) \(#require(entry["share"].number))"
      }
      #expect(classes.count > 2)
      #expect(outcome.lines == classes)
      let name = picture.deletingPathExtension().lastPathComponent
      #expect(try folder.read("mask.png") == folder.read("masks/\(name).png"))
    }

    /// The objects are those that `flatten-seg detect` shows.
    @Test func aPictureWithObjects() throws {
      let program = try build("DetectPicture")
      let outcome = try run(program, [picture.path, "objects.png"])
      let detected = try Tool.run(["detect", picture.path], in: folder)
      expectSuccess(detected)
      let names = detected.lines.compactMap { $0.split(separator: "\t").first }
      #expect(!names.isEmpty)
      #expect(outcome.lines.compactMap { $0.split(separator: " ").first } == names)
      let drawing = try Image.decode(path: folder.path("objects.png")).value
      #expect(drawing.width == 480 && drawing.height == 360)
    }

    /// An attention and a model of one's own, with what is public and nothing else: registered by name, with
    /// an option, in a segmentor whose weights are written and read, which predicts and is scored.
    @Test func aModelOfOnesOwn() throws {
      let program = try build("OwnModel")
      let data = Fixtures.repository.appending(path: "Datasets/street").path
      try folder.write(
        """
        name: ReLU attention
        dataset: street
        model:
          backbone:
            type: flatten_pvt_v2
            variant: b0
            attention: [{type: relu, power: 2}, relu, focused, softmax]
          neck: {type: fpn, out_channels: 32}
          decode_head: {type: fpn_head, channels: 32, num_classes: 11}
        input: {mean: [123.675, 116.28, 103.53], std: [58.395, 57.12, 57.375]}
        """, to: "relu.yaml")
      let outcome = try run(program, ["relu.yaml", picture.path, data, "w.safetensors"])
      try #require(outcome.lines.count == 4)
      #expect(
        [0, 1, 3].map { outcome.lines[$0] } == [
          "stages.0.blocks.0.attn [1, 90, 120, 32]",
          "ReLU attention [[1, 90, 120, 32], [1, 45, 60, 64], [1, 23, 30, 160], [1, 12, 15, 256]]",
          "two levels [[1, 90, 120, 32], [1, 45, 60, 64]]",
        ])
      // Untrained: some score between none and all, of all four pictures.
      let figures = outcome.lines[2].split(separator: " ").compactMap { Double($0) }
      #expect(figures.count == 3 && figures[0] == 4)
      #expect(figures.dropFirst().allSatisfy { 0 < $0 && $0 < 1 })
      let mask = try LabelImage.decode(path: folder.path("w.safetensors.png")).value
      #expect(mask.width == 480 && mask.height == 360)
      // The program does not know the attention: it names the config's key and what is known.
      let refused = try Tool.run(
        ["predict", picture.path, "--config", "relu.yaml", "--weights", "w.safetensors"], in: folder
      )
      #expect(refused.status == 3)
      #expect(
        refused.errors.contains("model.backbone.attention") && refused.errors.contains("relu"))
    }
  }
}
