import FlattenCheckpoint
import FlattenModels
import FlattenRegions
import FlattenTensor
import Foundation
import TestSupport
import Testing

@testable import FlattenVision

/// Configs of published detectors: what they count, and whose checkpoints they read.
@Suite struct DetectorConfigsTests {
  /// Parameters in millions and multiply-accumulates in billions at 800x1280 with 1000 regions and 100 masks, counted
  /// from the original modules.
  static let counts: [(config: String, millions: Double, billions: Double)] = [
    ("pvt_t_mask_rcnn", 32.88, 239.6), ("flatten_pvt_t_mask_rcnn", 31.80, 211.6),
    ("swin_t_mask_rcnn", 47.79, 266.6), ("flatten_swin_t_mask_rcnn", 48.70, 266.6),
    ("swin_t_cascade_mask_rcnn", 85.63, 744.8), ("flatten_swin_t_cascade_mask_rcnn", 86.54, 744.8),
    ("swin_s_cascade_mask_rcnn", 106.95, 836.8), ("pvt_t_retinanet", 22.96, 221.0),
    ("flatten_pvt_t_retinanet", 21.89, 193.1), ("pvt_v2_b0_retinanet", 12.95, 177.5),
    ("pvt_v2_b2_retinanet", 35.10, 290.2), ("pvt_v2_b2_mask_rcnn", 45.02, 308.7),
    ("pvt_v2_b2_cascade_mask_rcnn", 82.85, 787.0),
  ]

  @Test(arguments: counts)
  func countsAreThoseOfTheOriginals(
    _ expected: (config: String, millions: Double, billions: Double)
  ) throws {
    let configuration = try DetectionConfiguration.load(path: "coco/\(expected.config)")
    let profile = try configuration.profile(size: PixelSize(height: 800, width: 1280))
    // The original FLatten backbones also have a norm after the last stage that detection does not read.
    let unused =
      expected.config.hasPrefix("flatten_swin_t")
      ? 2 * 768 : expected.config.hasPrefix("flatten_pvt") ? 2 * 512 : 0
    #expect(abs(Double(profile.parameters + unused) / 1e6 - expected.millions) <= 0.0051)
    let billions = Double(profile.macs) / 1e9
    #expect(abs(billions - expected.billions) <= 0.005 * expected.billions, "\(billions)")
  }

  /// Lists of keys, by the beginnings of their names, and the config that reads them.
  static let lists = [
    ("cascade_mask_rcnn_flatten_swin_t", "flatten_swin_t_cascade_mask_rcnn"),
    ("cascade_mask_rcnn_pvt_v2_b2_li", "pvt_v2_b2_li_cascade_mask_rcnn"),
    ("cascade_mask_rcnn_swin_t", "swin_t_cascade_mask_rcnn"),
    ("mask_rcnn_flatten_pvt_t", "flatten_pvt_t_mask_rcnn"),
    ("mask_rcnn_flatten_swin_t", "flatten_swin_t_mask_rcnn"),
    ("mask_rcnn_pvt_tiny", "pvt_t_mask_rcnn"),
    ("mask_rcnn_pvt_v2_b2_li", "pvt_v2_b2_li_mask_rcnn"),
    ("mask_rcnn_swin_t", "swin_t_mask_rcnn"),
    ("mask_rcnn_swin_t_mmdetection", "swin_t_mask_rcnn"),
    ("retinanet_flatten_pvt_t", "flatten_pvt_t_retinanet"),
    ("retinanet_pvt_tiny", "pvt_t_retinanet"),
    ("retinanet_pvt_tiny_mmdetection", "pvt_t_retinanet"),
    ("retinanet_pvt_v2_b0", "pvt_v2_b0_retinanet"),
    ("retinanet_pvt_v2_b0_mmdetection", "pvt_v2_b0_retinanet"),
    ("retinanet_swin_t_mmdetection", "swin_t_retinanet"),
  ]
  static let folder = Fixtures.shared.appending(path: "detection/keys")

  /// Every list is read strictly: no key is missing, none is left over.
  @Test(.enabled(if: Fixtures.exists(folder), "needs ../shared/detection"), arguments: lists)
  func keysAreRead(_ list: String, by config: String) throws {
    let keys = try FormulaParameters(
      list: Self.folder.appending(path: "\(list).txt"), isEmpty: true)
    let model = try DetectionConfiguration.load(path: "coco/\(config)").model
    let tree = ParameterTree(source: model.translating(keys))
    _ = try ObjectDetector(model, from: tree.root)
    try tree.finish(ignoring: ObjectDetector.ignoredKeys(model))
  }

  @Test(.enabled(if: Fixtures.exists(folder), "needs ../shared/detection"))
  func everyListIsTested() throws {
    let files = try FileManager.default.contentsOfDirectory(atPath: Self.folder.path)
    #expect(Set(files) == Set(Self.lists.map { "\($0.0).txt" }))
  }
}
