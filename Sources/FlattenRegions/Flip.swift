/// A way to mirror a picture.
public enum Flip: String, Sendable, Hashable, CaseIterable {
  /// Left to right.
  case horizontal
  /// Upside down.
  case vertical
  /// Both: half a turn.
  case diagonal

  /// Whether the columns change places.
  package var mirrorsColumns: Bool { self != .vertical }
  /// Whether the rows change places.
  package var mirrorsRows: Bool { self != .horizontal }
}
