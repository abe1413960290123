/// The builders of the table: values made from checked arguments. Anything unexpected is refused.
///
/// The name belongs to the class or function that the pickle "calls".
struct PickleBuilder {
  let name: String

  func build(_ builder: PickleGlobal.Builder, _ arguments: [PickleValue]) throws -> PickleValue {
    switch builder {
    case .tensor:
      guard arguments.count == 4 else { throw unexpected }
      return .tensor(try tensor(arguments))
    case .tensorV2:
      // storage, offset, size, stride, requires_grad, backward hooks, metadata
      guard (6...7).contains(arguments.count), case .bool = arguments[4],
        isDictionaryOrNone(arguments[5])
      else { throw unexpected }
      try refuseNegated(arguments.dropFirst(6))
      return .tensor(try tensor(arguments))
    case .tensorV3:
      // storage, offset, size, stride, requires_grad, backward hooks, element type, metadata
      guard (7...8).contains(arguments.count), case .bool = arguments[4],
        isDictionaryOrNone(arguments[5]), case .global(let global) = arguments[6],
        case .elementType(let type) = global.meaning
      else { throw unexpected }
      return .tensor(try tensor(arguments, of: type))
    case .tensorOfType:
      // function, class, its arguments, state: a tensor that was given attributes.
      guard arguments.count == 4, case .global(let function) = arguments[0],
        case .builder(let inner) = function.meaning, inner.makesTensor,
        case .global = arguments[1], case .node(let tuple) = arguments[2], tuple.kind == .tuple
      else { throw unexpected }
      return try build(inner, tuple.items)
    case .parameter:
      // data, requires_grad, backward hooks
      guard arguments.count == 3, case .tensor(let data) = arguments[0], case .bool = arguments[1],
        isDictionaryOrNone(arguments[2])
      else { throw unexpected }
      return .tensor(data)
    case .parameterWithState:
      guard arguments.count == 4, case .tensor(let data) = arguments[0], case .bool = arguments[1],
        isDictionaryOrNone(arguments[2])
      else { throw unexpected }
      return .tensor(data)
    case .parameterClass:
      guard (1...2).contains(arguments.count), case .tensor(let data) = arguments[0] else {
        throw unexpected
      }
      return .tensor(data)
    case .orderedDictionary, .defaultDictionary, .counter, .dictionary:
      return .node(try dictionary(builder, arguments))
    case .list: return .node(try PickleNode(.list, items: try sequence(arguments)))
    case .tuple: return .node(try PickleNode(.tuple, items: try sequence(arguments)))
    case .set: return .node(try PickleNode(.set, items: try sequence(arguments)))
    case .size:
      guard case .node(let sizes) = arguments.first, arguments.count == 1, sizes.kind == .tuple,
        sizes.integers != nil
      else { throw unexpected }
      return arguments[0]
    default: return try scalar(builder, arguments)
    }
  }

  /// A view of an imaginary part is stored with the wrong signs and a note of it.
  private func refuseNegated(_ metadata: ArraySlice<PickleValue>) throws {
    guard case .node(let notes)? = metadata.first,
      case .bool(true)? = notes.values(for: "neg").first
    else { return }
    throw Refusal("holds a tensor that is stored negated. Save it after resolve_neg()")
  }

