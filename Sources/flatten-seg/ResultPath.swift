import FlattenFiles
import FlattenVision

/// What a result file holds, and the suffixes that say so.
enum ResultKind: String, CaseIterable {
  case png = "a PNG"
  case jpeg = "a JPEG"
  case npy = "a numpy array"
  case safetensors
  case table = "a table of text"
  case json = "JSON"
  case csv = "CSV"
  case markdown = "Markdown"

  /// The usual one first.
  fileprivate var suffixes: [String] {
    switch self {
    case .png: [".png"]
    case .jpeg: [".jpg", ".jpeg"]
    case .npy: [".npy"]
    case .safetensors: [".safetensors"]
    case .table: [".txt"]
    case .json: [".json"]
    case .csv: [".csv"]
    case .markdown: [".md", ".markdown"]
    }
  }

  /// Suffixes that speak of what is never written.
  private static let others = [
    ".gif", ".bmp", ".tif", ".tiff", ".webp", ".pdf", ".svg", ".pth", ".pt", ".ckpt", ".bin",
    ".pkl", ".onnx", ".npz", ".yaml", ".yml", ".xlsx", ".zip",
  ]

  /// The suffix by which a name says what the file holds; `nil` where it does not.
  fileprivate static func suffix(of path: String) -> String? {
    (allCases.flatMap(\.suffixes) + others).first { path.lowercased().hasSuffix($0) }
  }
}

/// A result's path as the user gave it, checked before anything is computed.
enum ResultPath {
  /// Refuses a file whose name promises something else than what is written, that cannot be written, or that
  /// exists and must not be replaced.
  ///
  /// - Parameter inputs: files that the result must not replace.
  static func check(
    _ path: String, holds kind: ResultKind, overwrite: Bool, inputs: [String] = []
  ) throws {
    let identity = FileIdentity(path: path)
    if let identity, inputs.contains(where: { FileIdentity(path: $0) == identity }) {
      throw FileError(
        path: path, kind: .unwritable, reason: "is the input itself. Choose another output")
    }
    try requireName(path, of: [kind])
    try AtomicFile.requireWritable(path)
    if identity != nil && !overwrite { throw ExistingResultError(path: path, canBeKept: false) }
  }

  /// Refuses a file whose name promises something else.
  static func requireName(_ path: String, of kinds: [ResultKind]) throws {
    guard let refusal = refusal(of: path, kinds) else { return }
    throw RequestError(refusal + ".")
  }

  /// Refuses a folder that is called like a file and is not there: a file was meant.
  ///
  /// - Parameter kinds: files that may be named in the folder's place.
  static func requireFolderName(_ path: String, besideFiles kinds: [ResultKind] = []) throws {
    guard !path.hasSuffix("/"), FileIdentity(path: path) == nil else { return }
    if kinds.isEmpty, ResultKind.suffix(of: path) != nil {
      throw RequestError(
        "'\(printable(path, limit: 120))' is called like a file, and a folder is wanted here. Name it "
          + "'\(printable(path, limit: 120))/' where a folder is meant.")
    }
    guard let refusal = refusal(of: path, kinds) else { return }
    throw RequestError(
      refusal + ", or '\(printable(path, limit: 120))/' where a folder is meant.")
  }

  private static func refusal(of path: String, _ kinds: [ResultKind]) -> String? {
    guard let suffix = ResultKind.suffix(of: path),
      !kinds.contains(where: { $0.suffixes.contains(suffix) }), let wanted = kinds.first
    else { return nil }
    let name = path.dropLast(suffix.count) + (wanted.suffixes.first ?? "")
    return "'\(printable(path, limit: 120))' would hold \(wanted.rawValue), which is not what its "
      + "name says. Name it '\(printable(String(name), limit: 120))'"
  }
}
