/// A reader of pickles as data.
///
/// A pickle is a program for a stack machine that may import and call anything. This machine has no
/// such instructions: names stand for entries of a fixed table (``PickleGlobal``), a "call" fills in
/// a description or is swallowed, and every length, count and index is checked before it is used.
struct Unpickler {
  private var input: PickleInput
  private let skipsUnknown: Bool
  private var stack: [PickleValue] = []
  /// Stack heights at the open marks.
  private var marks: [Int] = []
  private var memo: [UInt64: PickleValue] = [:]
  /// The end of the current frame; an instruction must not cross it.
  private var frameEnd = 0
  /// Bytes left of the limit on the memory of all values together.
  private var budget = 1 << 27

  /// All storages that persistent ids name, in order of appearance.
  private(set) var storages: [StorageReference] = []
  private var storageIndex: [ExactText: Int] = [:]

  private static let openMarksLimit = 512
  private static let nameLimit = 512
  private static let pickleLimit = 1 << 28

  /// - Parameters:
  ///   - count: most bytes to read; the pickle may end earlier.
  init(_ source: ByteSource, at offset: Int, count: Int, skipsUnknown: Bool) {
    input = PickleInput(source, at: offset, count: min(count, Self.pickleLimit))
    self.skipsUnknown = skipsUnknown
  }

  /// Position of the byte after STOP.
  var end: Int { input.position }

  /// Runs to STOP and returns the one value on the stack.
  mutating func run() throws -> PickleValue {
    let start = input.position
    while true {
      let position = input.position
      let opcode = try input.byte()
      if opcode == Self.stop {
        guard marks.isEmpty, stack.count == 1 else {
          throw Refusal("the pickle ends at byte \(position) in the middle of a value")
        }
        return stack[0]
      }
      let frameEnd = frameEnd
      switch opcode {
      case 0x80:  // PROTO
        let version = try input.byte()
        guard position == start, version <= 5 else {
          throw Refusal("the pickle has protocol \(version) at byte \(position)")
        }
      case 0x95:  // FRAME
        guard position >= frameEnd else { throw Refusal("the pickle's frames nest") }
        let length = try input.length(bytes: 8)
        self.frameEnd = input.position + length
      default:
        if try !pushScalar(opcode), try !pushContainer(opcode), try !useMemo(opcode),
          try !useName(opcode)
        {
          throw Refusal(
            "the pickle has the instruction 0x\(String(opcode, radix: 16)) at byte \(position), "
              + "which weights never need")
        }
      }
      guard position >= frameEnd || input.position <= frameEnd else {
        throw Refusal("an instruction of the pickle leaves its frame at byte \(position)")
      }
    }
  }

  private static let stop = UInt8(ascii: ".")

  // MARK: The stack

  private mutating func push(_ value: PickleValue) throws {
    try spend(MemoryLayout<PickleValue>.stride)
    stack.append(value)
  }

  /// Makes a node and pushes it.
  mutating func push(node kind: PickleNode.Kind, _ items: [PickleValue] = []) throws {
    try spend(64 + (items.count + 1) * MemoryLayout<PickleValue>.stride)
    stack.append(.node(try PickleNode(kind, items: items)))
  }

  private mutating func spend(_ bytes: Int) throws {
    budget -= bytes
    guard budget >= 0 else { throw Refusal("the pickle holds more objects than are read") }
  }

  private mutating func pop() throws -> PickleValue {
    guard stack.count > marks.last ?? 0, let value = stack.popLast() else {
      throw Refusal("the pickle takes a value that is not there, near byte \(input.position)")
    }
    return value
  }

  private func top() throws -> PickleValue {
    guard stack.count > marks.last ?? 0, let value = stack.last else {
      throw Refusal("the pickle takes a value that is not there, near byte \(input.position)")
    }
    return value
  }

  private mutating func popMark() throws -> [PickleValue] {
    guard let height = marks.popLast() else {
      throw Refusal("the pickle closes a mark that is not open, near byte \(input.position)")
    }
    let values = Array(stack[height...])
    stack.removeSubrange(height...)
    return values
  }

