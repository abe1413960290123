/// Rows of cells under a header, aligned for a terminal.
enum TextTable {
  /// - Parameter leftColumns: how many columns are aligned to the left; the others hold numbers.
  static func text(header: [String], rows: [[String]], leftColumns: Int) -> String {
    let widths = header.indices.map { column in
      ([header] + rows).map { $0[column].count }.max() ?? 0
    }
    func line(_ cells: [String]) -> String {
      var line = cells.enumerated().map { column, cell in
        let space = String(repeating: " ", count: widths[column] - cell.count)
        return column < leftColumns ? cell + space : space + cell
      }.joined(separator: "  ")
      while line.last == " " { line.removeLast() }
      return line + "\n"
    }
    let rule = String(repeating: "-", count: widths.reduce(0, +) + 2 * (widths.count - 1)) + "\n"
    return line(header) + rule + rows.map(line).joined() + rule
  }

  /// The same in Markdown.
  static func markdown(header: [String], rows: [[String]], leftColumns: Int) -> String {
    func line(_ cells: [String]) -> String {
      "| " + cells.map { $0.replacing("|", with: "\\|") }.joined(separator: " | ") + " |\n"
    }
    let rule = header.indices.map { $0 < leftColumns ? "---" : "---:" }
    return ([header, rule] + rows).map(line).joined()
  }
}
