/// A value of the unpickler: a plain value, the description of a tensor, or an inert object.
///
/// Content that no checkpoint needs (floats, byte strings, long texts, the inside of inert objects)
/// is checked and not kept.
enum PickleValue {
  case none
  case bool(Bool)
  case integer(Int)
  /// An integer beyond 64 bits: its little-endian bytes, where they are few.
  case longInteger([UInt8])
  case float
  /// A text; `nil` where it is not UTF-8 or too long to name anything.
  case text(String?)
  case bytes
  /// Something from the table of names.
  case global(PickleGlobal)
  case storage(StorageReference)
  case tensor(TensorDescription)
  /// A list, tuple, dictionary or set.
  case node(PickleNode)
  /// An object of an inert class; its state and items are dropped.
  case inert

  /// Longer texts are not kept. Names of tensors are at most this long.
  static let longestText = 1024

  /// For messages.
  var kindName: String {
    switch self {
    case .none: "None"
    case .bool: "a truth value"
    case .integer, .longInteger: "an integer"
    case .float: "a number"
    case .text: "a text"
    case .bytes: "a byte string"
    case .global(let global): "the name \(global.description)"
    case .storage: "a storage"
    case .tensor: "a tensor"
    case .node(let node): "a \(node.kind.rawValue)"
    case .inert: "an object"
    }
  }

  /// Whether it has no parts.
  var isScalar: Bool {
    switch self {
    case .none, .bool, .integer, .longInteger, .float, .text, .bytes: true
    default: false
    }
  }

  /// Whether it may be a dictionary's key: also `torch.float32`, or an object.
  var isKey: Bool {
    switch self {
    case .global, .inert: true
    case .node(let tuple):
      tuple.kind == .tuple && tuple.items.count <= 8
        && tuple.items.allSatisfy {
          switch $0 {
          case .global, .inert: true
          default: $0.isScalar
          }
        }
    default: isScalar
    }
  }
}

/// A list, tuple, dictionary or set.
///
/// Values refer to nodes, so sharing costs nothing and is never followed twice. A node that has been
/// put into another can no longer change: with that, cycles cannot arise, and ``height`` is exact.
final class PickleNode {
  enum Kind: String {
    case list, tuple, set
    case dictionary
    /// A dictionary that a class made, which may also be given a state.
    case dictionaryObject = "dictionary object"
  }

  let kind: Kind
  /// The elements; keys and values in turn for dictionaries; not kept for sets.
  fileprivate(set) var items: [PickleValue] = []
  private var height = 0
  private var isSealed = false

  /// Limit of nesting. Freeing a structure recurses, so this also bounds the stack.
  static let depthLimit = 100

  init(_ kind: Kind, items: [PickleValue] = []) throws {
    self.kind = kind
    try append(items)
  }

  var isDictionary: Bool { kind == .dictionary || kind == .dictionaryObject }

  func append(_ values: [PickleValue]) throws {
    guard !isSealed else {
      throw Refusal("the pickle changes a \(kind.rawValue) that is already part of another value")
    }
    for case .node(let child) in values {
      // Before its height is taken: a node inside itself is caught here.
      child.isSealed = true
      height = max(height, child.height + 1)
    }
    guard !isSealed else { throw Refusal("the pickle holds a \(kind.rawValue) inside itself") }
    guard height < Self.depthLimit else {
      throw Refusal("the pickle nests deeper than \(Self.depthLimit) levels")
    }
    if kind != .set { items += values }
  }

  /// The values under a text key, compared by bytes; more than one where the key is repeated.
  func values(for key: String) -> [PickleValue] {
    guard isDictionary else { return [] }
    return stride(from: 0, to: items.count - 1, by: 2).compactMap { index in
      guard case .text(let text?) = items[index], ExactText(text) == ExactText(key) else {
        return nil
      }
      return items[index + 1]
    }
  }

  /// The elements as integers, or `nil` where one is anything else.
  var integers: [Int]? {
    var result: [Int] = []
    for item in items {
      guard case .integer(let value) = item else { return nil }
      result.append(value)
    }
    return result
  }
}

/// A storage named by a persistent id; the container checks that its bytes exist.
final class StorageReference {
  let key: String
  let type: StoredType
  /// Number of elements.
  let count: Int

  init(key: String, type: StoredType, count: Int) {
    self.key = key
    self.type = type
    self.count = count
  }
}

/// A tensor as the pickle describes it: a view on a storage.
final class TensorDescription {
  let storage: StorageReference
  /// Of the elements; that of the storage where it has one.
  let type: StoredType
  /// In elements, as the strides are.
  let offset: Int
  let shape: [Int]
  let strides: [Int]

  static let rankLimit = 32
  static let elementLimit = 1 << 40

  /// Refuses a view that leaves its storage.
  init(
    storage: StorageReference, type: StoredType, offset: Int, shape: [Int], strides: [Int]
  ) throws {
    guard shape.count <= Self.rankLimit else {
      throw Refusal("a tensor has \(shape.count) axes, at most \(Self.rankLimit) are read")
    }
    guard shape.count == strides.count else {
      throw Refusal("a tensor has \(shape.count) sizes and \(strides.count) strides")
    }
    guard offset >= 0, shape.allSatisfy({ $0 >= 0 }), strides.allSatisfy({ $0 >= 0 }) else {
      throw Refusal("a tensor has a negative size, stride or offset")
    }
    let count = try shape.reduce(1) { try checkedProduct($0, $1, "a tensor's element count") }
    guard count <= Self.elementLimit else {
      throw Refusal("a tensor has \(count) elements, more than are read")
    }
    if count > 0 {
      var last = offset
      for (size, stride) in zip(shape, strides) {
        last = try checkedSum(
          last, try checkedProduct(size - 1, stride, "a tensor's extent"), "a tensor's extent")
      }
      let stored = storage.count * storage.type.byteSize / type.byteSize
      guard last < stored else {
        throw Refusal(
          "a tensor reaches to element \(last) of storage '\(storage.key)', which has \(stored)")
      }
    }
    self.storage = storage
    self.type = type
    self.offset = offset
    self.shape = shape
    self.strides = strides
  }
}
