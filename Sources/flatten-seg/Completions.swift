import ArgumentParser

/// What a shell offers after an option or in an argument's place: files of the kind that it takes.
extension CompletionKind {
  static var yaml: CompletionKind { .file(extensions: ["yaml", "yml"]) }
  static var weights: CompletionKind { .file(extensions: ["pth", "pt", "bin", "safetensors"]) }
  static var safetensors: CompletionKind { .file(extensions: ["safetensors"]) }
  static var picture: CompletionKind {
    .file(extensions: ["jpg", "jpeg", "png", "JPG", "JPEG", "PNG"])
  }
}
