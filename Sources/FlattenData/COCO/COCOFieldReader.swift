import FlattenFiles

/// Reads the fields of pictures, annotations and results, and remembers what is wrong with them.
///
/// A value of another type is passed over and noted, so that one reading finds all mistakes; what is no JSON ends
/// the reading.
struct COCOFieldReader {
  struct Note {
    let kind: COCOProblem.Kind
    let reason: String
    let remedy: String
  }

  /// What is wrong with the entry that is read.
  var notes: [Note] = []
  /// The numbers of the last list.
  private var numbers: [Double] = []
  private var points: [Double] = []
  private var counts: [Int32] = []
  private var runs: [UInt32] = []
  /// The fields that the entry had so far, a bit each.
  private var seen: UInt32 = 0

  mutating func begin() {
    notes.removeAll(keepingCapacity: true)
    seen = 0
  }

  mutating func note(_ kind: COCOProblem.Kind, _ reason: String, _ remedy: String) {
    notes.append(Note(kind: kind, reason: reason, remedy: remedy))
  }

  /// Notes a field that the entry has already.
  mutating func see(_ number: Int, _ field: StaticString) {
    if seen & 1 << UInt32(number) != 0 {
      note(.duplicateField, "has \(field) twice", "Keep one of them")
    }
    seen |= 1 << UInt32(number)
  }

  /// A whole number; `nil`, and a note, where it is none.
  mutating func integer(_ json: inout JSONStream, _ field: StaticString) throws -> Int? {
    switch try json.peek() {
    case .number:
      if let value = try json.wholeNumber() { return value }
      note(.type, "\(field) is not a whole number of 64 bits", "Write whole numbers")
    case .text:
      let text = try json.string()
      note(
        .type, "\(field) is the text '\(printable(text, limit: 40))', a whole number is wanted",
        Int(text) == nil
          ? "Number them and use the number here, in the list of pictures and in results alike"
          : "Write it without quotes, in the list of pictures and in results alike")
    default: try passOver(&json, field, wanted: "a whole number")
    }
    return nil
  }

  /// A number; `nil`, and a note, where it is none.
  mutating func number(_ json: inout JSONStream, _ field: StaticString) throws -> Double? {
    if try json.peek() == .number { return try json.number() }
    try passOver(&json, field, wanted: "a number")
    return nil
  }

  /// A text; `nil`, and a note, where it is none.
  mutating func text(_ json: inout JSONStream, _ field: StaticString) throws -> String? {
    if try json.peek() == .text { return try json.string() }
    try passOver(&json, field, wanted: "a text")
    return nil
  }

  /// 0 or 1, or true or false; `nil`, and a note, where it is something else.
  mutating func flag(_ json: inout JSONStream, _ field: StaticString) throws -> Bool? {
    switch try json.peek() {
    case .bool: return try json.bool()
    case .number:
      let value = try json.number()
      if value == 0 || value == 1 { return value == 1 }
      note(.value, "\(field) is \(value), 0 or 1 is wanted", "Write 1 for crowds, else 0")
    default: try passOver(&json, field, wanted: "0 or 1")
    }
    return nil
  }

  /// A box of finite numbers; `nil`, and a note, where it is none.
  mutating func box(_ json: inout JSONStream) throws -> COCOBox? {
    let before = notes.count
    guard try list(&json, "bbox", atMost: 4) else { return nil }
    guard numbers.count == 4 else {
      if notes.count == before {
        let found = numbers.count > 4 ? "more" : counted(numbers.count, "number")
        note(
          .type, "bbox has \(found), four are wanted",
          "Write [x, y, width, height] in pixels")
      }
      return nil
    }
    return COCOBox(x: numbers[0], y: numbers[1], width: numbers[2], height: numbers[3])
  }

  /// Reads a mask and appends it; where there is none or it is wrong, none.
  mutating func segmentation(
    _ json: inout JSONStream, into masks: inout COCOSegmentations
  ) throws {
    switch try json.peek() {
    case .array: try polygons(&json, into: &masks)
    case .object: try runLengths(&json, into: &masks)
    case .null:
      _ = try json.skipNull()
      masks.appendNone()
    default:
      try passOver(&json, "segmentation", wanted: "a list of polygons or run lengths")
      masks.appendNone()
    }
  }

