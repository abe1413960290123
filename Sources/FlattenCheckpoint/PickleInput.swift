/// The bytes of a pickle, read forward in pieces; beyond the end is a refusal.
///
/// A length is compared with the bytes left before it is used, and no memory is reserved for it.
struct PickleInput {
  private let source: ByteSource
  /// Limit of the position: the end of the record or of the file.
  private let end: Int
  private var window: [UInt8] = []
  private var windowStart: Int
  private var windowIndex = 0

  private static let windowSize = 1 << 16

  init(_ source: ByteSource, at offset: Int, count: Int) {
    self.source = source
    end = offset + count
    windowStart = offset
  }

  /// Position in the source of the next byte.
  var position: Int { windowStart + windowIndex }
  var remaining: Int { end - position }

  mutating func byte() throws -> UInt8 {
    if windowIndex == window.count { try refill() }
    defer { windowIndex += 1 }
    return window[windowIndex]
  }

  private mutating func refill() throws {
    let start = position
    guard start < end else { throw Refusal("the pickle ends at byte \(start) without its STOP") }
    window = try source.read(at: start, count: min(Self.windowSize, end - start))
    windowStart = start
    windowIndex = 0
  }

  /// A little-endian number of 1 to 8 bytes.
  mutating func unsigned(bytes count: Int) throws -> UInt64 {
    var value: UInt64 = 0
    for index in 0..<count { value |= UInt64(try byte()) << (8 * UInt64(index)) }
    return value
  }

  /// A length field of 1 to 8 bytes, refused beyond the bytes left.
  mutating func length(bytes count: Int) throws -> Int {
    let value = try unsigned(bytes: count)
    guard let length = Int(exactly: value), length <= remaining else {
      throw Refusal(
        "the pickle declares \(value) bytes at byte \(position), \(max(remaining, 0)) are left")
    }
    return length
  }

  /// The next `count` bytes; `count` has been checked by ``length(bytes:)``.
  mutating func bytes(_ count: Int) throws -> [UInt8] {
    try skippable(count)
    var result: [UInt8] = []
    while result.count < count {
      if windowIndex == window.count { try refill() }
      let taken = min(count - result.count, window.count - windowIndex)
      result += window[windowIndex..<windowIndex + taken]
      windowIndex += taken
    }
    return result
  }

  /// Skips `count` bytes.
  mutating func skip(_ count: Int) throws {
    try skippable(count)
    if count <= window.count - windowIndex {
      windowIndex += count
    } else {
      windowStart = position + count
      windowIndex = 0
      window = []
    }
  }

  private func skippable(_ count: Int) throws {
    guard count >= 0, count <= remaining else {
      throw Refusal("the pickle ends at byte \(end), \(count) bytes more were expected")
    }
  }

  /// The bytes up to the next line feed, which is skipped.
  mutating func line(limit: Int) throws -> [UInt8] {
    var line: [UInt8] = []
    while true {
      let next = try byte()
      if next == UInt8(ascii: "\n") { return line }
      guard line.count < limit else { throw Refusal("a line of the pickle has no end") }
      line.append(next)
    }
  }
}
