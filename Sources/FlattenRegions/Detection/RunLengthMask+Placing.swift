extension RunLengthMask {
  /// The mask as a part of a larger one, which is 0 elsewhere.
  ///
  /// - Parameters:
  ///   - size: of the larger one.
  ///   - x: column of it that this one begins at.
  ///   - y: row of it that this one begins at.
  /// - Precondition: this one lies within the larger one.
  package func placed(in size: PixelSize, x: Int, y: Int) -> RunLengthMask {
    precondition(
      x >= 0 && y >= 0 && x + self.size.width <= size.width
        && y + self.size.height <= size.height, "\(self.size) at (\(x), \(y)) of \(size)")
    var counts: [UInt32] = []
    var end = 0  // of what is written
    func append(_ start: Int, _ length: Int) {
      if start == end, let last = counts.indices.last, last % 2 == 1 {
        counts[last] += UInt32(length)
      } else {
        counts.append(UInt32(start - end))
        counts.append(UInt32(length))
      }
      end = start + length
    }
    var position = 0
    for (index, count) in self.counts.enumerated() {
      var (start, rest) = (position, Int(count))
      position += rest
      if index % 2 == 0 { continue }
      while rest > 0 {
        let (column, row) = start.quotientAndRemainder(dividingBy: self.size.height)
        let length = min(rest, self.size.height - row)
        append((x + column) * size.height + y + row, length)
        start += length
        rest -= length
      }
    }
    if end < size.area || counts.isEmpty { counts.append(UInt32(size.area - end)) }
    return RunLengthMask(size: size, runs: counts)
  }
}
