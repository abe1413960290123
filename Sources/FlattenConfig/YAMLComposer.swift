/// A YAML value and its line.
struct Tree: Sendable {
  struct Entry: Sendable {
    let key: String
    let line: Int
    let value: Tree
  }

  enum Content: Sendable {
    case scalar(Scalar, text: String)
    case list([Tree])
    case map([Entry])
  }

  let line: Int
  let content: Content
}

/// Builds one document's tree from events, refusing it as soon as it passes a limit.
///
/// Aliases share their node, but count as if they were written out: that bounds the cost of walking
/// the finished tree.
struct YAMLComposer {
  /// Limit of nested lists and maps.
  static let depthLimit = 64
  /// Limit of nodes of the document, aliases written out.
  static let nodeLimit = 10_000
  /// Limit of the document's text, aliases written out, as a multiple of the file's size.
  static let expansionLimit = 64

  /// A tree and its size, which each alias to it adds to the document's.
  private struct Measured {
    let tree: Tree
    /// Nodes, itself included.
    let nodes: Int
    /// Bytes of its scalars and keys, plus one for each node.
    let bytes: Int
    /// Depth of lists and maps below it, itself included; 0 for a scalar.
    let height: Int
  }

  /// A list or map that has begun and not ended.
  private struct Open {
    let isMap: Bool
    let line: Int
    let anchor: String?
    var items: [Tree] = []
    var entries: [Tree.Entry] = []
    var keyBytes: Set<[UInt8]> = []
    var pendingKey: (text: String, line: Int)?
    var nodes = 1
    var bytes = 1
    var height = 1
  }

  private let file: String
  private let byteLimit: Int
  private var documents = 0
  private var open: [Open] = []
  private var anchors: [String: Measured] = [:]
  private var root: Tree?
  private var nodes = 0
  private var bytes = 0

  /// - Parameters:
  ///   - file: the name for error messages.
  ///   - size: the file's size in bytes.
  init(file: String, size: Int) {
    self.file = file
    byteLimit = size * Self.expansionLimit
  }

  /// Adds the next event.
  ///
  /// - Throws: ``ConfigError``.
  mutating func take(_ event: YAMLEvent) throws {
    switch event.kind {
    case .documentStart:
      documents += 1
      guard documents == 1 else {
        throw error(event.line, "a second document begins", "Keep one document in a file.")
      }
    case .documentEnd: break
    case .alias(let name):
      try add(try resolve(alias: name, line: event.line), line: event.line)
    case .scalar(let text, let plain, let tag, let anchor):
      try takeScalar(text, plain: plain, tag: tag, anchor: anchor, line: event.line)
    case .listStart(let tag, let anchor):
      try begin(isMap: false, tag: tag, anchor: anchor, line: event.line)
    case .mapStart(let tag, let anchor):
      try begin(isMap: true, tag: tag, anchor: anchor, line: event.line)
    case .listEnd, .mapEnd:
      try end()
    }
  }

  /// The finished document, whose top is a map.
  ///
  /// - Throws: ``ConfigError`` where there is no document, or its top is not a map.
  func finish() throws -> Tree {
    guard let root else {
      throw error(nil, "holds no YAML document", "Write 'key: value' lines into it.")
    }
    guard case .map = root.content else {
      throw error(root.line, "the document is no map", "Write 'key: value' lines at the top level.")
    }
    return root
  }

  private mutating func takeScalar(
    _ text: String, plain: Bool, tag: String?, anchor: String?, line: Int
  ) throws {
    guard let scalar = Scalar(text: text, plain: plain, tag: tag) else {
      throw refusedTag(tag ?? "", line: line)
    }
    if let last = open.last, last.isMap, last.pendingKey == nil {
      try takeKey(text, scalar, anchor: anchor, line: line)
      return
    }
    let measured = Measured(
      tree: Tree(line: line, content: .scalar(scalar, text: text)),
      nodes: 1, bytes: 1 + text.utf8.count, height: 0)
    if let anchor { anchors[anchor] = measured }
    try add(measured, line: line)
  }

