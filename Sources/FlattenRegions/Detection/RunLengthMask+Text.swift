// The two ways in which COCO writes run lengths: a list of numbers, and a string. The string has the differences
// to the length two before (from the fourth on) in groups of 5 bits, lowest first, as characters from '0' on: bit
// 0x20 says that more follow, bit 0x10 of the last is the sign.

extension RunLengthMask {
  /// Reads a list of lengths: COCO's uncompressed `counts`.
  ///
  /// pycocotools also takes lengths that sum to fewer pixels than the picture has, and leaves the rest to chance;
  /// here they are refused.
  ///
  /// - Throws: where a length is negative or the lengths do not sum to the pixels of the mask.
  public init(size: PixelSize, counts: [Int]) throws(RunLengthError) {
    try Self.check(size)
    var lengths: [UInt32] = []
    lengths.reserveCapacity(counts.count)
    var total = 0
    for (index, count) in counts.enumerated() {
      guard let length = UInt32(exactly: count) else {
        throw .lengthRefused(count, index: index)
      }
      total += count
      guard total <= size.area else { throw .doNotFill(covered: total, size: size) }
      lengths.append(length)
    }
    try self.init(size: size, checking: lengths)
  }

  /// Reads a string of lengths: COCO's compressed `counts`.
  ///
  /// - Throws: where a character is none of the 64, the string is cut, a length is negative, or the lengths do not
  ///   sum to the pixels of the mask. It stops at the first that does not fit.
  public init(cocoString: some StringProtocol, size: PixelSize) throws(RunLengthError) {
    var text = String(cocoString)
    let result: Result<RunLengthMask, RunLengthError> = text.withUTF8 { bytes in
      do throws(RunLengthError) {
        return .success(try RunLengthMask(cocoBytes: bytes, size: size))
      } catch {
        return .failure(error)
      }
    }
    self = try result.get()
  }

  /// Reads a string of lengths from its bytes.
  package init(
    cocoBytes bytes: UnsafeBufferPointer<UInt8>, size: PixelSize
  ) throws(RunLengthError) {
    try Self.check(size)
    let area = size.area
    var counts: [UInt32] = []
    counts.reserveCapacity(bytes.count)
    var total = 0
    var place = 0
    while place < bytes.count {
      let start = place
      var number = 0
      var shift = 0
      while true {
        guard place < bytes.count else { throw .cut(offset: start) }
        guard shift < 35 else { throw .numberTooLong(offset: start) }
        let byte = bytes[place]
        guard (48...111).contains(byte) else { throw .badCharacter(byte, offset: place) }
        let bits = Int(byte - 48)
        number |= (bits & 0x1F) << shift
        shift += 5
        place += 1
        if bits & 0x20 == 0 {
          if bits & 0x10 != 0 { number -= 1 << shift }
          break
        }
      }
      if counts.count > 2 { number += Int(counts[counts.count - 2]) }
      guard let length = UInt32(exactly: number) else {
        throw .lengthRefused(number, index: counts.count)
      }
      total += number
      guard total <= area else { throw .doNotFill(covered: total, size: size) }
      counts.append(length)
    }
    try self.init(size: size, checking: counts)
  }

  /// The lengths as COCO's compressed `counts`.
  public var cocoString: String {
    // 33 bits with the sign are at most 7 characters.
    String(unsafeUninitializedCapacity: counts.count * 7) { bytes in
      var place = 0
      counts.withUnsafeBufferPointer { counts in
        for index in counts.indices {
          var rest = Int(counts[index]) - (index > 2 ? Int(counts[index - 2]) : 0)
          var more = true
          while more {
            let bits = rest & 0x1F
            rest >>= 5
            more = bits & 0x10 != 0 ? rest != -1 : rest != 0
            bytes[place] = UInt8(48 + (more ? bits | 0x20 : bits))
            place += 1
          }
        }
      }
      return place
    }
  }
}
