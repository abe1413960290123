import FlattenCheckpoint
import FlattenNN
import FlattenTensor
import TestSupport
import Testing

extension Golden {
  /// What the attention of any attention case makes of its input.
  func attention(_ pass: ForwardPass) throws -> Tensor {
    let tree = try weights()
    let y: Tensor
    switch json["kind"].text {
    case "fla_swin", "window_attention": y = try windows(tree, pass)
    case "fla_cswin", "lepe_attention": y = try stripes(tree, pass)
    default: y = try tokens(tree, pass)
    }
    try tree.finish(ignoring: [
      IgnoredKeys(pattern: "relative_position_index", reason: "follows from the window's size")
    ])
    return y
  }

  /// A module of the PVT families, on its grid.
  private func tokens(_ tree: ParameterTree, _ pass: ForwardPass) throws -> Tensor {
    let p = parameters
    let kind = try #require(json["kind"].text)
    let grid = Grid(try #require(p["H"].int), try #require(p["W"].int))
    let channels = try #require(p["dim"].int)
    let heads = try #require(p["num_heads"].int)
    let ratio = try #require(p["sr_ratio"].int)
    let reduction: KeyReduction =
      p["linear"].bool == true ? .pooled(size: 7) : ratio > 1 ? .strided(ratio: ratio) : .none
    let qkvBias = p["qkv_bias"].bool ?? true
    let attention: any TokenAttention
    if kind.hasPrefix("fla") {
      attention = try FocusedLinearAttention(
        FocusedLinearAttention.Configuration(
          channels: channels, heads: heads, reduction: reduction, nativeGrid: grid,
          focusingFactor: try #require(p["focusing_factor"].int),
          kernel: try #require(p["kernel_size"].int), qkvBias: qkvBias, normEpsilon: 1e-5),
        from: tree.root)
    } else {
      attention = try SpatialReductionAttention(
        channels: channels, heads: heads, reduction: reduction, qkvBias: qkvBias,
        normEpsilon: 1e-5, from: tree.root)
    }
    return attention(try input(), grid: grid, residual: nil, pass)
  }

  private func windows(
    _ tree: ParameterTree, _ pass: ForwardPass
  ) throws -> Tensor {
    let p = parameters
    let (dim, heads) = (try #require(p["dim"].int), try #require(p["num_heads"].int))
    let side = try #require(p["window"].int)
    let x = try input()
    var layout = WindowLayout(wholeOf: side, side)
    if inputs["mask"] != nil {
      // The mask is that of a map of 2x2 windows, shifted by half a window.
      layout = WindowLayout(
        height: 2 * side, width: 2 * side, windowHeight: side, windowWidth: side, shift: side / 2)
      let mask = try input("mask")
      for window in 0..<4 {
        let parts = (0..<side * side).map { layout.part(window: window, token: $0) }
        for query in 0..<side * side {
          for key in 0..<side * side {
            let penalty = mask.elements[(window * side * side + query) * side * side + key]
            #expect(penalty == (parts[query] == parts[key] ? 0 : -100))
          }
        }
      }
    }
    if json["kind"].text == "window_attention" {
      let attention = try WindowAttention(
        channels: dim, heads: heads, window: side, qkvBias: true, from: tree.root)
      return attention(x, layout, pass)
    }
    let attention = try FocusedWindowAttention(
      try mixing(p, side: side), qkvBias: true, from: tree.root)
    return attention(x, layout, pass)
  }

  private func stripes(
    _ tree: ParameterTree, _ pass: ForwardPass
  ) throws -> Tensor {
    let p = parameters
    let (dim, heads) = (try #require(p["dim"].int), try #require(p["num_heads"].int))
    let side = try #require(p["resolution"].int)
    let split = try #require(p["split_size"].int)
    let grid = Grid(side, side)
    let q = try part(0)
    let kv = try keysAndValues()
    if json["kind"].text == "fla_cswin" {
      let attention = try FocusedStripeAttention(try mixing(p, side: side), from: tree.root)
      return attention(q, kv: kv, grid: grid, pass)
    }
    let stripes: StripeAttention.Stripes =
      switch p["idx"].int {
      case 0: .columns(split)
      case 1: .rows(split)
      default: .whole
      }
    let attention = try StripeAttention(stripes, channels: dim, heads: heads, from: tree.root)
    let part = attention(q, kv: kv, channels: 0..<dim, grid: grid, pass)
    return pass.joinWindows([part], layer: "").asTokens
  }

  /// Keys and values of the cases whose input is q, k and v.
  func keysAndValues() throws -> Tensor { try part(1).beside(part(2)) }

  /// q, k or v of these cases.
  private func part(_ index: Int) throws -> Tensor {
    let qkv = try input("qkv")
    let shape = Shape(qkv.shape.dropFirst())
    let size = shape.elementCount
    return Tensor(shape, Array(qkv.elements[index * size..<(index + 1) * size]))
  }

  private func mixing(_ p: JSONValue, side: Int) throws -> FocusedMixing.Configuration {
    FocusedMixing.Configuration(
      channels: try #require(p["dim"].int), heads: try #require(p["num_heads"].int),
      nativeGrid: Grid(side, side), focusingFactor: try #require(p["focusing_factor"].int),
      kernel: try #require(p["kernel_size"].int))
  }
}

extension Tensor {
  /// Two tensors of rows, side by side along the last axis.
  func beside(_ other: Tensor) -> Tensor {
    let (own, others) = (shape[shape.count - 1], other.shape[other.shape.count - 1])
    let (left, right) = (elements, other.elements)
    var values: [Float] = []
    for row in 0..<count / own {
      values += left[row * own..<row * own + own]
      values += right[row * others..<row * others + others]
    }
    return Tensor(shape.replacingLast(with: own + others), values)
  }
}
