import FlattenBackbones
import FlattenConfig

/// All tasks of this library. What takes a model of any task takes it from here; a new task is a line.
package enum VisionTasks {
  /// A line a task, in the order in which they are named. A config that has none of their sections is
  /// taken for one of the first, whose errors then say what is missing.
  package static let all: [any TaskConfiguration.Type] = [
    SegmentationConfiguration.self,
    ClassificationConfiguration.self,
    DetectionConfiguration.self,
  ]

  /// Reads a config of any task: the one whose section its `model` has.
  ///
  /// - Parameters:
  ///   - path: a YAML file, or the name of a built-in config; relative files in it are looked up beside it.
  ///   - attentions: those that the config may ask for beside `focused` and `softmax`.
  /// - Throws: an error that names the file, the line and the key.
  package static func configuration(
    path: String, attentions: AttentionRegistry = AttentionRegistry()
  ) throws -> any TaskConfiguration {
    let node = try ConfigNode.config(path)
    return try task(of: node).init(node, attentions: attentions)
  }

  /// Reads a config with another attention in all stages of its backbone.
  ///
  /// - Parameter attention: the name or the letter of one that needs no registration.
  package static func configuration(
    path: String, attention: String
  ) throws -> any TaskConfiguration {
    let node = try ConfigNode.config(path)
    let backbone = ["model", "backbone"]
    let given = node.value(at: "model.backbone.attention")
    let letters = try node.value(at: "model.backbone.attn_type")?.string().count
    let stages = try given.map { $0.kind == .list ? try $0.list().count : 1 } ?? letters ?? 4
    let list = [String](repeating: attention, count: stages).joined(separator: ", ")
    let value = try ConfigNode.parse("attention: [\(list)]", name: node.file)
      .value(at: "attention")
    let changed = node.setting(backbone + ["attn_type"], to: nil)
      .setting(backbone + ["attention"], to: value)
    return try task(of: changed).init(changed, attentions: AttentionRegistry())
  }

  /// The task whose section a config has.
  static func task(of node: ConfigNode) -> any TaskConfiguration.Type {
    all.first { $0.section(of: node) != nil } ?? all[0]
  }

  /// The task whose last layer tensors of these names hold; `nil` where they hold none that is known.
  package static func task(of tensors: Set<String>) -> (any TaskConfiguration.Type)? {
    all.first { $0.weightsKeys.contains(where: tensors.contains) }
  }

  /// The names of the figures by which models are scored, those of one task after those of another.
  package static var figureNames: [String] { all.flatMap { $0.figureNames } }
}
