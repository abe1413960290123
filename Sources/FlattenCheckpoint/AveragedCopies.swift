/// The copies that mmcv's EMAHook keeps of averaged parameters, beside them and without dots in their names:
/// `ema_backbone_norm_weight` for `backbone.norm.weight`. Buffers may have none.
struct AveragedCopies {
  /// Index of the copy, by the index of the parameter.
  private(set) var copies: [Int: Int] = [:]

  var isEmpty: Bool { copies.isEmpty }

  private static let marker = "ema_"

  /// - Parameter names: of all tensors, perhaps all below one prefix.
  init(_ names: [String]) {
    let prefix = Self.commonFolder(of: names)
    var marked: [ExactText: Int] = [:]
    for (index, name) in names.enumerated() where hasBytePrefix(name, prefix + Self.marker) {
      marked[ExactText(name)] = index
    }
    guard !marked.isEmpty else { return }
    for (index, name) in names.enumerated() {
      let own = droppingBytes(prefix.utf8.count, of: name).utf8
      let flat = own.map { $0 == UInt8(ascii: ".") ? UInt8(ascii: "_") : $0 }
      let copy = prefix + Self.marker + String(decoding: flat, as: UTF8.self)
      if let place = marked[ExactText(copy)], place != index { copies[index] = place }
    }
  }

  /// What all names begin with, up to a dot and with it.
  private static func commonFolder(of names: [String]) -> String {
    func folder(of name: Substring.UTF8View) -> Substring.UTF8View {
      name.lastIndex(of: UInt8(ascii: ".")).map { name[...$0] } ?? name.prefix(0)
    }
    guard let first = names.first else { return "" }
    var common = folder(of: first[...].utf8)
    for name in names {
      while !name.utf8.starts(with: common) { common = folder(of: common.dropLast()) }
    }
    return String(common) ?? ""
  }

  /// The averaged tensors under the names of the others; what has no copy stays.
  func taken(of entries: [TensorEntry]) throws -> [TensorEntry] {
    let isCopy = Set(copies.values)
    return try entries.indices.compactMap { index -> TensorEntry? in
      if isCopy.contains(index) { return nil }
      guard let place = copies[index] else { return entries[index] }
      var copy = entries[place]
      guard copy.shape == entries[index].shape else {
        throw Refusal(
          "'\(shortened(copy.name))' is \(copy.shape), the parameter that it averages "
            + "\(entries[index].shape)")
      }
      copy.name = entries[index].name
      return copy
    }
  }
}
