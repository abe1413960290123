import FlattenTensor

/// Rows and columns of tokens: a token sequence's shape as a map.
public struct Grid: Sendable, Hashable {
  /// Rows.
  public let height: Int
  /// Columns.
  public let width: Int

  /// Makes a grid of `height` rows and `width` columns.
  public init(_ height: Int, _ width: Int) {
    self.height = height
    self.width = width
  }

  /// Tokens.
  public var count: Int { height * width }

  /// The square grid of `count` tokens, or `nil` where there is none.
  package init?(squareOf count: Int) {
    // The count may come from a file: negative or so large that its root squared is no Int.
    guard count > 0 else { return nil }
    let side = Int(Double(count).squareRoot().rounded())
    guard count.isMultiple(of: side), count / side == side else { return nil }
    self.init(side, side)
  }
}

extension WindowLayout {
  /// Rows and columns of a window.
  package var window: Grid { Grid(windowHeight, windowWidth) }
}

extension Tensor {
  /// `[B, N, C]` as `[B, H, W, C]`; the same memory.
  public func asMap(_ grid: Grid) -> Tensor {
    reshaped(Shape(shape[0], grid.height, grid.width, shape[2]))
  }

  /// `[B, H, W, C]` as `[B, N, C]`; the same memory.
  public var asTokens: Tensor { reshaped(Shape(shape[0], shape[1] * shape[2], shape[3])) }

  /// The grid of a map `[B, H, W, C]`.
  public var grid: Grid { Grid(shape[1], shape[2]) }
}
