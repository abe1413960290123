/// The records of a zip archive as `torch.save` writes it, checked before any of them is opened.
///
/// Readers of zip files differ in what they believe where an archive contradicts itself, and that is
/// where attacks live. So there is one reading here or none: entries are stored, not compressed, the
/// end record ends the file, the central directory lies right before it, agrees with every local
/// header, and no two records overlap.
struct ZipArchive {
  struct Record {
    /// Position of the first byte.
    let offset: Int
    let byteCount: Int
    /// CRC-32, or `nil` where the writer did not compute it (the field is 0).
    let checksum: UInt32?
  }

  /// The one folder that holds everything.
  let topFolder: String
  /// Records by their name below the top folder.
  private let records: [ExactText: Record]

  subscript(name: String) -> Record? { records[ExactText(name)] }

  private static let endSize = 22
  private static let zip64EndSize = 56
  private static let locatorSize = 20
  private static let entrySize = 46
  private static let localSize = 30
  /// Generous: the directory of a checkpoint with 10 000 tensors takes 1 MB.
  private static let directoryLimit = 1 << 24

  /// One entry of the central directory.
  private struct Entry {
    var name: String
    var flags: Int
    var checksum: UInt32
    var byteCount: Int
    var headerOffset: Int
  }

  /// Reads and checks the directory and all local headers.
  init(_ source: ByteSource) throws {
    let directory = try Self.findDirectory(source)
    let entries = try Self.readEntries(source, directory)

    var records: [ExactText: Record] = [:]
    var topFolder: String?
    var previousEnd = 0
    for entry in entries.sorted(by: { $0.headerOffset < $1.headerOffset }) {
      guard let slash = entry.name.utf8.firstIndex(of: UInt8(ascii: "/")) else {
        throw Refusal(
          "is a zip archive that torch.save did not write: \(Self.quoted(entry.name)) has no folder"
        )
      }
      let top = String(entry.name[..<slash])
      guard topFolder == nil || topFolder.map(ExactText.init) == ExactText(top) else {
        throw Refusal("the archive has more than one top folder")
      }
      topFolder = top
      guard entry.headerOffset >= previousEnd else {
        throw Refusal("the records of the archive overlap at byte \(entry.headerOffset)")
      }
      let record = try Self.checkLocalHeader(source, entry, end: directory.offset)
      previousEnd = record.offset + record.byteCount
      let name = String(entry.name[entry.name.utf8.index(after: slash)...])
      guard records.updateValue(record, forKey: ExactText(name)) == nil else {
        throw Refusal("the archive has two records named \(Self.quoted(name))")
      }
    }
    guard let topFolder else { throw Refusal("is an empty zip archive") }
    self.topFolder = topFolder
    self.records = records
  }

  // MARK: The end records

  private struct Directory {
    var offset: Int
    var byteCount: Int
    var entryCount: Int
  }

  private static func findDirectory(_ source: ByteSource) throws -> Directory {
    guard source.size >= endSize else { throw Refusal("the zip archive is cut short") }
    let endOffset = source.size - endSize
    let end = ByteFields(bytes: try source.read(at: endOffset, count: endSize))
    guard try end.uint32(0) == 0x0605_4B50, try end.uint16(20) == 0 else {
      throw Refusal(
        "the zip archive does not end in its end record: it is cut short, or something follows it")
    }
    guard try end.uint16(4) == 0, try end.uint16(6) == 0, try end.uint16(8) == end.uint16(10)
    else { throw Refusal("the zip archive spans several disks") }
    var directory = Directory(
      offset: try end.uint32(16), byteCount: try end.uint32(12), entryCount: try end.uint16(10))
    var directoryEnd = endOffset

    if endOffset >= locatorSize + zip64EndSize {
      let locatorOffset = endOffset - locatorSize
      let locator = ByteFields(bytes: try source.read(at: locatorOffset, count: locatorSize))
      if try locator.uint32(0) == 0x0706_4B50 {
        directoryEnd = locatorOffset - zip64EndSize
        guard try locator.uint64(8) == directoryEnd, try locator.uint32(4) == 0,
          try locator.uint32(16) <= 1
        else { throw Refusal("the zip64 end record is not where the archive says") }
        directory = try widened(
          directory, ByteFields(bytes: try source.read(at: directoryEnd, count: zip64EndSize)))
      }
    }
    guard directory.byteCount <= directoryLimit, directory.offset <= directoryEnd,
      directory.byteCount == directoryEnd - directory.offset
    else { throw Refusal("the zip archive's directory is not where its end record says") }
    guard directory.entryCount <= directory.byteCount / entrySize else {
      throw Refusal("the zip archive claims \(directory.entryCount) entries, it has fewer")
    }
    return directory
  }

