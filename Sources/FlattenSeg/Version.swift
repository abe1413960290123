import FlattenCodecs
import FlattenKernels

/// What this build is made of.
public enum Version {
  /// The release.
  public static let number = "0.1.0"

  /// The instruction set of the kernels in use: `avx512`, `avx2`, `generic` or `ref`.
  public static var instructionSet: String { String(cString: fk_isa()) }

  /// One line: release, instruction set, codecs.
  public static var text: String {
    "flatten-seg \(number) (\(instructionSet); \(String(cString: fc_versions())))"
  }
}