  // MARK: Values without parts

  private mutating func pushScalar(_ opcode: UInt8) throws -> Bool {
    switch opcode {
    case UInt8(ascii: "N"): try push(.none)
    case 0x88: try push(.bool(true))
    case 0x89: try push(.bool(false))
    case UInt8(ascii: "K"): try push(.integer(Int(try input.byte())))
    case UInt8(ascii: "M"): try push(.integer(Int(try input.unsigned(bytes: 2))))
    case UInt8(ascii: "J"):
      let bits = UInt32(truncatingIfNeeded: try input.unsigned(bytes: 4))
      try push(.integer(Int(Int32(bitPattern: bits))))
    case 0x8A: try pushLong(lengthBytes: 1)
    case 0x8B: try pushLong(lengthBytes: 4)
    case UInt8(ascii: "I"), UInt8(ascii: "L"): try pushDecimal()
    case UInt8(ascii: "F"):
      _ = try input.line(limit: Self.nameLimit)
      try push(.float)
    case UInt8(ascii: "G"):
      try input.skip(8)
      try push(.float)
    case UInt8(ascii: "U"), 0x8C: try pushText(lengthBytes: 1)
    case UInt8(ascii: "T"), UInt8(ascii: "X"): try pushText(lengthBytes: 4)
    case 0x8D: try pushText(lengthBytes: 8)
    case UInt8(ascii: "C"): try pushBytes(lengthBytes: 1)
    case UInt8(ascii: "B"): try pushBytes(lengthBytes: 4)
    case 0x8E, 0x96: try pushBytes(lengthBytes: 8)
    default: return false
    }
    return true
  }

  /// A little-endian two's complement integer of any length; few bytes are enough for all uses.
  private mutating func pushLong(lengthBytes: Int) throws {
    let length = try input.length(bytes: lengthBytes)
    guard length <= 16 else {
      try input.skip(length)
      return try push(.longInteger([]))
    }
    let bytes = try input.bytes(length)
    guard length <= 8 else { return try push(.longInteger(bytes)) }
    let isNegative = (bytes.last ?? 0) & 0x80 != 0
    let value = bytes.reversed().reduce(isNegative ? -1 : 0) { $0 << 8 | Int($1) }
    try push(.integer(value))
  }

  /// The text forms of protocol 1: `I01` and `I00` are truth values, `L` ends in the letter L.
  private mutating func pushDecimal() throws {
    let line = try input.line(limit: Self.nameLimit)
    let digits = line.last == UInt8(ascii: "L") ? line.dropLast() : line[...]
    if line.elementsEqual("00".utf8) || line.elementsEqual("01".utf8) {
      return try push(.bool(line.last == UInt8(ascii: "1")))
    }
    guard let text = String(validating: digits, as: UTF8.self), let value = Int(text) else {
      throw Refusal("the pickle has a damaged integer near byte \(input.position)")
    }
    try push(.integer(value))
  }

  private mutating func pushText(lengthBytes: Int) throws {
    let length = try input.length(bytes: lengthBytes)
    guard length <= PickleValue.longestText else {
      try input.skip(length)
      return try push(.text(nil))
    }
    try spend(length)
    try push(.text(String(validating: try input.bytes(length), as: UTF8.self)))
  }

  private mutating func pushBytes(lengthBytes: Int) throws {
    try input.skip(try input.length(bytes: lengthBytes))
    try push(.bytes)
  }

  // MARK: Containers

