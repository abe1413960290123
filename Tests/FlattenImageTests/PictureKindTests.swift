import FlattenFiles
import TestSupport
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
    #expect(PictureKind(firstBytes: Array("RIFF\0\0\0\0WAVE".utf8)) == .unknown)
    #expect(PictureKind(firstBytes: Array("P".utf8)) == .stray(.text("P")))
    let empty = #expect(throws: FileError.self) { try Image.decode([], name: "a") }
    #expect(
      empty?.reason
        == "is empty, a JPEG or PNG picture is wanted. Copy or download it again")
    let text = #expect(throws: FileError.self) { try Image.decode(Array("hello".utf8), name: "a") }
    #expect(text?.reason == "is a text, not a JPEG or PNG picture: 'hello'")
    let other = #expect(throws: FileError.self) { try Image.decode([0, 1, 2, 3], name: "a") }
    #expect(other?.reason == "is not a JPEG or PNG picture")
  }

  /// What clones and downloads leave in place of pictures, for pictures and for labels.
  @Test(arguments: [
    ("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n", "'git lfs pull'"),
    ("<!DOCTYPE html><html></html>", "is a web page"),
    ("{\"message\":\"Not Found\"}", "is a JSON text"), ("", "is empty"),
  ])
  func strayFilesAreNamed(content: String, says: String) throws {
    let folder = try TemporaryFolder()
    for name in ["a.jpg", "a.png"] {
      let path = try folder.file(name, Array(content.utf8))
      let picture = #expect(throws: FileError.self) { try Image.decode(path: path) }
      let label = #expect(throws: FileError.self) { try LabelImage.decode(path: path) }
      #expect(picture?.reason.contains(says) == true && picture?.path == path)
      #expect(picture == label)
    }
    let vector = #expect(throws: FileError.self) {
      try Image.decode(Array("<svg xmlns=\"x\">".utf8), name: "a")
    }
    #expect(vector?.reason.contains("of the kind SVG") == true)
  }
}
