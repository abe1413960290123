/// How an attention shortens its keys and values before it is computed.
public enum KeyReduction: Sendable, Equatable {
  /// Keys and values of all tokens.
  case none
  /// A convolution with kernel and stride `ratio`; rows and columns left over are dropped.
  case strided(ratio: Int)
  /// Average pooling to a grid of `size` x `size`, whatever the picture's size (PVTv2's "linear").
  case pooled(size: Int)

  /// Rows of keys for rows of tokens; columns alike.
  package func keys(of tokens: Int) -> Int {
    switch self {
    case .none: tokens
    case .strided(let ratio): tokens / ratio
    case .pooled(let size): size
    }
  }

  /// The row of the key that a row of tokens went into; columns alike. `nil` where the row was dropped;
  /// the first of two where pooled cells overlap.
  package func key(of token: Int, among tokens: Int) -> Int? {
    switch self {
    case .none: return token
    case .strided(let ratio): return token / ratio < tokens / ratio ? token / ratio : nil
    case .pooled(let size): return token * size / tokens
    }
  }
}
