/// The purpose that a model is loaded for. An operator that joins several steps into one decides by it; what
/// is computed is the same.
public enum Purpose: String, Sendable, CaseIterable {
  /// The result alone, as fast as can be: steps are joined where that pays, and of large parameters only the
  /// form that the kernels read is kept.
  case inference
  /// Looking inside: every step is computed by itself, so that each can be seen.
  case inspection
  /// Every step by itself, and all parameters kept as the checkpoint has them: they can be read back by name,
  /// changed and written.
  case training
}
