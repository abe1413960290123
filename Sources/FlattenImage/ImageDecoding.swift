import FlattenFiles
import FlattenRegions

extension Image {
  /// The suffixes by which files of folders are taken for pictures, in either case.
  package static let fileSuffixes = [".jpg", ".jpeg", ".jpe", ".jfif", ".png"]

  /// Reads a JPEG or PNG file as 8-bit RGB, turned upright by its EXIF orientation unless that is ignored.
  ///
  /// The kind is told by content. Grey is copied to three channels, CMYK is converted, alpha is
  /// dropped, 16-bit samples give their high byte; profiles and gamma are not applied. The bytes are
  /// those of libjpeg-turbo's and libpng's defaults.
  ///
  /// - Throws: `FileError` where the file cannot be read, is of another kind, is larger than
  ///   `limits`, or does not hold all of its picture.
  public static func decode(
    path: String, limits: DecodingLimits = DecodingLimits(), exif: ExifOrientation = .apply
  ) throws -> Decoded<Image> {
    try EncodedPicture(path: path, limits: limits, exif: exif).decode()
  }

  /// Reads a JPEG or PNG in memory; as ``decode(path:limits:exif:)``.
  ///
  /// - Parameter name: its name in errors and warnings.
  public static func decode(
    _ bytes: [UInt8], name: String, limits: DecodingLimits = DecodingLimits(),
    exif: ExifOrientation = .apply
  ) throws -> Decoded<Image> {
    try EncodedPicture(bytes, name: name, limits: limits, exif: exif).decode()
  }

  /// The longest side of a JPEG or PNG file, told by its header.
  ///
  /// - Throws: `FileError` as ``decode(path:limits:)``, but for damage behind the header.
  package static func longestSide(
    path: String, limits: DecodingLimits = DecodingLimits()
  ) throws -> Int {
    let size = try EncodedPicture(path: path, limits: limits, exif: .ignore).size
    return max(size.height, size.width)
  }

  /// Checks by the first bytes that this is a JPEG or PNG, so that the rest of another file is not
  /// read.
  package static func requirePicture(firstBytes bytes: [UInt8], name: String) throws {
    _ = try requireKind(firstBytes: bytes, name: name)
  }

  fileprivate static func requireKind(
    firstBytes bytes: [UInt8], name: String
  ) throws -> PictureKind {
    let kind = PictureKind(firstBytes: bytes)
    if let refusal = kind.refusal {
      throw FileError(path: name, kind: .refused, reason: refusal)
    }
    return kind
  }
}

/// The bytes of a JPEG or PNG file whose header was read: its size is known before memory is taken for it.
package struct EncodedPicture: Sendable {
  private let bytes: [UInt8]
  private let kind: PictureKind
  private let name: String
  private let limits: DecodingLimits
  private let exif: ExifOrientation
  /// Its size when it is upright.
  package let size: PixelSize

  /// Reads a file.
  ///
  /// - Throws: as `Image.decode(path:limits:)`.
  package init(path: String, limits: DecodingLimits, exif: ExifOrientation) throws {
    let (kind, bytes) = try readPicture(path: path, limits: limits)
    try self.init(bytes, kind: kind, name: path, limits: limits, exif: exif)
  }

  /// Takes a file in memory.
  package init(_ bytes: [UInt8], name: String, limits: DecodingLimits, exif: ExifOrientation) throws
  {
    let kind = try Image.requireKind(firstBytes: bytes, name: name)
    try self.init(bytes, kind: kind, name: name, limits: limits, exif: exif)
  }

  private init(
    _ bytes: [UInt8], kind: PictureKind, name: String, limits: DecodingLimits,
    exif: ExifOrientation
  ) throws {
    self.bytes = bytes
    self.kind = kind
    self.name = name
    self.limits = limits
    self.exif = exif
    // Opened again to decode: an open decoder could not be handed from thread to thread.
    (size, decodingNeed) = try withDecoder(bytes, kind: kind, name: name, limits: limits) {
      let size = PixelSize(height: $0.height, width: $0.width)
      let orientation = exif == .apply ? $0.orientation : .upright
      return (
        orientation.swapsSides ? PixelSize(height: size.width, width: size.height) : size,
        orientation == .upright ? 0 : 3 * size.area
      )
    }
  }

  /// The bytes of the picture, with those of its file.
  package var memoryNeed: Int { bytes.count + 3 * size.area }
  /// The bytes that decoding takes beside them.
  package let decodingNeed: Int

  /// Decodes the picture.
  package func decode() throws -> Decoded<Image> {
    try withDecoder(bytes, kind: kind, name: name, limits: limits) { decoder in
      let stored = Raster(
        width: decoder.width, height: decoder.height, channels: 3, samples: try decoder.readRGB())
      let orientation = exif == .apply ? decoder.orientation : .upright
      if orientation != .upright { try requireMemory(stored.samples.count, name: name) }
      let upright = stored.applying(orientation)
      return Decoded(
        value: Image(width: upright.width, height: upright.height, pixels: upright.samples),
        warnings: decoder.warnings, storedOrientation: decoder.orientation)
    }
  }
}
