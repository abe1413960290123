import FlattenRegions

/// Why a model gives no answer.
public enum InferenceError: Error, CustomStringConvertible, Sendable, Equatable {
  /// The network gave NaN or infinity.
  case scoresNotFinite
  /// Threads, and the bytes that they need and cannot have.
  case noMemory(threads: Int, bytes: Int)
  /// Size of the network's input, and the bytes that it needs and cannot have.
  case inputTooLarge(PixelSize, bytes: Int)
  /// What a config's resize would make of a strip.
  case proportions(PixelSize)

  /// One sentence that says what to do.
  public var description: String {
    switch self {
    case .scoresNotFinite:
      "the network's scores are not finite; the weights are damaged or belong to another config"
    case .noMemory: "\(fact). Use fewer threads or raise the limit."
    case .inputTooLarge: "\(fact). Use sliding windows or a smaller picture."
    case .proportions(let size):
      "the config's rule would make \(size.width)x\(size.height) pixels of it; the picture is too "
        + "narrow a strip to be classified. Crop it first."
    }
  }

  /// What is lacking, without what to do.
  package var fact: String {
    switch self {
    case .scoresNotFinite, .proportions: description
    case .noMemory(let threads, let bytes):
      "\(threads) threads need \(bytes >> 20) MB of memory, which the system or a limit refuses"
    case .inputTooLarge(let size, let bytes):
      "a network input of \(size.width)x\(size.height) pixels needs at least \(bytes >> 20) MB of "
        + "memory, which the system or a limit refuses"
    }
  }
}
