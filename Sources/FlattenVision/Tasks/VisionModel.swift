/// A loaded model of one task: its config, and the network with what running it takes.
package protocol VisionModel: Sendable {
  /// The task's configs.
  associatedtype Configuration: TaskConfiguration where Configuration.Loaded == Self
  /// The network and what running it takes.
  typealias Runtime = LoadedModel<Configuration.Network>

  /// The config that the model was built from.
  var configuration: Configuration { get }
  /// The network and what running it takes.
  var loaded: Runtime { get }
  /// What computes, in a few lines for people: model, input, classes, threads, instruction set.
  var summary: String { get }

  init(_ configuration: Configuration, _ loaded: Runtime)
}

extension VisionModel {
  /// What the model is called.
  var name: String { configuration.name }

  /// Warnings from loading, such as weights that are not finite.
  package var warnings: [String] { loaded.warnings }
}
