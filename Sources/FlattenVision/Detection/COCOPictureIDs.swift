import FlattenFiles

/// The ids of pictures in a file of COCO results.
package struct COCOPictureIDs: Sendable {
  /// Where ids come from.
  package enum Origin: Sendable {
    /// From annotations, by the pictures' file names.
    case annotations
    /// From the numbers that the pictures are called by.
    case names
    /// From the pictures' order, from 1 on.
    case order
  }

  /// An id for each picture; `nil` where the annotations lack it.
  package let ids: [Int?]
  /// Where they come from.
  package let origin: Origin

  /// Numbers of pictures' names, `000000000139.jpg` or `COCO_val2014_000000000139.jpg`, where all have one of their own;
  /// else their order.
  package init(of pictures: [PictureSource]) {
    let numbers = pictures.compactMap { Self.number(in: $0.lastComponent) }
    if numbers.count == pictures.count && Set(numbers).count == numbers.count {
      ids = numbers
      origin = .names
    } else {
      ids = pictures.indices.map { $0 + 1 }
      origin = .order
    }
  }

  private static func number(in file: String) -> Int? {
    let stem = file.prefix { $0 != "." }
    let digits =
      stem.hasPrefix("COCO_") ? stem.split(separator: "_").last ?? stem : stem
    guard !digits.isEmpty, digits.allSatisfy({ $0.isASCII && $0.isNumber }) else { return nil }
    return Int(digits)
  }

  /// The ids that annotations give to files of these names: by the path below the folder that was named, else by the
  /// last part of it.
  ///
  /// - Parameters:
  ///   - listed: file names and ids of the annotations.
  ///   - path: the annotations' file, for errors.
  /// - Throws: `FileError` where a name could mean several of the annotations' pictures, or two pictures are one of them.
  package init(
    of pictures: [PictureSource], listed: [(fileName: String, id: Int)], in path: String
  ) throws {
    var byPath: [[UInt8]: [Int]] = [:]
    var byName: [[UInt8]: [Int]] = [:]
    for (index, picture) in listed.enumerated() {
      byPath[Array(picture.fileName.utf8), default: []].append(index)
      byName[Self.lastPart(picture.fileName), default: []].append(index)
    }
    func places(_ picture: PictureSource) -> [Int] {
      byPath[Array(picture.pathBelow.utf8)] ?? byName[Array(picture.lastComponent.utf8)] ?? []
    }
    var owners: [Int: PictureSource] = [:]
    ids = try pictures.map { picture in
      let found = places(picture)
      guard let place = found.first else { return nil }
      if found.count > 1 {
        let names = found.prefix(2).map { "'\(printable(listed[$0].fileName))'" }
        throw FileError(
          path: path, kind: .refused,
          reason:
            "'\(printable(picture.path))' could be \(names.joined(separator: " or ")). Name the "
            + "folder that the annotations' names begin in")
      }
      if let other = owners.updateValue(picture, forKey: place) {
        throw FileError(
          path: path, kind: .refused,
          reason:
            "'\(printable(other.path))' and '\(printable(picture.path))' are both its picture "
            + "\(listed[place].id). Name one of them")
      }
      return listed[place].id
    }
    origin = .annotations
  }

  /// What stands behind the last slash; annotations made on Windows may have the other one.
  private static func lastPart(_ name: String) -> [UInt8] {
    let bytes = Array(name.utf8)
    let start = bytes.lastIndex { $0 == UInt8(ascii: "/") || $0 == UInt8(ascii: "\\") }
    return Array(bytes[(start.map { $0 + 1 } ?? 0)...])
  }
}

extension PictureSource {
  /// The file's name without its folders.
  var lastComponent: String { path.split(separator: "/").last.map(String.init) ?? path }

  /// Path below the folder that was named, with the suffix.
  package var pathBelow: String {
    let folders = name.lastIndex(of: "/").map { name[...$0] } ?? ""
    return folders + lastComponent
  }
}
