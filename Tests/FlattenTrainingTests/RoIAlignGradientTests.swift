import FlattenRegions
import FlattenTensor
import FlattenTraining
import TestSupport
import Testing

@Suite struct RoIAlignGradientTests {
  /// The loss is the sum of RoIAlign's result times `target`.
  @Test(arguments: trainingCases("roi_align_gradient"))
  func gradientsAgree(with fixture: FixtureCase) throws {
    let golden = try Golden(fixture)
    let p = golden.parameters
    let map = try golden.map()
    let rois = try golden.input("rois").elements
    let regions = Box.all(rois, width: 5, from: 1).enumerated().map { index, box in
      RegionOfInterest(item: Int(rois[index * 5]), level: 0, box: box)
    }
    let scale = Float(try #require(p["spatial_scale"].number))
    let (ratio, aligned) = (p["sampling_ratio"].int ?? 0, p["aligned"].bool == true)
    let size = (height: p["output_size"][0].int ?? 0, width: p["output_size"][1].int ?? 0)
    let y = ForwardPass(threadCount: 2).roiAlign(
      [map], regions: regions, scales: [scale], size: size, samplingRatio: ratio, aligned: aligned,
      layer: "")
    #expect(golden.mismatch("y", y.channelsFirst()) == nil)
    let gradient = RoIAlignGradient.maps(
      from: try golden.map("target"), shapes: [map.shape], regions: regions, scales: [scale],
      samplingRatio: ratio, aligned: aligned)
    #expect(golden.mismatch("grad_x", gradient[0].channelsFirst()) == nil)
  }
}
