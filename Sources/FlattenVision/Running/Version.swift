import FlattenImage
import FlattenTensor

/// What this build is made of.
package enum Version {
  /// The release.
  package static let number = "0.1.0"

  /// The instruction set of the kernels in use: `avx512`, `avx2`, `generic` or `ref`.
  package static var instructionSet: String { InstructionSet.name }

  /// One line: release, instruction set, codecs.
  package static var text: String {
    "flatten-seg \(number) (\(instructionSet); \(CodecVersions.text))"
  }
}
