import FlattenKernels

/// The weights of a 1x1 convolution in groups, prepared once at load: each group of channels is mixed
/// by itself.
package struct PackedGroups: Sendable {
  let groups: [PackedMatrix]

  /// - Parameters:
  ///   - stored: as PyTorch stores it, `[outputs, inputs / groups, 1, 1]`.
  ///   - groups: divides outputs.
  package init(_ stored: Tensor, groups: Int, _ context: LoadingContext = .plain) {
    let (outputs, width) = (stored.shape[0], stored.shape[1])
    precondition(
      groups >= 1 && outputs % groups == 0 && stored.count == outputs * width,
      "a weight \(stored.shape) in \(groups) groups")
    let matrix = stored.reshaped([outputs, width])
    let size = outputs / groups
    self.groups = (0..<groups).map {
      PackedMatrix(matrix, rows: $0 * size..<($0 + 1) * size, context)
    }
  }

  package var inputs: Int { groups.reduce(0) { $0 + $1.inputs } }
  package var outputs: Int { groups.reduce(0) { $0 + $1.outputs } }
}

extension ForwardPass {
  /// A 1x1 convolution in groups of channels, without bias.
  ///
  /// - Parameters:
  ///   - x: `[..., inputs]`.
  /// - Returns: `[..., outputs]`.
  package func groupedConvolution(
    _ x: Tensor, _ weight: PackedGroups, layer: @autoclosure () -> String
  ) -> Tensor {
    let (inputs, outputs) = (weight.inputs, weight.outputs)
    precondition(
      x.shape.last == inputs, "\(layer()): x is \(x.shape), the weight takes \(inputs)")
    let rows = x.count / inputs
    let depth = weight.groups[0].inputs
    return output(
      x.shape.replacingLast(with: outputs), .convolution, layer: layer(),
      macs: rows * outputs * depth, reading: x.count + outputs * depth
    ) { y in
      chunks(rows, of: 8 * Products.rows) { [self] range in
        for (index, group) in weight.groups.enumerated() {
          let block = RowBlock(
            x.pointer + range.lowerBound * inputs + index * depth, rows: range.count,
            columns: depth, stride: inputs)
          withRows(block, of: group) { block in
            group.multiply(
              block, columns: 0..<group.outputs, epilogue: fk_epilogue(),
              into: y + range.lowerBound * outputs + index * group.outputs, stride: outputs)
          }
        }
      }
    }
  }
}
