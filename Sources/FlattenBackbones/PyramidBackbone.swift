import FlattenCheckpoint
import FlattenNN
import FlattenTensor

/// One level of a feature pyramid, as a backbone promises it to necks and heads.
public struct FeatureInfo: Sendable, Equatable {
  /// Channels of the map.
  public let channels: Int
  /// Input pixels per cell, in both directions.
  public let stride: Int

  /// Makes a level.
  public init(channels: Int, stride: Int) {
    self.channels = channels
    self.stride = stride
  }
}

/// The task that a backbone is built for: some families have norms or tokens that only one of the two reads.
package enum BackbonePurpose: Sendable {
  case densePrediction
  case classification
}

/// A network that turns a picture into maps of falling resolution: the models of this package, and any
/// that is built from its parts.
public protocol PyramidBackbone: Sendable {
  /// The maps that a call returns, finest first.
  var featureInfo: [FeatureInfo] { get }

  /// The least height and width of a picture, in pixels. By default the coarsest stride.
  var leastSide: Int { get }

  /// The names under which the model hands out intermediates, in the order it makes them; see
  /// ``IntermediateNames``. By default none.
  var intermediateNames: [String] { get }

  /// Computes the maps.
  ///
  /// - Parameters:
  ///   - x: `[B, H, W, 3]`, normalised; both sides are at least ``leastSide``.
  ///   - pass: has the operators, the threads and the memory.
  /// - Returns: one map `[B, H', W', C]` per level.
  func callAsFunction(_ x: Tensor, _ pass: ForwardPass) -> [Tensor]
}

extension PyramidBackbone {
  /// The coarsest stride: each map has a cell then.
  public var leastSide: Int { featureInfo.map(\.stride).max() ?? 1 }

  /// No names.
  public var intermediateNames: [String] { [] }
}

/// A backbone that can also sum a picture up in one vector.
package protocol ClassifyingBackbone: PyramidBackbone {
  /// Width of the vector.
  var pooledChannels: Int { get }

  /// Must only be asked of a backbone that was built for classification.
  ///
  /// - Returns: `[B, pooledChannels]`, what the classifier's linear layer reads.
  func pooled(_ x: Tensor, _ pass: ForwardPass) -> Tensor
}

/// Names operators of a whole backbone by its place in the checkpoint.
struct ParameterPath: Sendable {
  private let prefix: String

  init(_ tree: ParameterScope) { prefix = tree.path.isEmpty ? "" : tree.path + "." }

  func callAsFunction(_ name: String) -> String { prefix + name }
}

extension ParameterScope {
  /// Whether each of a backbone's maps goes through a norm of its own: never in classification, whose
  /// checkpoints have none; fine-tuning for dense prediction adds them.
  ///
  /// - Parameters:
  ///   - norms: their keys.
  ///   - wanted: what the config says; `nil` where the file decides, by having any of them.
  func hasOutputNorms(_ norms: [String], wanted: Bool?, for purpose: BackbonePurpose) -> Bool {
    if purpose == .classification { return false }
    return wanted ?? norms.contains { contains("\($0).weight") }
  }
}
