import FlattenKernels

/// A function of each element; in a layer it is applied to the output before the residual is added.
public enum Activation: Sendable, CaseIterable {
  /// The output as it is.
  case none
  /// `max(x, 0)`.
  case relu
  /// The exact form, `0.5 x (1 + erf(x / sqrt 2))`.
  case gelu
  /// `1 / (1 + exp(-x))`.
  case sigmoid
  /// `x / (1 + exp(-x))`.
  case silu
  /// x above 0, else `exp(x) - 1`.
  case elu
  /// `x + 1` above 0, else `exp(x)`: positive, so a feature map of linear attention.
  case eluPlusOne
  /// GELU's approximation, `0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))`.
  case geluTanh
  /// `x min(max(x + 3, 0), 6) / 6`.
  case hardSwish

  var code: fk_activation {
    switch self {
    case .none: FK_NONE
    case .relu: FK_RELU
    case .gelu: FK_GELU
    case .sigmoid: FK_SIGMOID
    case .silu: FK_SILU
    case .elu: FK_ELU
    case .eluPlusOne: FK_ELU_PLUS_ONE
    case .geluTanh: FK_GELU_TANH
    case .hardSwish: FK_HARD_SWISH
    }
  }
}

extension ForwardPass {
  /// `activation(x w^T + bias) + residual` over the last axis.
  ///
  /// - Parameters:
  ///   - x: `[..., inputs]`.
  ///   - bias: `[outputs]`, from `biasOffset` on.
  ///   - residual: shape of the result.
  /// - Returns: `[..., outputs]`.
  package func linear(
    _ x: Tensor, _ weight: PackedMatrix, bias: Tensor?, biasOffset: Int = 0,
    activation: Activation = .none, residual: Tensor? = nil, layer: @autoclosure () -> String
  ) -> Tensor {
    precondition(
      bias.map { $0.count >= biasOffset + weight.outputs } ?? true,
      "\(layer()): bias \(bias?.shape ?? []) for \(weight.outputs) outputs")
    precondition(
      x.shape.last == weight.inputs, "\(layer()): x is \(x.shape), weight takes \(weight.inputs)")
    let shape = x.shape.replacingLast(with: weight.outputs)
    let rows = shape.elementCount / weight.outputs
    precondition(
      residual.map { $0.shape == shape } ?? true,
      "\(layer()): residual is \(residual?.shape ?? []), output \(shape)")
    let macs = rows * weight.inputs * weight.outputs
    let reading = x.count + weight.inputs * weight.outputs + (residual?.count ?? 0)
    return output(shape, .linear, layer: layer(), macs: macs, reading: reading) { y in
      multiply(
        RowBlock(x.pointer, rows: rows, columns: weight.inputs), weight, bias: bias,
        biasOffset: biasOffset, activation: activation, residual: residual,
        into: RowBlock(y, rows: rows, columns: weight.outputs))
    }
  }

