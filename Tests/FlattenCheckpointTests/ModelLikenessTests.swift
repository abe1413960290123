import Testing

@testable import FlattenCheckpoint

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
      "module.backbone.", depths: [2, 2, 2, 2], widths: [64, 128, 320, 512], letters: "LLSS")
    tensors += [
      ("module.neck.lateral_convs.0.conv.weight", [256, 64, 1, 1]),
      ("module.decode_head.scale_heads.0.0.conv.weight", [128, 256, 3, 3]),
      ("module.decode_head.conv_seg.weight", [19, 128, 1, 1]),
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
}
