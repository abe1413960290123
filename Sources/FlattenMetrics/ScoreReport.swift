/// What scoring a model on a data set gives, whatever its task.
public protocol ScoreReport: Sendable {
  /// The names of the figures that a model is judged by.
  static var figureNames: [String] { get }

  /// Pictures scored.
  var pictures: Int { get }

  /// A figure by its name, 0 to 1; `nil` for other names.
  func figure(_ name: String) -> Double?

  /// For a terminal.
  func text() -> String
  /// A table in Markdown.
  func markdown() -> String
  /// One JSON object; keys and their order are stable.
  func json() -> String
  /// Rows of numbers under a header.
  func csv() -> String
}
