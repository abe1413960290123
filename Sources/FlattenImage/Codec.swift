import FlattenCodecs
import FlattenFiles

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Limits on the size of a picture.
public struct DecodingLimits: Sendable, Hashable {
  /// Most pixels a picture may have, judged by its header before memory is taken.
  public var pixels: Int
  /// Most bytes a file may have.
  public var fileBytes: Int

  /// Makes limits; the defaults are 2^27 pixels (134 megapixels) and 2^29 bytes.
  public init(pixels: Int = 1 << 27, fileBytes: Int = 1 << 29) {
    self.pixels = pixels
    self.fileBytes = fileBytes
  }
}

/// The text of a C character array, which Swift sees as a tuple.
func text<Characters>(of characters: Characters) -> String {
  withUnsafeBytes(of: characters) { bytes in
    String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
  }
}

/// The error of a codec's call on the file `name`.
func codecError(_ error: fc_error, name: String, kind: FileError.Kind = .refused) -> FileError {
  let cause = text(of: error.text)
  let reason =
    switch UInt32(truncatingIfNeeded: error.code) {
    case FC_DAMAGED.rawValue: "is damaged: \(cause)"
    case FC_UNSUPPORTED.rawValue: "is not supported: \(cause)"
    case FC_TOO_LARGE.rawValue: "is too large: \(cause)"
    default: cause
    }
  let isTooLarge = error.code == Int32(FC_TOO_LARGE.rawValue)
  return FileError(path: name, kind: isTooLarge ? .tooLarge : kind, reason: reason)
}

/// Throws where the system does not give `bytes` more memory.
///
/// An array that cannot grow ends the process; asking first makes it an error.
func requireMemory(_ bytes: Int, name: String) throws {
  guard bytes <= 1 << 20 || isMemoryAvailable(bytes) else {
    throw FileError(path: name, kind: .refused, reason: "needs \(bytes) bytes of memory")
  }
}

/// The bytes of a JPEG or PNG file and its kind.
///
/// The kind is judged by the first bytes, before the rest is read.
func readPicture(path: String, limits: DecodingLimits) throws -> (kind: PictureKind, [UInt8]) {
  let reader = try FileReader(path: path)
  let start = try reader.read(at: 0, count: min(reader.size, PictureKind.signatureLength))
  let kind = PictureKind(firstBytes: start)
  if let refusal = kind.refusal {
    throw FileError(path: path, kind: .refused, reason: refusal)
  }
  if reader.size <= limits.fileBytes { try requireMemory(reader.size, name: path) }
  return (kind, try reader.readAll(limit: limits.fileBytes))
}

/// A decoder of the C layer for one JPEG or PNG: closed at the end of its life, its errors turned
/// into `FileError`.
///
/// `bytes` must outlive it; see ``withDecoder(_:kind:name:limits:_:)``.
struct Decoder: ~Copyable {
  private enum Handle {
    case jpeg(OpaquePointer)
    case png(OpaquePointer)
  }

  private let handle: Handle
  private let name: String
  let header: fc_header

  init(
    _ bytes: UnsafeBufferPointer<UInt8>, kind: PictureKind, name: String, limits: DecodingLimits
  ) throws {
    var header = fc_header()
    var error = fc_error()
    // An empty buffer has no address; the decoders read none of its 0 bytes.
    var nothing: UInt8 = 0
    let opened = withUnsafePointer(to: &nothing) { nothing in
      let start = bytes.baseAddress ?? nothing
      // 2^40 is more than any picture, and keeps products of its sides from overflowing.
      let most = UInt64(min(max(limits.pixels, 0), 1 << 40))
      return kind == .jpeg
        ? fc_jpeg_open(start, bytes.count, most, &header, &error)
        : fc_png_open(start, bytes.count, most, &header, &error)
    }
    guard let opened else { throw codecError(error, name: name) }
    handle = kind == .jpeg ? .jpeg(opened) : .png(opened)
    self.name = name
    self.header = header
  }

  deinit {
    switch handle {
    case .jpeg(let decoder): fc_jpeg_close(decoder)
    case .png(let decoder): fc_png_close(decoder)
    }
  }

  var width: Int { Int(header.width) }
  var height: Int { Int(header.height) }

  /// Decodes to RGB, `width * height * 3` bytes. Once.
  func readRGB() throws -> [UInt8] {
    let count = width * height * 3
    try requireMemory(count, name: name)
    var error = fc_error()
    var pixels = [UInt8](repeating: 0, count: count)
    let code = pixels.withUnsafeMutableBufferPointer { buffer -> Int32 in
      guard let start = buffer.baseAddress else { return Int32(FC_MISUSE.rawValue) }
      return switch handle {
      case .jpeg(let decoder): fc_jpeg_read(decoder, start, count, &error)
      case .png(let decoder): fc_png_read_rgb(decoder, start, count, &error)
      }
    }
    guard code == 0 else { throw codecError(error, name: name) }
    return pixels
  }

  /// Decodes the samples of a one-channel PNG as they are stored. Once.
  func readSamples() throws -> [UInt16] {
    guard case .png(let decoder) = handle else {
      throw FileError(path: name, kind: .refused, reason: "is a JPEG, a PNG is wanted")
    }
    let count = width * height
    try requireMemory(count * 2, name: name)
    var error = fc_error()
    var samples = [UInt16](repeating: 0, count: count)
    let code = samples.withUnsafeMutableBufferPointer { buffer -> Int32 in
      guard let start = buffer.baseAddress else { return Int32(FC_MISUSE.rawValue) }
      return fc_png_read_samples(decoder, start, count, &error)
    }
    guard code == 0 else { throw codecError(error, name: name) }
    return samples
  }

  /// The EXIF orientation.
  var orientation: Orientation {
    let value =
      switch handle {
      case .jpeg(let decoder): fc_jpeg_orientation(decoder)
      case .png(let decoder): fc_png_orientation(decoder)
      }
    return Orientation(rawValue: Int(value)) ?? .upright
  }

  /// Warnings, one line at most. Complete after reading.
  var warnings: [String] {
    let found =
      switch handle {
      case .jpeg(let decoder): fc_jpeg_warnings(decoder).pointee
      case .png(let decoder): fc_png_warnings(decoder).pointee
      }
    guard found.count > 0 else { return [] }
    let more = found.count > 1 ? " (and \(found.count - 1) more)" : ""
    let file = printable(name, limit: 200)
    return ["\(file): \(printable(text(of: found.first), limit: 240))\(more)"]
  }
}

/// Calls `body` with a decoder of `bytes`.
func withDecoder<Result>(
  _ bytes: [UInt8], kind: PictureKind, name: String, limits: DecodingLimits,
  _ body: (borrowing Decoder) throws -> Result
) throws -> Result {
  try bytes.withUnsafeBufferPointer { buffer in
    try body(Decoder(buffer, kind: kind, name: name, limits: limits))
  }
}