  /// The directory as the zip64 end record has it; the plain record must say the same or "too large".
  private static func widened(_ plain: Directory, _ record: ByteFields) throws -> Directory {
    guard try record.uint32(0) == 0x0606_4B50, try record.uint64(4) == zip64EndSize - 12,
      try record.uint32(16) == 0, try record.uint32(20) == 0,
      try record.uint64(24) == record.uint64(32)
    else { throw Refusal("the zip64 end record is damaged") }
    let wide = Directory(
      offset: try record.uint64(48), byteCount: try record.uint64(40),
      entryCount: try record.uint64(32))
    guard plain.offset == wide.offset || plain.offset == 0xFFFF_FFFF,
      plain.byteCount == wide.byteCount || plain.byteCount == 0xFFFF_FFFF,
      plain.entryCount == wide.entryCount || plain.entryCount == 0xFFFF
    else { throw Refusal("the two end records of the zip archive contradict each other") }
    return wide
  }

  // MARK: The central directory

  private static func readEntries(_ source: ByteSource, _ directory: Directory) throws -> [Entry] {
    let fields = ByteFields(
      bytes: try source.read(at: directory.offset, count: directory.byteCount))
    var entries: [Entry] = []
    var compressed: (name: String, method: Int)?
    var offset = 0
    for _ in 0..<directory.entryCount {
      guard try fields.uint32(offset) == 0x0201_4B50 else {
        throw Refusal("the zip archive's directory is damaged")
      }
      let nameEnd = offset + entrySize + (try fields.uint16(offset + 28))
      let extraEnd = nameEnd + (try fields.uint16(offset + 30))
      let end = extraEnd + (try fields.uint16(offset + 32))
      guard end <= fields.bytes.count else {
        throw Refusal("the zip archive's directory is cut short")
      }
      let name = try checkedName(fields.bytes[(offset + entrySize)..<nameEnd])
      let flags = try fields.uint16(offset + 8)
      guard flags & (1 | 1 << 6 | 1 << 13) == 0 else {
        throw Refusal("\(quoted(name)) is encrypted")
      }
      let method = try fields.uint16(offset + 10)
      if method != 0, compressed == nil { compressed = (name, method) }
      let sizes = try widened(
        [
          try fields.uint32(offset + 24), try fields.uint32(offset + 20),
          try fields.uint32(offset + 42),
        ],
        extra: ByteFields(bytes: Array(fields.bytes[nameEnd..<extraEnd])))
      guard method != 0 || sizes[0] == sizes[1] else {
        throw Refusal("\(quoted(name)) has two sizes, \(sizes[1]) and \(sizes[0])")
      }
      guard try fields.uint16(offset + 34) == 0 else {
        throw Refusal("the zip archive spans several disks")
      }
      entries.append(
        Entry(
          name: name, flags: flags, checksum: UInt32(try fields.uint32(offset + 16)),
          byteCount: sizes[0], headerOffset: sizes[2]))
      offset = end
    }
    guard offset == fields.bytes.count else {
      throw Refusal("the zip archive's directory has more entries than it claims")
    }
    // Told by name first: TorchScript compresses some of its records.
    guard !entries.contains(where: { hasByteSuffix($0.name, "/constants.pkl") }) else {
      throw Refusal(
        "is a TorchScript archive, a whole program. Save model.state_dict() with torch.save instead"
      )
    }
    if let (name, method) = compressed {
      throw Refusal(
        "\(quoted(name)) is compressed (method \(method)); torch.save stores its records")
    }
    return entries
  }