  /// `contract(GELU(expand(x))) + residual`, the feed-forward part of a transformer block.
  ///
  /// For inference it is one operator: with many rows the hidden values of a block of rows stay in the cache
  /// and never reach memory. Otherwise two, named `<layer>.fc1` and `<layer>.fc2`.
  ///
  /// - Parameters:
  ///   - x: `[..., C]`.
  ///   - expand: from C to the hidden width, with its bias.
  ///   - contract: from the hidden width back to C, with its bias.
  ///   - residual: shape of x.
  package func mlp(
    _ x: Tensor, expand: (weight: PackedMatrix, bias: Tensor?),
    contract: (weight: PackedMatrix, bias: Tensor?), residual: Tensor?,
    layer: @autoclosure () -> String
  ) -> Tensor {
    let (channels, hidden) = (expand.weight.inputs, expand.weight.outputs)
    precondition(
      x.shape.last == channels && contract.weight.inputs == hidden
        && contract.weight.outputs == channels && residual.map { $0.count == x.count } ?? true,
      "\(layer()): x is \(x.shape), \(channels) to \(hidden), back to \(contract.weight.outputs)")
    if purpose != .inference {
      let values = linear(
        x, expand.weight, bias: expand.bias, activation: .gelu, layer: "\(layer()).fc1")
      return linear(
        values, contract.weight, bias: contract.bias, residual: residual, layer: "\(layer()).fc2")
    }
    let rows = x.count / channels
    let macs = 2 * rows * channels * hidden
    let reading = x.count + 2 * channels * hidden + (residual?.count ?? 0)
    return output(x.shape, .linear, layer: layer(), macs: macs, reading: reading) { y in
      let x = RowBlock(x.pointer, rows: rows, columns: channels)
      let y = RowBlock(y, rows: rows, columns: channels)
      if rows < Self.fusedRows {
        withEmptyRows(rows, of: contract.weight) { values in
          multiply(
            x, expand.weight, bias: expand.bias, activation: .gelu, residual: nil, into: values)
          multiply(
            values, contract.weight, bias: contract.bias, activation: .none, residual: residual,
            into: y)
        }
        return
      }
      let most = max(Products.rows, Self.cachedFloats / hidden)
      let pairs = (rows + 2 * most - 1) / (2 * most)
      let block = ((rows + 2 * pairs - 1) / (2 * pairs)).rounded(up: Products.rows)
      chunks(rows, of: block) { [self] range in
        withRows(x.rows(range), of: expand.weight) { x in
          withEmptyRows(range.count, of: contract.weight) { values in
            expand.weight.multiply(
              x, columns: 0..<hidden,
              epilogue: fk_epilogue(
                bias: expand.bias?.pointer, activation: FK_GELU, residual: nil, ldr: 0),
              into: values)
            contract.weight.multiply(
              values, columns: 0..<channels,
              epilogue: fk_epilogue(
                bias: contract.bias?.pointer, activation: FK_NONE,
                residual: residual.map { $0.pointer + range.lowerBound * channels }, ldr: channels),
              into: y.rows(range))
          }
        }
      }
    }
  }

  /// Below this many rows there are too few blocks of rows, and columns must be divided as well.
  private static let fusedRows = 1024
  /// Hidden values that a block keeps in a second-level cache beside the weights it reads.
  private static let cachedFloats = 1 << 17

  /// The threaded product behind linear layers and 1x1 convolutions; the residual is contiguous.
  func multiply(
    _ x: RowBlock, _ weight: PackedMatrix, bias: Tensor?, biasOffset: Int = 0,
    activation: Activation, residual: Tensor?, into y: RowBlock
  ) {
    let (rows, outputs) = (x.rows, weight.outputs)
    // Blocks depend on the shape alone, never on the number of threads: same bits for any of them.
    let rowBlock = max(1, (rows >= 2048 ? 256 : 128) / Products.rows) * Products.rows
    let rowBlocks = (rows + rowBlock - 1) / rowBlock
    var columnBlock = outputs.rounded(up: Products.panel)
    while rowBlocks * ((outputs + columnBlock - 1) / columnBlock) < 8
      && columnBlock >= max(2 * Products.panel, 128)
    {
      columnBlock = (columnBlock / 2).rounded(up: max(Products.panel, 16))
    }
    let columnBlocks = (outputs + columnBlock - 1) / columnBlock
    threads.run(rowBlocks * columnBlocks) { [self, columnBlock] task in
      let firstRow = task / columnBlocks * rowBlock
      let range = firstRow..<min(firstRow + rowBlock, rows)
      let first = task % columnBlocks * columnBlock
      withRows(x.rows(range), of: weight) { x in
        weight.multiply(
          x, columns: first..<min(first + columnBlock, outputs),
          epilogue: fk_epilogue(
            bias: bias.map { $0.pointer + biasOffset + first }, activation: activation.code,
            residual: residual.map { $0.pointer + firstRow * outputs + first }, ldr: outputs),
          into: y.rows(range))
      }
    }
  }
}

extension Int {
  /// The least multiple of `step` that is not smaller.
  package func rounded(up step: Int) -> Int { (self + step - 1) / step * step }
}
