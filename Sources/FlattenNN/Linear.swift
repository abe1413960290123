import FlattenCheckpoint
import FlattenTensor

/// A fully connected layer over the last axis, `x w^T + b`, or a layer scale times that.
public struct Linear: Sendable {
  /// `[outputs, inputs]`, or `[outputs, inputs, 1, 1]` of a 1x1 convolution; in a model for training only.
  public let weight: Tensor?
  /// `[outputs]`.
  public let bias: Tensor?
  /// What the result is multiplied by, one number an output: `product` and `addend` have it already.
  private let scale: Tensor?
  let product: PackedMatrix
  /// What the product is added to, `[outputs]`: the bias.
  let addend: Tensor?
  private let path: String

  /// Reads `weight` `[outputs, inputs]` and, where there is one, `bias` `[outputs]`.
  public init(in inputs: Int, out outputs: Int, bias: Bool, from tree: ParameterScope) throws {
    try self.init(in: inputs, out: outputs, bias: bias, overCells: 1, from: tree)
  }

  /// The same for a layer that is stored as a 1x1 convolution.
  ///
  /// - Parameters:
  ///   - scale: a layer scale after it, as many elements as there are outputs; it is taken into the kernels' form of
  ///     the weights.
  ///   - inFloat32: whether products are in float32 whatever the model's precision: where small errors of the result
  ///     become large.
  package init(
    convolution inputs: Int, out outputs: Int, bias: Bool = true, scale: Tensor? = nil,
    inFloat32: Bool = false, from tree: ParameterScope
  ) throws {
    let weight = try tree.tensor("weight", [outputs, inputs, 1, 1], initially: .fanIn)
    self.weight = tree.kept(weight)
    self.bias = bias ? try tree.tensor("bias", [outputs], initially: .zeros) : nil
    self.scale = scale.flatMap(tree.kept)
    let matrix = weight.reshaped([outputs, inputs])
    product = PackedMatrix(
      scale.map { matrix.scaledRows(by: $0, tree.context) } ?? matrix,
      inFloat32 ? tree.context.inFloat32 : tree.context)
    addend = self.bias.map { bias in scale.map { bias.scaledRows(by: $0, .plain) } ?? bias }
    path = tree.path
  }

  /// The same for a layer that reads a map as one row, or has products in float32.
  ///
  /// - Parameters:
  ///   - cells: of the map. In the file the inputs are the cells of each channel, here the channels of each cell, as
  ///     maps lie.
  ///   - inFloat32: whether products are in float32 whatever the model's precision: where small errors of the result
  ///     become large.
  package init(
    in inputs: Int, out outputs: Int, bias: Bool, overCells cells: Int = 1,
    inFloat32: Bool = false, from tree: ParameterScope
  ) throws {
    let weight = try tree.tensor("weight", [outputs, inputs], initially: .fanIn)
    self.weight = tree.kept(weight)
    self.bias = bias ? try tree.tensor("bias", [outputs], initially: .zeros) : nil
    scale = nil
    product = PackedMatrix(
      cells == 1 ? weight : weight.channelsLast(cells: cells, tree.context),
      inFloat32 ? tree.context.inFloat32 : tree.context)
    addend = self.bias
    path = tree.path
  }

  /// `[..., inputs]` to `[..., outputs]`; the residual is added after the activation.
  public func callAsFunction(
    _ x: Tensor, activation: Activation = .none, residual: Tensor? = nil, _ pass: ForwardPass
  ) -> Tensor {
    pass.linear(
      x, product, bias: addend, activation: activation, residual: residual, layer: path)
  }
}

extension Tensor {
  /// Each row multiplied by a number of its own: `[rows, ...]` to the same shape.
  fileprivate func scaledRows(by factors: Tensor, _ context: LoadingContext) -> Tensor {
    let rows = shape[0]
    let columns = count / rows
    return Tensor(shape, pool: columns == 1 ? nil : context.staging) { out in
      for row in 0..<rows {
        let factor = factors.pointer[row]
        for index in row * columns..<(row + 1) * columns { out[index] = pointer[index] * factor }
      }
    }
  }

  /// A matrix `[rows, channels * cells]` with the channels of each cell side by side.
  fileprivate func channelsLast(cells: Int, _ context: LoadingContext) -> Tensor {
    let (rows, channels) = (shape[0], shape[1] / cells)
    return Tensor(shape, pool: context.staging) { out in
      for row in 0..<rows {
        let start = row * channels * cells
        for cell in 0..<cells {
          for channel in 0..<channels {
            out[start + cell * channels + channel] = pointer[start + channel * cells + cell]
          }
        }
      }
    }
  }
}

/// The projections to queries, keys and values that Swin, CSwin and DeiT store as one layer.
///
/// They are computed as two products, queries by themselves, as the attentions take them.
public struct QueryKeyValue: Sendable {
  /// `[3 channels, channels]`, the rows of q, then k, then v; in a model for training only.
  public let weight: Tensor?
  /// `[3 channels]`.
  public let bias: Tensor?
  private let query: PackedMatrix
  private let keyValue: PackedMatrix
  private let path: String

  /// Reads `weight` `[3 channels, channels]` and, where there is one, `bias` `[3 channels]`.
  public init(_ channels: Int, bias: Bool, from tree: ParameterScope) throws {
    let weight = try tree.tensor("weight", [3 * channels, channels], initially: .fanIn)
    self.weight = tree.kept(weight)
    self.bias = bias ? try tree.tensor("bias", [3 * channels], initially: .zeros) : nil
    query = PackedMatrix(weight, rows: 0..<channels, tree.context)
    keyValue = PackedMatrix(weight, rows: channels..<3 * channels, tree.context)
    path = tree.path
  }

  /// `[..., C]` to q `[..., C]` and kv `[..., 2C]`, keys first.
  public func callAsFunction(_ x: Tensor, _ pass: ForwardPass) -> (q: Tensor, kv: Tensor) {
    let channels = query.outputs
    return (
      pass.linear(x, query, bias: bias, layer: "\(path).q"),
      pass.linear(x, keyValue, bias: bias, biasOffset: channels, layer: "\(path).kv")
    )
  }
}
