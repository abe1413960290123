import FlattenFiles
import FlattenRegions

/// Label pictures: one class id a pixel, read as stored.
public enum LabelImage {
  /// The encoding of ids in a label picture.
  public enum Encoding: Sendable, Equatable {
    /// One channel; palette indices or raw grey samples of 1 to 16 bits are the ids.
    case ids
    /// 8-bit RGB as in the full ADE20K: id = (R / 10) * 256 + G; B numbers instances and is
    /// ignored.
    case ade20kFullRGB
  }

  /// Reads a label picture, turned upright where it carries an EXIF orientation.
  ///
  /// Colours, gamma, significant bits and transparency are ignored, and 16-bit ids stay 16-bit.
  ///
  /// - Throws: `FileError` where the file cannot be read, is not a PNG (a JPEG invents ids at class
  ///   borders), has more channels than the encoding wants, is larger than `limits`, or does not
  ///   hold all of its picture.
  public static func decode(
    path: String, encoding: Encoding = .ids, limits: DecodingLimits = DecodingLimits()
  ) throws -> Decoded<LabelMap> {
    let (kind, bytes) = try readPicture(path: path, limits: limits)
    return try decode(bytes, kind: kind, encoding: encoding, name: path, limits: limits)
  }

  /// Reads a label picture in memory; as ``decode(path:encoding:limits:)``.
  ///
  /// - Parameter name: its name in errors and warnings.
  public static func decode(
    _ bytes: [UInt8], name: String, encoding: Encoding = .ids,
    limits: DecodingLimits = DecodingLimits()
  ) throws -> Decoded<LabelMap> {
    let kind = PictureKind(firstBytes: bytes)
    if let refusal = kind.refusal(isEmpty: bytes.isEmpty) {
      throw FileError(path: name, kind: .refused, reason: refusal)
    }
    return try decode(bytes, kind: kind, encoding: encoding, name: name, limits: limits)
  }

  private static func decode(
    _ bytes: [UInt8], kind: PictureKind, encoding: Encoding, name: String, limits: DecodingLimits
  ) throws -> Decoded<LabelMap> {
    guard kind == .png else {
      throw FileError(
        path: name, kind: .refused,
        reason: "is a JPEG, which does not keep class ids exactly: labels are PNG files")
    }
    return try withDecoder(bytes, kind: kind, name: name, limits: limits) { decoder in
      let samples: [UInt16]
      switch encoding {
      case .ids:
        try requireOneChannel(decoder, name: name)
        samples = try decoder.readSamples()
      case .ade20kFullRGB:
        guard decoder.header.channels == 3, decoder.header.bit_depth == 8 else {
          throw FileError(
            path: name, kind: .refused,
            reason: "is \(describe(decoder)), the data set's labels are 8-bit RGB")
        }
        samples = ade20kIds(try decoder.readRGB())
      }
      let stored = Raster(
        width: decoder.width, height: decoder.height, channels: 1, samples: samples)
      let upright = stored.applying(decoder.orientation)
      return Decoded(
        value: LabelMap(width: upright.width, height: upright.height, ids: upright.samples),
        warnings: decoder.warnings)
    }
  }

  private static func requireOneChannel(_ decoder: borrowing Decoder, name: String) throws {
    guard decoder.header.channels != 1 else { return }
    throw FileError(
      path: name, kind: .refused,
      reason: "is \(describe(decoder)), a label has one channel: palette indices or grey samples "
        + "that are the class ids. Convert it, or declare the data set's label encoding")
  }

  private static func describe(_ decoder: borrowing Decoder) -> String {
    let kind =
      switch decoder.header.channels {
      case 1: decoder.header.has_palette ? "palette" : "grey"
      case 2: "grey + alpha"
      case 3: "RGB"
      default: "RGBA"
      }
    return "a picture of \(decoder.header.bit_depth)-bit \(kind)"
  }

  private static func ade20kIds(_ rgb: [UInt8]) -> [UInt16] {
    stride(from: 0, to: rgb.count, by: 3).map { UInt16(rgb[$0] / 10) << 8 | UInt16(rgb[$0 + 1]) }
  }
}

extension LabelMap {
  /// The map as a raster of one channel; shares memory.
  package var raster: Raster<UInt16> {
    Raster(width: width, height: height, channels: 1, samples: ids)
  }

  /// A map from a raster of one channel; shares memory.
  package init(_ raster: Raster<UInt16>) {
    precondition(raster.channels == 1, "\(raster.channels) channels, a label map has 1")
    self.init(width: raster.width, height: raster.height, ids: raster.samples)
  }

  /// The map mirrored.
  public func flipped(_ flip: Flip) -> LabelMap { LabelMap(raster.flipped(flip)) }
}
