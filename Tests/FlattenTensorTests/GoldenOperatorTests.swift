import FlattenTensor
import TestSupport
import Testing

/// Every operator case of the golden set against our operators.
@Suite struct GoldenOperatorTests {
  static let cases = Fixtures.allCases(kinds: ["op"])

  @Test func noKindIsMissing() { #expect(Fixtures.lacking(["op"]).isEmpty) }

  @Test(arguments: cases) func operatorAgrees(with fixture: FixtureCase) throws {
    let golden = try Golden(fixture)
    let p = golden.parameters
    let name = try #require(p["op"].text)
    let pass = ForwardPass(threads: ThreadPool(threads: 2))

    func resized(_ body: (Tensor, Int, Int) throws -> Tensor) throws -> Tensor {
      try body(golden.map(), p["size"][0].int ?? 0, p["size"][1].int ?? 0).channelsFirst()
    }

    let got: Tensor
    switch name {
    case "linear":
      let weight = try golden.weights().root.tensorAsStored("weight")
      got = pass.linear(
        try golden.input(), PackedMatrix(weight), bias: try golden.weight("bias"), layer: name)
    case "conv2d":
      got = try convolution(golden, pass)
    case "conv_bn_relu":
      got = try batchNormed(golden, pass)
    case "batch_norm_eval":
      got = try normalised(golden)
    case "layer_norm":
      got = pass.layerNorm(
        try golden.input(), gamma: try #require(try golden.weight("weight")),
        beta: try #require(try golden.weight("bias")),
        epsilon: Float(try #require(p["eps"].number)),
        layer: name)
    case "gelu_erf": got = pass.activate(try golden.input(), .gelu, layer: name)
    case "relu": got = try golden.input().activated(.relu)
    case "softplus": got = try golden.input().softplus()
    case "vector_norm": got = try golden.input().rowNorms()
    case "softmax":
      got = try alongAxis(golden, p["dim"].int) { pass.softmax($0) }
    case "log_softmax":
      got = try alongAxis(golden, p["dim"].int) { $0.logSoftmax() }
    case "argmax":
      let map = try golden.map()
      let labels = map.argmax()
      got = Tensor([map.shape[0], map.shape[1], map.shape[2]], labels.map(Float.init))
    case "adaptive_avg_pool2d":
      got = pass.adaptiveAveragePool(
        try golden.map(), size: try #require(p["size"].int), layer: name
      ).channelsFirst()
    case "max_pool2d":
      let geometry = ConvolutionGeometry(
        kernel: try #require(p["kernel"].int), stride: try #require(p["stride"].int),
        padding: p["padding"].int ?? 0)
      got = pass.maxPool(try golden.map(), geometry, layer: name).channelsFirst()
    case "resize_bilinear":
      let corners = try #require(p["align_corners"].bool as Bool?)
      got = try resized {
        pass.resizeBilinear($0, height: $1, width: $2, alignCorners: corners, layer: name)
      }
    case "resize_bicubic": got = try resized { $0.resizedBicubic(height: $1, width: $2) }
    case "resize_nearest":
      got = try resized { pass.enlargedNearest($0, height: $1, width: $2) }
    case "resize_linear_1d":
      let x = try golden.input()
      let tokens = x.reshaped(Shape(x.shape + [1])).channelsLast()  // [B, n, 1, C]
      let size = try #require(p["size"].int)
      let y = pass.resizeTokens(
        tokens.reshaped([x.shape[0], x.shape[2], x.shape[1]]), channels: 0..<x.shape[1], to: size,
        layer: name)
      got = y.reshaped([x.shape[0], size, 1, x.shape[1]]).channelsFirst()
        .reshaped([x.shape[0], x.shape[1], size])
    default:
      Issue.record("no operator for '\(name)'")
      return
    }
    #expect(golden.mismatch("y", got) == nil)
  }

  private func convolution(_ golden: Golden, _ pass: ForwardPass) throws -> Tensor {
    let p = golden.parameters
    let weight = try golden.weights().root.tensorAsStored("weight")
    let bias = try golden.weight("bias")
    let kernel = weight.shape[2]
    let geometry = ConvolutionGeometry(
      kernel: kernel, stride: try #require(p["stride"].int),
      padding: try #require(p["padding"].int),
      dilation: try #require(p["dilation"].int))
    if p["groups"].int == 1 {
      return pass.convolution(
        try golden.map(), ConvolutionWeights(weight, geometry), bias: bias, layer: "conv"
      ).channelsFirst()
    }
    #expect(p["groups"].int == weight.shape[0] && p["stride"].int == 1)
    return pass.depthwiseConvolution(
      try golden.map(), DepthwiseWeight(weight, bias: bias), layer: "conv"
    ).channelsFirst()
  }

  /// The batch norm's scale and shift, by its definition.
  private func scaleAndShift(_ golden: Golden, prefix: String) throws -> ([Float], [Float]) {
    let eps = Float(golden.parameters["eps"].number ?? 1e-5)
    func values(_ name: String) throws -> [Float] {
      try #require(try golden.weight(prefix + name)).elements
    }
    let scale = zip(try values("weight"), try values("running_var")).map {
      $0 / ($1 + eps).squareRoot()
    }
    let shift = zip(zip(try values("bias"), try values("running_mean")), scale).map {
      $0.0 - $0.1 * $1
    }
    return (scale, shift)
  }

  private func normalised(_ golden: Golden) throws -> Tensor {
    let (scale, shift) = try scaleAndShift(golden, prefix: "")
    let x = try golden.map()
    let values = x.elements.enumerated().map {
      $1 * scale[$0 % scale.count] + shift[$0 % scale.count]
    }
    return Tensor(x.shape, values).channelsFirst()
  }

  private func batchNormed(_ golden: Golden, _ pass: ForwardPass) throws -> Tensor {
    let p = golden.parameters
    let (scale, shift) = try scaleAndShift(golden, prefix: "bn.")
    let weight = try golden.weights().root.tensorAsStored("conv.weight")
    let perOutput = weight.count / scale.count
    let folded = Tensor(
      weight.shape, weight.elements.enumerated().map { $1 * scale[$0 / perOutput] })
    let geometry = ConvolutionGeometry(
      kernel: weight.shape[2], stride: try #require(p["stride"].int),
      padding: try #require(p["padding"].int))
    return pass.convolution(
      try golden.map(), ConvolutionWeights(folded, geometry), bias: Tensor([shift.count], shift),
      activation: .relu, layer: "conv"
    ).channelsFirst()
  }

  /// Runs a row operator along the last axis or, for maps, along the channels.
  private func alongAxis(
    _ golden: Golden, _ axis: Int?, _ body: (Tensor) -> Tensor
  ) throws -> Tensor {
    let x = try golden.input()
    if axis == -1 || axis == x.shape.count - 1 { return body(x) }
    #expect(axis == 1 && x.shape.count == 4)
    return body(x.channelsLast()).channelsFirst()
  }
}
