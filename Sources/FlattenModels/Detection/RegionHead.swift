// The second half of Faster, Mask and Cascade R-CNN with the semantics of mmdetection 3.3.0,
// mmdet/models/roi_heads/standard_roi_head.py and cascade_roi_head.py: a cascade of one stage is the standard head.
//
// R regions, K classes.
//
// What surprises:
// - the stages' raw scores are averaged, then softmaxed; the boxes are the last stage's;
// - a stage hands on the boxes of the class that its own raw scores like best, the background left out;
// - without masks, boxes are brought to the picture's size before the overlaps are compared; with masks after
//   everything, as masks are drawn from boxes at the network's size;
// - all stages' mask heads see the same regions, so these are cut out of the maps once.

import FlattenBackbones
import FlattenCheckpoint
import FlattenNN
import FlattenRegions
import FlattenTensor
import Foundation

/// Looks at regions one by one: which class, which box, which mask.
package struct RegionHead: Sendable {
  /// What one stage says of its regions.
  package struct Stage: Sendable {
    package let regions: [RegionOfInterest]
    /// Logits `[R, K + 1]`, the background last.
    package let scores: Tensor
    /// `[R, 4 K]` or `[R, 4]`.
    package let deltas: Tensor
  }

  private let boxHeads: [BoxHead]
  private let coders: [BoxCoder]
  private let maskHeads: [MaskHead]
  private let scales: [Float]
  private let classes: Int
  private let isClassAgnostic: Bool
  private let finestScale: Float
  private let path: String

  /// Whether things have masks.
  package var hasMasks: Bool { !maskHeads.isEmpty }

  /// - Parameters:
  ///   - c: the detector's numbers.
  ///   - levels: the maps that regions are cut out of, finest first.
  ///   - tree: the head's place.
  package init(
    _ c: DetectorConfiguration, from levels: [FeatureInfo], tree: ParameterScope
  ) throws {
    func stages<Head>(_ key: String, _ make: (ParameterScope) throws -> Head) throws -> [Head] {
      let scope = tree.scope(key)
      if c.kind.stages == 1 { return [try make(scope)] }
      return try (0..<c.kind.stages).map { try make(scope.scope($0)) }
    }
    boxHeads = try stages("bbox_head") { try BoxHead(c, in: c.neckChannels, from: $0) }
    maskHeads =
      try c.maskHead.map { numbers in
        try stages("mask_head") {
          try MaskHead(numbers, classes: c.classes, in: c.neckChannels, from: $0)
        }
      } ?? []
    coders = c.boxCoders
    scales = levels.map { 1 / Float($0.stride) }
    classes = c.classes
    isClassAgnostic = c.boxHead.isClassAgnostic
    finestScale = c.finestScale
    path = tree.path
  }

  // MARK: Boxes

  /// A region of a picture of the batch, on the level that suits its size.
  package func region(_ box: Box, item: Int) -> RegionOfInterest {
    RegionOfInterest(
      item: item,
      level: RegionOfInterest.level(of: box, finestScale: finestScale, levels: scales.count),
      box: box)
  }

  /// All stages, one after the other.
  ///
  /// - Parameters:
  ///   - levels: at least as many maps as regions are cut out of, finest first.
  ///   - regions: of all pictures.
  ///   - placements: of the pictures.
  package func stages(
    _ levels: [Tensor], _ regions: [RegionOfInterest], placements: [PicturePlacement],
    _ pass: ForwardPass
  ) -> [Stage] {
    var regions = regions
    var stages: [Stage] = []
    for (index, head) in boxHeads.enumerated() {
      if let last = stages.last { regions = moved(last, by: coders[index - 1], placements) }
      let maps = cut(levels, regions, side: BoxHead.side, layer: "bbox_roi_extractor", pass)
      let (scores, deltas) = head(maps, pass)
      stages.append(Stage(regions: regions, scores: scores, deltas: deltas))
    }
    return stages
  }

  private func cut(
    _ levels: [Tensor], _ regions: [RegionOfInterest], side: Int, layer: String,
    _ pass: ForwardPass
  ) -> Tensor {
    pass.roiAlign(
      Array(levels.prefix(scales.count)), regions: regions, scales: scales,
      size: (height: side, width: side), layer: "\(path).\(layer)")
  }

  /// The regions of the next stage: each box moved as the class that it resembles most wants it.
  private func moved(
    _ stage: Stage, by coder: BoxCoder, _ placements: [PicturePlacement]
  ) -> [RegionOfInterest] {
    let columns = isClassAgnostic ? 4 : 4 * classes
    return stage.scores.withUnsafeBuffer { scores in
      stage.deltas.withUnsafeBuffer { deltas in
        stage.regions.enumerated().map { row, region in
          let start = row * (classes + 1)
          var best = 0
          for label in 1..<max(classes, 1) where scores[start + label] > scores[start + best] {
            best = label
          }
          let first = row * columns + (isClassAgnostic ? 0 : 4 * best)
          let box = coder.decode(
            SIMD4(deltas, at: first), of: region.box, clip: placements[region.item].inside)
          return self.region(box, item: region.item)
        }
      }
    }
  }

  /// The objects of one picture, without masks.
  ///
  /// - Parameters:
  ///   - stages: of all pictures.
  ///   - item: the picture's number in the batch.
  ///   - placement: the picture's; boxes come at its size where there are no masks, else at the network's.
  ///   - selection: how boxes are sifted.
  package func boxes(
    _ stages: [Stage], item: Int, placement: PicturePlacement, _ selection: DetectionSelection
  ) -> [ScoredBox] {
    guard let last = stages.last else { return [] }
    let columns = classes + 1
    let rows = last.regions.indices.filter { last.regions[$0].item == item }
    var scores = [Float](repeating: 0, count: rows.count * columns)
    scores.withUnsafeMutableBufferPointer { scores in
      for (place, row) in rows.enumerated() {
        Self.probabilities(
          stages, row: row,
          into: UnsafeMutableBufferPointer(
            rebasing: scores[place * columns..<(place + 1) * columns]))
      }
    }
    let step = isClassAgnostic ? 4 : 4 * classes
    let coder = coders[stages.count - 1]
    return last.deltas.withUnsafeBuffer { deltas in
      scores.withUnsafeBufferPointer { scores in
        NonMaximumSuppression.multiclass(
          scores: scores, classes: classes, scoreThreshold: selection.score,
          threshold: selection.overlap, limit: selection.most, labels: selection.labels,
          splitThreshold: selection.splitThreshold, classAgnostic: selection.isClassAgnostic
        ) { place, label in
          let first = rows[place] * step + (isClassAgnostic ? 0 : 4 * label)
          let box = coder.decode(
            SIMD4(deltas, at: first), of: last.regions[rows[place]].box, clip: placement.inside)
          return hasMasks ? box : placement.enlarged(box)
        }
      }
    }
  }

  /// Softmax of the mean of all stages' logits of a region.
  private static func probabilities(
    _ stages: [Stage], row: Int, into mean: UnsafeMutableBufferPointer<Float>
  ) {
    let columns = mean.count
    mean.update(repeating: 0)
    for stage in stages {
      stage.scores.withUnsafeBuffer { scores in
        for column in 0..<columns { mean[column] += scores[row * columns + column] }
      }
    }
    let count = Float(stages.count)
    var largest = -Float.infinity
    for column in 0..<columns {
      mean[column] /= count
      largest = max(largest, mean[column])
    }
    var sum: Float = 0
    for column in 0..<columns {
      mean[column] = exp(mean[column] - largest)
      sum += mean[column]
    }
    for column in 0..<columns { mean[column] /= sum }
  }

  // MARK: Masks

  /// What every stage's mask head says of regions: logits `[R, 28, 28, K]` each.
  package func masks(
    _ levels: [Tensor], _ regions: [RegionOfInterest], _ pass: ForwardPass
  ) -> [Tensor] {
    let maps = cut(levels, regions, side: MaskHead.side, layer: "mask_roi_extractor", pass)
    return maskHeads.map { $0(maps, pass) }
  }

  /// The probability of each cell of a region's mask to be the thing's: the mean over the stages.
  ///
  /// - Parameters:
  ///   - logits: of all stages.
  ///   - row: the region's number.
  ///   - label: its class.
  /// - Returns: 28 x 28 numbers, row by row.
  package func mask(_ logits: [Tensor], row: Int, label: Int) -> [Float] {
    let cells = 4 * MaskHead.side * MaskHead.side
    var mean = [Float](repeating: 0, count: cells)
    for map in logits {
      map.withUnsafeBuffer { values in
        let first = row * cells * classes + label
        for cell in 0..<cells { mean[cell] += 1 / (1 + exp(-values[first + cell * classes])) }
      }
    }
    let count = Float(logits.count)
    if count > 1 { for cell in 0..<cells { mean[cell] /= count } }
    return mean
  }
}
