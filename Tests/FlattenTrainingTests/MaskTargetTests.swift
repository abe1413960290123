import FlattenRegions
import FlattenTensor
import FlattenTraining
import TestSupport
import Testing

@Suite struct MaskTargetTests {
  @Test(arguments: trainingCases("mask_target")) func targetsAgree(with fixture: FixtureCase) throws
  {
    let golden = try Golden(fixture)
    let masks = try golden.input("gt_masks")
    let side = try #require(golden.parameters["mask_size"].int)
    let targets = MaskTarget.targets(
      of: masks.reshaped([masks.shape[0], masks.shape[1], masks.shape[2], 1]),
      proposals: Box.all(try golden.input("proposals").elements),
      objects: try #require(golden.inputs["gt_inds"]).integers,
      size: PixelSize(height: side, width: side), ForwardPass(threadCount: 2))
    #expect(
      golden.mismatch("targets", targets.reshaped([targets.shape[0], side, side])) == nil)
  }
}
