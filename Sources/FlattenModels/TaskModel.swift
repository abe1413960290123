import FlattenBackbones
import FlattenCheckpoint
import FlattenConfig
import FlattenTensor

/// A whole network for one task: a backbone and what makes the task's answer of its maps.
///
/// What loads, measures or looks into models knows them by this protocol alone. A new task is a type that
/// conforms to it and, above, one line in the table of tasks.
package protocol TaskModel: Sendable {
  /// The `model` section of its configs.
  associatedtype Configuration: TaskModelConfiguration
  /// What a call returns.
  associatedtype Output

  /// Builds the model as the paper has it; the caller ends the loading with `ParameterTree.finish`.
  init(_ c: Configuration, from tree: ParameterScope) throws

  /// Builds the model for the purpose that it is loaded for: perhaps, for inference, with parts joined that
  /// are faster together. By default as the paper has it.
  static func load(_ c: Configuration, from tree: ParameterScope) throws -> Self

  /// Keys of a checkpoint that inference does not read.
  static func ignoredKeys(_ c: Configuration) -> [IgnoredKeys]

  /// What makes the maps.
  var backbone: any PyramidBackbone { get }

  /// - Parameter x: `[B, H, W, 3]`, normalised; both sides at least 32.
  func callAsFunction(_ x: Tensor, _ pass: ForwardPass) -> Output

  /// The numbers that an output consists of, for checks and comparisons.
  static func scores(of output: Output) -> [Tensor]

  /// Runs the backbone alone, as a call does: for a pass that is watched.
  func encode(_ x: Tensor, _ pass: ForwardPass)
}

extension TaskModel {
  package static func load(_ c: Configuration, from tree: ParameterScope) throws -> Self {
    try Self(c, from: tree)
  }

  /// The backbone's maps.
  package func encode(_ x: Tensor, _ pass: ForwardPass) { _ = backbone(x, pass) }
}

/// The `model` section of a task's configs.
package protocol TaskModelConfiguration: Sendable {
  /// The key of the section that only this task has: `decode_head`.
  static var sectionKey: String { get }

  /// The keys of checkpoints that the task is told by, one of which each has: tensors of its last layers.
  static var weightsKeys: [String] { get }

  /// The backbone.
  var backbone: BackboneConfiguration { get }

  /// Reads the section.
  ///
  /// - Parameter attentions: those that the config may ask for beside each family's own.
  /// - Throws: `ConfigError` naming the key.
  init(_ node: ConfigNode, attentions: AttentionRegistry) throws

  /// A checkpoint under our names where another toolbox wrote it.
  func translating(_ source: any ParameterSource) -> any ParameterSource
}

extension TaskModelConfiguration {
  /// Reads the section of a model whose attentions are all built in.
  package init(_ node: ConfigNode) throws {
    try self.init(node, attentions: AttentionRegistry())
  }
}
