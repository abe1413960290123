import ArgumentParser
import FlattenImage

/// What a shell offers after an option or in an argument's place: files of the kind that it takes.
extension CompletionKind {
  static var yaml: CompletionKind { .file(extensions: ["yaml", "yml"]) }
  /// Also the index of weights in several files.
  static var weights: CompletionKind {
    .file(extensions: ["pth", "pt", "bin", "safetensors", "json"])
  }
  static var safetensors: CompletionKind { .file(extensions: ["safetensors"]) }
  static var picture: CompletionKind {
    let suffixes = Image.fileSuffixes.map { String($0.dropFirst()) }
    return .file(extensions: suffixes + suffixes.map { $0.uppercased() })
  }
}
