import FlattenFiles

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
    let (kind, bytes) = try readPicture(path: path, limits: limits)
    return try decode(bytes, kind: kind, name: path, limits: limits, exif: exif)
  }

  /// Reads a JPEG or PNG in memory; as ``decode(path:limits:exif:)``.
  ///
  /// - Parameter name: its name in errors and warnings.
  public static func decode(
    _ bytes: [UInt8], name: String, limits: DecodingLimits = DecodingLimits(),
    exif: ExifOrientation = .apply
  ) throws -> Decoded<Image> {
    let kind = try requireKind(firstBytes: bytes, name: name)
    return try decode(bytes, kind: kind, name: name, limits: limits, exif: exif)
  }

  /// The longest side of a JPEG or PNG file, told by its header.
  ///
  /// - Throws: `FileError` as ``decode(path:limits:)``, but for damage behind the header.
  package static func longestSide(
    path: String, limits: DecodingLimits = DecodingLimits()
  ) throws -> Int {
    let (kind, bytes) = try readPicture(path: path, limits: limits)
    return try withDecoder(bytes, kind: kind, name: path, limits: limits) {
      max($0.width, $0.height)
    }
  }

  /// Checks by the first bytes that this is a JPEG or PNG, so that the rest of another file is not
  /// read.
  package static func requirePicture(firstBytes bytes: [UInt8], name: String) throws {
    _ = try requireKind(firstBytes: bytes, name: name)
  }

  private static func requireKind(firstBytes bytes: [UInt8], name: String) throws -> PictureKind {
    let kind = PictureKind(firstBytes: bytes)
    if let refusal = kind.refusal {
      throw FileError(path: name, kind: .refused, reason: refusal)
    }
    return kind
  }

  private static func decode(
    _ bytes: [UInt8], kind: PictureKind, name: String, limits: DecodingLimits,
    exif: ExifOrientation
  ) throws -> Decoded<Image> {
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
