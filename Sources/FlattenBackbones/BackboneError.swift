import FlattenConfig
import FlattenFiles
import FlattenTensor

/// Why a backbone could not be called or built, where no file is to blame.
public enum BackboneError: Error, CustomStringConvertible, Sendable, Equatable {
  /// A side of the picture is shorter than the model's ``Backbone/leastSide``.
  case pictureTooSmall(width: Int, height: Int, least: Int)
  /// A picture, or a batch of them, needs these bytes of memory and cannot have them.
  case pictureTooLarge(width: Int, height: Int, bytes: Int)
  /// An attention does not take maps of a picture of this size.
  case pictureRefused(width: Int, height: Int, reason: String)
  /// So many threads need these bytes of memory and cannot have them.
  case noMemory(threads: Int, bytes: Int)
  /// The number of samples is not that of a picture of this size.
  case sampleCount(found: Int, width: Int, height: Int)
  /// A batch that is not `[B, H, W, channels]`.
  case batchShape(found: Shape, channels: Int)
  /// A picture has three channels, the model takes another number.
  case noPictures(channels: Int)
  /// A name that the model hands nothing out under, and those it has.
  case unknownIntermediate(String, known: [String])
  /// A name under which no attention can be registered.
  case reservedAttention(String)

  /// One sentence: what is wrong and what to do.
  public var description: String {
    switch self {
    case .pictureTooSmall(let width, let height, let least):
      return "a picture of \(width)x\(height) pixels is too small for this model: both sides must "
        + "be \(least) or more. Resize it first."
    case .pictureTooLarge(let width, let height, let bytes):
      return "\(width)x\(height) pixels need at least \(bytes >> 20) MB of memory, which the "
        + "system or a limit refuses. Use a smaller picture, or fewer at once."
    case .pictureRefused(let width, let height, let reason):
      return
        "a picture of \(width)x\(height) pixels does not fit this model: \(printable(reason, limit: 300))."
    case .noMemory(let threads, let bytes):
      return "\(threads) threads need \(bytes >> 20) MB of memory, which the system or a limit "
        + "refuses. Ask for fewer threads or raise the limit."
    case .sampleCount(let found, let width, let height):
      return "\(found) samples for a picture of \(width)x\(height) pixels, expected "
        + "width * height * 3, R, G and B of each pixel."
    case .batchShape(let found, let channels):
      return "a batch of shape \(found), expected [pictures, height, width, \(channels)] with none "
        + "of them 0."
    case .noPictures(let channels):
      return "the model takes \(channels) channels, a picture has 3. Call it with a tensor."
    case .unknownIntermediate(let name, let known):
      let near = nearestSpelling(to: name, among: known).map { "Did you mean '\($0)'? " } ?? ""
      let range =
        known.isEmpty
        ? "This model hands out none."
        : "There are \(known.count) from '\(known[0])' to '\(known[known.count - 1])'; "
          + "'intermediateNames' lists them."
      return "the model has no intermediate '\(printable(name))'. \(near)\(range)"
    case .reservedAttention(let name):
      return
        "no attention can be registered as '\(printable(name))': take a letter, perhaps followed by "
        + "letters, digits, '_' and '-', and not L, S, focused or softmax, which every family has."
    }
  }
}
