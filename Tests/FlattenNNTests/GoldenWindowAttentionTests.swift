import FlattenCheckpoint
import FlattenNN
import FlattenTensor
import TestSupport
import Testing

/// The attentions of the Swin and CSwin families of the golden set.
@Suite struct GoldenWindowAttentionTests {
  static let cases = Fixtures.cases(
    kinds: ["fla_swin", "fla_cswin", "window_attention", "lepe_attention"])

  @Test func theSetIsNotEmpty() {
    #expect(
      Set(Self.cases.map(\.kind)).count == 4, "cases are missing in \(Fixtures.folder.path)")
  }

  @Test(arguments: cases) func attentionAgrees(with fixture: FixtureCase) throws {
    let golden = try Golden(fixture)
    let tree = try golden.weights()
    let pass = ForwardPass(threads: ThreadPool(threads: 2))
    let tap = OutputTap(pass)
    let y =
      ["fla_swin", "window_attention"].contains(fixture.kind)
      ? try windows(golden, tree, pass) : try stripes(golden, tree, pass)
    try tree.finish(ignoring: [
      IgnoredKeys(pattern: "relative_position_index", reason: "follows from the window's size")
    ])
    if let qkv = golden.expected["qkv"] {
      let q = try #require(tap.outputs["qkv.q"])
      let kv = try #require(tap.outputs["qkv.kv"])
      #expect(golden.mismatch("qkv", q.beside(kv).reshaped(qkv.shape)) == nil)
    }
    if golden.expected["proj_in"] != nil {
      let restored = try #require(tap.outputs["dwc"])
      let shape = golden.expected["proj_in"]?.shape ?? []
      #expect(golden.mismatch("proj_in", restored.reshaped(shape)) == nil)
    }
    #expect(golden.mismatch("y", y) == nil)
  }

  private func windows(
    _ golden: Golden, _ tree: ParameterTree, _ pass: ForwardPass
  ) throws -> Tensor {
    let p = golden.parameters
    let (dim, heads) = (try #require(p["dim"].int), try #require(p["num_heads"].int))
    let side = try #require(p["window"].int)
    let x = try golden.input()
    var layout = WindowLayout(wholeOf: side, side)
    if golden.inputs["mask"] != nil {
      // The mask is that of a map of 2x2 windows, shifted by half a window.
      layout = WindowLayout(
        height: 2 * side, width: 2 * side, windowHeight: side, windowWidth: side, shift: side / 2)
      let mask = try golden.input("mask")
      for window in 0..<4 {
        let parts = layout.parts(window: window) ?? Array(repeating: 0, count: side * side)
        for query in 0..<side * side {
          for key in 0..<side * side {
            let penalty = mask.elements[(window * side * side + query) * side * side + key]
            #expect(penalty == (parts[query] == parts[key] ? 0 : -100))
          }
        }
      }
    }
    if golden.json["kind"].text == "window_attention" {
      let attention = try WindowAttention(
        channels: dim, heads: heads, window: side, qkvBias: true, from: tree.root)
      return attention(x, layout, pass)
    }
    let attention = try FocusedWindowAttention(
      try mixing(p, side: side), qkvBias: true, from: tree.root)
    return attention(x, layout, pass)
  }

  private func stripes(
    _ golden: Golden, _ tree: ParameterTree, _ pass: ForwardPass
  ) throws -> Tensor {
    let p = golden.parameters
    let (dim, heads) = (try #require(p["dim"].int), try #require(p["num_heads"].int))
    let side = try #require(p["resolution"].int)
    let split = try #require(p["split_size"].int)
    let grid = Grid(side, side)
    let qkv = try golden.input("qkv")
    let shape = Array(qkv.shape.dropFirst())
    let size = shape.reduce(1, *)
    let (q, k, v) = (qkv.part(0, size, shape), qkv.part(1, size, shape), qkv.part(2, size, shape))
    let kv = k.beside(v)
    if golden.json["kind"].text == "fla_cswin" {
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

  private func mixing(_ p: JSONValue, side: Int) throws -> FocusedMixing.Configuration {
    FocusedMixing.Configuration(
      channels: try #require(p["dim"].int), heads: try #require(p["num_heads"].int),
      nativeGrid: Grid(side, side), focusingFactor: try #require(p["focusing_factor"].int),
      kernel: try #require(p["kernel_size"].int))
  }
}

extension Tensor {
  /// One of several equal parts.
  fileprivate func part(_ index: Int, _ size: Int, _ shape: [Int]) -> Tensor {
    Tensor(shape, Array(elements[index * size..<(index + 1) * size]))
  }

  /// Two tensors of rows, side by side along the last axis.
  fileprivate func beside(_ other: Tensor) -> Tensor {
    let (own, others) = (shape[shape.count - 1], other.shape[other.shape.count - 1])
    let (left, right) = (elements, other.elements)
    var values: [Float] = []
    for row in 0..<count / own {
      values += left[row * own..<row * own + own]
      values += right[row * others..<row * others + others]
    }
    return Tensor(shape.dropLast() + [own + others], values)
  }
}
