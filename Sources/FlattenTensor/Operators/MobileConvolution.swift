import FlattenKernels

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// The weights of an inverted residual block (MobileNetV2, arXiv 1801.04381): a 1x1 convolution to a wide hidden map, a
/// depthwise convolution of it, and a 1x1 convolution back.
package struct MobileWeights: Sendable {
  /// To the hidden map; `nil` where the depthwise convolution reads the input.
  package let expand: PackedConvolution?
  package let depthwise: DepthwiseWeight
  /// After the depthwise convolution.
  package let activation: Activation
  package let project: PackedConvolution

  /// - Precondition: `expand` and `project` have 1x1 windows.
  package init(
    expand: PackedConvolution?, depthwise: DepthwiseWeight, activation: Activation,
    project: PackedConvolution
  ) {
    precondition(
      (expand?.geometry.kernel ?? 1) == 1 && project.geometry.kernel == 1
        && depthwise.weight.shape[1] == project.inputs,
      "1x1 convolutions around a depthwise one of \(project.inputs) channels")
    self.expand = expand
    self.depthwise = depthwise
    self.activation = activation
    self.project = project
  }
}

extension ForwardPass {
  /// `project(activation(depthwise(expand(x)))) + residual`.
  ///
  /// For inference it is one operator where the hidden map is large: some rows of it at a time, which stay in the
  /// cache and never reach memory; the same bits. Otherwise three, named by `layers`.
  ///
  /// - Parameters:
  ///   - x: `[B, H, W, C]`.
  ///   - residual: shape of the result.
  ///   - layers: the paths of the three convolutions, the first one unused where there is none.
  ///   - layer: path of the block.
  /// - Returns: `[B, H', W', outputs]`, sides divided by the depthwise convolution's stride and rounded up.
  package func mobileConvolution(
    _ x: Tensor, _ w: MobileWeights, residual: Tensor?,
    layers: @autoclosure () -> (expand: String, depthwise: String, project: String),
    layer: @autoclosure () -> String
  ) -> Tensor {
    let (batch, height, width, channels) = x.mapShape(layer())
    let hidden = w.project.inputs
    guard purpose == .inference, height * width * hidden >= Self.fusedFloats,
      let fused = FusedMobileConvolution(w, height: height, width: width)
    else {
      let wide = w.expand.map { convolution(x, $0, layer: layers().expand) } ?? x
      let mixed = depthwiseConvolution(
        wide, w.depthwise, activation: w.activation, layer: layers().depthwise)
      return convolution(mixed, w.project, residual: residual, layer: layers().project)
    }
    let shape = Shape(batch, fused.outHeight, fused.outWidth, w.project.outputs)
    precondition(
      channels == w.expand?.inputs ?? hidden && residual.map { $0.shape == shape } ?? true,
      "\(layer()): x \(x.shape), residual \(residual?.shape ?? []), output \(shape)")
    let (kernel, pixels) = (w.depthwise.kernel, batch * fused.outHeight * fused.outWidth)
    let macs =
      (w.expand == nil ? 0 : x.count * hidden)
      + pixels * hidden * (kernel * kernel + w.project.outputs)
    let reading =
      x.count + (w.expand?.count ?? 0) + w.depthwise.weight.count + w.project.count
      + (residual?.count ?? 0)
    return output(shape, .convolution, layer: layer(), macs: macs, reading: reading) { y in
      threads.run(batch * fused.bands) { [self] task in
        fused.write(
          self, x, item: task / fused.bands, band: task % fused.bands, residual: residual, into: y)
      }
    }
  }

  /// Hidden maps of 4 MB and more leave the second-level caches.
  private static let fusedFloats = 1 << 20
}

/// An inverted residual block on maps of one size, a band of output rows at a time: EfficientViT-B1 at 1024x2048 takes
/// 7 to 11 % less time (Zen 5) and 170 MB in the place of 310.
private struct FusedMobileConvolution {
  private let w: MobileWeights
  private let expand: PackedMatrix?
  private let project: PackedMatrix
  private let height: Int
  private let width: Int
  private let hidden: Int
  let outHeight: Int
  let outWidth: Int
  /// Output rows of a band: the rows around its ends are expanded twice.
  private let bandRows: Int
  /// Output rows that are computed together.
  private let stepRows: Int

  var bands: Int { (outHeight + bandRows - 1) / bandRows }

  /// Hidden values beside what else lies in a second-level cache.
  private static let cachedFloats = 1 << 17

