import FlattenBackbones
import FlattenCheckpoint
import FlattenConfig
import FlattenTensor
import Foundation
import TestSupport
import Testing

/// Backbones of full size at the sizes of pictures that segmentation meets: 512x512, and 500x333, whose
/// sides are no multiples of a window or a patch.
@Suite struct FullSizeTests {
  struct Model: Sendable, CustomTestStringConvertible {
    let family: String
    let variant: String
    /// More keys of the config, as YAML.
    var keys = ""

    var testDescription: String { "\(family) \(variant)" }

    func configuration() throws -> BackboneConfiguration {
      try BackboneConfiguration(
        ConfigNode.parse("{type: \(family), variant: \(variant)\(keys)}", name: testDescription))
    }
  }

  static let models: [Model] =
    BackboneFamily.all.map(\.name).map {
      Model(family: $0, variant: $0.smallestVariant)
    } + [Model(family: "pvt_v2", variant: "b2_li")]

  /// With random weights: maps of the promised sizes, finite, and the same bits with other threads.
  @Test(arguments: models, [(512, 512), (500, 333)]) func everyFamilyRuns(
    _ model: Model, size: (height: Int, width: Int)
  ) throws {
    let backbone = try model.configuration().make(
      for: .densePrediction,
      from: ParameterTree.random(seed: 5).root)
    let x = FormulaParameters.picture(height: size.height, width: size.width)
    let maps = backbone(x, ForwardPass(threads: ThreadPool(threads: 2)))
    #expect(maps.count == backbone.featureInfo.count)
    for (map, info) in zip(maps, backbone.featureInfo) {
      #expect(map.shape[0] == 1 && map.shape[3] == info.channels)
      // Some families cut an incomplete cell off, others fill it up.
      for (cells, pixels) in [(map.shape[1], size.height), (map.shape[2], size.width)] {
        #expect(cells == pixels / info.stride || cells == (pixels - 1) / info.stride + 1)
      }
      #expect(map.isFinite)
    }
    let again = backbone(x, ForwardPass(threads: ThreadPool(threads: 3)))
    #expect(zip(maps, again).allSatisfy { $0.elements == $1.elements })
  }

  // MARK: Against the original code

  struct Case: Sendable, CustomTestStringConvertible {
    let model: Model
    let json: JSONValue

    var testDescription: String {
      "\(model) \(json["height"].int ?? 0)x\(json["width"].int ?? 0)"
    }
  }

  static let cases: [Case] = {
    let file = Fixtures.repository.appending(path: "Tests/FullSizeFixtures/maps.json")
    guard let data = try? Data(contentsOf: file),
      let json = try? JSONDecoder().decode(JSONValue.self, from: data)
    else { return [] }
    return json["cases"].list.map { fixture in
      let keys = fixture["config"].fields.sorted { $0.key < $1.key }
        .map { ", \($0): \($1.configText)" }.joined()
      let model = Model(
        family: fixture["family"].text ?? "", variant: fixture["variant"].text ?? "", keys: keys)
      return Case(model: model, json: fixture)
    }
  }()

  @Test func theCasesHaveAllFamilies() {
    let families = Set(BackboneFamily.all.map(\.name))
    // Of the literature's there are small golden networks only.
    let literature: Set = [
      "agent_pvt", "inline_pvt", "vvt", "ravlt", "mlla", "efficientvit", "efficientvit_large",
    ]
    #expect(Set(Self.cases.map(\.model.family)) == families.subtracting(literature))
    #expect(Self.cases.count == 20)
  }

  @Test(arguments: cases) func mapsAreThoseOfTheOriginal(_ fixture: Case) throws {
    let configuration = try fixture.model.configuration()
    let source: FormulaParameters
    if let keys = fixture.json["keys"].text {
      source = try FormulaParameters(keysOf: keys)
    } else {
      let tree = ParameterTree.shapesOnly()
      _ = try configuration.make(for: .densePrediction, from: tree.root)
      source = FormulaParameters(tree.requested.map { ($0.name, $0.shape, true) })
    }
    let tree = ParameterTree(source: configuration.translating(source, below: ""))
    let backbone = try configuration.make(for: .densePrediction, from: tree.root)
    try tree.finish(ignoring: configuration.ignoredKeys)

    let x = FormulaParameters.picture(
      height: try #require(fixture.json["height"].int),
      width: try #require(fixture.json["width"].int))
    let maps = backbone(x, ForwardPass(threads: ThreadPool(threads: 2)))
    let stages = fixture.json["stages"].list
    #expect(maps.count == stages.count)
    for (index, (map, stage)) in zip(maps, stages).enumerated() {
      let got = map.channelsFirst()
      guard got.shape == Shape(stage["shape"].ints) else {
        Issue.record("stage \(index + 1) is \(got.shape), expected \(stage["shape"].ints)")
        continue
      }
      let wanted = stage["values"].list.map { $0.number ?? .nan }
      let elements = got.elements
      let samples = FormulaParameters.mixed("stage\(index + 1)", count: wanted.count).map {
        elements[Int($0) % elements.count]
      }
      let problem = Comparison.mismatch(
        samples, shape: [samples.count], expected: wanted, expectedShape: [wanted.count],
        atol: stage["atol"].number ?? .nan)
      #expect(problem == nil, "stage \(index + 1)")
    }
  }
}
