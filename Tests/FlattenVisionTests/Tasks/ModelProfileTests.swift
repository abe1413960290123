import FlattenRegions
import FlattenConfig
import FlattenInspection
import FlattenModels
import TestSupport
import Testing

@testable import FlattenVision

/// Parameters and multiply-accumulates against figures that do not come from our own counting.
@Suite struct ModelProfileTests {
  private func profile(_ config: String, _ size: PixelSize) throws -> ModelProfile {
    let path = Fixtures.repository.appending(path: "Configs/\(config).yaml").path
    return try SegmentationConfiguration.load(path: path).profile(size: size)
  }

  @Test func theAde20kModelHasItsPublishedSize() throws {
    let square = try profile(
      "ade20k/flatten_pvt_t_semantic_fpn", PixelSize(height: 512, width: 512))
    // Counted with the reference's modules: 15.9 M parameters, 32.1 GMAC; the paper says 16M.
    #expect((Double(square.parameters) / 1e6 * 10).rounded() == 159)
    #expect((Double(square.macs) / 1e9 * 10).rounded() == 321)
    // Linear attention: four times the pixels cost four times as much.
    let wide = try profile(
      "ade20k/flatten_pvt_t_semantic_fpn", PixelSize(height: 512, width: 2048))
    #expect(wide.macs == 4 * square.macs)
  }

  @Test func everyParameterBelongsToALayer() throws {
    let profile = try SegmentationConfiguration.builtIn()
      .profile(size: PixelSize(height: 64, width: 96))
    #expect(profile.layers.reduce(0) { $0 + $1.parameters } == profile.parameters)
    #expect(profile.layers.first?.shape == [1, 16, 24, 32])
    #expect(profile.layers.last?.shape == [1, 16, 24, 11])
  }

  /// Every family; q, k and v are one layer in a checkpoint and two operators here.
  @Test(arguments: ["flatten_swin", "swin", "flatten_cswin", "cswin", "flatten_deit", "pvt"])
  func everyParameterOfAFamilyBelongsToALayer(family: String) throws {
    var configuration = try SegmentationConfiguration.builtIn()
    configuration = SegmentationConfiguration(
      name: family, dataset: configuration.dataset,
      model: try SegmentorConfiguration(
        ConfigNode.parse(
          "{backbone: {type: \(family), variant: tiny}, neck: {out_channels: 8}, "
            + "decode_head: {type: fpn_head, channels: 8, num_classes: 11}}", name: family)),
      input: configuration.input, mode: .whole)
    let profile = try configuration.profile(size: PixelSize(height: 71, width: 96))
    #expect(profile.layers.reduce(0) { $0 + $1.parameters } == profile.parameters)
    let q = profile.layers.first { $0.name.hasSuffix(".qkv.q") }
    #expect(family == "pvt" || (q?.parameters ?? 0) > 0)
  }

  @Test func aConvolutionCountsItsWindow() throws {
    let profile = try SegmentationConfiguration.builtIn()
      .profile(size: PixelSize(height: 64, width: 96))
    let stem = try #require(profile.layers.first)
    #expect(stem.macs == 16 * 24 * 7 * 7 * 3 * 32)
    #expect(stem.parameters == 7 * 7 * 3 * 32 + 32)
  }
}
