import FlattenFiles

/// A summary of a checkpoint's tensors and of the model they look like, for `inspect`.
package struct CheckpointSummary: Sendable, Encodable {
  /// One tensor.
  package struct Row: Sendable, Encodable {
    package let name: String
    package let shape: [Int]
    /// Element type: `float32`, `int64`, ...
    package let type: String
  }

  /// The file.
  package let path: String
  /// The container: `torch`, `torch (legacy)`, `safetensors`.
  package let kind: String
  /// The key the weights were found under; `nil` at the top.
  package let unwrapped: String?
  /// The files that hold the weights, where this is an index of them.
  package let shards: [String]
  /// What every name begins with that is taken off when a model is loaded.
  package let prefix: String
  /// The tensors that a model is not told of: averaging's counters and copies.
  package let leftOut: [String]
  /// All tensors in file order.
  package let tensors: [Row]
  /// Elements of all tensors together.
  package let elementCount: Int
  /// Bytes of all tensors, each stored once and dense.
  package let byteCount: Int
  /// Texts that a safetensors file carries.
  package let metadata: [String: String]
  /// The model that names and shapes look like; `nil` where none is recognised.
  package let looksLike: String?

  /// Summarises an open checkpoint.
  ///
  /// - Parameters:
  ///   - checkpoint: the file.
  ///   - plain: its tensors as models are given them.
  ///   - looksLike: what model it holds, where that can be told.
  /// - Throws: ``FileError`` where a checksum of the file is wrong; all bytes are read for that.
  package init(
    _ checkpoint: Checkpoint, _ plain: PlainParameters, looksLike: String? = nil
  ) throws {
    try checkpoint.verify()
    path = checkpoint.name
    kind = checkpoint.kind.rawValue
    unwrapped = checkpoint.unwrapped
    shards = checkpoint.shards
    prefix = plain.prefix
    leftOut = plain.leftOut
    tensors = checkpoint.entries.map {
      Row(name: $0.name, shape: $0.shape, type: $0.typeName)
    }
    // Repeated elements can make these sums as large as the file wants.
    elementCount = checkpoint.entries.reduce(0) { Self.capped($0, $1.elementCount) }
    byteCount = checkpoint.entries.reduce(0) { Self.capped($0, $1.byteCount) }
    metadata = Dictionary(
      checkpoint.metadata.map { ($0.key, $0.value) }, uniquingKeysWith: { first, _ in first })
    self.looksLike = looksLike
  }

  private static func capped(_ left: Int, _ right: Int) -> Int {
    let (sum, overflow) = left.addingReportingOverflow(right)
    return overflow ? .max : sum
  }

  /// The summary for people: one line a tensor, then the totals. Names are escaped.
  package var text: String {
    let names = tensors.map { printable($0.name, limit: 100) }
    let width = names.reduce(0) { max($0, $1.count) }
    var lines = zip(names, tensors).map { name, tensor in
      "\(name)\(String(repeating: " ", count: width - name.count))  \(tensor.type) \(tensor.shape)"
    }
    let place = unwrapped.map { ", weights under '\(printable($0))'" } ?? ""
    lines.append("")
    lines.append("container: \(kind)\(place)")
    if !shards.isEmpty {
      lines.append("files: \(shards.map { printable($0) }.joined(separator: ", "))")
    }
    if !prefix.isEmpty { lines.append("prefix: \(printable(prefix)) (taken off for a model)") }
    if !leftOut.isEmpty { lines.append("left out for a model: \(listed(leftOut))") }
    lines.append("tensors: \(tensors.count), \(elementCount) elements, \(byteCount) bytes")
    for (key, value) in metadata.sorted(by: { $0.key < $1.key }) {
      lines.append("metadata \(printable(key)): \(printable(value, limit: 200))")
    }
    lines.append("looks like: \(looksLike ?? "no model known here")")
    return lines.joined(separator: "\n")
  }
}
