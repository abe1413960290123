/// How an attention makes its weights.
public enum AttentionForm: String, Sendable {
  /// Focused linear attention.
  case linear
  /// Softmax attention.
  case softmax
  /// Another attention, which gives its rows itself.
  case other
}

/// A head's weights of the cells of the map of keys, row by row; zero for keys the token cannot see.
public struct AttentionWeights: Sendable {
  /// The head, counted from 0.
  public let head: Int
  /// The attention's: 0 to 1 in most; of either sign in those whose features are centred, or turned by the tokens'
  /// places.
  public let attention: [Double]
  /// The depthwise convolution's, of either sign; `nil` where the block has none.
  public let depthwise: [Double]?
  /// The attention's weight of keys that are no cells of the map: a class token, and the padding of
  /// windows.
  public let elsewhere: Double
}
