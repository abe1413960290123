/// How a map is cut into windows that attention does not look out of, as Swin (arXiv 2103.14030) and
/// CSwin (arXiv 2107.00652) do.
///
/// The map is first padded with zeros to whole windows, then rolled up and to the left by `shift`, and
/// then cut, window by window along the rows.
package struct WindowLayout: Sendable, Equatable {
  /// Where the zeros go that fill up the last windows.
  package enum Padding: Sendable {
    /// At the bottom and the right: dense prediction with Swin.
    case end
    /// Half of them, rounded down, at the top and the left: dense prediction with CSwin.
    case bothSides
  }

  /// Rows and columns of the map.
  package let height: Int
  package let width: Int
  /// Rows and columns of a window.
  package let windowHeight: Int
  package let windowWidth: Int
  /// Rows and columns that the padded map is rolled by.
  package let shift: Int
  /// Rows of zeros above the map, and columns left of it.
  package let top: Int
  package let left: Int

  package init(
    height: Int, width: Int, windowHeight: Int, windowWidth: Int, shift: Int = 0,
    padding: Padding = .end
  ) {
    precondition(
      height >= 1 && width >= 1 && windowHeight >= 1 && windowWidth >= 1 && shift >= 0
        && shift < min(windowHeight, windowWidth),
      "windows \(windowHeight)x\(windowWidth) shifted by \(shift) on \(height)x\(width)")
    self.height = height
    self.width = width
    self.windowHeight = windowHeight
    self.windowWidth = windowWidth
    self.shift = shift
    switch padding {
    case .end: (top, left) = (0, 0)
    case .bothSides:
      top = (height.rounded(up: windowHeight) - height) / 2
      left = (width.rounded(up: windowWidth) - width) / 2
    }
  }

  /// One window that is the map.
  package init(wholeOf height: Int, _ width: Int) {
    self.init(height: height, width: width, windowHeight: height, windowWidth: width)
  }

  /// Windows above one another, and beside one another.
  package var rows: Int { (height + windowHeight - 1) / windowHeight }
  package var columns: Int { (width + windowWidth - 1) / windowWidth }
  /// Windows of one map.
  package var count: Int { rows * columns }
  /// Cells of one window.
  package var tokens: Int { windowHeight * windowWidth }
  /// Whether there is one window, and it is the map as it lies.
  package var isWhole: Bool { windowHeight == height && windowWidth == width && shift == 0 }

  /// The row of the map at a row of the padded and rolled map; `nil` in the padding.
  func sourceRow(_ row: Int) -> Int? {
    let source = (row + shift) % (rows * windowHeight) - top
    return (0..<height).contains(source) ? source : nil
  }

  /// The same for columns.
  func sourceColumn(_ column: Int) -> Int? {
    let source = (column + shift) % (columns * windowWidth) - left
    return (0..<width).contains(source) ? source : nil
  }

  /// The row of the padded and rolled map that a row of the map goes to.
  func rolledRow(_ row: Int) -> Int {
    let rows = rows * windowHeight
    return (row + top - shift + rows) % rows
  }

  /// The same for columns.
  func rolledColumn(_ column: Int) -> Int {
    let columns = columns * windowWidth
    return (column + left - shift + columns) % columns
  }

  /// Whether rolling has brought parts of the map together in a window that are not neighbours: in the
  /// last row and the last column.
  package func holdsParts(window: Int) -> Bool {
    shift > 0 && (isInLastRow(window) || isInLastColumn(window))
  }

  /// Which of the parts a cell of such a window comes from.
  package func part(window: Int, token: Int) -> Int {
    let isBelow = isInLastRow(window) && token / windowWidth >= windowHeight - shift
    let isRight = isInLastColumn(window) && token % windowWidth >= windowWidth - shift
    return (isBelow ? 2 : 0) + (isRight ? 1 : 0)
  }

  private func isInLastRow(_ window: Int) -> Bool { window / columns == rows - 1 }
  private func isInLastColumn(_ window: Int) -> Bool { window % columns == columns - 1 }
}
