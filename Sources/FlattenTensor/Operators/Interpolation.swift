import FlattenKernels

/// How maps and scores are resized.
public enum Interpolation: Sendable, Equatable {
  /// Between two cells along each axis; `alignCorners` places the outermost samples on the outermost cells.
  case bilinear(alignCorners: Bool)
  /// Cubic convolution with a = -0.75 between four cells along each axis, half-pixel centres, the border's
  /// cells repeated, no antialiasing: PyTorch's `bicubic`. Values may overshoot.
  case bicubic
}

/// Source positions and weights of a cubic resize along one axis, as PyTorch computes them in single
/// precision.
package struct CubicTable: Sendable {
  /// Output indices.
  package let count: Int
  /// Two rows of 4 ``count`` numbers, the first of integers.
  private let memory: Tensor

  /// The four source indices of each output index, and their weights. Valid while the table lives.
  package var indices: UnsafePointer<Int32> {
    UnsafeRawPointer(memory.pointer).assumingMemoryBound(to: Int32.self)
  }
  package var weights: UnsafePointer<Float> { memory.pointer + 4 * count }

  /// - Parameter pool: where the memory comes from; `nil` takes it from the system.
  package init(from input: Int, to output: Int, pool: BufferPool? = nil) {
    precondition(input >= 1 && output >= 1, "cannot resize \(input) to \(output)")
    let a: Float = -0.75
    func near(_ x: Float) -> Float { ((a + 2) * x - (a + 3)) * x * x + 1 }
    func far(_ x: Float) -> Float { ((a * x - 5 * a) * x + 8 * a) * x - 4 * a }
    count = output
    memory = Tensor(uninitialized: Shape(2, 4 * output), pool: pool)
    if memory.isCounted { return }
    let weights = memory.mutablePointer + 4 * output
    let indices = UnsafeMutableRawPointer(memory.mutablePointer).bindMemory(
      to: Int32.self, capacity: 4 * output)
    let scale = Float(input) / Float(output)
    for index in 0..<output {
      let position = scale * (Float(index) + 0.5) - 0.5
      let low = position.rounded(.down)
      let t = position - low
      for (tap, weight) in [far(t + 1), near(t), near(1 - t), far(2 - t)].enumerated() {
        indices[4 * index + tap] = Int32(min(max(Int(low) - 1 + tap, 0), input - 1))
        weights[4 * index + tap] = weight
      }
    }
  }
}

/// The table of either interpolation along one axis.
package enum ResizeTable: Sendable {
  case linear(LinearTable)
  case cubic(CubicTable)

  /// - Parameter pool: where the memory comes from; `nil` takes it from the system.
  package init(
    from input: Int, to output: Int, _ interpolation: Interpolation, pool: BufferPool? = nil
  ) {
    switch interpolation {
    case .bilinear(let alignCorners):
      self = .linear(LinearTable(from: input, to: output, alignCorners: alignCorners, pool: pool))
    case .bicubic: self = .cubic(CubicTable(from: input, to: output, pool: pool))
    }
  }

  /// Output indices.
  package var count: Int {
    switch self {
    case .linear(let table): table.count
    case .cubic(let table): table.count
    }
  }

  /// Source indices of an output index: neighbours, of which the outermost may stand several times.
  package var taps: Int {
    switch self {
    case .linear: 2
    case .cubic: 4
    }
  }

  /// Source index number `tap` of an output index; they ascend.
  package func source(_ index: Int, _ tap: Int) -> Int {
    switch self {
    case .linear(let table): Int(tap == 0 ? table.first[index] : table.second[index])
    case .cubic(let table): Int(table.indices[4 * index + tap])
    }
  }

  /// Mixes the columns of a row.
  ///
  /// - Parameter width: pixels of the row.
  func mixColumns(
    _ row: UnsafePointer<Float>, width: Int, channels: Int, into out: UnsafeMutablePointer<Float>
  ) {
    switch self {
    case .linear(let table):
      fk_active().pointee.mix_columns(
        row, width, table.first, table.second, table.firstWeight, table.secondWeight, table.count,
        channels, out)
    case .cubic(let table):
      fk_active().pointee.cubic_columns(
        row, table.indices, table.weights, table.count, channels, out)
    }
  }

  /// Mixes the rows of an output index.
  ///
  /// - Parameters:
  ///   - rows: gives the address of the row of a tap, its columns already mixed.
  ///   - base: what a cubic sum is added to.
  func mixRows(
    _ index: Int, count: Int, addedTo base: UnsafePointer<Float>? = nil,
    into out: UnsafeMutablePointer<Float>, rows: (_ tap: Int) -> UnsafePointer<Float>
  ) {
    switch self {
    case .linear(let table):
      precondition(base == nil, "a linear mix of rows has no base")
      fk_active().pointee.mix_rows(
        rows(0), rows(1), table.firstWeight[index], table.secondWeight[index], count, out)
    case .cubic(let table):
      let taps: [UnsafePointer<Float>?] = (0..<4).map(rows)
      fk_active().pointee.cubic_rows(taps, table.weights + 4 * index, base, count, out)
    }
  }
}

