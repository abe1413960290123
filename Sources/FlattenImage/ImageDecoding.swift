import FlattenFiles

extension Image {
  /// Reads a JPEG or PNG file as 8-bit RGB, turned upright by its EXIF orientation.
  ///
  /// The kind is told by content. Grey is copied to three channels, CMYK is converted, alpha is
  /// dropped, 16-bit samples give their high byte; profiles and gamma are not applied. The bytes are
  /// those of libjpeg-turbo's and libpng's defaults.
  ///
  /// - Throws: `FileError` where the file cannot be read, is of another kind, is larger than
  ///   `limits`, or does not hold all of its picture.
  public static func decode(
    path: String, limits: DecodingLimits = DecodingLimits()
  ) throws -> Decoded<Image> {
    let (kind, bytes) = try readPicture(path: path, limits: limits)
    return try decode(bytes, kind: kind, name: path, limits: limits)
  }

  /// Reads a JPEG or PNG in memory; as ``decode(path:limits:)``.
  ///
  /// - Parameter name: its name in errors and warnings.
  public static func decode(
    _ bytes: [UInt8], name: String, limits: DecodingLimits = DecodingLimits()
  ) throws -> Decoded<Image> {
    let kind = try requireKind(firstBytes: bytes, name: name)
    return try decode(bytes, kind: kind, name: name, limits: limits)
  }

  /// Checks by the first bytes that this is a JPEG or PNG, so that the rest of another file is not
  /// read.
  package static func requirePicture(firstBytes bytes: [UInt8], name: String) throws {
    _ = try requireKind(firstBytes: bytes, name: name)
  }

  private static func requireKind(firstBytes bytes: [UInt8], name: String) throws -> PictureKind {
    let kind = PictureKind(firstBytes: bytes)
    if let refusal = kind.refusal(isEmpty: bytes.isEmpty) {
      throw FileError(path: name, kind: .refused, reason: refusal)
    }
    return kind
  }

  private static func decode(
    _ bytes: [UInt8], kind: PictureKind, name: String, limits: DecodingLimits
  ) throws -> Decoded<Image> {
    try withDecoder(bytes, kind: kind, name: name, limits: limits) { decoder in
      let stored = Raster(
        width: decoder.width, height: decoder.height, channels: 3, samples: try decoder.readRGB())
      let orientation = decoder.orientation
      if orientation != .upright { try requireMemory(stored.samples.count, name: name) }
      let upright = stored.applying(orientation)
      return Decoded(
        value: Image(width: upright.width, height: upright.height, pixels: upright.samples),
        warnings: decoder.warnings)
    }
  }
}
