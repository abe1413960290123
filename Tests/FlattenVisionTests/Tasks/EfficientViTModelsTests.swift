import FlattenBackbones
import FlattenCheckpoint
import FlattenConfig
import FlattenModels
import FlattenRegions
import Foundation
import TestSupport
import Testing

@testable import FlattenVision

/// The published EfficientViT segmentors: each has a config, which holds its figures and its test recipe, counts its
/// parameters and loads its checkpoint.
@Suite struct EfficientViTModelsTests {
  struct Model: Sendable, CustomTestStringConvertible {
    let json: JSONValue

    var name: String { json["name"].text ?? "" }
    var testDescription: String { name }
    /// `efficientvit_b1_ade20k` is `ade20k/efficientvit_b1`.
    var config: String {
      let words = name.split(separator: "_")
      return "\(words.last ?? "")/\(words.dropLast().joined(separator: "_"))"
    }
    var path: String { Fixtures.repository.appending(path: "Configs/\(config).yaml").path }
  }

  static let models: [Model] = {
    let file = Fixtures.literatureKeys.appending(path: "models.json")
    guard let data = try? Data(contentsOf: file),
      let json = try? JSONDecoder().decode(JSONValue.self, from: data)
    else { return [] }
    return json["models"].list.map(Model.init).filter { $0.name.hasPrefix("efficientvit") }
  }()

  @Test func allAreThere() { #expect(Self.models.count == 11) }

  @Test(arguments: models) func parametersAndFiguresAreThosePublished(_ model: Model) throws {
    let c = try SegmentationConfiguration.load(path: model.path)
    let tree = ParameterTree.shapesOnly()
    _ = try SemanticSegmentor(c.model, from: tree.root)
    #expect(tree.parameterCount == model.json["parameters"].int)
    let profile = try c.profile(size: PixelSize(height: 512, width: 512))
    #expect(profile.parameters == model.json["parameters"].int)
    // Three buffers a norm, of which one is the counter of training.
    let norms = try #require(model.json["buffers"].int) / 3
    #expect(tree.requested.count + norms == model.json["tensors"].int)

    let published = try #require(try ConfigNode.load(path: model.path).value(at: "published"))
    let figures = model.json["published"]
    let miou = figures["ADE20K val mIoU"].number ?? figures["Cityscapes val mIoU"].number
    #expect(try published.value(at: "mIoU")?.double() == miou)
    let text = try published.value(at: "parameters")?.string() ?? ""
    #expect(Double(text.dropLast()) == figures["M parameters"].number)
    #expect(c.dataset.classes.count == model.json["config"]["decode_head"]["num_classes"].int)
  }

  /// What the variants stand for are the numbers of the authors' code.
  @Test(arguments: models) func variantsAreTheAuthors(_ model: Model) throws {
    let spelled = try SegmentorConfiguration(
      ConfigNode.parse(Golden.modelText(model.json["config"]), name: model.name))
    let (own, wanted) = (ParameterTree.shapesOnly(), ParameterTree.shapesOnly())
    _ = try SemanticSegmentor(
      SegmentationConfiguration.load(path: model.path).model, from: own.root)
    _ = try SemanticSegmentor(spelled, from: wanted.root)
    #expect(own.requested.map(\.name) == wanted.requested.map(\.name))
    #expect(own.requested.map(\.shape) == wanted.requested.map(\.shape))
  }

  @Test(arguments: models) func theRecipeIsTheAuthors(_ model: Model) throws {
    let c = try SegmentationConfiguration.load(path: model.path)
    #expect(c.interpolation == .bicubic && c.mode == .whole && c.input.filter == .bicubic)
    let size = c.input.sizes(of: PixelSize(height: 683, width: 512))
    #expect(
      size
        == (model.name.hasSuffix("ade20k")
          ? [PixelSize(height: 704, width: 512)]
          : [PixelSize(height: 1024, width: 2048), PixelSize(height: 1024, width: 2048)]))
  }

  /// No key of a full-size checkpoint is missing, and none is left over but those declared with a reason.
  @Test(arguments: models.filter { !$0.json["list"].isNull })
  func aFullCheckpointLoads(_ model: Model) throws {
    let list = try #require(model.json["list"].text)
    let source = try FormulaParameters(list: Fixtures.literatureKeys.appending(path: list))
    #expect(source.parameterShapes.count == model.json["tensors"].int)
    let c = try SegmentationConfiguration.load(path: model.path).model
    func load(_ source: FormulaParameters) throws {
      let plain = PlainParameters(source, recognising: ModelLikeness.isModel)
      let tree = ParameterTree(source: c.translating(plain))
      _ = try SemanticSegmentor.load(c, from: tree.root)
      try tree.finish(ignoring: SemanticSegmentor.ignoredKeys(c))
    }
    try load(source)
    // One key more, or one less, and it does not.
    let all = source.parameterShapes
    let more = FormulaParameters(all + [("backbone.more", [1], true)], isEmpty: true)
    #expect(throws: ParameterError.self) { try load(more) }
    let less = FormulaParameters(
      all.filter { $0.name != "head.input_ops.2.norm.weight" }, isEmpty: true)
    #expect(throws: ParameterError.self) { try load(less) }
  }
}
