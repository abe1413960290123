import FlattenFiles
import FlattenTensor

/// Asks for memory before it is needed: running out of it later would end the process, or, inside
/// the matrix library, wait forever.
enum MemoryCheck {
  /// The model's weights, packed, and the buffers of reading and writing.
  private static let bytesBeside = 96 << 20
  /// What the smallest model here needs for a pixel of the network's input; others need up to twice
  /// as much. Low, so that nothing is refused that would have worked.
  private static let bytesPerPixel = 320

  /// - Throws: ``SegmentationError`` where so many threads cannot have what they need.
  static func requireMemory(threads: Int) throws {
    let bytes = threads * Engine.bytesPerThread + bytesBeside
    guard isAvailable(bytes) else { throw SegmentationError.noMemory(threads: threads, bytes) }
  }

  /// What a pass needs at least.
  static func bytes(height: Int, width: Int) -> Int { height * width * bytesPerPixel }

  /// - Throws: ``SegmentationError`` where the network's input is too large.
  static func requireMemory(height: Int, width: Int) throws {
    let bytes = bytes(height: height, width: width)
    guard isAvailable(bytes) else {
      throw SegmentationError.pictureTooLarge(PixelSize(height: height, width: width), bytes)
    }
  }

  private static func isAvailable(_ bytes: Int) -> Bool {
    bytes <= 32 << 20 || isMemoryAvailable(bytes)
  }
}
