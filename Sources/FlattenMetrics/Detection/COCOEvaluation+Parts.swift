import FlattenData
import FlattenFiles

// Evaluations as a file, to be merged with those of other pictures: a JSON list of them. A line for each picture and
// category: [picture, category, [objects of four sizes], [score, found, ignored, score, ...]], where found and ignored
// have a bit for each of 40 cases.
extension COCOEvaluation {
  /// The version of the format.
  static let partVersion = 1

  /// Evaluations of the same pictures, by boxes and by masks, as text.
  package static func part(_ evaluations: [COCOEvaluation]) -> String {
    "[" + evaluations.map { $0.text() }.joined(separator: ",\n") + "]\n"
  }

  /// Reads a file that ``part(_:)`` was written to.
  ///
  /// - Throws: `FileError` where it is something else.
  package static func read(part path: String) throws -> [COCOEvaluation] {
    var json = JSONStream(try FileReader(path: path))
    return try read(&json)
  }

  /// Reads the text of ``part(_:)``.
  ///
  /// - Parameter name: its name in errors.
  package static func read(part bytes: [UInt8], name: String) throws -> [COCOEvaluation] {
    var json = JSONStream(bytes, name: name)
    return try read(&json)
  }

  private static func read(_ json: inout JSONStream) throws -> [COCOEvaluation] {
    var evaluations: [COCOEvaluation] = []
    try json.beginArray()
    while try json.nextElement() {
      let evaluation = try COCOEvaluation(&json)
      guard !evaluations.contains(where: { $0.settings.kind == evaluation.settings.kind }) else {
        throw notAPart(&json)
      }
      evaluations.append(evaluation)
    }
    guard !evaluations.isEmpty else { throw notAPart(&json) }
    try json.finish()
    return evaluations
  }

  private func text() -> String {
    var lines: [String] = []
    func quoted(_ text: String) -> String { OrderedJSON.string(text).line }
    lines.append("{\"flatten_seg_part\": \(Self.partVersion),")
    lines.append(" \"kind\": \(quoted(settings.kind.rawValue)),")
    lines.append(" \"convention\": \(quoted(settings.convention.rawValue)),")
    lines.append(" \"uses_categories\": \(settings.usesCategories),")
    lines.append(" \"uses_mask_areas\": \(settings.usesMaskAreas),")
    if let ids = settings.categoryIDs { lines.append(" \"category_ids\": \(ids),") }
    lines.append(" \"has_zero_id\": \(hasZeroID),")
    lines.append(" \"categories\": [")
    lines.append(
      categories.map { "  [\($0.id), \(quoted($0.name))]" }.joined(separator: ",\n") + "],")
    lines.append(" \"pictures\": \(pictures.sorted()),")
    lines.append(" \"groups\": [")
    let order = groups.indices.sorted {
      (groups[$0].category, groups[$0].picture) < (groups[$1].category, groups[$1].picture)
    }
    lines.append(order.map { "  " + line(groups[$0]) }.joined(separator: ",\n") + "],")
    // A match is of the detection's place in its group.
    let zeros = zeroMatches.compactMap { match -> String? in
      guard
        let group = groups.first(where: {
          ($0.start..<$0.start + Int($0.count)).contains(match.detection)
        })
      else { return nil }
      return "  [\(group.picture), \(group.category), \(match.detection - group.start), "
        + "\(match.found), \(match.outside)]"
    }
    lines.append(" \"zero_matches\": [")
    lines.append(zeros.sorted().joined(separator: ",\n") + "]}")
    return lines.joined(separator: "\n")
  }

  private func line(_ group: Group) -> String {
    let detections = (group.start..<group.start + Int(group.count)).map {
      "\(scores[$0]), \(found[$0]), \(ignored[$0])"
    }
    let wanted = (0..<4).map { "\(group.wanted[$0])" }.joined(separator: ", ")
    return "[\(group.picture), \(group.category), [\(wanted)], "
      + "[\(detections.joined(separator: ", "))]]"
  }

  private init(_ json: inout JSONStream) throws {
    var header = PartHeader()
    try json.beginObject()
    // The fields come in the order in which they are written: the groups need those before them.
    while try json.nextKey() {
      if json.textIs("groups") { break }
      try header.read(&json)
    }
    self.init(categories: header.categories, try header.settings(&json))
    guard header.categories.map(\.id) == categories.map(\.id) else { throw Self.notAPart(&json) }
    for picture in header.pictures { add(picture: picture) }
    guard pictures.count == header.pictures.count else { throw Self.notAPart(&json) }
    if header.hasZeroID { noteZeroID() }
    var starts: [GroupKey: (start: Int, count: Int)] = [:]
    try json.beginArray()
    while try json.nextElement() {
      let (group, values) = try readGroup(&json)
      let key = GroupKey(picture: group.picture, category: group.category)
      guard starts[key] == nil else { throw Self.notAPart(&json) }
      starts[key] = (scores.count, Int(group.count))
      add(group, scores: values.scores, found: values.found, ignored: values.ignored)
    }
    guard try json.nextKey(), json.textIs("zero_matches") else { throw Self.notAPart(&json) }
    try json.beginArray()
    while try json.nextElement() {
      let numbers = try Self.integers(&json)
      guard numbers.count == 5, let category = Int32(exactly: numbers[1]),
        let group = starts[GroupKey(picture: numbers[0], category: category)],
        (0..<group.count).contains(numbers[2]), let found = Self.bits(numbers[3]),
        let outside = Self.bits(numbers[4])
      else { throw Self.notAPart(&json) }
      add(ZeroMatch(detection: group.start + numbers[2], found: found, outside: outside))
    }
    guard try !json.nextKey() else { throw Self.notAPart(&json) }
  }

