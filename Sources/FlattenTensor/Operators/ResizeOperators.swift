import FlattenKernels

/// Source positions and weights of a linear resize along one axis, as PyTorch computes them in single
/// precision.
package struct LinearTable: Sendable {
  /// Output indices.
  package let count: Int
  /// Four rows of ``count`` numbers, the first two of them integers.
  private let memory: Tensor

  /// The two source indices of each output index, and their weights. Valid while the table lives.
  package var first: UnsafePointer<Int32> { indices(0) }
  package var second: UnsafePointer<Int32> { indices(1) }
  package var firstWeight: UnsafePointer<Float> { memory.pointer + 2 * count }
  package var secondWeight: UnsafePointer<Float> { memory.pointer + 3 * count }

  private func indices(_ row: Int) -> UnsafePointer<Int32> {
    UnsafeRawPointer(memory.pointer + row * count).assumingMemoryBound(to: Int32.self)
  }

  /// - Parameter pool: where the memory comes from; `nil` takes it from the system.
  package init(from input: Int, to output: Int, alignCorners: Bool, pool: BufferPool? = nil) {
    precondition(input >= 1 && output >= 1, "cannot resize \(input) to \(output)")
    let scale: Float
    if alignCorners {
      scale = output > 1 ? Float(input - 1) / Float(output - 1) : 0
    } else {
      scale = Float(input) / Float(output)
    }
    count = output
    memory = Tensor(uninitialized: Shape(4, output), pool: pool)
    if memory.isCounted { return }
    let weights = memory.mutablePointer + 2 * output
    let indices = UnsafeMutableRawPointer(memory.mutablePointer).bindMemory(
      to: Int32.self, capacity: 2 * output)
    for index in 0..<output {
      let position =
        alignCorners ? scale * Float(index) : max(0, scale * (Float(index) + 0.5) - 0.5)
      let low = min(Int(position), input - 1)
      indices[index] = Int32(low)
      indices[output + index] = Int32(min(low + 1, input - 1))
      let weight = min(position - Float(low), 1)
      weights[index] = 1 - weight
      weights[output + index] = weight
    }
  }

  /// Writes one output row of a bilinear resize whose vertical position is `row` of `vertical`.
  ///
  /// - Parameters:
  ///   - rows: the address of a source row, by its index.
  ///   - base: a row that the result is added to; it may be `out`.
  package func write(
    _ row: Int, of vertical: LinearTable, channels: Int,
    rows: (Int) -> UnsafePointer<Float>, addedTo base: UnsafePointer<Float>? = nil,
    into out: UnsafeMutablePointer<Float>
  ) {
    fk_active().pointee.bilinear_row(
      rows(Int(vertical.first[row])), rows(Int(vertical.second[row])), vertical.firstWeight[row],
      vertical.secondWeight[row], first, second, firstWeight, secondWeight, count, channels, base,
      out)
  }
}

/// The source index of each output index of a nearest resize, as PyTorch computes it: the product of
/// index and ratio is rounded to single precision.
struct NearestPositions {
  private let scale: Float
  private let last: Int

  init(from input: Int, to output: Int) {
    scale = Float(input) / Float(output)
    last = input - 1
  }

  subscript(index: Int) -> Int { min(Int(Float(index) * scale), last) }
}

extension ForwardPass {
  /// Bilinear resize of a feature map.
  ///
  /// - Parameters:
  ///   - x: `[B, H, W, C]`.
  public func resizeBilinear(
    _ x: Tensor, height: Int, width: Int, alignCorners: Bool, layer: @autoclosure () -> String
  ) -> Tensor {
    let (batch, _, _, channels) = x.mapShape(layer())
    let shape = Shape(batch, height, width, channels)
    if shape == x.shape { return x }
    let resize = BilinearResize(
      x, height: height, width: width, alignCorners: alignCorners, pool: memory)
    return output(shape, .resize, layer: layer(), reading: x.count) { y in
      let length = width * channels
      threads.run(batch * height) { task in
        resize.write(task, addedTo: nil, into: y + task * length)
      }
    }
  }

  /// The sum of a map and of others resized to its size, added in their order.
  ///
  /// - Parameters:
  ///   - base: `[B, H, W, C]`.
  ///   - maps: of as many channels; of B items, or of one for all alike.
  package func addResized(
    _ base: Tensor, _ maps: [Tensor], alignCorners: Bool, layer: @autoclosure () -> String
  ) -> Tensor {
    let (batch, height, width, channels) = base.mapShape(layer())
    precondition(
      maps.allSatisfy {
        ($0.shape.first == batch || $0.shape.first == 1) && $0.shape.last == channels
      },
      "\(layer()): \(maps.map(\.shape)) do not add to \(base.shape)")
    if maps.isEmpty { return base }
    let resizes = maps.map {
      BilinearResize(
        $0, height: height, width: width, alignCorners: alignCorners, pool: memory)
    }
    let reading = base.count + maps.reduce(0) { $0 + $1.count }
    return output(base.shape, .resize, layer: layer(), reading: reading) { y in
      let length = width * channels
      threads.run(batch * height) { task in
        let out = y + task * length
        for (index, resize) in resizes.enumerated() {
          resize.write(
            task, addedTo: index == 0 ? base.pointer + task * length : UnsafePointer(out), into: out
          )
        }
      }
    }
  }

  /// Linear resize of a token list along its tokens (align_corners false).
  ///
  /// - Parameters:
  ///   - x: `[B, n, stride]`, of which `channels` are read from `offset` on.
  /// - Returns: `[B, tokens, channels.count]`.
  package func resizeTokens(
    _ x: Tensor, channels: Range<Int>, to tokens: Int, layer: @autoclosure () -> String
  ) -> Tensor {
    let (batch, sourceTokens, stride) = x.tokenShape(layer())
    let table = LinearTable(from: sourceTokens, to: tokens, alignCorners: false, pool: memory)
    let count = channels.count
    let reading = batch * sourceTokens * count
    return output(Shape(batch, tokens, count), .resize, layer: layer(), reading: reading) { y in
      chunks(batch * tokens, of: 256) { rows in
        for row in rows {
          let source = x.pointer + row / tokens * sourceTokens * stride + channels.lowerBound
          let first = source + Int(table.first[row % tokens]) * stride
          let second = source + Int(table.second[row % tokens]) * stride
          let (a, b) = (table.firstWeight[row % tokens], table.secondWeight[row % tokens])
          let out = y + row * count
          for channel in 0..<count { out[channel] = a * first[channel] + b * second[channel] }
        }
      }
    }
  }
}

/// A bilinear resize of a map, row by row.
struct BilinearResize {
  let source: Tensor
  let vertical: LinearTable
  let horizontal: LinearTable

  init(_ source: Tensor, height: Int, width: Int, alignCorners: Bool, pool: BufferPool?) {
    self.source = source
    vertical = LinearTable(
      from: source.shape[1], to: height, alignCorners: alignCorners, pool: pool)
    horizontal = LinearTable(
      from: source.shape[2], to: width, alignCorners: alignCorners, pool: pool)
  }

  /// Row `row` of the batch's rows of outputs.
  func write(
    _ row: Int, addedTo base: UnsafePointer<Float>?, into out: UnsafeMutablePointer<Float>
  ) {
    let length = source.shape[2] * source.shape[3]
    let item = source.shape[0] == 1 ? 0 : row / vertical.count
    let image = source.pointer + item * source.shape[1] * length
    horizontal.write(
      row % vertical.count, of: vertical, channels: source.shape[3],
      rows: { image + $0 * length }, addedTo: base, into: out)
  }
}
