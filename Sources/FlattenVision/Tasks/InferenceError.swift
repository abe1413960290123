import FlattenRegions

/// Why a model gives no answer.
public enum InferenceError: Error, CustomStringConvertible, Sendable, Equatable {
  /// The network gave NaN or infinity.
  case scoresNotFinite
  /// Threads, and the bytes that they need and cannot have.
  case noMemory(threads: Int, bytes: Int)
  /// A picture, the bytes that it needs and cannot have, and whether sliding windows would need less.
  case pictureTooLarge(PixelSize, bytes: Int, windowsHelp: Bool)
  /// A part of the network does not take pictures of this size, or windows of it.
  case pictureRefused(PixelSize, reason: String)
  /// A stride larger than its window: pixels between windows would be seen by none.
  case strideTooLarge(PixelSize, crop: PixelSize)
  /// What a config's resize would make of a strip.
  case proportions(PixelSize)

  /// One sentence that says what to do.
  public var description: String {
    switch self {
    case .scoresNotFinite:
      "the network's scores are not finite; the weights are damaged or belong to another config"
    case .noMemory: "\(fact). Use fewer threads or raise the limit."
    case .pictureTooLarge(_, _, let windowsHelp):
      "\(fact). Use \(windowsHelp ? "sliding windows or " : "")a smaller picture."
    case .pictureRefused: "\(fact)."
    case .strideTooLarge: "\(fact). Use a stride that is not larger than the window."
    case .proportions(let size):
      "the config's rule would make \(size.width)x\(size.height) pixels of it; the picture is too "
        + "narrow a strip to be classified. Crop it first."
    }
  }

  /// What is lacking, without what to do.
  package var fact: String {
    switch self {
    case .scoresNotFinite, .proportions: description
    case .pictureRefused(let size, let reason):
      "\(size.width)x\(size.height) pixels do not fit the model: \(reason)"
    case .strideTooLarge(let stride, let crop):
      "windows of \(crop.height)x\(crop.width), \(stride.height)x\(stride.width) apart, would miss the "
        + "pixels between them"
    case .noMemory(let threads, let bytes):
      "\(threads) threads need \(bytes >> 20) MB of memory, which the system or a limit refuses"
    case .pictureTooLarge(let size, let bytes, _):
      "the picture of \(size.width)x\(size.height) pixels needs \(bytes >> 20) MB of memory, which the "
        + "system or a limit refuses"
    }
  }
}
