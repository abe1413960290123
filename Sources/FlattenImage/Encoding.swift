import FlattenCodecs
import FlattenFiles
import FlattenRegions

/// The PNG format of a label map.
public enum LabelFormat: Sendable, Equatable {
  /// 8-bit palette picture: the indices are the ids, the colours are for people. Ids up to 255; a
  /// shorter palette is filled up with black, a longer one cut to 256 colours.
  case palette8(Palette)
  /// 8-bit grey: ids up to 255.
  case grey8
  /// 16-bit grey: any id.
  case grey16
}

extension Image {
  /// The most pixels that a JPEG's side can have: libjpeg's JPEG_MAX_DIMENSION.
  package static let longestJPEGSide = 65500

  /// The picture as a PNG file in memory, 8-bit RGB.
  ///
  /// - Parameters:
  ///   - level: zlib's, 0 (fast, large) to 9 (slow, small).
  ///   - name: the file's name in errors.
  /// - Throws: `FileError` where memory is short.
  public func encodedAsPNG(level: Int = 3, name: String = "picture") throws -> [UInt8] {
    try encodePNG(
      FC_PNG_RGB8, width: width, height: height, pixels: pixels, level: level, name: name)
  }

  /// The picture as a baseline JPEG file in memory.
  ///
  /// - Parameters:
  ///   - quality: 1 to 100, libjpeg's scale.
  ///   - name: the file's name in errors.
  /// - Throws: `FileError` where a side is longer than 65500 pixels or memory is short.
  public func encodedAsJPEG(quality: Int = 92, name: String = "picture") throws -> [UInt8] {
    var buffer = fc_buffer()
    var error = fc_error()
    let code = pixels.withUnsafeBufferPointer { source -> Int32 in
      guard let start = source.baseAddress else { return Int32(FC_MISUSE.rawValue) }
      return fc_jpeg_write(
        UInt32(clamping: width), UInt32(clamping: height), start, source.count,
        Int32(min(max(quality, 1), 100)), &buffer, &error)
    }
    guard code == 0 else { throw codecError(error, name: name, kind: .unwritable) }
    return taking(&buffer)
  }

  /// Writes a PNG file, whole or not at all.
  ///
  /// - Throws: `FileError` of kind `.unwritable`.
  public func writePNG(to path: String) throws {
    try AtomicFile.write(try encodedAsPNG(name: path), to: path)
  }

  /// Writes a JPEG file, whole or not at all.
  ///
  /// - Parameter quality: 1 to 100, libjpeg's scale.
  /// - Throws: `FileError` of kind `.unwritable`, also where a side is longer than 65500 pixels.
  public func writeJPEG(to path: String, quality: Int = 92) throws {
    try AtomicFile.write(try encodedAsJPEG(quality: quality, name: path), to: path)
  }
}

extension LabelMap {
  /// The map as a PNG file in memory.
  ///
  /// - Parameter name: the file's name in errors.
  /// - Throws: `FileError` of kind `.unwritable` where an id does not fit the format.
  public func encoded(as format: LabelFormat, name: String = "label map") throws -> [UInt8] {
    guard !ids.isEmpty else {
      throw FileError(path: name, kind: .unwritable, reason: "a label map without pixels")
    }
    switch format {
    case .grey16:
      return try encodePNG(
        FC_PNG_GRAY16, width: width, height: height, pixels: ids, level: 6, name: name)
    case .grey8:
      return try encodePNG(
        FC_PNG_GRAY8, width: width, height: height, pixels: try narrowIds(name), level: 6,
        name: name)
    case .palette8(let palette):
      var colours = palette.colours.prefix(256).flatMap { [$0.red, $0.green, $0.blue] }
      colours += [UInt8](repeating: 0, count: 3 * 256 - colours.count)
      return try encodePNG(
        FC_PNG_PALETTE8, width: width, height: height, pixels: try narrowIds(name),
        palette: colours, level: 6, name: name)
    }
  }

  /// Writes the map as a PNG file, whole or not at all.
  ///
  /// - Throws: `FileError` of kind `.unwritable`, also where an id does not fit the format.
  public func write(to path: String, as format: LabelFormat) throws {
    try AtomicFile.write(try encoded(as: format, name: path), to: path)
  }

  private func narrowIds(_ name: String) throws -> [UInt8] {
    if let high = ids.first(where: { $0 > 255 }) {
      throw FileError(
        path: name, kind: .unwritable,
        reason: "class id \(high) does not fit 8 bits, write 16-bit grey instead")
    }
    return ids.map { UInt8(truncatingIfNeeded: $0) }
  }
}

extension RunLengthMask {
  /// The mask as a PNG file in memory: 1-bit grey, white where it is 1.
  ///
  /// Memory is taken for an eighth of a byte a pixel.
  ///
  /// - Parameter name: the file's name in errors.
  /// - Throws: `FileError` where the mask has no pixels or memory is short.
  public func encodedAsPNG(name: String = "mask") throws -> [UInt8] {
    guard size.area > 0 else {
      throw FileError(path: name, kind: .unwritable, reason: "a mask without pixels")
    }
    let stride = (size.width + 7) / 8
    try requireMemory(stride * size.height, name: name)
    var bits = [UInt8](repeating: 0, count: stride * size.height)
    bits.withUnsafeMutableBufferPointer { bits in
      forEachSegment { column, rows in
        let bit = UInt8(0x80) >> UInt8(column % 8)
        var at = rows.lowerBound * stride + column / 8
        for _ in rows {
          bits[at] |= bit
          at += stride
        }
      }
    }
    return try encodePNG(
      FC_PNG_GRAY1, width: size.width, height: size.height, pixels: bits, level: 6, name: name)
  }

  /// Writes the mask as a PNG file of 1-bit grey, whole or not at all.
  ///
  /// - Throws: `FileError` of kind `.unwritable`.
  public func writePNG(to path: String) throws {
    try AtomicFile.write(try encodedAsPNG(name: path), to: path)
  }
}

private func encodePNG<Sample>(
  _ format: fc_png_format, width: Int, height: Int, pixels: [Sample], palette: [UInt8] = [],
  level: Int, name: String
) throws -> [UInt8] {
  var buffer = fc_buffer()
  var error = fc_error()
  let code = pixels.withUnsafeBytes { source -> Int32 in
    guard let start = source.baseAddress else { return Int32(FC_MISUSE.rawValue) }
    return palette.withUnsafeBufferPointer { colours in
      fc_png_write(
        Int32(format.rawValue), UInt32(clamping: width), UInt32(clamping: height), start,
        source.count, colours.isEmpty ? nil : colours.baseAddress, colours.count / 3,
        Int32(min(max(level, 0), 9)), &buffer, &error)
    }
  }
  guard code == 0 else { throw codecError(error, name: name, kind: .unwritable) }
  return taking(&buffer)
}

/// The buffer's bytes; frees it.
private func taking(_ buffer: inout fc_buffer) -> [UInt8] {
  defer { fc_buffer_free(&buffer) }
  return [UInt8](UnsafeBufferPointer(start: buffer.bytes, count: buffer.count))
}
