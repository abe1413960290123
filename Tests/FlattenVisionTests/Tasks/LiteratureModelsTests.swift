import FlattenBackbones
import FlattenCheckpoint
import FlattenConfig
import Foundation
import TestSupport
import Testing

@testable import FlattenVision

/// The published models of the linear-attention literature: each has a config, which holds its figures, counts its
/// parameters and loads its checkpoint.
@Suite struct LiteratureModelsTests {
  struct Model: Sendable, CustomTestStringConvertible {
    let json: JSONValue

    var name: String { json["name"].text ?? "" }
    var testDescription: String { name }
    var backbone: JSONValue {
      json["config"]["backbone"].isNull ? json["config"] : json["config"]["backbone"]
    }

    /// The config's name: the model's, with a letter for its size.
    var config: String {
      let short = ["_tiny": "_t", "_small": "_s", "_medium": "_m", "_large": "_l"].reduce(name) {
        $0.replacing($1.key, with: $1.value)
      }
      return (json["config"]["backbone"].isNull ? "imagenet/" : "ade20k/") + short
    }

    /// Parameters and their tensors that only training reads: an FCN head on the third stage.
    var auxiliary: (elements: Int, tensors: Int) {
      guard let channels = json["config"]["auxiliary_head"]["channels"].int,
        let classes = json["config"]["decode_head"]["num_classes"].int
      else { return (0, 0) }
      let third =
        backbone["embed_dims"].isNull
        ? (backbone["embed_dim"].int ?? 0) * 4 : backbone["embed_dims"].ints[2]
      return (third * channels * 9 + 2 * channels + (channels + 1) * classes, 5)
    }
  }

  static let models: [Model] = {
    let file = Fixtures.literatureKeys.appending(path: "models.json")
    guard let data = try? Data(contentsOf: file),
      let json = try? JSONDecoder().decode(JSONValue.self, from: data)
    else { return [] }
    return json["models"].list.map(Model.init)
      .filter { Golden.families[$0.backbone["type"].text ?? ""] != nil }
  }()

  @Test func allAreThere() { #expect(Self.models.count == 31) }

  private func configuration(_ model: Model) throws -> any TaskConfiguration {
    try VisionTasks.configuration(
      path: Fixtures.repository.appending(path: "Configs/\(model.config).yaml").path)
  }

  /// The parameters that a config's network asks for.
  private func requested<C: TaskConfiguration>(
    _ c: C
  ) throws -> (names: [(name: String, shape: [Int])], count: Int) {
    let tree = ParameterTree.shapesOnly()
    _ = try C.Network(c.model, from: tree.root)
    return (tree.requested, tree.parameterCount)
  }

  @Test(arguments: models) func parametersAndFiguresAreThosePublished(_ model: Model) throws {
    let (names, count) = try requested(configuration(model))
    #expect(count + model.auxiliary.elements == model.json["parameters"].int)
    let tensors = names.count {
      !$0.name.hasSuffix(".running_mean") && !$0.name.hasSuffix(".running_var")
    }
    let wanted = try #require(model.json["tensors"].int) - #require(model.json["buffers"].int)
    #expect(tensors + model.auxiliary.tensors == wanted)

    let path = Fixtures.repository.appending(path: "Configs/\(model.config).yaml").path
    let published = try #require(try ConfigNode.load(path: path).value(at: "published"))
    let figures = model.json["published"]
    for (figure, key) in [("ADE20K val mIoU", "mIoU"), ("ImageNet top-1", "top1")] {
      #expect(try published.value(at: key)?.double() == figures[figure].number)
    }
    let millions = try #require(figures["M parameters"].number)
    let text = try published.value(at: "parameters")?.string() ?? ""
    #expect(Double(text.dropLast()) == millions)
  }

  /// A RAVLT file loads with the wrong attention, so its config says what it has and how to tell.
  @Test(arguments: models.filter { $0.backbone["type"].text == "RAVLT" })
  func theConfigSaysHowToTellTheAttention(_ model: Model) throws {
    let path = Fixtures.repository.appending(path: "Configs/\(model.config).yaml")
    let text = try String(contentsOf: path, encoding: .utf8)
    #expect(text.contains("attention: [rala, rala, softmax, softmax]"))
    #expect(text.contains("only the score tells"))
    #expect(text.contains("# attention: [rala, rala, rala, rala]"))
  }

  /// Loads a source through a config, strictly.
  private func load<C: TaskConfiguration>(_ c: C, _ source: any ParameterSource) throws {
    let plain = PlainParameters(source, recognising: ModelLikeness.isModel)
    let tree = ParameterTree(source: c.model.translating(plain))
    _ = try C.Network.load(c.model, from: tree.root)
    try tree.finish(ignoring: C.Network.ignoredKeys(c.model))
  }

  /// No key of a full-size checkpoint is missing, and none is left over but those declared with a reason.
  @Test(arguments: models.filter { !$0.json["list"].isNull })
  func aFullCheckpointLoads(_ model: Model) throws {
    let list = try #require(model.json["list"].text)
    // Random numbers of the largest take long.
    let isLarge = try #require(model.json["parameters"].int) > 30_000_000
    let source = try FormulaParameters(
      list: Fixtures.literatureKeys.appending(path: "\(list)"), isEmpty: isLarge)
    #expect(source.parameterShapes.count == model.json["tensors"].int)
    try load(configuration(model), source)
    // One key more, or one less, and it does not.
    let all = source.parameterShapes
    let more = FormulaParameters(all + [("backbone.more", [1], true)], isEmpty: true)
    #expect(throws: ParameterError.self) { try load(configuration(model), more) }
    let less = FormulaParameters(
      all.filter {
        !$0.name.hasSuffix("blocks.1.attn.proj.weight") && !$0.name.hasSuffix("1.0.norm2.weight")
          && !$0.name.hasSuffix("blocks.1.norm2.weight")
      },
      isEmpty: true)
    #expect(throws: ParameterError.self) { try load(configuration(model), less) }
  }
}
