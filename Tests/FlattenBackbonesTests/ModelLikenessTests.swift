import Foundation
import TestSupport
import Testing

@testable import FlattenBackbones

@Suite struct ModelLikenessTests {
  private func pyramid(
    _ prefix: String, depths: [Int], widths: [Int], letters: String, isSecond: Bool = false
  ) -> [(name: String, shape: [Int])] {
    var tensors: [(name: String, shape: [Int])] = []
    for (stage, letter) in letters.enumerated() {
      tensors.append(("\(prefix)patch_embed\(stage + 1).proj.weight", [widths[stage], 3, 4, 4]))
      for block in 0..<depths[stage] {
        let name = "\(prefix)block\(stage + 1).\(block)"
        tensors.append(("\(name).attn.q.weight", [widths[stage], widths[stage]]))
        if letter == "L" { tensors.append(("\(name).attn.dwc.weight", [8, 1, 5, 5])) }
        if isSecond { tensors.append(("\(name).mlp.dwconv.dwconv.weight", [8, 1, 3, 3])) }
      }
    }
    return tensors
  }

  @Test func segmentor() {
    var tensors = pyramid(
      "backbone.", depths: [2, 2, 2, 2], widths: [64, 128, 320, 512], letters: "LLSS")
    tensors += [
      ("neck.lateral_convs.0.conv.weight", [256, 64, 1, 1]),
      ("decode_head.scale_heads.0.0.conv.weight", [128, 256, 3, 3]),
      ("decode_head.conv_seg.weight", [19, 128, 1, 1]),
    ]
    #expect(
      ModelLikeness(tensors).description
        == "FLatten-PVT tiny (attention LLSS, depths 2-2-2-2, widths 64-128-320-512), FPN 256, "
        + "FPNHead 128, 19 classes")
    let names = ModelLikeness(names: Set(tensors.map(\.name))).description
    #expect(names == "FLatten-PVT (attention LLSS, depths 2-2-2-2), FPN, FPNHead")
  }

  @Test func backbones() {
    let second = pyramid(
      "", depths: [3, 4, 6, 3], widths: [64, 128, 320, 512], letters: "SSSS", isSecond: true)
    #expect(
      ModelLikeness(second).description
        == "PVTv2 B2 (depths 3-4-6-3, widths 64-128-320-512)")
    #expect(
      ModelLikeness([
        ("layers.0.blocks.0.attn.qkv.weight", [12, 4]),
        ("layers.0.blocks.0.attn.dwc.weight", [4, 1, 5, 5]),
        ("layers.0.blocks.0.norm1.weight", [4]), ("head.weight", [10, 4]),
      ]).description
        == "FLatten-Swin (attention L, depths 1, widths 4), classifier of 10 classes")
    #expect(
      ModelLikeness([("stage1.0.attns.0.get_v.weight", [4, 1, 3, 3])]).description
        == "CSwin (depths 1)")
    #expect(
      ModelLikeness([
        ("cls_token", [1, 1, 192]), ("blocks.0.attn.qkv.weight", [576, 192]),
        ("blocks.0.norm1.weight", [192]),
      ]).description == "DeiT (depths 1, widths 192)")
    #expect(ModelLikeness([("w", [1])]).description == nil)
  }

  /// Full key lists of original models: each names its family, so that weights of the wrong one say
  /// what they are.
  @Test(arguments: [
    ("ravlt_t", "RAVLT tiny (depths 2-2-6-2, widths 64-128-256-512)"),
    ("ravlt_s_upernet", "RAVLT small (depths 3-5-9-3"),
    ("ravlt_b_semantic_fpn", "RAVLT base (depths 4-6-12-6"),
    ("ravlt_l_semantic_fpn", "RAVLT large (depths 4-7-19-8"),
    ("agent_pvt_t", "Agent-PVT tiny (depths 2-2-2-2"),
    ("agent_pvt_s_semantic_fpn", "Agent-PVT small (depths 3-4-6-3"),
    ("inline_pvt_t", "InLine-PVT tiny (depths 2-2-2-2"),
    ("vvt_tiny", "VVT tiny (depths 2-2-2-2, widths 96-160-320-512)"),
    ("mlla_t", "MLLA tiny (depths 2-4-8-4, widths 64-128-256-512)"),
    ("mlla_b_upernet", "MLLA base (depths 3-6-21-6"),
  ])
  func modelsOfTheLiterature(file: String, beginning: String) throws {
    let list = try FormulaParameters(
      list: Fixtures.literatureKeys.appending(path: "\(file).txt"), isEmpty: true)
    let text = ModelLikeness(list.parameterShapes.map { ($0.name, $0.shape) }).description
    #expect(text?.hasPrefix(beginning) == true, "\(text ?? "nothing")")
  }

  /// Any mixture of attentions in a pyramid is told by its letters.
  @Test func mixtures() {
    var tensors = pyramid(
      "", depths: [2, 2, 2, 2], widths: [64, 128, 320, 512], letters: "LSSS")
    tensors += [
      ("block2.0.attn.qkvo.weight", [512, 128, 1, 1]), ("block4.1.attn.an_bias", [8, 49, 7, 7]),
    ]
    #expect(
      ModelLikeness(tensors).description?.hasPrefix("FLatten-PVT tiny (attention LRSA, ") == true)
  }

  @Test(arguments: [
    ("flatten_pvt_tiny", "FLatten-PVT tiny (attention LLLL, depths 2-2-2-2"),
    ("flatten_pvt_v2_b0", "FLatten-PVTv2 B0 (attention LLLL, depths 2-2-2-2"),
    ("pvt_tiny", "PVT tiny (depths 2-2-2-2, widths 64-128-320-512)"),
    ("pvt_v2_b2_li", "PVTv2 B2 (depths 3-4-6-3"),
    ("swin_tiny", "Swin tiny (depths 2-2-6-2, widths 96-192-384-768)"),
    ("flatten_swin_tiny", "FLatten-Swin tiny (attention LLSS, depths 2-2-6-2"),
    ("flatten_swin_base_384", "FLatten-Swin base (attention LLSS, depths 2-2-18-2"),
    ("cswin_tiny", "CSwin tiny (depths 1-2-21-1, widths 64-128-256-512)"),
    ("cswin_tiny_dense", "CSwin tiny (depths 1-2-21-1"),
    ("flatten_cswin_tiny", "FLatten-CSwin tiny (attention LLSS, depths 2-4-18-1"),
    ("flatten_cswin_base_384", "FLatten-CSwin base (attention LLSS, depths 3-6-29-2"),
    ("deit_tiny", "DeiT tiny (depths 12, widths 192)"),
    ("swin_tiny_mmsegmentation", "Swin of mmsegmentation tiny (depths 2-2-6-2"),
    ("pvt_tiny_mmdetection", "PVT of mmdetection tiny (depths 2-2-2-2"),
    ("pvt_v2_b0_mmdetection", "PVTv2 of mmdetection B0 (depths 2-2-2-2"),
  ])
  func originalModels(file: String, beginning: String) throws {
    let url = Fixtures.families.appending(path: "keys/\(file).txt")
    let tensors = try String(contentsOf: url, encoding: .utf8).split(separator: "\n").map { line in
      let words = line.split(separator: " ")
      return (name: String(words[0]), shape: words[1].split(separator: "x").compactMap { Int($0) })
    }
    for prefix in ["", "backbone."] {
      let text = ModelLikeness(tensors.map { (prefix + $0.name, $0.shape) }).description
      #expect(text?.hasPrefix(beginning) == true, "\(text ?? "nothing")")
    }
  }

  /// EfficientViT's published segmentors.
  @Test(arguments: [
    (
      "b0_cityscapes",
      "EfficientViT B0 (depths 2-2-3-3, widths 16-32-64-128), EfficientViT's head 32, 19 classes"
    ),
    (
      "b1_ade20k",
      "EfficientViT B1 (depths 2-3-4-5, widths 32-64-128-256), EfficientViT's head 64, 150 classes"
    ),
    (
      "l1_ade20k",
      "EfficientViT L1 (depths 2-2-7-7, widths 64-128-256-512), EfficientViT's head 128, 150 classes"
    ),
  ])
  func efficientViT(file: String, text: String) throws {
    let list = try FormulaParameters(
      list: Fixtures.literatureKeys.appending(path: "efficientvit_\(file).txt"), isEmpty: true)
    let tensors = list.parameterShapes.map { ($0.name, $0.shape) }
    #expect(ModelLikeness(tensors).description == text)
    #expect(ModelLikeness.isModel(Set(tensors.map(\.0))))
    #expect(!ModelLikeness(tensors).isBackboneAlone)
  }
}
