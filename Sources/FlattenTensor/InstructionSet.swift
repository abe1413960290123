import FlattenKernels

/// The instruction set of the kernels in use.
package enum InstructionSet {
  /// `avx512`, `avx2`, `generic` or `ref`.
  package static var name: String { String(cString: fk_isa()) }
}
