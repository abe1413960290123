/// Why run lengths were refused.
public enum RunLengthError: Error, CustomStringConvertible, Sendable, Equatable {
  /// No bitmap has that size: a side below 1, or more than 2^31 - 1 pixels.
  case sizeRefused(PixelSize)
  /// The lengths sum to fewer pixels than the picture has, or already the first of them to more.
  case doNotFill(covered: Int, size: PixelSize)
  /// A length below 0 or of 2^32 and more, and its place among the lengths, from 0.
  case lengthRefused(Int, index: Int)
  /// A byte that is none of the 64 characters of a string of lengths, and its place, from 0.
  case badCharacter(UInt8, offset: Int)
  /// A number of more than seven characters, and the place of its first.
  case numberTooLong(offset: Int)
  /// The string ends before its last number does; the place of that number's first character.
  case cut(offset: Int)
  /// Polygons whose edges cross more columns of the picture than ``RunLengthMask/mostCrossings``.
  case tooManyCrossings(PixelSize)

  /// One sentence: what was found, what was expected, and what to do.
  public var description: String {
    switch self {
    case .sizeRefused(let size):
      """
      a mask of \(size.width)x\(size.height) pixels: both sides must be at least 1, and their \
      product at most \(RunLengthMask.largestArea)
      """
    case .doNotFill(let covered, let size) where covered > size.area:
      """
      the run lengths reach pixel \(covered), but the mask has \(size.width)x\(size.height) \
      pixels: check size, which is [height, width], and counts
      """
    case .doNotFill(let covered, let size):
      """
      the run lengths sum to \(covered) pixels, but the mask has \(size.width)x\(size.height), \
      which are \(size.area): check size, which is [height, width], and counts
      """
    case .lengthRefused(let length, let index):
      "run length \(index) is \(length): a length is 0 to \(UInt32.max)"
    case .badCharacter(let byte, let offset):
      """
      character \(offset) of the run lengths is \(Self.name(of: byte)): the characters are '0' to \
      'o' of ASCII
      """
    case .numberTooLong(let offset):
      "the number at character \(offset) of the run lengths has more than 7 characters"
    case .cut(let offset):
      """
      the run lengths end within the number that begins at character \(offset): the string was cut
      """
    case .tooManyCrossings(let size):
      """
      the edges of the polygons cross the columns of \(size.width)x\(size.height) pixels more than \
      \(RunLengthMask.mostCrossings) times: give the polygons fewer points, or the mask as run lengths
      """
    }
  }

  private static func name(of byte: UInt8) -> String {
    (0x21...0x7E).contains(byte)
      ? "'\(Unicode.Scalar(byte))'" : "byte 0x\(String(byte, radix: 16, uppercase: true))"
  }
}
