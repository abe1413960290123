import FlattenFiles
import Testing

@testable import FlattenImage

@Suite struct PictureKindTests {
  @Test(arguments: [
    ("GIF89a......", "GIF"), ("RIFF....WEBPVP8 ", "WebP"), ("BM..........", "BMP"),
    ("II*\0........", "TIFF"), ("MM\0*........", "TIFF"), ("\0\0\0\u{18}ftypheic", "HEIC"),
    ("\0\0\0\u{18}ftypavif", "AVIF"), ("\0\0\u{1}\0....", "ICO"), ("P6\n4 4\n255\n", "PNM"),
    ("8BPS....", "Photoshop"),
  ])
  func otherKindsAreRefusedByName(_ content: String, _ name: String) {
    let error = #expect(throws: FileError.self) {
      try Image.decode(Array(content.utf8), name: "picture.png")
    }
    #expect(error?.reason.contains(name) == true)
    #expect(error?.reason.contains("not supported") == true)
    #expect(error?.kind == .refused)
  }

  @Test func whatIsNoPictureIsSaidToBeNone() {
    #expect(PictureKind(firstBytes: [0xFF, 0xD8]) == .jpeg)
    #expect(PictureKind(firstBytes: [0xFF]) == .unknown)
    #expect(PictureKind(firstBytes: Array("RIFF....WAVE".utf8)) == .unknown)
    #expect(PictureKind(firstBytes: Array("P".utf8)) == .unknown)
    let empty = #expect(throws: FileError.self) { try Image.decode([], name: "a") }
    #expect(empty?.reason == "the file is empty")
    let text = #expect(throws: FileError.self) { try Image.decode(Array("hello".utf8), name: "a") }
    #expect(text?.reason == "is not a JPEG or PNG picture")
  }
}
