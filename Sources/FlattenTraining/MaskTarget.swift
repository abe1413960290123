import FlattenRegions
import FlattenTensor

/// What a mask head is trained towards: the annotated masks, cropped to proposals and resized.
package enum MaskTarget {
  /// The part of an object's mask that each proposal sees: RoIAlign of the mask, 1 where at least half is the
  /// object's, else 0 (mmdetection's `mask_target`).
  ///
  /// - Parameters:
  ///   - masks: `[objects, H, W, 1]`, 0 or 1.
  ///   - proposals: in pixels of the masks; held within them.
  ///   - objects: the object of each proposal.
  /// - Returns: `[proposals, height, width, 1]`.
  package static func targets(
    of masks: Tensor, proposals: [Box], objects: [Int], size: PixelSize, _ pass: ForwardPass
  ) -> Tensor {
    let picture = PixelSize(height: masks.shape[1], width: masks.shape[2])
    let regions = zip(proposals, objects).map { box, object in
      RegionOfInterest(item: object, level: 0, box: box.clipped(to: picture))
    }
    let shares = pass.roiAlign(
      [masks], regions: regions, scales: [1], size: (size.height, size.width),
      layer: "mask target")
    return Tensor(shares.shape, shares.elements.map { $0 >= 0.5 ? 1 : 0 })
  }
}
