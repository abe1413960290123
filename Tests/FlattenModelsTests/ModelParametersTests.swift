import FlattenBackbones
import FlattenConfig
import FlattenModels
import FlattenTensor
import TestSupport
import Testing

@testable import FlattenCheckpoint

/// What a model that is loaded for training keeps: its parameters, as the checkpoint has them, in the tree
/// and in the layers.
@Suite struct ModelParametersTests {
  /// The bits of a parameter.
  private struct Parameter: Hashable {
    let shape: Shape
    let bits: [UInt32]

    init(_ tensor: Tensor) {
      shape = tensor.shape
      bits = tensor.elements.map(\.bitPattern)
    }
  }

  /// All tensors in the properties of a model's layers.
  private func tensors(in value: Any) -> [Tensor] {
    if let tensor = value as? Tensor { return [tensor] }
    return Mirror(reflecting: value).children.flatMap { tensors(in: $0.value) }
  }

  /// Every tensor of the source that the model may not leave unread is among its parameters, and they are in
  /// its layers, bit for bit.
  private func expectAll(
    of source: any ParameterSource, butFor ignored: [IgnoredKeys], in tree: ParameterTree,
    _ model: Any
  ) throws {
    let parameters = tree.parameters
    let names = Set(parameters.names)
    let stored = source.parameterShapes.filter { names.contains($0.name) }
    #expect(stored.count == parameters.names.count && !stored.isEmpty)
    for (name, _, isFloatingPoint) in source.parameterShapes where !names.contains(name) {
      #expect(!isFloatingPoint || ignored.contains { $0.matches(name) }, "\(name) is not kept")
    }

    let layers = Set(tensors(in: model).map(Parameter.init))
    for (name, shape, _) in stored {
      let count = shape.reduce(1, *)
      let values = try [Float](unsafeUninitializedCapacity: count) { buffer, filled in
        try source.read(name, into: UnsafeMutableBufferPointer(rebasing: buffer[..<count]))
        filled = count
      }
      let kept = try #require(parameters[name])
      #expect(Array(kept.shape) == shape, "\(name)")
      #expect(Parameter(kept).bits == values.map(\.bitPattern), "\(name)")
      #expect(layers.contains(Parameter(kept)), "\(name) is in no layer")
    }
  }

  /// Loads a golden case's network for training, and compares what it keeps.
  ///
  /// - Returns: what it computes.
  private func output<Network: TaskModel>(
    of network: Network.Type, _ c: Network.Configuration, _ golden: Golden
  ) throws -> Network.Output {
    let source = c.translating(try golden.source())
    let tree = ParameterTree(source: source, context: .plain(.float32, purpose: .training))
    let model = try network.load(c, from: tree.root)
    let ignored = network.ignoredKeys(c)
    try tree.finish(ignoring: ignored)
    try expectAll(of: source, butFor: ignored, in: tree, model)
    let pass = ForwardPass(threads: ThreadPool(threads: 2), purpose: .training)
    return model(try golden.map(), pass)
  }

  @Test(arguments: GoldenModelTests.segmentors + GoldenEfficientViTTests.networks("segmentor"))
  func ofASegmentor(_ fixture: FixtureCase) throws {
    let golden = try Golden(fixture)
    let c = try SegmentorConfiguration(golden.parameters, name: fixture.id)
    let logits = try output(of: SemanticSegmentor.self, c, golden)
    #expect(golden.mismatch(map: "logits", logits) == nil)
  }

  @Test(arguments: GoldenModelTests.classifiers) func ofAClassifier(_ fixture: FixtureCase) throws {
    let golden = try Golden(fixture)
    let c = try ClassifierConfiguration(golden.parameters, name: fixture.id)
    let (_, logits) = try output(of: ImageClassifier.self, c, golden)
    #expect(golden.mismatch("logits", logits) == nil)
  }

  /// Every family, with and without linear attention, is in the sets above.
  @Test func everyFamilyIsThere() throws {
    let types = try (GoldenModelTests.segmentors + GoldenModelTests.classifiers).map { fixture in
      let p = try Golden(fixture).parameters
      let type = p["type"].text.flatMap { Golden.families[$0] }
      return try type ?? #require(Golden.families[p["backbone"]["type"].text ?? ""])
    }
    let efficient: Set = ["efficientvit", "efficientvit_large"]  // in their own suite's cases
    #expect(Set(types).union(efficient) == Set(BackboneFamily.all.map(\.name)))
  }
}
