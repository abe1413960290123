/// A tensor of a checkpoint, before its elements are read.
package struct TensorEntry: Sendable {
  /// The name as stored, without what a chosen container adds to it.
  package internal(set) var name: String
  package let shape: [Int]
  /// Of the elements.
  let type: StoredType
  /// Strides, in elements.
  let strides: [Int]
  /// The first element's index in the storage.
  let offset: Int
  /// Index of the storage among the checkpoint's.
  var storage: Int

  /// The type of the elements; `nil` where such elements are not read.
  package var elementType: ElementType? { type.elementType }
  /// What the type is called.
  package var typeName: String { type.name }
  /// Whether the elements are floating-point numbers. So are those of types that are not read: whoever asks
  /// for them is told so.
  package var isFloatingPoint: Bool { elementType?.isFloatingPoint ?? true }
  /// Number of elements; both containers have checked that it fits.
  package var elementCount: Int { shape.reduce(1, *) }
  /// Bytes of the elements when each is stored once, row-major.
  package var byteCount: Int { elementCount * type.byteSize }

  /// Whether the elements lie one after another in row-major order.
  var isContiguous: Bool {
    // If one size is 0 the others may be anything, so that their product can overflow.
    if shape.contains(0) { return true }
    var expected = 1
    for (size, stride) in zip(shape, strides).reversed() where size != 1 {
      guard stride == expected else { return false }
      expected *= size
    }
    return true
  }

  /// The strides of row-major order.
  static func contiguousStrides(_ shape: [Int]) -> [Int] {
    guard !shape.contains(0) else { return shape.map { _ in 1 } }
    var strides = [Int](repeating: 1, count: shape.count)
    for axis in shape.indices.dropLast().reversed() {
      strides[axis] = strides[axis + 1] * shape[axis + 1]
    }
    return strides
  }
}

/// A piece of a file with the elements of one or several tensors.
struct StoredBytes: Sendable {
  /// Index of the file among the checkpoint's.
  var file = 0
  /// For messages: the record's name.
  let name: String
  let offset: Int
  let byteCount: Int
  /// CRC-32, where the container has one.
  let checksum: UInt32?

  /// Reads the piece once to compare its checksum.
  func verify(_ source: ByteSource) throws {
    guard checksum != nil else { return }
    var found = Checksum()
    try source.forEachPiece(at: offset, count: byteCount) { found.update($0) }
    try check(found)
  }

  func check(_ found: Checksum) throws {
    guard checksum == nil || found.value == checksum else {
      throw Refusal("the checksum of '\(shortened(name))' is wrong: the file is damaged")
    }
  }
}
