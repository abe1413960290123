import FlattenCheckpoint
import FlattenFiles
import FlattenRegions
import FlattenTensor
import Foundation

/// Results of many pictures on their way to one file: each picture is a line of a journal beside it, so that a run that
/// was killed can be continued and ends with the same file as one that was not.
///
/// The journal is called like the file with `.partial` behind. Its first line holds what decides the results; a line is
/// `checksum, number, width, height, result, result, ...`, separated by tabs. A line that was cut ends it.
package final class ResultsJournal: Sendable {
  /// Something that decides the results, in words.
  package struct Fact: Sendable, Hashable {
    let name: String
    let value: String

    package init(_ name: String, _ value: String) {
      self.name = name
      self.value = value
    }
  }

  /// Where a picture's results lie in the journal.
  private struct Place {
    let offset: Int
    let count: Int
    let size: PixelSize
  }

  private struct State {
    var places: [Int: Place] = [:]
    var end = 0
  }

  /// More bytes than any picture's results have.
  private static let longestLine = 1 << 28

  /// The file that will hold the results.
  package let path: String
  /// The journal.
  package let journal: String
  private let descriptor: Int32
  private let state = Locked(State())

  /// The journal of a file of results.
  package static func journal(of path: String) -> String { path + ".partial" }

  /// Refuses a file of results that cannot be written or must not be replaced, before anything is computed.
  ///
  /// - Returns: whether there is something to do: nothing where the file is there and is to be kept.
  /// - Throws: ``ExistingResultError``, ``ResultsJournalError`` or `FileError`.
  package static func check(_ path: String, _ existing: ExistingResults) throws -> Bool {
    try AtomicFile.requireWritable(path)
    let isBegun = FileIdentity(path: journal(of: path)) != nil
    let isThere = FileIdentity(path: path) != nil
    switch existing {
    case .refuse:
      if isBegun { throw ResultsJournalError.unfinished(path: journal(of: path)) }
      if isThere { throw ExistingResultError(path: path, canBeKept: true) }
    case .skip: return isBegun || !isThere
    case .replace: break
    }
    return true
  }

  /// Begins a journal, or goes on with one.
  ///
  /// - Parameters:
  ///   - path: the file that will hold the results.
  ///   - facts: what decides them.
  ///   - existing: whether a journal that is there is gone on with.
  package init(path: String, facts: [Fact], existing: ExistingResults) throws {
    self.path = path
    journal = Self.journal(of: path)
    descriptor = open(journal, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o666)
    guard descriptor >= 0 else {
      throw FileError(path: journal, kind: .unwritable, errno: errno)
    }
    guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
      throw ResultsJournalError.busy(path: journal)
    }
    let header = facts.map { "\($0.name)=\(printable($0.value, limit: .max))" }
    if existing == .skip {
      try resume(header)
    } else {
      try truncate(to: 0)
    }
    if state.withLock({ $0.end }) == 0 { _ = try append(Self.line(header.joined(separator: "\t"))) }
  }

  deinit { close(descriptor) }

  /// How many pictures it holds.
  package var count: Int { state.withLock { $0.places.count } }

  /// Whether it holds a picture.
  package func holds(_ number: Int) -> Bool { state.withLock { $0.places[number] != nil } }

  /// Adds a picture.
  ///
  /// - Parameters:
  ///   - number: the picture's place in the file of results.
  ///   - results: JSON objects, each in one line and without tabs, which JSON escapes.
  package func add(_ number: Int, size: PixelSize, results: [String]) throws {
    let fields = "\(number)\t\(size.width)\t\(size.height)\t"
    let text = results.joined(separator: "\t")
    let line = Self.line(fields + text)
    let offset = try append(line)
    let count = text.utf8.count
    state.withLock {
      $0.places[number] = Place(
        offset: offset + line.count - 1 - count, count: count, size: size)
    }
  }

  /// Writes the results of all pictures in the order of their numbers, and removes the journal.
  ///
  /// - Parameter sizes: called first with the numbers and sizes of the pictures.
  package func finish(sizes: ([(number: Int, size: PixelSize)]) throws -> Void = { _ in }) throws {
    let places = state.withLock { $0.places.sorted { $0.key < $1.key } }
    let reader = try FileReader(path: journal)
    let file = try AtomicFile(path: path)
    var text: [UInt8] = Array("[".utf8)
    let between = Array(",\n".utf8)
    var separator = Array("\n".utf8)
    for (_, place) in places where place.count > 0 {
      text += separator
      for byte in try reader.read(at: place.offset, count: place.count) {
        if byte == UInt8(ascii: "\t") { text += between } else { text.append(byte) }
      }
      separator = between
      if text.count > 1 << 18 {
        try file.write(text)
        text.removeAll(keepingCapacity: true)
      }
    }
    try file.write(text + Array("\n]\n".utf8))
    try sizes(places.map { ($0.key, $0.value.size) })
    try file.commit()
    unlink(journal)
  }

  /// Removes a journal that holds nothing.
  package func discard() { unlink(journal) }

  // MARK: The journal's text

  /// A line with its checksum.
  private static func line(_ text: String) -> [UInt8] {
    let bytes = Array(text.utf8)
    return Array("\(Checksum.digest(bytes[...]))\t".utf8) + bytes + [UInt8(ascii: "\n")]
  }

  /// The text of a line after its checksum; `nil` where it is damaged.
  private static func text(of line: ArraySlice<UInt8>) -> ArraySlice<UInt8>? {
    guard line.count > 9, line[line.startIndex + 8] == UInt8(ascii: "\t") else { return nil }
    let text = line.dropFirst(9)
    return line.prefix(8).elementsEqual(Checksum.digest(text).utf8) ? text : nil
  }

  /// Reads what is there, up to the first line that is damaged, and drops the rest.
  private func resume(_ header: [String]) throws {
    let reader = try FileReader(path: journal)
    var end = 0
    var places: [Int: Place] = [:]
    var rest: [UInt8] = []
    var offset = 0
    reading: while offset < reader.size {
      let piece = try reader.read(at: offset, count: min(1 << 20, reader.size - offset))
      offset += piece.count
      rest += piece
      var start = rest.startIndex
      while let stop = rest[start...].firstIndex(of: UInt8(ascii: "\n")) {
        let line = rest[start..<stop]
        guard let text = Self.text(of: line) else { break reading }
        if end == 0 {
          try requireSame(String(decoding: text, as: UTF8.self), header)
        } else {
          guard let (number, place) = Self.place(of: text, endingAt: end + line.count) else {
            break reading
          }
          places[number] = place
        }
        end += line.count + 1
        start = stop + 1
      }
      rest = Array(rest[start...])
      if rest.count > Self.longestLine { break }
    }
    // A file of somebody else's that happens to have the name is not touched.
    if end == 0, !Self.line(header.joined(separator: "\t")).starts(with: rest) {
      throw FileError(
        path: journal, kind: .unwritable,
        reason: "is not what an unfinished run leaves. Remove it, or choose another name")
    }
    try truncate(to: end)
    state.withLock { state in
      state.end = end
      state.places = places
    }
  }

  private static func place(
    of text: ArraySlice<UInt8>, endingAt end: Int
  ) -> (number: Int, place: Place)? {
    let fields = text.split(
      separator: UInt8(ascii: "\t"), maxSplits: 3, omittingEmptySubsequences: false)
    guard fields.count == 4 else { return nil }
    let numbers = fields.prefix(3).compactMap { Int(String(decoding: $0, as: UTF8.self)) }
    guard numbers.count == 3 else { return nil }
    let size = PixelSize(height: numbers[2], width: numbers[1])
    return (
      numbers[0], Place(offset: end - fields[3].count, count: fields[3].count, size: size)
    )
  }

  private func requireSame(_ text: String, _ header: [String]) throws {
    let found = text.split(separator: "\t", omittingEmptySubsequences: false).map(String.init)
    guard found != header else { return }
    func parts(_ fact: String) -> (String, String) {
      let pieces = fact.split(separator: "=", maxSplits: 1).map(String.init)
      return (pieces.first ?? "", pieces.count > 1 ? pieces[1] : "")
    }
    let difference = zip(found, header).first { $0 != $1 }
    guard found.count == header.count, let (was, now) = difference,
      parts(was).0 == parts(now).0
    else {
      throw ResultsJournalError.differs(
        path: journal, fact: "version", found: "another", expected: Version.number)
    }
    throw ResultsJournalError.differs(
      path: journal, fact: parts(now).0, found: parts(was).1, expected: parts(now).1)
  }

  // MARK: The journal's file

  private func truncate(to end: Int) throws {
    guard ftruncate(descriptor, off_t(end)) == 0 else {
      throw FileError(path: journal, kind: .unwritable, errno: errno)
    }
  }

  /// - Returns: where the bytes begin.
  private func append(_ bytes: [UInt8]) throws -> Int {
    try state.withLock { state in
      var done = 0
      try bytes.withUnsafeBytes { bytes in
        while done < bytes.count, let base = bytes.baseAddress {
          let wrote = pwrite(
            descriptor, base + done, bytes.count - done, off_t(state.end + done))
          if wrote >= 0 {
            done += wrote
          } else if errno != EINTR {
            throw FileError(path: journal, kind: .unwritable, errno: errno)
          }
        }
      }
      defer { state.end += done }
      return state.end
    }
  }
}

/// Why a journal of results is not written.
package enum ResultsJournalError: Error, CustomStringConvertible, Sendable, Equatable {
  /// A run that was not finished left it.
  case unfinished(path: String)
  /// It was begun with something else that decides the results.
  case differs(path: String, fact: String, found: String, expected: String)
  /// Another process writes to it.
  case busy(path: String)

  /// One sentence that names the file.
  package var description: String {
    switch self {
    case .unfinished(let path):
      "\(printable(path, limit: 200)): an unfinished run left it"
    case .differs(let path, let fact, let found, let expected):
      "\(printable(path, limit: 160)): was begun with another \(fact), "
        + "'\(printable(found, limit: 60))'; now it is '\(printable(expected, limit: 60))'"
    case .busy(let path): "\(printable(path, limit: 200)): another run is writing to it"
    }
  }
}
