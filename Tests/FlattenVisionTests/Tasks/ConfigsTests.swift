import FlattenRegions
import FlattenConfig
import Foundation
import TestSupport
import Testing

@testable import FlattenVision

/// Every file in Configs: it is read, and what it says is published is what is counted.
@Suite struct ConfigsTests {
  static let folder = Fixtures.repository.appending(path: "Configs")

  static let files: [String] = {
    let all = FileManager.default.enumerator(atPath: folder.path)?.compactMap { $0 as? String }
    return (all ?? []).filter { $0.hasSuffix(".yaml") }.sorted()
  }()

  @Test func allArePresent() {
    #expect(Self.files.count { $0.hasPrefix("imagenet/") } == 65)
    #expect(Self.files.count { $0.hasPrefix("ade20k/") } == 39)
    #expect(Self.files.count { $0.hasPrefix("cityscapes/") } == 6)
    #expect(Self.files.count { $0.hasPrefix("coco/") } == 37)
    for model in ["pvt_t", "pvt_l", "pvt_v2_b4", "swin_b_384", "cswin_b_384", "deit_t"] {
      #expect(Self.files.contains("imagenet/flatten_\(model).yaml"))
      #expect(Self.files.contains("imagenet/\(model).yaml"))
    }
  }

  private func load(_ file: String) throws -> (model: any TaskConfiguration, published: ConfigNode?)
  {
    let path = Self.folder.appending(path: file).path
    return (
      try VisionTasks.configuration(path: path),
      try ConfigNode.load(path: path).value(at: "published")
    )
  }

  /// Parameters that published counts include and no pass reads.
  private func unused(_ file: String) -> Int {
    // FLatten-PVT creates a norm of 512 channels that its forward never uses.
    if file.hasPrefix("imagenet/flatten_pvt_"), !file.contains("_v2_") { return 2 * 512 }
    // UPerNet is trained with an FCN head of 256 channels on the third stage.
    let others = ["ravlt_s": 320, "ravlt_b": 384, "ravlt_l": 448, "mlla_b": 384]
    let third =
      others.first { file.contains("/\($0.key)_") }?.value ?? (file.contains("_b_") ? 512 : 384)
    if file.hasSuffix("_upernet.yaml") { return third * 256 * 9 + 2 * 256 + 257 * 150 }
    return 0
  }

  /// Counts that do not round to what is printed.
  static let exceptions = [
    // The original code's own count is 22.548 M.
    "imagenet/flatten_pvt_v2_b2.yaml": "22.5M",
    // The original codes' own counts are 22.3, 77.4, 5.7 and 86.6 M; their README files round down or up.
    "imagenet/cswin_t.yaml": "22M", "imagenet/cswin_b.yaml": "77M",
    "imagenet/cswin_b_384.yaml": "77M", "imagenet/deit_t.yaml": "6M",
    "imagenet/deit_b.yaml": "87M",
    // The original codes' own counts are 51.154 and 24.392 M.
    "imagenet/inline_pvt_l.yaml": "51.2M", "imagenet/mlla_t.yaml": "24M",
    // The original code's own count is 39.55 M.
    "ade20k/efficientvit_b3.yaml": "40M",
    // 59.92 M without the auxiliary head of training, which the table's other rows include.
    "ade20k/flatten_swin_t_upernet.yaml": "61M",
  ]

  @Test(arguments: files) func parametersAreThosePublished(file: String) throws {
    let (model, published) = try load(file)
    let profile = try model.profile(size: model.nominalSize)
    #expect(profile.parameters > 0)
    guard let text = try published?.value(at: "parameters")?.string() else { return }
    #expect(text.hasSuffix("M") && Double(text.dropLast()) != nil, "\(text)")
    let digits = text.split(separator: ".").count == 2 ? text.split(separator: ".")[1].count - 1 : 0
    let millions = Double(profile.parameters + unused(file)) / 1e6
    #expect(String(format: "%.\(digits)fM", millions) == Self.exceptions[file] ?? text)
  }

  /// Counts in billions where the figure in print is another one; each file says why.
  static let otherOperations = [
    "ade20k/flatten_pvt_t_semantic_fpn.yaml": 128.3,
    "coco/flatten_pvt_t_mask_rcnn.yaml": 211.6,
    "imagenet/cswin_l.yaml": 33.1,
    "imagenet/cswin_l_384.yaml": 101.9,
  ]

  /// FLOPs in print are multiply-accumulates, counted a little differently everywhere: norms, softmax,
  /// activations. Within 2 % and half a unit of the last digit.
  @Test(arguments: files) func operationsAreThosePublished(file: String) throws {
    let (model, published) = try load(file)
    guard let text = try published?.value(at: "flops")?.string() else { return }
    let size = try #require(try published?.value(at: "flops_size")?.string())
    let sides = size.split(separator: "x").compactMap { Int($0) }
    try #require(sides.count == 2 && text.hasSuffix("G"))
    let giga = try #require(Double(text.dropLast()))
    let decimals = text.contains(".") ? text.split(separator: ".")[1].count - 1 : 0
    let unit = pow(10, -Double(decimals))
    let profile = try model.profile(size: PixelSize(height: sides[0], width: sides[1]))
    let counted = Double(profile.macs) / 1e9
    if let other = Self.otherOperations[file] {
      return #expect(abs(counted - other) < 0.5, "\(counted) G")
    }
    #expect(abs(counted - giga) <= 0.02 * giga + unit / 2, "\(counted) G, published \(text)")
  }

  /// Averages of precision that are published.
  static let averages = ["AP", "AP50", "AP75", "APs", "APm", "APl"]

  /// Figures are percentages and name where they are from; those of another source, `mIoU_paper`, name
  /// it as well.
  @Test(arguments: files) func figuresHaveASource(file: String) throws {
    guard let published = try load(file).published else { return }
    let map = try published.map()
    _ = try map.required("source").string()
    for (key, value) in map.values {
      let words = key.split(separator: "_", maxSplits: 1)
      switch words[0] {
      case "mIoU", "mAcc", "aAcc", "top1", "top5":
        _ = try value.double(in: 0...100)
        if words.count == 2 { _ = try map.required("source_\(words[1])").string() }
      case "box", "mask":
        // box_AP75_3x: of boxes or masks, the figure, and the schedule or the source that it is of.
        let parts = key.split(separator: "_")
        #expect(parts.count >= 2 && Self.averages.contains(String(parts[1])), "\(key)")
        _ = try value.double(in: 0...100)
        for part in parts.dropFirst(2) where !["1x", "3x"].contains(part) {
          _ = try map.required("source_\(part)").string()
        }
      case "parameters", "flops", "source", "schedule": break
      default: Issue.record("\(file): 'published.\(key)'")
      }
    }
  }
}
