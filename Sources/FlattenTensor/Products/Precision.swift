import FlattenKernels

/// How weights and the left sides of products are stored. Sums, norms, softmax and everything between
/// layers are float32 in both.
public enum Precision: String, Sendable, CaseIterable {
  /// IEEE single precision.
  case float32 = "f32"
  /// The upper half of a float32: its range, 8 bits of precision.
  case bfloat16 = "bf16"

  /// ``bfloat16`` where this CPU has instructions for it, else ``float32``.
  public static var automatic: Precision {
    fk_active().pointee.has_bf16 != 0 ? .bfloat16 : .float32
  }
}