  private struct GroupKey: Hashable {
    var picture: Int
    var category: Int32
  }

  private struct Values {
    var scores: [Double] = []
    var found: [UInt64] = []
    var ignored: [UInt64] = []
  }

  private func readGroup(_ json: inout JSONStream) throws -> (Group, Values) {
    try json.beginArray()
    guard try json.nextElement() else { throw Self.notAPart(&json) }
    let picture = try json.integer()
    guard try json.nextElement() else { throw Self.notAPart(&json) }
    let category = try json.integer()
    guard try json.nextElement() else { throw Self.notAPart(&json) }
    let wanted = try Self.integers(&json)
    guard pictures.contains(picture), categories.indices.contains(category), wanted.count == 4,
      wanted.allSatisfy({ (0...Int(Int32.max)).contains($0) }), try json.nextElement()
    else { throw Self.notAPart(&json) }
    var values = Values()
    try json.beginArray()
    while try json.nextElement() {
      values.scores.append(try json.number())
      guard try json.nextElement(), let found = Self.bits(try json.integer()),
        try json.nextElement(), let ignored = Self.bits(try json.integer())
      else { throw Self.notAPart(&json) }
      values.found.append(found)
      values.ignored.append(ignored)
    }
    guard try !json.nextElement(), let count = Int32(exactly: values.scores.count),
      values.scores.indices.dropFirst().allSatisfy({ values.scores[$0 - 1] >= values.scores[$0] })
    else { throw Self.notAPart(&json) }
    let group = Group(
      picture: picture, category: Int32(category), count: count, start: 0,
      wanted: SIMD4(wanted.map { Int32($0) }))
    return (group, values)
  }

  /// The cases of a number; `nil` where it has others.
  private static func bits(_ number: Int) -> UInt64? {
    (0..<1 << DetectionMatcher.caseCount).contains(number) ? UInt64(number) : nil
  }

  fileprivate static func integers(_ json: inout JSONStream) throws -> [Int] {
    var numbers: [Int] = []
    try json.beginArray()
    while try json.nextElement() { numbers.append(try json.integer()) }
    return numbers
  }

  fileprivate static func notAPart(_ json: inout JSONStream) -> FileError {
    json.failure(
      "this is no part of an evaluation, or of another version; score the part anew",
      at: json.offset)
  }
}

/// What stands before the groups of a part.
private struct PartHeader {
  var categories: [COCOAnnotations.Category] = []
  var pictures: [Int] = []
  var hasZeroID = false
  private var version: Int?
  private var kind: COCOSettings.Kind?
  private var convention: COCOSettings.Convention?
  private var usesCategories = true
  private var usesMaskAreas = true
  private var categoryIDs: [Int]?

  mutating func read(_ json: inout JSONStream) throws {
    if json.textIs("flatten_seg_part") {
      version = try json.integer()
    } else if json.textIs("kind") {
      kind = COCOSettings.Kind(rawValue: try json.string())
    } else if json.textIs("convention") {
      convention = COCOSettings.Convention(rawValue: try json.string())
    } else if json.textIs("uses_categories") {
      usesCategories = try json.bool()
    } else if json.textIs("uses_mask_areas") {
      usesMaskAreas = try json.bool()
    } else if json.textIs("category_ids") {
      categoryIDs = try COCOEvaluation.integers(&json)
    } else if json.textIs("has_zero_id") {
      hasZeroID = try json.bool()
    } else if json.textIs("categories") {
      try readCategories(&json)
    } else if json.textIs("pictures") {
      pictures = try COCOEvaluation.integers(&json)
    } else {
      throw COCOEvaluation.notAPart(&json)
    }
  }

  private mutating func readCategories(_ json: inout JSONStream) throws {
    try json.beginArray()
    while try json.nextElement() {
      try json.beginArray()
      guard try json.nextElement(), categories.count < COCOAnnotations.mostCategories else {
        throw COCOEvaluation.notAPart(&json)
      }
      let id = try json.integer()
      guard try json.nextElement() else { throw COCOEvaluation.notAPart(&json) }
      categories.append(.init(id: id, name: try json.string()))
      guard try !json.nextElement() else { throw COCOEvaluation.notAPart(&json) }
    }
  }

  func settings(_ json: inout JSONStream) throws -> COCOSettings {
    guard version == COCOEvaluation.partVersion, let kind, let convention else {
      throw COCOEvaluation.notAPart(&json)
    }
    var settings = COCOSettings(kind, convention: convention)
    settings.usesCategories = usesCategories
    settings.usesMaskAreas = usesMaskAreas
    settings.categoryIDs = categoryIDs
    return settings
  }
}
