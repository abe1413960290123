import FlattenTensor

/// An intermediate map, made on the way to a model's maps, under a name that is the same for all families.
///
/// The names count stages and blocks from 0:
///
/// | name | tensor |
/// |---|---|
/// | `stages.S.patch_embed` | what the stage begins with: patches embedded or merged, before positions are added |
/// | `stages.S.blocks.B.norm1` | what the attention sees |
/// | `stages.S.blocks.B.attn` | what the attention adds, after its output projection |
/// | `stages.S.blocks.B.norm2` | what the feed-forward part sees |
/// | `stages.S.blocks.B.mlp` | what the feed-forward part adds |
/// | `stages.S.blocks.B` | the block's result |
/// | `stages.S` | the stage's map, as the backbone returns it |
public struct Intermediate: Sendable {
  /// Its name, for example `stages.2.blocks.1.attn`.
  public let name: String
  /// The class token of each picture, `[B, C]`, where one stands before the tokens: in DeiT.
  public let classToken: Tensor?
  /// The tokens of the grid as a map.
  public let map: FeatureMap

  /// - Parameters:
  ///   - tensor: a map `[B, H, W, C]`, or tokens `[B, N, C]`, perhaps with a class token.
  ///   - grid: rows and columns.
  init(name: String, _ tensor: Tensor, grid: (height: Int, width: Int), stride: Int) {
    self.name = name
    let (batch, channels) = (tensor.shape[0], tensor.shape[tensor.shape.count - 1])
    let count = grid.height * grid.width
    let shape: Shape = [batch, grid.height, grid.width, channels]
    let leading = tensor.count / (batch * channels) - count
    if leading == 0 {
      classToken = nil
      map = FeatureMap(tensor.reshaped(shape), stride: stride)
    } else {
      let tokens = tensor.reshaped([batch, leading + count, channels])
      classToken = tokens.tokens(0..<1).reshaped([batch, channels])
      map = FeatureMap(
        tokens.tokens(leading..<leading + count).reshaped(shape), stride: stride)
    }
  }
}

extension Tensor {
  /// Some tokens of each item, copied: `[B, N, C]` to `[B, range.count, C]`.
  fileprivate func tokens(_ range: Range<Int>) -> Tensor {
    let all = reshaped([shape[0], shape[1], 1, shape[2]])
    return all.window(top: range.lowerBound, left: 0, height: range.count, width: 1)
      .reshaped([shape[0], range.count, shape[2]])
  }
}

/// The names of intermediates, the same for all families; ``Intermediate`` says what they are.
public enum IntermediateNames {
  /// What a stage begins with.
  public static func patchEmbedding(_ stage: Int) -> String { "stages.\(stage).patch_embed" }

  /// A block's result; `.norm1`, `.attn`, `.norm2` and `.mlp` are below it.
  public static func block(stage: Int, _ block: Int) -> String {
    "stages.\(stage).blocks.\(block)"
  }

  /// A stage's map.
  public static func stage(_ stage: Int) -> String { "stages.\(stage)" }

  /// All names of a model with so many blocks in each stage, in the order they are made.
  public static func all(blocks: [Int]) -> [String] {
    all(blocks: blocks, skipped: SkippedAttention())
  }

  /// The same where some blocks have no first norm.
  static func all(blocks: [Int], skipped: SkippedAttention) -> [String] {
    blocks.enumerated().flatMap { stage, count in
      [patchEmbedding(stage)]
        + (0..<count).flatMap { index in
          let block = block(stage: stage, index)
          let parts = ["norm1", "attn", "norm2", "mlp"]
            .dropFirst(skipped.contains(stage: stage, block: index) ? 1 : 0)
          return parts.map { "\(block).\($0)" } + [block]
        } + [Self.stage(stage)]
    }
  }

  /// The stage that a name belongs to; `nil` where it is not one of ours.
  static func stageIndex(of name: String) -> Int? {
    let parts = name.split(separator: ".", maxSplits: 2)
    return parts.count >= 2 && parts[0] == "stages" ? Int(parts[1]) : nil
  }
}
