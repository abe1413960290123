import FlattenFiles

/// The kind of a picture file, judged by its first bytes and never by its name.
enum PictureKind: Equatable {
  case jpeg
  case png
  /// A known format that is not supported, by its name.
  case unsupported(String)
  /// Something that lies there in place of a picture.
  case stray(StrayContent)
  case unknown

  /// Number of bytes that ``init(firstBytes:)`` looks at.
  static let signatureLength = StrayContent.length

  init(firstBytes bytes: some Collection<UInt8>) {
    let bytes = Array(bytes.prefix(Self.signatureLength))
    func at(_ offset: Int, _ text: String) -> Bool {
      bytes.dropFirst(offset).starts(with: text.utf8)
    }
    if bytes.starts(with: [0xFF, 0xD8]) {
      self = .jpeg
    } else if bytes.starts(with: [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]) {
      self = .png
    } else if at(0, "GIF87a") || at(0, "GIF89a") {
      self = .unsupported("GIF")
    } else if at(0, "RIFF"), at(8, "WEBP") {
      self = .unsupported("WebP")
    } else if at(0, "BM") {
      self = .unsupported("BMP")
    } else if at(0, "II*\0") || at(0, "MM\0*") || at(0, "II+\0") || at(0, "MM\0+") {
      self = .unsupported("TIFF")
    } else if at(4, "ftyp") {
      self = .unsupported(at(8, "avif") || at(8, "avis") ? "AVIF" : "HEIC or other ISO media")
    } else if at(0, "\0\0\u{1}\0") || at(0, "\0\0\u{2}\0") {
      self = .unsupported("ICO")
    } else if at(0, "\0\0\0\u{C}jP  ") {
      self = .unsupported("JPEG 2000")
    } else if bytes.starts(with: [0xFF, 0x0A]) || at(0, "\0\0\0\u{C}JXL ") {
      self = .unsupported("JPEG XL")
    } else if at(0, "8BPS") {
      self = .unsupported("Photoshop")
    } else if let first = bytes.first, first == UInt8(ascii: "P"), bytes.count > 2,
      (UInt8(ascii: "1")...UInt8(ascii: "7")).contains(bytes[1]),
      [0x09, 0x0A, 0x0D, 0x20].contains(bytes[2])
    {
      self = .unsupported("PNM")
    } else if at(0, "<svg") {
      self = .unsupported("SVG")
    } else {
      self = StrayContent(firstBytes: bytes).map(Self.stray) ?? .unknown
    }
  }

  /// The reason for refusing the file; `nil` for JPEG and PNG.
  var refusal: String? {
    switch self {
    case .jpeg, .png: nil
    case .unsupported(let name):
      "is of the kind \(name), which is not supported: convert it to JPEG or PNG"
    case .stray(let content): content.refusal(insteadOf: "a JPEG or PNG picture")
    case .unknown: "is not a JPEG or PNG picture"
    }
  }
}