  private mutating func takeKey(
    _ text: String, _ scalar: Scalar, anchor: String?, line: Int
  ) throws {
    // A whole number is a key too, its text as it is written: maps from ids have them.
    var isNumber = false
    if case .int = scalar { isNumber = true }
    guard scalar == .text || isNumber else {
      throw error(
        line, "'\(text)' is used as a key and is not text",
        "Keys are words; put it in quotes if it is meant as one.")
    }
    guard text != "<<" else {
      throw error(line, "the merge key '<<' is not supported", "Write the keys out.")
    }
    guard anchor == nil else {
      throw error(line, "the key '\(text)' carries an anchor", "Put anchors on values only.")
    }
    try count(nodes: 1, bytes: 1 + text.utf8.count, line: line)
    // By bytes: Swift's == would make one key of two spellings of the same accent.
    let isNew = open[open.count - 1].keyBytes.insert(Array(text.utf8)).inserted
    guard isNew else {
      let first = open[open.count - 1].entries.first { $0.key.utf8.elementsEqual(text.utf8) }
      throw ConfigError(
        file: file, line: line, key: (path + [text]).joined(separator: "."),
        found: "is a duplicate key, first seen on line \(first?.line ?? line)",
        remedy: "Remove one of the two.")
    }
    open[open.count - 1].pendingKey = (text, line)
    open[open.count - 1].nodes += 1
    open[open.count - 1].bytes += 1 + text.utf8.count
  }

  private mutating func begin(isMap: Bool, tag: String?, anchor: String?, line: Int) throws {
    let core = "tag:yaml.org,2002:" + (isMap ? "map" : "seq")
    guard tag == nil || tag == "!" || tag == core else {
      throw refusedTag(tag ?? "", line: line)
    }
    try refuseContainerAsKey(line: line)
    guard open.count < Self.depthLimit else { throw tooDeep(line: line) }
    try count(nodes: 1, bytes: 1, line: line)
    // An alias of that name inside the node would mean the node itself: it is unknown until the
    // end.
    if let anchor { anchors[anchor] = nil }
    open.append(Open(isMap: isMap, line: line, anchor: anchor))
  }

  private mutating func end() throws {
    guard let done = open.popLast() else { return }
    let measured = Measured(
      tree: Tree(line: done.line, content: done.isMap ? .map(done.entries) : .list(done.items)),
      nodes: done.nodes, bytes: done.bytes, height: done.height)
    if let anchor = done.anchor { anchors[anchor] = measured }
    attach(measured)
  }

  private func resolve(alias: String, line: Int) throws -> Measured {
    if open.contains(where: { $0.anchor == alias }) {
      throw error(
        line, "the alias '*\(alias)' stands inside its own anchor", "Write the value out.")
    }
    guard let target = anchors[alias] else {
      throw error(
        line, "the alias '*\(alias)' has no anchor", "Define '&\(alias)' before it is used.")
    }
    return target
  }

  /// Counts and attaches a node that has just been read or repeated.
  private mutating func add(_ measured: Measured, line: Int) throws {
    try refuseContainerAsKey(line: line)
    guard open.count + measured.height <= Self.depthLimit else { throw tooDeep(line: line) }
    try count(nodes: measured.nodes, bytes: measured.bytes, line: line)
    attach(measured)
  }

  private mutating func attach(_ measured: Measured) {
    guard var parent = open.popLast() else {
      root = measured.tree
      return
    }
    if let key = parent.pendingKey {
      parent.entries.append(.init(key: key.text, line: key.line, value: measured.tree))
      parent.pendingKey = nil
    } else {
      parent.items.append(measured.tree)
    }
    parent.nodes += measured.nodes
    parent.bytes += measured.bytes
    parent.height = max(parent.height, measured.height + 1)
    open.append(parent)
  }

  /// Neither sum can overflow: each step adds at most the limit.
  private mutating func count(nodes more: Int, bytes moreBytes: Int, line: Int) throws {
    nodes += more
    bytes += moreBytes
    guard nodes <= Self.nodeLimit else {
      throw error(
        line, "expands to more than \(Self.nodeLimit) values",
        "Make the file smaller, or use fewer aliases.")
    }
    guard bytes <= byteLimit else {
      throw error(
        line, "expands to more than \(Self.expansionLimit) times its size", "Use fewer aliases.")
    }
  }

  private func refuseContainerAsKey(line: Int) throws {
    if let last = open.last, last.isMap, last.pendingKey == nil {
      throw error(line, "a list, map or alias is used as a key", "Keys are words.")
    }
  }

  /// The keys that lead to the current position.
  private var path: [String] { open.compactMap { $0.pendingKey?.text } }

  private func tooDeep(line: Int) -> ConfigError {
    error(line, "nested more than \(Self.depthLimit) levels deep", "Flatten the file.")
  }

  private func refusedTag(_ tag: String, line: Int) -> ConfigError {
    error(
      line, "the tag '\(tag)' is unknown or does not fit its value",
      "Remove the tag; only plain values are read.")
  }

  private func error(_ line: Int?, _ found: String, _ remedy: String) -> ConfigError {
    ConfigError(file: file, line: line, found: found, remedy: remedy)
  }
}