  private mutating func pushContainer(_ opcode: UInt8) throws -> Bool {
    switch opcode {
    case UInt8(ascii: "("):
      try spend(8)
      guard marks.count < Self.openMarksLimit else {
        throw Refusal("the pickle nests deeper than \(PickleNode.depthLimit) levels")
      }
      marks.append(stack.count)
    case UInt8(ascii: "0"): _ = try pop()
    case UInt8(ascii: "1"): _ = try popMark()
    case UInt8(ascii: "2"): try push(try top())
    case UInt8(ascii: "]"): try push(node: .list)
    case UInt8(ascii: "}"): try push(node: .dictionary)
    case UInt8(ascii: ")"): try push(node: .tuple)
    case 0x8F: try push(node: .set)
    case UInt8(ascii: "l"): try push(node: .list, try popMark())
    case UInt8(ascii: "d"): try push(node: .dictionary, try Self.pairs(try popMark()))
    case UInt8(ascii: "t"): try push(node: .tuple, try popMark())
    case 0x91: try push(node: .set, try popMark())
    case 0x85, 0x86, 0x87:
      var items: [PickleValue] = []
      for _ in 0..<Int(opcode - 0x84) { items.append(try pop()) }
      try push(node: .tuple, items.reversed())
    case UInt8(ascii: "a"): try put([try pop()], into: [.list])
    case UInt8(ascii: "e"): try put(try popMark(), into: [.list])
    case 0x90: try put(try popMark(), into: [.set])
    case UInt8(ascii: "s"):
      let value = try pop()
      try put(try Self.pairs([try pop(), value]), into: [.dictionary, .dictionaryObject])
    case UInt8(ascii: "u"):
      try put(try Self.pairs(try popMark()), into: [.dictionary, .dictionaryObject])
    case UInt8(ascii: "b"): try build()
    default: return false
    }
    return true
  }

  /// Appends to the container on top of the stack, which must be of one of the kinds.
  private mutating func put(_ values: [PickleValue], into kinds: [PickleNode.Kind]) throws {
    let target = try top()
    if case .inert = target { return }
    guard case .node(let node) = target, kinds.contains(node.kind) else {
      throw Refusal("the pickle puts items into \(target.kindName), near byte \(input.position)")
    }
    try node.append(values)
  }

  /// Keys and values in turn, checked. Static, because a method would hold a copy of the stack while
  /// its argument is popped, and each pop would then copy the stack.
  private static func pairs(_ items: [PickleValue]) throws -> [PickleValue] {
    guard items.count.isMultiple(of: 2) else {
      throw Refusal("the pickle has a dictionary with a key and no value")
    }
    for index in stride(from: 0, to: items.count, by: 2) {
      guard items[index].isKey else {
        throw Refusal("the pickle has a dictionary with \(items[index].kindName) as a key")
      }
    }
    return items
  }

  /// Gives an object its state. Only inert objects and dictionary classes have one, and it is dropped.
  private mutating func build() throws {
    _ = try pop()
    switch try top() {
    case .inert: return
    case .node(let node) where node.kind == .dictionaryObject: return
    case let target:
      throw Refusal("the pickle gives a state to \(target.kindName), near byte \(input.position)")
    }
  }

  // MARK: The memo

  private mutating func useMemo(_ opcode: UInt8) throws -> Bool {
    switch opcode {
    case UInt8(ascii: "q"): try remember(UInt64(try input.byte()))
    case UInt8(ascii: "r"): try remember(try input.unsigned(bytes: 4))
    case 0x94: try remember(UInt64(memo.count))
    case UInt8(ascii: "h"): try recall(UInt64(try input.byte()))
    case UInt8(ascii: "j"): try recall(try input.unsigned(bytes: 4))
    default: return false
    }
    return true
  }

  private mutating func remember(_ index: UInt64) throws {
    try spend(64)
    memo[index] = try top()
  }

  private mutating func recall(_ index: UInt64) throws {
    guard let value = memo[index] else {
      throw Refusal("the pickle refers to the value \(index), which it has not stored")
    }
    try push(value)
  }

  // MARK: Globals, storages and calls

