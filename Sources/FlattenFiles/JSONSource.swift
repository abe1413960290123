/// Where the text of a ``JSONStream`` comes from.
enum JSONSource: Sendable {
  case file(FileReader)
  case memory([UInt8], name: String)

  /// The name in errors.
  var name: String {
    switch self {
    case .file(let file): file.path
    case .memory(_, let name): name
    }
  }

  /// Bytes in all.
  var size: Int {
    switch self {
    case .file(let file): file.size
    case .memory(let bytes, _): bytes.count
    }
  }

  /// Fills `buffer` from `offset` on.
  func read(at offset: Int, into buffer: UnsafeMutableRawBufferPointer) throws {
    switch self {
    case .file(let file): try file.read(at: offset, into: buffer)
    case .memory(let bytes, _): buffer.copyBytes(from: bytes[offset..<offset + buffer.count])
    }
  }

  /// A place for people: `line 3, column 14 (byte 120), annotations[17].bbox[2]`.
  ///
  /// Found by reading the text from its beginning up to there. Columns count bytes.
  func place(of offset: Int) -> String {
    var scan = PlaceScan()
    var done = 0
    var piece = [UInt8](repeating: 0, count: min(offset, 1 << 16))
    while done < offset {
      let count = min(piece.count, offset - done)
      do {
        try piece.withUnsafeMutableBytes {
          try read(at: done, into: UnsafeMutableRawBufferPointer(rebasing: $0[..<count]))
        }
      } catch {
        return "byte \(offset)"
      }
      for byte in piece[..<count] { scan.pass(byte) }
      done += count
    }
    let path = scan.path
    return "line \(scan.line), column \(scan.column) (byte \(offset))"
      + (path.isEmpty ? "" : ", \(path)")
  }
}

/// What is known of a place after the bytes before it were passed: the text up to there is right.
private struct PlaceScan {
  private enum Frame {
    case array(index: Int)
    case object(key: [UInt8], isKeyNext: Bool)
  }

  private(set) var line = 1
  private(set) var column = 1
  private var frames: [Frame] = []
  private var isInText = false
  private var isEscaped = false

  mutating func pass(_ byte: UInt8) {
    column += 1
    if isInText {
      passInText(byte)
      return
    }
    switch byte {
    case 0x0A:
      line += 1
      column = 1
    case UInt8(ascii: "\""):
      isInText = true
      if case .object(_, isKeyNext: true) = frames.last {
        frames[frames.count - 1] = .object(key: [], isKeyNext: true)
      }
    case UInt8(ascii: "{"): frames.append(.object(key: [], isKeyNext: true))
    case UInt8(ascii: "["): frames.append(.array(index: 0))
    case UInt8(ascii: "}"), UInt8(ascii: "]"): _ = frames.popLast()
    case UInt8(ascii: ":"): setKeyNext(false)
    case UInt8(ascii: ","):
      if case .array(let index) = frames.last {
        frames[frames.count - 1] = .array(index: index + 1)
      } else {
        setKeyNext(true)
      }
    default: break
    }
  }

  private mutating func setKeyNext(_ isKeyNext: Bool) {
    guard case .object(let key, _) = frames.last else { return }
    frames[frames.count - 1] = .object(key: key, isKeyNext: isKeyNext)
  }

  private mutating func passInText(_ byte: UInt8) {
    if isEscaped {
      isEscaped = false
    } else if byte == UInt8(ascii: "\\") {
      isEscaped = true
    } else if byte == UInt8(ascii: "\"") {
      isInText = false
      return
    }
    if case .object(let key, isKeyNext: true) = frames.last, key.count < 40 {
      frames[frames.count - 1] = .object(key: key + [byte], isKeyNext: true)
    }
  }

  /// `annotations[17].bbox[2]`; of a deeply nested place the beginning.
  var path: String {
    var path = ""
    for frame in frames.prefix(8) {
      switch frame {
      case .array(let index): path += "[\(index)]"
      case .object(_, isKeyNext: true): break
      case .object(let key, isKeyNext: false):
        path +=
          (path.isEmpty ? "" : ".") + printable(String(decoding: key, as: UTF8.self), limit: 40)
      }
    }
    return frames.count > 8 ? path + "..." : path
  }
}
