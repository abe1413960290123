/// How a network's input is cut into overlapping windows.
enum SlidingWindows {
  /// Where the windows begin along one axis: as many as are needed, the last one moved back inside.
  static func starts(extent: Int, crop: Int, stride: Int) -> [(start: Int, size: Int)] {
    let count = max(extent - crop + stride - 1, 0) / stride + 1
    return (0..<count).map { index in
      let end = min(index * stride + crop, extent)
      let start = max(end - crop, 0)
      return (start, end - start)
    }
  }
}
