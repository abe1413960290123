import FlattenFiles
import FlattenRegions

/// Label pictures: one class id a pixel, read as stored.
public enum LabelImage {
  /// The encoding of ids in a label picture.
  public enum Encoding: Sendable, Hashable {
    /// One channel; palette indices or raw grey samples of 1 to 16 bits are the ids.
    case ids
    /// 8-bit RGB as in the full ADE20K: id = (R / 10) * 256 + G; B numbers instances and is
    /// ignored.
    case ade20kFullRGB
    /// Colours that stand for ids, in an 8-bit picture of colours or of a palette; alpha is left out. A
    /// colour that is not among them is an error: nothing is taken for the nearest.
    case colours([RGBColor: UInt16])
  }

  /// Reads a label picture, turned upright where it carries an EXIF orientation that is not ignored.
  ///
  /// Colours, gamma, significant bits and transparency are ignored, and 16-bit ids stay 16-bit.
  ///
  /// - Throws: `FileError` where the file cannot be read, is not a PNG (a JPEG invents ids at class
  ///   borders), has more channels than the encoding wants, is larger than `limits`, or does not
  ///   hold all of its picture.
  public static func decode(
    path: String, encoding: Encoding = .ids, limits: DecodingLimits = DecodingLimits(),
    exif: ExifOrientation = .apply
  ) throws -> Decoded<LabelMap> {
    let (kind, bytes) = try readPicture(path: path, limits: limits)
    return try decode(
      bytes, kind: kind, encoding: encoding, name: path, limits: limits, exif: exif)
  }

  /// Reads a label picture in memory; as ``decode(path:encoding:limits:exif:)``.
  ///
  /// - Parameter name: its name in errors and warnings.
  public static func decode(
    _ bytes: [UInt8], name: String, encoding: Encoding = .ids,
    limits: DecodingLimits = DecodingLimits(), exif: ExifOrientation = .apply
  ) throws -> Decoded<LabelMap> {
    let kind = PictureKind(firstBytes: bytes)
    if let refusal = kind.refusal {
      throw FileError(path: name, kind: .refused, reason: refusal)
    }
    return try decode(
      bytes, kind: kind, encoding: encoding, name: name, limits: limits, exif: exif)
  }

  private static func decode(
    _ bytes: [UInt8], kind: PictureKind, encoding: Encoding, name: String, limits: DecodingLimits,
    exif: ExifOrientation
  ) throws -> Decoded<LabelMap> {
    guard kind == .png else {
      throw FileError(
        path: name, kind: .refused,
        reason: "is a JPEG, which does not keep class ids exactly: labels are PNG files")
    }
    return try withDecoder(bytes, kind: kind, name: name, limits: limits) { decoder in
      let orientation = exif == .apply ? decoder.orientation : .upright
      let (width, height) = (decoder.width, decoder.height)
      func raster<Sample>(_ channels: Int, _ samples: [Sample]) -> Raster<Sample> {
        Raster(width: width, height: height, channels: channels, samples: samples)
          .applying(orientation)
      }
      let map: LabelMap
      switch encoding {
      case .ids:
        try requireOneChannel(decoder, name: name)
        map = LabelMap(raster(1, try decoder.readSamples()))
      case .ade20kFullRGB:
        guard decoder.header.channels == 3, decoder.header.bit_depth == 8 else {
          throw FileError(
            path: name, kind: .refused,
            reason: "is \(describe(decoder)), the data set's labels are 8-bit RGB")
        }
        map = LabelMap(raster(1, ade20kIds(try decoder.readRGB())))
      case .colours(let ids):
        try requireColours(decoder, name: name)
        map = try LabelMap(colours: raster(3, try decoder.readRGB()), ids: ids, name: name)
      }
      return Decoded(
        value: map, warnings: decoder.warnings, storedOrientation: decoder.orientation)
    }
  }

  private static func requireColours(_ decoder: borrowing Decoder, name: String) throws {
    let header = decoder.header
    guard !(header.has_palette || header.channels >= 3 && header.bit_depth == 8) else { return }
    throw FileError(
      path: name, kind: .refused,
      reason: "is \(describe(decoder)), the data set's labels are colours: 8-bit RGB or a palette. "
        + "Convert it, or declare the labels' encoding as ids")
  }

  private static func requireOneChannel(_ decoder: borrowing Decoder, name: String) throws {
    guard decoder.header.channels != 1 else { return }
    throw FileError(
      path: name, kind: .refused,
      reason: "is \(describe(decoder)), a label has one channel: palette indices or grey samples "
        + "that are the class ids. Convert it, or declare the data set's label encoding: palette or "
        + "ade20k-full-rgb")
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
  /// A map of the ids that colours stand for.
  ///
  /// - Parameter raster: three channels, upright: positions in errors are those that viewers show.
  /// - Throws: `FileError` where a colour stands for nothing.
  fileprivate init(colours raster: Raster<UInt8>, ids: [RGBColor: UInt16], name: String) throws {
    func key(_ red: UInt8, _ green: UInt8, _ blue: UInt8) -> Int {
      Int(red) << 16 | Int(green) << 8 | Int(blue)
    }
    let table = Dictionary(
      uniqueKeysWithValues: ids.map { (key($0.red, $0.green, $0.blue), $1) })
    var strays: [Int: (count: Int, first: Int)] = [:]
    var last = (key: -1, id: UInt16(0))
    let map = (0..<raster.width * raster.height).map { pixel -> UInt16 in
      let start = pixel * 3
      let key = key(raster.samples[start], raster.samples[start + 1], raster.samples[start + 2])
      if key == last.key { return last.id }
      guard let id = table[key] else {
        // A photo in a label's place has millions.
        if strays[key] != nil || strays.count < 100 { strays[key, default: (0, pixel)].count += 1 }
        return 0
      }
      last = (key, id)
      return id
    }
    guard let worst = strays.min(by: { $0.value.first < $1.value.first }) else {
      self.init(width: raster.width, height: raster.height, ids: map)
      return
    }
    let colour = [worst.key >> 16, worst.key >> 8 & 255, worst.key & 255]
    let (count, first) = worst.value
    throw FileError(
      path: name, kind: .refused,
      reason: "holds the colour \(colour) (\(count) pixel\(count == 1 ? "" : "s"), first at x "
        + "\(first % raster.width), y \(first / raster.width))"
        + (strays.count > 1 ? " and others, which stand" : ", which stands")
        + " for no class. Add it to the description's classes or as its ignore_color, or correct the "
        + "label: colours must be exact")
  }

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
