/// The sample points of RoIAlign along one axis, as weights of the map's cells.
///
/// A bin's sum over its sample points is one over the cells that they lie between, and as the weights of a point are
/// products, so is that of a cell: weight of its row times weight of its column.
package struct SamplingAxis {
  /// Bins along the axis.
  package let bins: Int
  /// For each bin the end of its part of ``cells`` and ``weights``.
  package let ends: UnsafeMutablePointer<Int32>
  /// Numbers of cells, each once a bin.
  package let cells: UnsafeMutablePointer<Int32>
  /// Their weights, already divided by the number of sample points of a bin.
  package let weights: UnsafeMutablePointer<Float>

  private let samplingRatio: Int

  /// Floats of memory for an axis.
  package static func memoryNeed(bins: Int, extent: Int, samplingRatio: Int) -> Int {
    bins + 2 * bins * most(extent: extent, samplingRatio: samplingRatio)
  }

  /// The most cells that a bin has: two a sample point, or each of the map.
  private static func most(extent: Int, samplingRatio: Int) -> Int {
    samplingRatio > 0 ? 2 * samplingRatio : extent
  }

  /// - Parameters:
  ///   - memory: of ``memoryNeed(bins:extent:samplingRatio:)`` for the largest extent.
  ///   - samplingRatio: sample points a bin; 0 takes as many as a bin has cells.
  package init(
    in memory: UnsafeMutablePointer<Float>, bins: Int, extent: Int, samplingRatio: Int
  ) {
    let count = bins * Self.most(extent: extent, samplingRatio: samplingRatio)
    let integers = UnsafeMutableRawPointer(memory).bindMemory(
      to: Int32.self, capacity: bins + count)
    self.bins = bins
    self.samplingRatio = samplingRatio
    ends = integers
    cells = integers + bins
    weights = memory + bins + count
  }

  /// The part of ``cells`` and ``weights`` that is a bin's.
  package func part(of bin: Int) -> Range<Int> {
    (bin == 0 ? 0 : Int(ends[bin - 1]))..<Int(ends[bin])
  }

  /// Lays the bins out between two coordinates of the picture.
  ///
  /// In single precision and mmcv's order: how many points a bin has hangs on rounding where its side is a whole
  /// number of cells. A side that is negative, infinite or NaN has no points.
  ///
  /// - Parameters:
  ///   - scale: cells a pixel.
  ///   - extent: cells of the map.
  ///   - isAligned: cells have their middle at whole numbers; else their edge, and a side is at least one cell.
  package func lay(
    from start: Float, to end: Float, scale: Float, extent: Int, isAligned: Bool
  ) {
    let shift: Float = isAligned ? 0.5 : 0
    let first = start * scale - shift
    var side = (end * scale - shift) - first
    if !isAligned { side = max(side, 1) }
    let binSize = side / Float(bins)
    let points = samplingRatio > 0 ? Float(samplingRatio) : binSize.rounded(.up)
    let isKnown = extent > 0 && first.magnitude < 0x1p30 && points > 0 && points < 0x1p30
    var count = 0
    for bin in 0..<bins {
      let begin = count
      if isKnown {
        let edge = first + Float(bin) * binSize
        for point in seen(from: edge, side: binSize, points: points, extent: extent) {
          let place = edge + (Float(point) + 0.5) * binSize / points
          if place < -1 || place > Float(extent) { continue }
          let clamped = max(place, 0)
          let low = min(Int(clamped), extent - 1)
          let rest = low == extent - 1 ? 0 : clamped - Float(low)
          add(low, (1 - rest) / points, after: begin, to: &count)
          add(min(low + 1, extent - 1), rest / points, after: begin, to: &count)
        }
      }
      ends[bin] = Int32(count)
    }
  }

  /// The points of a bin that may lie on the map: of a bin that is far larger only those are gone through.
  private func seen(from edge: Float, side: Float, points: Float, extent: Int) -> Range<Int> {
    let all = 0..<Int(points)
    if all.count <= 2 * extent + 8 { return all }
    let step = Double(side) / Double(points)
    let first = (-1 - Double(edge)) / step - 4
    let last = (Double(extent) - Double(edge)) / step + 4
    guard first < last else { return 0..<0 }  // also where one is NaN
    return Int(min(max(first, 0), Double(points)))..<Int(min(max(last, 0), Double(points)))
  }

  /// Adds to the weight of a cell: one of the last two of the bin, as points come in order, or a new one.
  private func add(_ cell: Int, _ weight: Float, after begin: Int, to count: inout Int) {
    for place in stride(from: count - 1, through: max(begin, count - 2), by: -1)
    where cells[place] == cell {
      weights[place] += weight
      return
    }
    cells[count] = Int32(cell)
    weights[count] = weight
    count += 1
  }
}
