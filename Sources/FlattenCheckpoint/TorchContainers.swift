/// The dictionaries of a checkpoint that hold tensors.
struct TorchContainers {
  private let top: PickleNode
  private let tensorsAtTop: Int
  /// Those below the top; the ones with the most tensors come first.
  private let found: [(name: String, node: PickleNode, tensors: Int)]

  /// The keys that weights are looked for under, in this order, unless the caller names one. Some
  /// training scripts save averaged weights as well; the official evaluations of FLatten-CSwin,
  /// DeiT and mmsegmentation read the ones that are not averaged. CSwin's released files have
  /// averaged ones only.
  private static let usual = ["state_dict", "model", "state_dict_ema"]

  /// How many dictionaries inside one another are looked into.
  private static let depth = 3

  init(_ top: PickleNode) {
    self.top = top
    var search = Search()
    tensorsAtTop = search.tensors(of: top, below: "", Self.depth)
    found = search.found.enumerated().sorted {
      ($1.element.tensors, $0.offset) < ($0.element.tensors, $1.offset)
    }.map(\.element)
  }

  private struct Search {
    var found: [(name: String, node: PickleNode, tensors: Int)] = []
    // A file may name one large dictionary a million times.
    private var left = 1 << 20

    /// Counts the tensors that a dictionary holds itself, and notes the dictionaries in it that hold some.
    mutating func tensors(of node: PickleNode, below path: String, _ depth: Int) -> Int {
      var count = 0
      for index in stride(from: 0, to: node.items.count - 1, by: 2) where left > 0 {
        left -= 1
        guard case .text(let key?) = node.items[index] else { continue }
        switch node.items[index + 1] {
        case .tensor: count += 1
        case .node(let child) where child.isDictionary && depth > 0 && found.count < 100:
          let place = found.count
          let inside = tensors(of: child, below: "\(path)\(key).", depth - 1)
          if inside > 0 { found.insert((path + key, child, inside), at: place) }
        default: break
        }
      }
      return count
    }
  }

  /// What they are called, `a.b` for one inside another.
  var names: [String] { found.map(\.name) }

  /// The dictionary of weights: the wanted one where there is one of that name, else the first of the usual
  /// ones, else the top.
  ///
  /// - Returns: the dictionary and its name, `nil` for the top.
  func weights(wanted: String?) throws -> (PickleNode, name: String?) {
    if let wanted {
      if let value = try value(of: wanted) {
        guard case .node(let weights) = value, weights.isDictionary else {
          throw Refusal(
            "has \(value.kindName) under '\(shortened(wanted))', a dictionary of weights is wanted",
            containers: names)
        }
        return (weights, wanted)
      }
      if let inner = found.first(where: { ExactText($0.name) == ExactText(wanted) }) {
        return (inner.node, wanted)
      }
    }
    for key in Self.usual {
      if case .node(let weights)? = try value(of: key), weights.isDictionary, weights.holdsTensors {
        return (weights, key)
      }
    }
    // A loss or a step as a tensor beside the dictionary does not make the top the weights.
    guard top.holdsTensors, tensorsAtTop >= found.first?.tensors ?? 0 else {
      throw Refusal(
        wanted.map { "has no weights under '\(shortened($0))'" }
          ?? (found.isEmpty ? "holds no tensors" : "has no weights where they are looked for"),
        containers: names)
    }
    return (top, nil)
  }

  /// The value of a key at the top, which must not be there twice.
  private func value(of key: String) throws -> PickleValue? {
    let values = top.values(for: key)
    guard values.count < 2 else { throw Refusal("has two values named '\(shortened(key))'") }
    return values.first
  }
}

extension PickleNode {
  /// Whether a value of this dictionary is a tensor.
  fileprivate var holdsTensors: Bool {
    stride(from: 1, to: items.count, by: 2).contains { index in
      if case .tensor = items[index] { true } else { false }
    }
  }
}
