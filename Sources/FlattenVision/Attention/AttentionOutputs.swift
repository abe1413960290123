import FlattenFiles
import FlattenImage
import Foundation

/// Where a picture's attention is written.
package struct AttentionOutputs: Sendable {
  private let source: PictureSource
  private let target: ResultTarget
  /// `nil` on standard output.
  private let drawing: String?
  private let array: String?
  private let mayReplace: Bool

  private static let jpegs = [".jpg", ".jpeg"]

  /// - Parameters:
  ///   - output: a folder, a `.png` or `.jpg` file, or `-` for standard output.
  ///   - matrix: a file for the weights; `nil` writes none.
  ///   - mayReplace: whether files that exist are replaced.
  package init(picture: PictureSource, output: String, matrix: String?, mayReplace: Bool) {
    source = picture
    let target = ResultTarget(path: output, suffixes: [".png"] + Self.jpegs)
    self.target = target
    drawing =
      switch target {
      case .file(let path): path
      case .folder(let folder): "\(folder)/\(picture.name).attention.png"
      case .standardOutput: nil
      }
    array = matrix
    self.mayReplace = mayReplace
  }

  /// Refuses what would lose data or could not be written, before anything is computed.
  ///
  /// - Throws: ``ExistingResultError``, or `FileError` of kind `.unwritable`.
  package func check() throws {
    try target.requireWritable()
    if let array { try AtomicFile.requireWritable(array) }
    let picture = source.isStandardInput ? nil : FileIdentity(path: source.path)
    for path in [drawing, array].compactMap({ $0 }) {
      guard let identity = FileIdentity(path: path) else { continue }
      if identity == picture {
        throw FileError(
          path: path, kind: .unwritable,
          reason: "is the picture itself. Choose another output")
      }
      if !mayReplace {
        throw ExistingResultError(path: path, canBeKept: false)
      }
    }
  }

  /// Writes the drawing and, where it is asked for, the weights.
  ///
  /// - Returns: the paths of files, the drawing first.
  package func write(_ map: AttentionMap) throws -> [String] {
    let name = drawing ?? "standard output"
    let isJPEG = Self.jpegs.contains(where: name.lowercased().hasSuffix)
    let bytes =
      isJPEG
      ? try map.drawn().encodedAsJPEG(name: name)
      : try map.drawn().encodedAsPNG(level: 6, name: name)
    var file: AtomicFile?
    if let drawing {
      try target.makeFolder(for: drawing)
      file = try AtomicFile(path: drawing, holding: bytes)
    }
    if let array {
      let (values, shape) = map.array
      try NumpyFile.write(values, shape: shape, to: array)
    }
    if let file { try file.commit() } else { try writeStandardOutput(bytes) }
    return [drawing, array].compactMap { $0 }
  }
}
