import FlattenTensor

/// One of our parameters, made from a tensor of a file with other names.
package struct TranslatedParameter: Sendable, Equatable {
  /// How the elements follow from the file's tensor.
  package enum Elements: Sendable, Equatable {
    /// Unchanged.
    case same
    /// The weight `[out, in, 1, 1]` of a 1x1 convolution as a linear layer's `[out, in]`.
    case matrix
    /// A range of `of` equal parts of the first axis: the file stores several parameters as one.
    case parts(Range<Int>, of: Int)
    /// The 2x2 patches of patch merging along the last axis. The file has torch's `Unfold` order,
    /// for each channel the cells (0, 0), (0, 1), (1, 0), (1, 1); ours is for each cell, in the
    /// order (0, 0), (1, 0), (0, 1), (1, 1), all channels.
    case unfoldedCells
  }

  package let name: String
  package let elements: Elements

  package init(_ name: some StringProtocol, elements: Elements = .same) {
    self.name = String(name)
    self.elements = elements
  }

  /// Our parameter's shape; `nil` where the file's tensor has a shape that cannot be translated.
  func shape(from stored: [Int]) -> [Int]? {
    switch elements {
    case .same: stored
    case .matrix:
      stored.count == 4 && stored[2...] == [1, 1] ? Array(stored[..<2]) : nil
    case .parts(let range, let total):
      stored.first.flatMap { first in
        first.isMultiple(of: total)
          ? [first / total * range.count] + stored.dropFirst() : nil
      }
    case .unfoldedCells:
      stored.last.flatMap { $0.isMultiple(of: 4) ? stored : nil }
    }
  }
}

/// A checkpoint of another toolbox under our names.
///
/// A tensor whose shape does not suit its translation, or whose name is taken already, keeps the file's
/// name; loading then reports it.
package final class TranslatedParameters: ParameterSource {
  private struct Entry {
    let storedName: String
    let storedShape: [Int]
    let elements: TranslatedParameter.Elements
  }

  private let source: any ParameterSource
  private let entries: [ExactText: Entry]
  package let parameterShapes: [(name: String, shape: [Int], isFloatingPoint: Bool)]

  /// - Parameters:
  ///   - prefix: what the names to translate begin with; it is kept.
  ///   - translate: our parameters for the rest of a name; one of the same name leaves the tensor
  ///     unchanged.
  package init(
    _ source: any ParameterSource, below prefix: String,
    _ translate: (String) -> [TranslatedParameter]
  ) {
    self.source = source
    var entries: [ExactText: Entry] = [:]
    var shapes: [(name: String, shape: [Int], isFloatingPoint: Bool)] = []
    for (name, shape, isFloatingPoint) in source.parameterShapes {
      var parts = [TranslatedParameter(name)]
      if hasBytePrefix(name, prefix) {
        parts = translate(droppingBytes(prefix.utf8.count, of: name)).map {
          TranslatedParameter(prefix + $0.name, elements: $0.elements)
        }
      }
      let fits = parts.allSatisfy {
        $0.shape(from: shape) != nil && entries[ExactText($0.name)] == nil
      }
      for part in fits ? parts : [TranslatedParameter(name)] {
        entries[ExactText(part.name)] = Entry(
          storedName: name, storedShape: shape, elements: part.elements)
        shapes.append((part.name, part.shape(from: shape) ?? shape, isFloatingPoint))
      }
    }
    self.entries = entries
    parameterShapes = shapes
  }

  package var name: String { source.name }

  package func read(_ name: String, into buffer: UnsafeMutableBufferPointer<Float>) throws {
    guard let entry = entries[ExactText(name)] else { return try source.read(name, into: buffer) }
    switch entry.elements {
    case .same, .matrix:
      try source.read(entry.storedName, into: buffer)
    case .parts(let range, let total):
      let all = try stored(entry)
      let part = all.count / total
      for index in buffer.indices { buffer[index] = all.pointer[range.lowerBound * part + index] }
    case .unfoldedCells:
      let all = try stored(entry)
      let channels = (entry.storedShape.last ?? 0) / 4
      for index in buffer.indices {
        let (row, place) = (index / (4 * channels), index % (4 * channels))
        let (cell, channel) = (place / channels, place % channels)
        let unfolded = cell % 2 * 2 + cell / 2
        buffer[index] = all.pointer[(row * channels + channel) * 4 + unfolded]
      }
    }
  }

  private func stored(_ entry: Entry) throws -> Tensor {
    try Tensor([entry.storedShape.reduce(1, *)]) { try source.read(entry.storedName, into: $0) }
  }
}