  private mutating func polygons(
    _ json: inout JSONStream, into masks: inout COCOSegmentations
  ) throws {
    points.removeAll(keepingCapacity: true)
    counts.removeAll(keepingCapacity: true)
    try json.beginArray()
    var index = -1
    while try json.nextElement() {
      index += 1
      if try json.peek() == .number {
        // The whole is one polygon: pycocotools wants a list of them.
        if index == 0 {
          note(
            .polygon, "segmentation is a list of numbers, a list of polygons is wanted",
            "Put it in one more pair of brackets")
        }
        try json.skipValue()
        continue
      }
      guard try list(&json, "a polygon of segmentation", atMost: .max) else { continue }
      if numbers.count % 2 != 0 {
        note(
          .polygon, "polygon \(index) of segmentation has \(numbers.count) numbers, an odd count",
          "Write x and y of each point")
      } else if numbers.count < 6 {
        note(
          .polygon, "polygon \(index) of segmentation has \(counted(numbers.count / 2, "point"))",
          "Three are the least; leave the polygon out or give the object a box alone")
      } else if let count = Int32(exactly: numbers.count) {
        points.append(contentsOf: numbers)
        counts.append(count)
      }
    }
    if counts.isEmpty { masks.appendNone() } else { masks.append(polygons: points, counts: counts) }
  }

  private mutating func runLengths(
    _ json: inout JSONStream, into masks: inout COCOSegmentations
  ) throws {
    let before = notes.count
    var size: (height: Int32, width: Int32)?
    var text: [UInt8]?
    var hasCounts = false
    var isAppended = false
    runs.removeAll(keepingCapacity: true)
    try json.beginObject()
    while try json.nextKey() {
      if json.textIs("size") {
        guard try list(&json, "size of segmentation", atMost: 2) else { continue }
        if numbers.count == 2, let height = Int32(exactly: numbers[0]),
          let width = Int32(exactly: numbers[1]), height > 0, width > 0
        {
          size = (height, width)
        } else if notes.count == before {
          note(.runs, "size of segmentation is no size", "Write [height, width] of the picture")
        }
      } else if json.textIs("counts") {
        if hasCounts { note(.duplicateField, "segmentation has counts twice", "Keep one of them") }
        hasCounts = true
        switch try json.peek() {
        case .text:
          try json.readText()
          // The size may come behind it, and the text is gone by then.
          if let size, notes.count == before {
            masks.append(text: json.text, size: size)
            isAppended = true
          } else {
            text = Array(json.text)
          }
        case .array: try countList(&json)
        default:
          try passOver(&json, "counts of segmentation", wanted: "a text or a list of lengths")
        }
      } else {
        try json.skipValue()
      }
    }
    if isAppended { return }
    if notes.count == before {
      if !hasCounts {
        note(.runs, "segmentation has no counts", "Write size and counts, or polygons")
      } else if size == nil {
        note(.runs, "segmentation has no size", "Write [height, width] of the picture")
      }
    }
    guard let size, notes.count == before else { return masks.appendNone() }
    if let text {
      text.withUnsafeBufferPointer { masks.append(text: $0, size: size) }
    } else {
      masks.append(runs: runs, size: size)
    }
  }

  private mutating func countList(_ json: inout JSONStream) throws {
    var index = 0
    try json.beginArray()
    while try json.nextElement() {
      guard try json.peek() == .number else {
        try passOver(&json, "a length in counts", wanted: "a number")
        continue
      }
      let value = try json.wholeNumber()
      if let value, let length = UInt32(exactly: value) {
        runs.append(length)
      } else {
        note(
          .runs, "run length \(index) is \(value.map { "\($0)" } ?? "no whole number")",
          "Lengths are 0 to \(UInt32.max)")
      }
      index += 1
    }
  }

  /// Reads a list of numbers into ``numbers``, up to one more than is wanted; false, and a note, where it is no
  /// list.
  private mutating func list(
    _ json: inout JSONStream, _ field: StaticString, atMost limit: Int
  ) throws -> Bool {
    numbers.removeAll(keepingCapacity: true)
    guard try json.peek() == .array else {
      try passOver(&json, field, wanted: "a list of numbers")
      return false
    }
    try json.beginArray()
    while try json.nextElement() {
      if try json.peek() != .number {
        try passOver(&json, field, wanted: "a number", inside: true)
      } else if numbers.count <= limit {
        numbers.append(try json.number())
      } else {
        try json.skipValue()
      }
    }
    return true
  }

  private mutating func passOver(
    _ json: inout JSONStream, _ field: StaticString, wanted: String, inside: Bool = false
  ) throws {
    let found =
      switch try json.peek() {
      case .object: "an object"
      case .array: "a list"
      case .text: "a text"
      case .number: "a number"
      case .bool: "true or false"
      case .null: "null"
      }
    try json.skipValue()
    note(
      .type, "\(field) \(inside ? "holds" : "is") \(found), \(wanted) is wanted",
      found == "null" ? "Leave the entry out, or give it a value" : "Write \(wanted)")
  }
}
