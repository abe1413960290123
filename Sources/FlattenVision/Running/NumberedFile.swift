import FlattenImage

/// What one of several files is called, without a suffix: `001_car`; what no file system's names should have in
/// them becomes `_`.
func numberedName(_ number: Int, _ text: String) -> String {
  let digits = String(number)
  let scalars = text.unicodeScalars.map { scalar in
    let isPlain = scalar.properties.isAlphabetic || scalar.properties.numericType != nil
    return isPlain || scalar == "-" ? scalar : "_"
  }
  return String(repeating: "0", count: max(0, 3 - digits.count)) + digits + "_"
    + String(String.UnicodeScalarView(scalars))
}

extension Image {
  /// A JPEG, or a PNG where that would be too long.
  func encodedForViewing(name: String) throws -> (bytes: [UInt8], suffix: String) {
    max(height, width) > Self.longestJPEGSide
      ? (try encodedAsPNG(name: name), ".png") : (try encodedAsJPEG(name: name), ".jpg")
  }
}