  private func scalar(
    _ builder: PickleGlobal.Builder, _ arguments: [PickleValue]
  ) throws -> PickleValue {
    switch builder {
    case .device:
      guard (1...2).contains(arguments.count), case .text = arguments[0] else { throw unexpected }
      return .inert
    case .layout:
      guard arguments.count == 1, case .text = arguments[0] else { throw unexpected }
      return .inert
    case .complex:
      guard arguments.count <= 2, arguments.allSatisfy(isNumber) else { throw unexpected }
      return .float
    case .byteArray:
      // A number here would ask for that many bytes.
      switch arguments.count {
      case 0: return .bytes
      case 1: guard case .bytes = arguments[0] else { throw unexpected }
      case 2:
        guard case .text = arguments[0], case .text = arguments[1] else { throw unexpected }
      default: throw unexpected
      }
      return .bytes
    case .scalar:
      guard let argument = arguments.first else { return .float }
      guard arguments.count == 1, argument.isScalar else { throw unexpected }
      return .float
    case .typeOf:
      // The types of None, Ellipsis and NotImplemented have no name of their own.
      guard arguments.count == 1 else { throw unexpected }
      switch arguments[0] {
      case .none: return .inert
      case .global(let global):
        guard case .token = global.meaning else { throw unexpected }
        return .inert
      default: throw unexpected
      }
    case .slice, .range:
      guard arguments.count <= 3, arguments.allSatisfy({ isNumber($0) || isNone($0) }) else {
        throw unexpected
      }
      return .inert
    case .encode:
      guard arguments.count == 2, case .text = arguments[0], case .text("latin1"?) = arguments[1]
      else { throw unexpected }
      return .bytes
    case .attribute:
      guard arguments.count == 2, case .global(let owner) = arguments[0],
        case .inertClass = owner.meaning, case .text(let attribute?) = arguments[1],
        attribute.utf8.first != UInt8(ascii: "_"), attribute.utf8.allSatisfy(Unpickler.isKeyByte)
      else { throw unexpected }
      return .inert
    default: throw unexpected
    }
  }

  /// `storage, offset, size, stride`
  ///
  /// - Parameter type: of the elements; `nil` where the storage has one.
  private func tensor(
    _ arguments: [PickleValue], of type: StoredType? = nil
  ) throws -> TensorDescription {
    guard case .storage(let storage) = arguments[0], case .integer(let offset) = arguments[1],
      case .node(let size) = arguments[2], size.kind == .tuple, let shape = size.integers,
      case .node(let stride) = arguments[3], stride.kind == .tuple, let strides = stride.integers
    else { throw unexpected }
    return try TensorDescription(
      storage: storage, type: type ?? storage.type, offset: offset, shape: shape, strides: strides)
  }

  private func dictionary(
    _ builder: PickleGlobal.Builder, _ arguments: [PickleValue]
  ) throws -> PickleNode {
    let kind = builder == .dictionary ? PickleNode.Kind.dictionary : .dictionaryObject
    guard let argument = arguments.first else { return try PickleNode(kind) }
    guard arguments.count == 1 else { throw unexpected }
    if builder == .defaultDictionary {
      // The function that makes default values.
      switch argument {
      case .global, .none, .inert: return try PickleNode(kind)
      default: throw unexpected
      }
    }
    guard case .node(let content) = argument else { throw unexpected }
    if content.isDictionary { return try PickleNode(kind, items: content.items) }
    // Python 2 pickles an ordered dictionary as a list of pairs.
    guard content.kind == .list else { throw unexpected }
    var items: [PickleValue] = []
    for case let item in content.items {
      guard case .node(let pair) = item, pair.items.count == 2, pair.items[0].isScalar else {
        throw unexpected
      }
      items += pair.items
    }
    return try PickleNode(kind, items: items)
  }

  private func sequence(_ arguments: [PickleValue]) throws -> [PickleValue] {
    guard let argument = arguments.first else { return [] }
    guard arguments.count == 1, case .node(let content) = argument, !content.isDictionary else {
      throw unexpected
    }
    return content.items
  }

  private func isDictionaryOrNone(_ value: PickleValue) -> Bool {
    if case .node(let node) = value { return node.isDictionary }
    return isNone(value)
  }

  private func isNone(_ value: PickleValue) -> Bool {
    if case .none = value { true } else { false }
  }

  private func isNumber(_ value: PickleValue) -> Bool {
    switch value {
    case .bool, .integer, .longInteger, .float: true
    default: false
    }
  }

  private var unexpected: Refusal {
    Refusal("the pickle calls \(name) with arguments that do not fit it")
  }
}

extension PickleGlobal.Builder {
  /// Whether it makes a tensor of a storage.
  fileprivate var makesTensor: Bool {
    switch self {
    case .tensor, .tensorV2, .tensorV3: true
    default: false
    }
  }
}
