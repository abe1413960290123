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
  package func decode(
    limits: DecodingLimits, exif: ExifOrientation = .apply
  ) throws -> Decoded<Image> {
    try encoded(limits: limits, exif: exif).decode()
  }

  /// Reads the picture's file.
  ///
  /// - Throws: as ``decode(limits:exif:)``.
  func encoded(limits: DecodingLimits, exif: ExifOrientation) throws -> EncodedPicture {
    guard isStandardInput else {
      return try EncodedPicture(path: path, limits: limits, exif: exif)
    }
    let bytes = try readStandardInput(limit: limits.fileBytes) {
      try Image.requirePicture(firstBytes: $0, name: "standard input")
    }
    return try EncodedPicture(bytes, name: "standard input", limits: limits, exif: exif)
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
  /// Folders that hold no picture themselves and were not entered further, with the number of pictures
  /// below them.
  package private(set) var shallow: [(folder: String, pictures: Int)] = []
  /// Whether the folder of the results lies below one that was named; it was not entered.
  package private(set) var hasLeftOutResults = false
  /// Pictures whose results keep the suffix, because another picture has the same name without it.
  package private(set) var renamed: [PictureSource] = []

  private let results: String?
  private let isRecursive: Bool

  /// Finds the pictures.
  ///
  /// - Parameters:
  ///   - inputs: files, folders, and `-` for a picture on standard input.
  ///   - lists: text files that name one picture a line; `-` reads the names from standard input.
  ///   - isRecursive: whether folders inside folders count.
  ///   - results: the folder that results go to; where it lies below a folder that is named, nothing in it
  ///     is a picture.
  package init(
    _ inputs: [String], lists: [String], isRecursive: Bool, results: String? = nil
  ) {
    self.results = results
    self.isRecursive = isRecursive
    for input in inputs { add(input) }
    for list in lists { add(list: list) }
    tellApart()
  }

  private mutating func add(_ path: String) {
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
      add(folder: path.hasSuffix("/") && path.count > 1 ? String(path.dropLast()) : path)
    }
  }

  private mutating func add(folder: String) {
    let walk = FolderWalk(folder, leavingOut: results.flatMap { FileIdentity(path: $0) })
    failures += walk.problems.map(\.error)
    hasLeftOutResults = hasLeftOutResults || walk.hasLeftOut
    let before = sources.count
    var below = 0
    for file in walk.files {
      let isPicture = FileSuffix.stem(of: file, without: Image.fileSuffixes) != nil
      if !isRecursive && file.contains("/") {
        below += isPicture ? 1 : 0
      } else if isPicture {
        sources.append(PictureSource(path: "\(folder)/\(file)", name: stem(file)))
      } else {
        skipped += 1
      }
    }
    if sources.count == before && below > 0 { shallow.append((folder, below)) }
  }

  private mutating func add(list path: String) {
    do {
      let list =
        path == "-"
        ? try TextLines(readStandardInput(limit: TextLines.sizeLimit), name: "standard input")
        : try TextLines(path: path)
      let folder = path.lastIndex(of: "/").map { String(path[...$0]) } ?? ""
      for line in list.lines where !line.hasPrefix("#") { add(line: line, beside: folder) }
    } catch let error as FileError {
      failures.append(error)
    } catch {
      failures.append(FileError(path: path, kind: .unreadable, reason: "\(error)"))
    }
  }

  /// A line of a list: a path from the working directory or, where there is none, from the list's folder. In
  /// the lists of data sets a label follows, which is of no use here.
  private mutating func add(line: String, beside folder: String) {
    func found(_ name: String) -> String? {
      // In a list `-` is a file of that name.
      let paths = [name == "-" ? "./-" : name] + (name.hasPrefix("/") ? [] : [folder + name])
      return paths.first { PathKind($0) != .absent }
    }
    if let path = found(line) { return add(path) }
    if let (picture, label) = TextLines.columns(of: line),
      FileSuffix.stem(of: picture, without: Image.fileSuffixes) != nil,
      FileSuffix.stem(of: label, without: Image.fileSuffixes) != nil, let path = found(picture)
    {
      return add(path)
    }
    add(line == "-" ? "./-" : line)
  }

  /// Gives pictures whose results would have one name their whole names, `a.jpg` and `a.png` in the place of
  /// `a`, as far as that tells them apart.
  ///
  /// Where one of them is itself the file that the results would go to, nothing is renamed: then pictures and
  /// results share a folder, and the one may be the mask of the other.
  private mutating func tellApart() {
    var changed: Set<Int> = []
    var isSettled = false
    while !isSettled {
      isSettled = true
      let groups = Dictionary(grouping: sources.indices) { Array(sources[$0].name.utf8) }
      for indices in groups.values where indices.count > 1 {
        let whole = indices.map { wholeName(sources[$0]) }
        guard Set(whole.map { Array($0.utf8) }).count > 1, !holdsOwnMask(indices) else { continue }
        for (index, name) in zip(indices, whole)
        where !sources[index].name.utf8.elementsEqual(name.utf8) {
          sources[index] = PictureSource(path: sources[index].path, name: name)
          changed.insert(index)
          isSettled = false
        }
      }
    }
    renamed = changed.sorted().map { sources[$0] }
  }

  /// The name of a picture's results with the picture's suffix in it.
  private func wholeName(_ source: PictureSource) -> String {
    if source.isStandardInput { return source.name }
    let folders = source.name.lastIndex(of: "/").map { source.name[...$0] } ?? ""
    return folders + lastComponent(source.path)
  }

  /// Whether one of some pictures of one name is the file that their masks would go to.
  private func holdsOwnMask(_ indices: [Int]) -> Bool {
    guard let results, let first = indices.first,
      let mask = FileIdentity(path: "\(results)/\(sources[first].name).png")
    else { return false }
    return indices.contains { FileIdentity(path: sources[$0].path) == mask }
  }

  /// Takes pictures out.
  ///
  /// - Parameter isKept: a truth value for each of ``sources``.
  package mutating func keep(_ isKept: [Bool]) {
    sources = zip(sources, isKept).filter(\.1).map(\.0)
  }

  /// Leaves every n-th picture, for a machine that does a part of the work.
  ///
  /// - Parameters:
  ///   - index: the first of them, from 0.
  ///   - count: n.
  package mutating func keepShard(_ index: Int, of count: Int) {
    sources = stride(from: index, to: sources.count, by: count).map { sources[$0] }
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

/// A path without the suffix of a picture: other suffixes, as in `cam_12.30.45`, are part of the name.
private func stem(_ path: String) -> String {
  FileSuffix.stem(of: path, without: Image.fileSuffixes) ?? path
}
