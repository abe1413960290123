/// A learned vector per position of a grid, perhaps after some for tokens that are no cells of it.
package struct PositionRows: Sendable {
  /// `[1, H0, W0, C]`, the grid that the table was built for.
  package let table: Tensor
  /// `[1, rows, C]`, before the grid's; `nil` where there are none.
  let leading: Tensor?
  private let copies = SizedCopies()

  /// - Parameters:
  ///   - stored: `[1, rows + H0 * W0, C]`.
  ///   - height: H0.
  ///   - width: W0.
  ///   - keepsLeading: whether rows before the grid's belong to the model's tokens; else they are left out.
  package init(_ stored: Tensor, height: Int, width: Int, keepsLeading: Bool) {
    let channels = stored.shape[2]
    let rows = stored.shape[1] - height * width
    table = Tensor([1, height, width, channels]) { out in
      out.baseAddress?.update(from: stored.pointer + rows * channels, count: out.count)
    }
    leading =
      keepsLeading && rows > 0
      ? Tensor([1, rows, channels]) {
        $0.baseAddress?.update(from: stored.pointer, count: $0.count)
      }
      : nil
  }

  func hasGrid(of map: Tensor) -> Bool {
    map.shape[1] == table.shape[1] && map.shape[2] == table.shape[2]
  }

  fileprivate func copy(height: Int, width: Int, make: () -> Tensor) -> Tensor {
    copies.copy(height: height, width: width, make: make)
  }
}

extension ForwardPass {
  /// A position table for a grid, resized bilinearly (align_corners false) where it was built for another;
  /// rows before the grid's stay as they are.
  ///
  /// For training it is resized in every pass; else once a size, unseen by the observer.
  ///
  /// - Returns: `[N, C]`, or `[rows + N, C]`.
  package func positions(
    _ rows: PositionRows, height: Int, width: Int, layer: @autoclosure () -> String
  ) -> Tensor {
    let table = rows.table
    if table.shape[1] == height && table.shape[2] == width && rows.leading == nil {
      return table.reshaped(Shape(height * width, table.shape[3]))
    }
    if purpose == .training { return resized(rows, height, width, layer: layer()) }
    if isDryRun {
      let leading = rows.leading?.shape[1] ?? 0
      return kept(Shape(leading + height * width, table.shape[3]))
    }
    return rows.copy(height: height, width: width) {
      // In memory of its own: that of the pass is for tensors that come and go.
      ForwardPass(threads: threads, memory: nil).resized(rows, height, width, layer: "")
    }
  }

  private func resized(
    _ rows: PositionRows, _ height: Int, _ width: Int, layer: @autoclosure () -> String
  ) -> Tensor {
    let map = resizeBilinear(
      rows.table, height: height, width: width, alignCorners: false, layer: "\(layer()).resized")
    var tokens = map.reshaped(Shape(1, height * width, map.shape[3]))
    if let leading = rows.leading {
      tokens = joinTokens(leading, tokens, layer: "\(layer()).joined")
    }
    return tokens.reshaped(Shape(tokens.shape[1], tokens.shape[2]))
  }

  /// Positions added to a map: `[B, H, W, C]` to `[B, N, C]`. A table of another size is resized in the same
  /// sweep, and not kept; rows before the grid's are left out.
  package func addPositions(
    _ x: Tensor, _ rows: PositionRows, layer: @autoclosure () -> String
  ) -> Tensor {
    let (batch, height, width, channels) = x.mapShape(layer())
    let tokens = Shape(batch, height * width, channels)
    if rows.hasGrid(of: x) {
      return add(
        x.reshaped(tokens), rows.table.reshaped(Shape(height * width, channels)), layer: layer())
    }
    return addResized(x, [rows.table], alignCorners: false, layer: layer()).reshaped(tokens)
  }
}

/// Swin's relative position bias: a number per head and per offset from one cell of a window to another.
///
/// A table for windows of side w knows all offsets from -(w - 1) to w - 1 in both directions, so it serves
/// every window that is not larger.
package struct RelativeBiasTable: Sendable {
  /// `[2w - 1, 2w - 1, heads]`.
  let table: Tensor
  private let copies = SizedCopies()

  /// - Parameters:
  ///   - stored: `[side * side, heads]`.
  ///   - window: w; a table for another one is resized bicubically, as Swin's loaders do.
  package init(_ stored: Tensor, window: Int) {
    let heads = stored.shape[1]
    let stored = stored.reshaped([1, Self.side(of: stored), Self.side(of: stored), heads])
    let side = 2 * window - 1
    // Upstream: Swin-Transformer utils.py:72.
    let fitting =
      stored.shape[1] == side ? stored : stored.resizedBicubic(height: side, width: side)
    table = fitting.reshaped([side, side, heads])
  }

  private static func side(of stored: Tensor) -> Int {
    let side = Int(Double(stored.shape[0]).squareRoot().rounded())
    precondition(side * side == stored.shape[0], "a bias table \(stored.shape)")
    return side
  }

  fileprivate func copy(height: Int, width: Int, make: () -> Tensor) -> Tensor {
    copies.copy(height: height, width: width, make: make)
  }
}

extension ForwardPass {
  /// The bias of each cell (rows) for each cell of a window: `[heads, tokens, tokens]`.
  package func relativeBias(_ bias: RelativeBiasTable, height: Int, width: Int) -> Tensor {
    let (side, heads, tokens) = (bias.table.shape[0], bias.table.shape[2], height * width)
    precondition(
      2 * max(height, width) - 1 <= side,
      "a bias of \(side) offsets for a window \(height)x\(width)")
    let shape = Shape(heads, tokens, tokens)
    if isDryRun { return kept(shape) }
    return bias.copy(height: height, width: width) {
      Tensor(shape) { out in
        var index = 0
        for head in 0..<heads {
          for query in 0..<tokens {
            for key in 0..<tokens {
              let row = query / width - key / width + side / 2
              let column = query % width - key % width + side / 2
              out[index] = bias.table.pointer[(row * side + column) * heads + head]
              index += 1
            }
          }
        }
      }
    }
  }
}