  private mutating func useName(_ opcode: UInt8) throws -> Bool {
    switch opcode {
    case UInt8(ascii: "c"):
      let module = try input.line(limit: Self.nameLimit)
      let name = try input.line(limit: Self.nameLimit)
      guard let module = String(validating: module, as: UTF8.self),
        let name = String(validating: name, as: UTF8.self)
      else { throw Refusal("the pickle holds a class whose name is not UTF-8") }
      try pushGlobal(module, name)
    case 0x93:
      guard case .text(let name?) = try pop(), case .text(let module?) = try pop() else {
        throw Refusal("the pickle takes a class's name from something that is no text")
      }
      try pushGlobal(module, name)
    case UInt8(ascii: "R"):
      let arguments = try popArguments()
      let callee = try pop()
      guard case .global(let global) = callee else {
        throw Refusal("the pickle calls \(callee.kindName), near byte \(input.position)")
      }
      switch global.meaning {
      case .inertClass: try push(.inert)
      case .builder(let builder):
        try push(try PickleBuilder(name: global.description).build(builder, arguments))
      case .storage, .elementType, .token: throw Refusal("the pickle calls \(global.description)")
      }
    case 0x81:
      _ = try popArguments()
      try pushInstance(of: try pop())
    case 0x92:
      guard case .node(let keywords) = try pop(), keywords.isDictionary else {
        throw Refusal("the pickle makes an object from damaged arguments")
      }
      _ = try popArguments()
      try pushInstance(of: try pop())
    case UInt8(ascii: "Q"): try pushStorage(try pop())
    default: return false
    }
    return true
  }

  private mutating func pushGlobal(_ module: String, _ name: String) throws {
    try spend(128)
    try push(.global(try PickleGlobal(module: module, name: name, skipsUnknown: skipsUnknown)))
  }

  private mutating func popArguments() throws -> [PickleValue] {
    let value = try pop()
    guard case .node(let node) = value, node.kind == .tuple else {
      throw Refusal("the pickle passes \(value.kindName) as arguments, near byte \(input.position)")
    }
    // A builder may copy its arguments, and a file can pass the same list a million times.
    for case .node(let argument) in node.items {
      try spend(argument.items.count * MemoryLayout<PickleValue>.stride)
    }
    try spend(64 + node.items.count * MemoryLayout<PickleValue>.stride)
    return node.items
  }

  private mutating func pushInstance(of value: PickleValue) throws {
    guard case .global(let global) = value, case .inertClass = global.meaning else {
      throw Refusal("the pickle makes an object of \(value.kindName), near byte \(input.position)")
    }
    try push(.inert)
  }

  /// A persistent id: `("storage", class, key, device, count)`, in the legacy format with a sixth
  /// element that is None.
  private mutating func pushStorage(_ id: PickleValue) throws {
    guard case .node(let tuple) = id, tuple.kind == .tuple, (5...6).contains(tuple.items.count),
      case .text("storage"?) = tuple.items[0], case .global(let global) = tuple.items[1],
      case .storage(let type) = global.meaning, case .text(let key?) = tuple.items[2],
      case .text = tuple.items[3], case .integer(let count) = tuple.items[4]
    else { throw Refusal("the pickle has a persistent id that does not name a storage") }
    if tuple.items.count == 6 {
      guard case .none = tuple.items[5] else {
        throw Refusal("the pickle has a view on a storage, a form that is not supported")
      }
    }
    guard (1...64).contains(key.utf8.count), key.utf8.allSatisfy(Self.isKeyByte), count >= 0 else {
      throw Refusal("the pickle names the storage '\(shortened(key))' with \(count) elements")
    }
    let (_, overflow) = count.multipliedReportingOverflow(by: type.byteSize)
    guard !overflow else {
      throw Refusal("storage '\(key)' claims \(count) elements, more than can be")
    }
    let storage = StorageReference(key: key, type: type, count: count)
    try spend(64)
    if let index = storageIndex[ExactText(key)] {
      let known = storages[index]
      guard known.type.name == type.name, known.count == count else {
        throw Refusal("storage '\(key)' appears with two types or sizes")
      }
    } else {
      try spend(128)
      storageIndex[ExactText(key)] = storages.count
      storages.append(storage)
    }
    try push(.storage(storage))
  }

  static func isKeyByte(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"):
      true
    default: false
    }
  }
}
