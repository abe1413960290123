import FlattenFiles
import FlattenTensor

/// The least memory that a model needs, asked for before it is needed: running out of it later would end
/// the process, or, inside the matrix library, wait forever.
package enum MemoryNeed {
  /// The model's weights, packed, and the buffers of reading and writing.
  private static let bytesBeside = 96 << 20
  /// What the smallest model here needs for a pixel of the network's input; others need up to twice
  /// as much. Low, so that nothing is refused that would have worked.
  private static let bytesPerPixel = 320

  /// What so many threads need.
  package static func bytes(threads: Int) -> Int { threads * Products.bytesPerThread + bytesBeside }

  /// What a pass needs.
  package static func bytes(height: Int, width: Int) -> Int { height * width * bytesPerPixel }

  /// Whether the system would give so many bytes.
  package static func isMet(_ bytes: Int) -> Bool {
    bytes <= 32 << 20 || isMemoryAvailable(bytes)
  }
}