  /// 32-bit fields, each replaced by the next number of the zip64 extra field where it says "too
  /// large".
  private static func widened(_ values: [Int], extra: ByteFields) throws -> [Int] {
    guard values.contains(0xFFFF_FFFF) else { return values }
    var offset = 0
    while offset < extra.bytes.count {
      let length = try extra.uint16(offset + 2)
      let end = offset + 4 + length
      guard end <= extra.bytes.count else { break }
      if try extra.uint16(offset) == 1 {
        var position = offset + 4
        return try values.map { value in
          guard value == 0xFFFF_FFFF else { return value }
          guard position + 8 <= end else { throw Refusal("a zip64 field is cut short") }
          defer { position += 8 }
          return try extra.uint64(position)
        }
      }
      offset = end
    }
    throw Refusal("a zip64 field is missing")
  }

  private static func checkedName(_ bytes: ArraySlice<UInt8>) throws -> String {
    guard let name = String(validating: bytes, as: UTF8.self) else {
      throw Refusal("the zip archive has a name that is not UTF-8")
    }
    let parts = name.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
    guard !bytes.contains(0), !bytes.contains(UInt8(ascii: "\\")), parts.first?.isEmpty == false,
      !parts.contains(where: { $0.elementsEqual("..".utf8) || $0.elementsEqual(".".utf8) })
    else { throw Refusal("the zip archive holds \(quoted(name)), which is not a plain path") }
    return name
  }

  // MARK: Local headers

  /// Checks that the local header says what the directory says, and finds where the data begins.
  private static func checkLocalHeader(
    _ source: ByteSource, _ entry: Entry, end: Int
  ) throws -> Record {
    func damaged(_ what: String) -> Refusal {
      Refusal("the local header of \(quoted(entry.name)) \(what)")
    }
    guard entry.headerOffset <= end, localSize <= end - entry.headerOffset else {
      throw damaged("lies outside the archive")
    }
    let header = ByteFields(bytes: try source.read(at: entry.headerOffset, count: localSize))
    guard try header.uint32(0) == 0x0403_4B50 else { throw damaged("is damaged") }
    let nameLength = try header.uint16(26)
    let extraLength = try header.uint16(28)
    let offset = entry.headerOffset + localSize + nameLength + extraLength
    guard offset <= end, entry.byteCount <= end - offset else {
      throw Refusal(
        "\(quoted(entry.name)) claims \(entry.byteCount) bytes, more than the archive has")
    }
    let name = try source.read(at: entry.headerOffset + localSize, count: nameLength)
    guard name.elementsEqual(entry.name.utf8), try header.uint16(6) == entry.flags,
      try header.uint16(8) == 0
    else { throw damaged("and the directory contradict each other") }

    // torch writes zeros here and the true values after the data; so does any streaming writer.
    let isStreamed = entry.flags & 1 << 3 != 0
    let checksum = UInt32(try header.uint32(14))
    var sizes = [try header.uint32(22), try header.uint32(18)]
    if sizes.contains(0xFFFF_FFFF) {
      let extra = try source.read(at: offset - extraLength, count: extraLength)
      sizes = try widened(sizes, extra: ByteFields(bytes: extra))
    }
    guard checksum == entry.checksum || (isStreamed && checksum == 0),
      sizes.allSatisfy({ $0 == entry.byteCount || (isStreamed && $0 == 0) })
    else { throw damaged("and the directory contradict each other") }
    return Record(
      offset: offset, byteCount: entry.byteCount,
      checksum: entry.checksum == 0 ? nil : entry.checksum)
  }

  private static func quoted(_ name: String) -> String { "'\(shortened(name))'" }
}
