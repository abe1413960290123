import FlattenBackbones
import FlattenTensor

/// Refuses what would run out of memory.
enum MemoryCheck {
  /// - Throws: ``SegmentationError`` where so many threads cannot have what they need.
  static func requireMemory(threads: Int) throws {
    let bytes = MemoryNeed.bytes(threads: threads)
    guard MemoryNeed.isMet(bytes) else { throw SegmentationError.noMemory(threads: threads, bytes) }
  }

  /// - Throws: ``SegmentationError`` where the network's input is too large.
  static func requireMemory(height: Int, width: Int) throws {
    let bytes = MemoryNeed.bytes(height: height, width: width)
    guard MemoryNeed.isMet(bytes) else {
      throw SegmentationError.pictureTooLarge(PixelSize(height: height, width: width), bytes)
    }
  }
}
