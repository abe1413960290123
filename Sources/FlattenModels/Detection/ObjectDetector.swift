// RetinaNet, Faster, Mask and Cascade R-CNN as mmdetection 3.3.0 runs them: backbone, feature pyramid, a dense head and,
// where that proposes regions, a second head that looks at them.
//
// B batch.

import FlattenBackbones
import FlattenCheckpoint
import FlattenNN
import FlattenRegions
import FlattenTensor

/// Finds objects: boxes with their class and score and, where the model has them, masks.
package struct ObjectDetector: TaskModel {
  private enum Head: Sendable {
    /// Boxes of anchors.
    case dense(DenseHead)
    /// Boxes of anchors, which are looked at again.
    case regions(proposals: DenseHead, RegionHead)
  }

  package let backbone: any PyramidBackbone
  private let startLevel: Int
  package let neck: FeaturePyramidNetwork
  private let head: Head
  private let anchorBoxes: AnchorBoxes
  private let selection: DetectionSelection

  package init(_ c: DetectorConfiguration, from tree: ParameterScope) throws {
    backbone = try c.backbone.make(for: .densePrediction, from: tree.scope("backbone"))
    let maps = backbone.featureInfo
    let (start, further) = c.pyramid(of: maps.count)
    startLevel = start
    neck = try FeaturePyramidNetwork(
      from: Array(maps.dropFirst(start)), channels: c.neckChannels, further: further,
      tree: tree.scope("neck"))
    if c.kind.hasProposals {
      head = .regions(
        proposals: try DenseHead(
          proposals: c, in: c.neckChannels, from: tree.scope("rpn_head")),
        try RegionHead(
          c, from: neck.featureInfo.dropLast(further.count), tree: tree.scope("roi_head")))
    } else {
      head = .dense(try DenseHead(retina: c, in: c.neckChannels, from: tree.scope("bbox_head")))
    }
    anchorBoxes = AnchorBoxes(c.anchors, strides: neck.featureInfo.map(\.stride))
    selection = c.selection
  }

  /// What the network says of all anchors.
  package struct Output: Sendable {
    /// The pyramid's levels `[B, h, w, C]`, finest first.
    package let levels: [Tensor]
    /// Scores and deltas of every level.
    package let dense: DenseOutput
  }

  /// The part that looks at all of the picture.
  ///
  /// - Parameter x: `[B, H, W, 3]`, normalised and padded.
  package func output(_ x: Tensor, _ pass: ForwardPass) -> Output {
    let maps = Array(backbone(x, pass).dropFirst(startLevel))
    let levels = neck(maps, pass)
    return Output(levels: levels, dense: denseHead(levels, pass))
  }

  private var denseHead: DenseHead {
    switch head {
    case .dense(let head), .regions(let head, _): head
    }
  }

  /// All of it, for inputs without padding: what a run costs, and what measuring compares.
  package func callAsFunction(_ x: Tensor, _ pass: ForwardPass) -> Output {
    let output = pass.part("network") { self.output(x, pass) }
    let size = PixelSize(height: x.shape[1], width: x.shape[2])
    let placements = [PicturePlacement](
      repeating: PicturePlacement(inside: size), count: x.shape[0])
    for found in objects(in: output, placements: placements, selection, pass) ?? [] {
      _ = pass.part("masks") { masks(of: found, in: size, threshold: selection.mask, pass) }
    }
    return output
  }

  /// The scores and deltas of all anchors.
  package static func scores(of output: Output) -> [Tensor] {
    output.dense.scores + output.dense.deltas
  }

  /// Keys of a checkpoint that inference does not read.
  package static func ignoredKeys(_ c: DetectorConfiguration) -> [IgnoredKeys] {
    c.backbone.ignoredKeys.map {
      IgnoredKeys(pattern: "backbone.\($0.pattern)", reason: $0.reason)
    } + [IgnoredKeys(pattern: "*.num_batches_tracked", reason: "a training counter")]
  }

  // MARK: Objects

  /// The objects of every picture of a batch, best first.
  ///
  /// - Parameters:
  ///   - output: of the batch.
  ///   - placements: where each picture lies in the input.
  ///   - selection: how boxes are sifted.
  /// - Returns: `nil` where what looks at regions gave NaN or infinity.
  package func objects(
    in output: Output, placements: [PicturePlacement], _ selection: DetectionSelection,
    _ pass: ForwardPass
  ) -> [[FoundObject]]? {
    switch head {
    case .dense:
      return pass.part("boxes") {
        placements.indices.map { item in
          anchorBoxes.objects(
            output.dense, item: item, placement: placements[item], selection, pass
          ).map { FoundObject($0, mask: nil) }
        }
      }
    case .regions(_, let head):
      let regions = pass.part("proposals") {
        placements.indices.flatMap { item in
          anchorBoxes.proposals(
            output.dense, item: item, placement: placements[item], selection, pass
          ).map { head.region($0.box, item: item) }
        }
      }
      if regions.isEmpty { return placements.map { _ in [] } }
      let stages = pass.part("box head") {
        head.stages(output.levels, regions, placements: placements, pass)
      }
      guard pass.areFinite(stages.flatMap { [$0.scores, $0.deltas] }) else { return nil }
      let boxes = pass.part("boxes") {
        placements.indices.map { item in
          pass.isDryRun
            ? AnchorBoxes.placeholders(selection.most, placements[item])
            : head.boxes(stages, item: item, placement: placements[item], selection)
        }
      }
      guard head.hasMasks else { return boxes.map { $0.map { FoundObject($0, mask: nil) } } }
      guard selection.makesMasks else {
        return zip(boxes, placements).map { boxes, placement in
          boxes.map { FoundObject($0.atPictureSize(placement), mask: nil) }
        }
      }
      return pass.part("mask head") { withMasks(boxes, output.levels, head, placements, pass) }
    }
  }

  /// Makes the objects' small masks and brings their boxes to the picture's size.
  private func withMasks(
    _ boxes: [[ScoredBox]], _ levels: [Tensor], _ head: RegionHead,
    _ placements: [PicturePlacement], _ pass: ForwardPass
  ) -> [[FoundObject]]? {
    let regions = boxes.enumerated().flatMap { item, boxes in
      boxes.map { head.region($0.box, item: item) }
    }
    if regions.isEmpty { return boxes.map { _ in [] } }
    let logits = head.masks(levels, regions, pass)
    if pass.isDryRun { return boxes.map { _ in [] } }
    guard pass.areFinite(logits) else { return nil }
    var row = 0
    return boxes.enumerated().map { item, boxes in
      boxes.map { found in
        defer { row += 1 }
        return FoundObject(
          found.atPictureSize(placements[item]),
          mask: head.mask(logits, row: row, label: found.label))
      }
    }
  }

  /// The objects' masks at the size of their picture; `nil` for those without.
  ///
  /// - Parameter threshold: the probability from which a pixel is the object's.
  package func masks(
    of found: [FoundObject], in size: PixelSize, threshold: Float, _ pass: ForwardPass
  ) -> [RunLengthMask?] {
    let side = PixelSize(height: 2 * MaskHead.side, width: 2 * MaskHead.side)
    let masks = Locked([RunLengthMask?](repeating: nil, count: found.count))
    pass.threads.run(found.count) { index in
      guard let cells = found[index].mask else { return }
      let mask = cells.withUnsafeBufferPointer {
        RunLengthMask(
          pasting: $0, side: side, in: found[index].box, size: size, threshold: threshold)
      }
      masks.withLock { $0[index] = mask }
    }
    return masks.withLock { $0 }
  }
}