  init?(_ w: MobileWeights, height: Int, width: Int) {
    guard case .gathered(let project) = w.project.method else { return nil }
    switch w.expand?.method {
    case .none: expand = nil
    case .gathered(let matrix): expand = matrix
    default: return nil
    }
    let (kernel, stride) = (w.depthwise.kernel, w.depthwise.stride)
    // Rows that leave the cache by themselves gain nothing.
    guard kernel * width * w.project.inputs <= 2 * Self.cachedFloats else { return nil }
    self.w = w
    self.project = project
    self.height = height
    self.width = width
    hidden = w.project.inputs
    outHeight = (height + stride - 1) / stride
    outWidth = (width + stride - 1) / stride
    bandRows = max(12, (outHeight + 7) / 8)
    let rows = Self.cachedFloats / (width * hidden)
    stepRows = max(1, min(bandRows, (rows - kernel + stride) / stride))
  }

  func write(
    _ pass: ForwardPass, _ x: Tensor, item: Int, band: Int, residual: Tensor?,
    into y: UnsafeMutablePointer<Float>
  ) {
    let (kernel, stride) = (w.depthwise.kernel, w.depthwise.stride)
    let image = x.pointer + item * height * width * x.shape[3]
    let last = min((band + 1) * bandRows, outHeight)
    let kept = expand == nil ? 0 : (stepRows - 1) * stride + kernel
    pass.withScratch(kept * width * hidden) { wide in
      pass.withScratch(stepRows * outWidth * hidden) { mixed in
        var held = 0..<0
        for first in Swift.stride(from: band * bandRows, to: last, by: stepRows) {
          let rows = first..<min(first + stepRows, last)
          if let expand {
            let needed =
              max(
                0, first * stride - kernel / 2)..<min(
                height, (rows.upperBound - 1) * stride - kernel / 2 + kernel)
            self.expand(pass, image, expand, needed, after: held, into: wide)
            held = needed
          }
          mix(pass, rows, of: expand == nil ? image : UnsafePointer(wide), held, into: mixed)
          let start = (item * outHeight + first) * outWidth * project.outputs
          let block = RowBlock(mixed, rows: rows.count * outWidth, columns: hidden)
          multiply(
            pass, block, project, w.project, residual.map { $0.pointer + start }, into: y + start)
        }
      }
    }
  }

  /// Makes `wide` hold the hidden rows `needed`, of which some may be among those that it holds.
  private func expand(
    _ pass: ForwardPass, _ image: UnsafePointer<Float>, _ matrix: PackedMatrix,
    _ needed: Range<Int>, after held: Range<Int>, into wide: UnsafeMutablePointer<Float>
  ) {
    let length = width * hidden
    var start = needed.lowerBound
    if held.contains(start) {
      let count = min(held.upperBound, needed.upperBound) - start
      if start > held.lowerBound {
        memmove(
          wide, wide + (start - held.lowerBound) * length,
          count * length * MemoryLayout<Float>.stride)
      }
      start += count
    }
    if start == needed.upperBound { return }
    let pixels = (needed.upperBound - start) * width
    let block = RowBlock(
      image + start * width * matrix.inputs, rows: pixels, columns: matrix.inputs)
    guard let expand = w.expand else { return }
    multiply(
      pass, block, matrix, expand, nil, into: wide + (start - needed.lowerBound) * length)
  }

  /// The depthwise convolution of some output rows.
  ///
  /// - Parameters:
  ///   - source: the hidden rows `held`, or all where that is empty.
  private func mix(
    _ pass: ForwardPass, _ rows: Range<Int>, of source: UnsafePointer<Float>, _ held: Range<Int>,
    into mixed: UnsafeMutablePointer<Float>
  ) {
    let stride = w.depthwise.stride
    let given = held.isEmpty ? 0..<height : held
    // The kernel counts rows from a multiple of the stride on; it reads none that is not there.
    let base = given.lowerBound / stride * stride
    let first = source - (given.lowerBound - base) * width * hidden
    for row in rows {
      pass.kernels.depthwise_row(
        first, hidden, given.upperBound - base, width, hidden, row - base / stride,
        Int32(w.depthwise.kernel), Int32(stride), w.depthwise.weight.pointer,
        w.depthwise.bias?.pointer, w.activation.code, nil,
        mixed + (row - rows.lowerBound) * outWidth * hidden)
    }
  }

  /// A 1x1 convolution of some pixels, a block of them at a time.
  private func multiply(
    _ pass: ForwardPass, _ pixels: RowBlock, _ matrix: PackedMatrix,
    _ convolution: PackedConvolution,
    _ residual: UnsafePointer<Float>?, into y: UnsafeMutablePointer<Float>
  ) {
    let size = 16 * Products.rows
    for first in Swift.stride(from: 0, to: pixels.rows, by: size) {
      let range = first..<min(first + size, pixels.rows)
      pass.withRows(pixels.rows(range), of: matrix) { rows in
        matrix.multiply(
          rows, columns: 0..<matrix.outputs,
          epilogue: fk_epilogue(
            bias: convolution.bias?.pointer, activation: convolution.activation.code,
            residual: residual.map { $0 + first * matrix.outputs }, ldr: matrix.outputs),
          into: y + first * matrix.outputs, stride: matrix.outputs)
      }
    }
  }
}
