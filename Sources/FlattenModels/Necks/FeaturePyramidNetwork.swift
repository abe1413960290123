// FPN (arXiv 1612.03144) with the semantics and key names of mmsegmentation 1.2.2, mmseg/models/necks/fpn.py, and
// mmdetection 3.3.0, mmdet/models/necks/fpn.py.
//
// What surprises:
// - the top-down path enlarges by nearest neighbour to the exact size of the finer level;
// - the further levels of Faster R-CNN are every second pixel of the last one; those of RetinaNet are
//   convolutions, whose keys follow those of the output convolutions in one list;
// - RetinaNet's first further level reads the backbone's last map, not the pyramid's.

import FlattenBackbones
import FlattenCheckpoint
import FlattenNN
import FlattenTensor

/// Brings all levels of a pyramid to one width and passes coarse context down to the fine ones.
package struct FeaturePyramidNetwork: Sendable {
  /// Levels coarser than those of the backbone.
  package enum FurtherLevels: Sendable, Equatable {
    /// So many, each of every second pixel of the one before.
    case subsampled(Int)
    /// So many 3x3 convolutions of stride 2, one after the other.
    ///
    /// - Parameters:
    ///   - source: what the first one reads.
    ///   - relu: whether a ReLU stands before all but the first.
    case convolutions(Int, of: Source, relu: Bool)

    /// What the first convolution reads.
    package enum Source: String, Sendable, CaseIterable {
      /// The backbone's last map.
      case input = "on_input"
      /// Its lateral convolution.
      case lateral = "on_lateral"
      /// The pyramid's last map.
      case output = "on_output"
    }

    /// How many.
    package var count: Int {
      switch self {
      case .subsampled(let count), .convolutions(let count, _, _): count
      }
    }
  }

  private let laterals: [Conv2D]
  /// The last convolution of each level, finest first.
  var outputs: [Conv2D]
  private let further: FurtherLevels
  private let furtherConvolutions: [Conv2D]
  private let path: String
  package let featureInfo: [FeatureInfo]

  /// - Parameters:
  ///   - inputs: the maps that it gets.
  ///   - channels: width of all levels.
  ///   - further: levels coarser than the maps.
  package init(
    from inputs: [FeatureInfo], channels: Int, further: FurtherLevels = .subsampled(0),
    tree: ParameterScope
  ) throws {
    laterals = try inputs.enumerated().map { level, input in
      try Conv2D(
        in: input.channels, out: channels, ConvolutionGeometry(kernel: 1),
        from: tree.scope("lateral_convs").scope(level).scope("conv"))
    }
    func convolution(_ index: Int, in inputs: Int, stride: Int = 1) throws -> Conv2D {
      try Conv2D(
        in: inputs, out: channels, ConvolutionGeometry(kernel: 3, stride: stride, padding: 1),
        from: tree.scope("fpn_convs").scope(index).scope("conv"))
    }
    outputs = try inputs.indices.map { try convolution($0, in: channels) }
    self.further = further
    if case .convolutions(let count, let source, _) = further {
      furtherConvolutions = try (0..<count).map { index in
        let isFirst = index == 0 && source == .input
        return try convolution(
          inputs.count + index, in: isFirst ? inputs[inputs.count - 1].channels : channels,
          stride: 2)
      }
    } else {
      furtherConvolutions = []
    }
    path = tree.path
    let last = inputs.last?.stride ?? 1
    featureInfo =
      inputs.map { FeatureInfo(channels: channels, stride: $0.stride) }
      + (0..<further.count).map { FeatureInfo(channels: channels, stride: last << ($0 + 1)) }
  }

  /// Maps `[B, H, W, C]` of the backbone to maps of one width, and the further levels.
  package func callAsFunction(_ maps: [Tensor], _ pass: ForwardPass) -> [Tensor] {
    let levels = topDown(maps, pass)
    var all = zip(outputs, levels).map { output, level in output(level, pass) }
    let source: Tensor? =
      switch further {
      case .convolutions(_, .input, _): maps.last
      case .convolutions(_, .lateral, _): levels.last
      case .convolutions(_, .output, _), .subsampled: nil
      }
    for index in 0..<further.count {
      guard let last = all.last else { break }
      all.append(furtherLevel(index, of: index == 0 ? source ?? last : last, pass))
    }
    return all
  }

  /// The top-down path: each level's lateral convolution, plus the enlarged coarser level. Finest first.
  func topDown(_ maps: [Tensor], _ pass: ForwardPass) -> [Tensor] {
    var levels: [Tensor] = []  // coarsest first
    for level in laterals.indices.reversed() {
      levels.append(laterals[level](maps[level], addingNearest: levels.last, pass))
    }
    return levels.reversed()
  }

  private func furtherLevel(_ index: Int, of map: Tensor, _ pass: ForwardPass) -> Tensor {
    switch further {
    case .subsampled:
      return pass.maxPool(
        map, ConvolutionGeometry(kernel: 1, stride: 2), layer: "\(path).further.\(index)")
    case .convolutions(_, _, let relu):
      guard relu, index > 0 else { return furtherConvolutions[index](map, pass) }
      let positive = pass.mapRows(
        map, channels: map.shape[3], layer: "\(path).further.\(index).relu"
      ) { row, out in
        for channel in row.indices { out[channel] = max(row[channel], 0) }
      }
      return furtherConvolutions[index](positive, pass)
    }
  }
}