extension ForwardPass {
  /// Whether no element is NaN or infinite; true in a dry run, which has none.
  fileprivate func areFinite(_ tensors: [Tensor]) -> Bool {
    isDryRun || tensors.allSatisfy { $0.isFinite(threads) }
  }
}

extension ScoredBox {
  /// The same in the picture, as boxes that have masks are brought there: divided.
  fileprivate func atPictureSize(_ placement: PicturePlacement) -> ScoredBox {
    var found = self
    found.box = box.divided(x: placement.scale.x, y: placement.scale.y)
    return found
  }
}

/// Where a picture lies in a network's input, and how it came there.
package struct PicturePlacement: Sendable, Equatable {
  /// Its size in the input, before padding; it lies in the upper left corner.
  package let inside: PixelSize
  /// Input pixels per pixel of the picture: `scale_factor`. Results at the input's size have 1.
  package let scale: (x: Float, y: Float)
  /// The same the other way round, rounded once.
  private let enlargement: (x: Float, y: Float)

  /// - Parameters:
  ///   - inside: size of the resized picture.
  ///   - picture: size of the picture itself; `nil` for results at the input's size.
  package init(inside: PixelSize, of picture: PixelSize? = nil) {
    let picture = picture ?? inside
    self.init(
      inside: inside,
      scale: (
        Double(inside.width) / Double(picture.width), Double(inside.height) / Double(picture.height)
      ))
  }

  /// - Parameter scale: input pixels per pixel of the picture.
  package init(inside: PixelSize, scale: (x: Double, y: Double)) {
    self.inside = inside
    self.scale = (Float(scale.x), Float(scale.y))
    enlargement = (Float(1 / scale.x), Float(1 / scale.y))
  }

  /// A box at the picture's size as boxes without masks are brought there: multiplied.
  func enlarged(_ box: Box) -> Box { box.scaled(x: enlargement.x, y: enlargement.y) }

  package static func == (a: PicturePlacement, b: PicturePlacement) -> Bool {
    a.inside == b.inside && a.scale == b.scale
  }
}

/// An object of a picture as the network has it.
package struct FoundObject: Sendable {
  /// At the picture's size.
  package let box: Box
  package let score: Float
  package let label: Int
  /// The probability of each cell of its box to be the thing's, 28 x 28, row by row; `nil` without masks.
  package let mask: [Float]?

  init(_ found: ScoredBox, mask: [Float]?) {
    (box, score, label) = (found.box, found.score, found.label)
    self.mask = mask
  }
}
