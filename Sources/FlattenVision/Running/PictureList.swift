import FlattenFiles
import FlattenImage
import Foundation

/// One picture of a batch: where it is, and what its results are called.
public struct PictureSource: Sendable, Hashable {
  /// The picture's path, or `-` for standard input.
  public let path: String
  /// Path of the results below the output folder, without a suffix: `berlin/0001`.
  public let name: String

  /// Makes a picture of a batch.
  public init(path: String, name: String) {
    self.path = path
    self.name = name
  }

  /// Whether the picture comes from standard input.
  public var isStandardInput: Bool { path == "-" }

  /// Reads the picture.
  ///
  /// - Throws: `FileError` where there is none, or it is larger than `limits`.
  package func decode(limits: DecodingLimits) throws -> Decoded<Image> {
    guard isStandardInput else { return try Image.decode(path: path, limits: limits) }
    let bytes = try readStandardInput(limit: limits.fileBytes) {
      try Image.requirePicture(firstBytes: $0, name: "standard input")
    }
    return try Image.decode(bytes, name: "standard input", limits: limits)
  }
}

/// The pictures that a command line names.
package struct PictureList: Sendable {
  /// Pictures in the order they were named; those of a folder by their names' bytes.
  package private(set) var sources: [PictureSource] = []
  /// What was named but cannot be used.
  package private(set) var failures: [FileError] = []
  /// Files of folders that were skipped because their names are not those of pictures.
  package private(set) var skipped = 0

  /// The suffixes that make a file in a folder a picture; named files may be called anything.
  static let suffixes = [".jpg", ".jpeg", ".png"]
  /// A list of pictures longer than this many bytes is refused.
  static let listLimit = 64 << 20

  /// Finds the pictures.
  ///
  /// - Parameters:
  ///   - inputs: files, folders, and `-` for a picture on standard input.
  ///   - lists: text files that name one picture a line; `-` reads the names from standard input.
  ///   - isRecursive: whether folders inside folders count.
  package init(_ inputs: [String], lists: [String], isRecursive: Bool) {
    for input in inputs { add(input, isRecursive: isRecursive) }
    for list in lists { add(list: list, isRecursive: isRecursive) }
  }

  private mutating func add(_ path: String, isRecursive: Bool) {
    if path == "-" {
      sources.append(PictureSource(path: path, name: "stdin"))
      return
    }
    switch PathKind(path) {
    case .absent:
      // Opening it gives the reason: missing, a broken link, no permission.
      do {
        _ = try FileReader(path: path)
      } catch {
        failures.append(
          error as? FileError ?? FileError(path: path, kind: .unreadable, reason: "\(error)"))
      }
    case .file: sources.append(PictureSource(path: path, name: stem(lastComponent(path))))
    case .folder:
      let folder = path.hasSuffix("/") && path.count > 1 ? String(path.dropLast()) : path
      let walk = FolderWalk(folder)
      failures += walk.problems.map(\.error)
      for file in walk.files where isRecursive || !file.contains("/") {
        guard Self.suffixes.contains(where: { file.lowercased().hasSuffix($0) }) else {
          skipped += 1
          continue
        }
        sources.append(PictureSource(path: "\(folder)/\(file)", name: stem(file)))
      }
    }
  }

  private mutating func add(list path: String, isRecursive: Bool) {
    do {
      let bytes =
        path == "-"
        ? try readStandardInput(limit: Self.listLimit)
        : try FileReader(path: path).readAll(limit: Self.listLimit)
      guard let text = String(validating: bytes, as: UTF8.self) else {
        throw FileError(path: path, kind: .refused, reason: "is not a UTF-8 list of file names")
      }
      for line in text.split(whereSeparator: \.isNewline) {
        let name = line.trimmingCharacters(in: .whitespaces)
        // In a list `-` is a file of that name.
        if !name.isEmpty && !name.hasPrefix("#") {
          add(name == "-" ? "./-" : name, isRecursive: isRecursive)
        }
      }
    } catch let error as FileError {
      failures.append(error)
    } catch {
      failures.append(FileError(path: path, kind: .unreadable, reason: "\(error)"))
    }
  }

  /// Two pictures whose results would have one name, or `nil`.
  package var collision: (PictureSource, PictureSource)? {
    // By bytes: names that differ in their Unicode form alone are different files.
    var seen: [[UInt8]: PictureSource] = [:]
    for source in sources {
      if let other = seen.updateValue(source, forKey: Array(source.name.utf8)) {
        return (other, source)
      }
    }
    return nil
  }
}

/// Everything on standard input.
///
/// - Parameter check: sees the first bytes and may refuse the rest.
/// - Throws: `FileError` beyond `limit` bytes.
func readStandardInput(
  limit: Int, check: ([UInt8]) throws -> Void = { _ in }
) throws -> [UInt8] {
  let name = "standard input"
  var bytes: [UInt8] = []
  var isChecked = false
  while true {
    var code: Int32 = 0
    let piece = [UInt8](unsafeUninitializedCapacity: 1 << 18) { buffer, count in
      let got = Foundation.read(STDIN_FILENO, buffer.baseAddress, buffer.count)
      code = got < 0 ? errno : 0
      count = max(got, 0)
    }
    if code == EINTR { continue }
    if code != 0 { throw FileError(path: name, kind: .unreadable, errno: code) }
    bytes += piece
    if bytes.count > limit {
      throw FileError(path: name, kind: .refused, reason: "is more than \(limit) bytes")
    }
    if !isChecked && (piece.isEmpty || bytes.count >= 64) {
      try check(bytes)
      isChecked = true
    }
    if piece.isEmpty { return bytes }
  }
}

private func lastComponent(_ path: String) -> String {
  path.split(separator: "/").last.map(String.init) ?? path
}

/// A path without the suffix of its last component.
private func stem(_ path: String) -> String {
  let name = path.lastIndex(of: "/").map { path.index(after: $0) } ?? path.startIndex
  guard let dot = path.lastIndex(of: "."), dot > name else { return path }
  return String(path[..<dot])
}
