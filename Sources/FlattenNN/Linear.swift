import FlattenCheckpoint
import FlattenTensor

/// A fully connected layer over the last axis, `x w^T + b`.
public struct Linear: Sendable {
  let weight: PackedMatrix
  let bias: Tensor?
  private let path: String

  /// Reads `weight` `[outputs, inputs]` and, where there is one, `bias` `[outputs]`.
  public init(in inputs: Int, out outputs: Int, bias: Bool, from tree: ParameterScope) throws {
    self.init(
      weight: try tree.tensor("weight", [outputs, inputs]),
      bias: bias ? try tree.tensor("bias", [outputs]) : nil, path: tree.path, tree.packing)
  }

  /// - Parameters:
  ///   - weight: `[outputs, inputs]`.
  ///   - bias: `[outputs]`.
  ///   - path: its name among a pass's operators.
  init(weight: Tensor, bias: Tensor?, path: String, _ packing: Packing) {
    self.weight = PackedMatrix(weight, packing)
    self.bias = bias
    self.path = path
  }

  /// What operators that contain the layer read.
  var parameters: Projection { Projection(weight: weight, bias: bias) }

  /// `[..., inputs]` to `[..., outputs]`; the residual is added after the activation.
  public func callAsFunction(
    _ x: Tensor, activation: Activation = .none, residual: Tensor? = nil, _ pass: ForwardPass
  ) -> Tensor {
    pass.linear(
      x, weight, bias: bias, activation: activation, residual: residual, layer: path)
  }
}

/// The projections to queries, keys and values that Swin, CSwin and DeiT store as one layer.
///
/// Here they are two, queries by themselves, as the attentions take them.
public struct QueryKeyValue: Sendable {
  let query: Linear
  let keyValue: Linear

  /// Reads `weight` `[3 channels, channels]` and, where there is one, `bias` `[3 channels]`: the rows
  /// of q, then k, then v.
  public init(_ channels: Int, bias: Bool, from tree: ParameterScope) throws {
    let weight = try tree.tensor("weight", [3 * channels, channels])
    let bias = bias ? try tree.tensor("bias", [3 * channels]) : nil
    query = Linear(
      weight: weight.rows(0..<channels), bias: bias?.rows(0..<channels), path: "\(tree.path).q",
      tree.packing)
    keyValue = Linear(
      weight: weight.rows(channels..<3 * channels), bias: bias?.rows(channels..<3 * channels),
      path: "\(tree.path).kv", tree.packing)
  }

  /// `[..., C]` to q `[..., C]` and kv `[..., 2C]`, keys first.
  public func callAsFunction(_ x: Tensor, _ pass: ForwardPass) -> (q: Tensor, kv: Tensor) {
    (query(x, pass), keyValue(x, pass))
  }
}

extension Tensor {
  /// Some rows of the first axis, copied.
  fileprivate func rows(_ range: Range<Int>) -> Tensor {
    var selected = shape
    selected[0] = range.count
    let size = count / shape[0]
    return Tensor(selected) { out in
      for index in out.indices { out[index] = pointer[range.lowerBound * size + index] }
    }
  }
}