/// The rows of a resize, made from top to bottom: each source row is mixed along its columns once, however
/// many rows it is part of. Bilinear rows have the bits of
/// ``LinearTable/write(_:of:channels:rows:addedTo:into:)``.
package struct ResizedRows {
  private let vertical: ResizeTable
  private let horizontal: ResizeTable
  private let sourceWidth: Int
  private let channels: Int
  /// The rows, already mixed, that the last output row lay between, and a source row.
  private let kept: Tensor
  /// The source row in each place; neighbours never share one.
  private var held = SIMD4(repeating: -1)

  /// - Parameters:
  ///   - vertical: of the same interpolation as `horizontal`.
  ///   - sourceWidth: pixels of a source row.
  package init(
    vertical: ResizeTable, horizontal: ResizeTable, sourceWidth: Int, channels: Int,
    pool: BufferPool?
  ) {
    self.vertical = vertical
    self.horizontal = horizontal
    self.sourceWidth = sourceWidth
    self.channels = channels
    kept = Tensor(
      uninitialized: Shape((vertical.taps * horizontal.count + sourceWidth) * channels), pool: pool)
  }

  /// Writes one row of the result.
  ///
  /// - Parameters:
  ///   - base: a row that a cubic result is added to; it may be `out`.
  ///   - source: gives the address of a source row, which may be in the memory it is given.
  package mutating func write(
    _ row: Int, addedTo base: UnsafePointer<Float>? = nil, into out: UnsafeMutablePointer<Float>,
    source: (Int, UnsafeMutablePointer<Float>) -> UnsafePointer<Float>
  ) {
    let taps = vertical.taps
    let length = horizontal.count * channels
    let memory = kept.mutablePointer
    for tap in 0..<taps {
      let index = vertical.source(row, tap)
      let place = index & (taps - 1)
      if held[place] == index { continue }
      held[place] = index
      horizontal.mixColumns(
        source(index, memory + taps * length), width: sourceWidth, channels: channels,
        into: memory + place * length)
    }
    vertical.mixRows(row, count: length, addedTo: base, into: out) { tap in
      UnsafePointer(memory + (vertical.source(row, tap) & (taps - 1)) * length)
    }
  }
}

extension ForwardPass {
  /// Bicubic resize of a feature map, as ``Interpolation/bicubic`` has it.
  ///
  /// - Parameters:
  ///   - x: `[B, H, W, C]`.
  ///   - base: `[B, height, width, C]`, to which the result is added.
  public func resizeBicubic(
    _ x: Tensor, height: Int, width: Int, addedTo base: Tensor? = nil,
    layer: @autoclosure () -> String
  ) -> Tensor {
    let (batch, _, _, channels) = x.mapShape(layer())
    let shape = Shape(batch, height, width, channels)
    precondition(
      base.map { $0.shape == shape } ?? true,
      "\(layer()): \(base?.shape ?? []) is no base of \(shape)")
    if shape == x.shape && base == nil { return x }
    let resize = CubicResize(x, height: height, width: width, pool: memory)
    let reading = x.count + (base?.count ?? 0)
    return output(shape, .resize, layer: layer(), reading: reading) { y in
      let bands = (height + CubicResize.band - 1) / CubicResize.band
      threads.run(batch * bands) { task in
        resize.write(item: task / bands, band: task % bands, addedTo: base, into: y, pool: memory)
      }
    }
  }
}

/// A bicubic resize of a map, a band of rows at a time.
private struct CubicResize {
  let source: Tensor
  let vertical: ResizeTable
  let horizontal: ResizeTable

  /// Rows of a task: the source rows around its ends are mixed twice.
  static let band = 16

  init(_ source: Tensor, height: Int, width: Int, pool: BufferPool?) {
    self.source = source
    vertical = ResizeTable(from: source.shape[1], to: height, .bicubic, pool: pool)
    horizontal = ResizeTable(from: source.shape[2], to: width, .bicubic, pool: pool)
  }

  func write(
    item: Int, band: Int, addedTo base: Tensor?, into y: UnsafeMutablePointer<Float>,
    pool: BufferPool?
  ) {
    let (sourceWidth, channels) = (source.shape[2], source.shape[3])
    let image = source.pointer + item * source.shape[1] * sourceWidth * channels
    var rows = ResizedRows(
      vertical: vertical, horizontal: horizontal, sourceWidth: sourceWidth, channels: channels,
      pool: pool)
    let length = horizontal.count * channels
    let first = band * Self.band
    for row in first..<min(first + Self.band, vertical.count) {
      let offset = (item * vertical.count + row) * length
      rows.write(row, addedTo: base.map { $0.pointer + offset }, into: y + offset) { index, _ in
        image + index * sourceWidth * channels
      }
    }
  }
}

extension Tensor {
  /// The same of a parameter `[B, H, W, C]`, outside a pass.
  package func resizedBicubic(height: Int, width: Int) -> Tensor {
    let (batch, _, _, channels) = mapShape("bicubic resize")
    let resize = CubicResize(self, height: height, width: width, pool: nil)
    let result = Tensor(uninitialized: Shape(batch, height, width, channels))
    for item in 0..<batch {
      for band in 0..<(height + CubicResize.band - 1) / CubicResize.band {
        resize.write(
          item: item, band: band, addedTo: nil, into: result.mutablePointer, pool: nil)
      }
    }
    return result
  }
}
