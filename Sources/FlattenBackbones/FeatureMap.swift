import FlattenFiles
import FlattenTensor

/// One map of a feature pyramid: a vector of channels for each cell of a grid over the picture.
///
/// The elements lie as `[batch, height, width, channels]`, channels side by side, and are read without
/// a copy by ``withSpan(_:)``; ``nchw()`` gives the order of PyTorch.
public struct FeatureMap: Sendable {
  /// The elements, `[batch, height, width, channels]`.
  public let tensor: Tensor
  /// Pixels of the picture per cell, in both directions.
  public let stride: Int

  /// - Parameter tensor: `[B, H, W, C]`.
  init(_ tensor: Tensor, stride: Int) {
    self.tensor = tensor
    self.stride = stride
  }

  /// Pictures.
  public var batch: Int { tensor.shape[0] }
  /// Rows of cells.
  public var height: Int { tensor.shape[1] }
  /// Columns of cells.
  public var width: Int { tensor.shape[2] }
  /// Numbers of each cell.
  public var channels: Int { tensor.shape[3] }

  /// Calls `body` with all elements, without a copy; element (b, y, x, c) is number
  /// `((b * height + y) * width + x) * channels + c`.
  public func withSpan<Result>(_ body: (Span<Float>) throws -> Result) rethrows -> Result {
    try tensor.withSpan(body)
  }

  /// The same for code that takes pointers. The buffer must not outlive the call.
  public func withUnsafeBufferPointer<Result>(
    _ body: (UnsafeBufferPointer<Float>) throws -> Result
  ) rethrows -> Result {
    try tensor.withUnsafeBuffer(body)
  }

  /// The channels of one cell.
  ///
  /// - Precondition: all three lie inside the map.
  public subscript(batch: Int, y: Int, x: Int) -> [Float] {
    precondition(
      (0..<self.batch).contains(batch) && (0..<height).contains(y) && (0..<width).contains(x),
      "cell (\(batch), \(y), \(x)) of a map \(tensor.shape)")
    return withSpan { elements in
      let first = ((batch * height + y) * width + x) * channels
      return (first..<first + channels).map { elements[$0] }
    }
  }

  /// The map in PyTorch's order, `[batch, channels, height, width]`. Copies.
  public func nchw() -> Tensor {
    let (area, channels) = (height * width, channels)
    return tensor.withUnsafeBuffer { source in
      Tensor([batch, channels, height, width]) { out in
        for item in 0..<batch {
          let first = item * area * channels
          for channel in 0..<channels {
            for cell in 0..<area {
              out[first + channel * area + cell] = source[first + cell * channels + channel]
            }
          }
        }
      }
    }
  }

  /// Writes the map in PyTorch's order as a file that `numpy.load` reads, float32, whole or not at all.
  ///
  /// - Throws: `FileError` of kind `.unwritable`.
  public func writeNPY(to path: String) throws {
    let map = nchw()
    try NumpyFile.write(map.elements, shape: Array(map.shape), to: path)
  }
}
