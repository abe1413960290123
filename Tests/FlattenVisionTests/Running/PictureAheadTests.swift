import FlattenFiles
import FlattenImage
import TestSupport
import Testing

@testable import FlattenVision

@Suite struct PictureAheadTests {
  private func street(_ name: String) -> String {
    Fixtures.repository.appending(path: "Datasets/street/images/\(name).jpg").path
  }

  private func source(_ path: String) -> PictureSource { PictureSource(path: path, name: "x") }

  @Test func givesItsPictureOnceAndNoOther() throws {
    let path = street("street_0000")
    let ahead = try #require(PictureAhead(source(path), limits: DecodingLimits()))
    #expect(try ahead.take(source(street("street_0003"))) == nil)
    let picture = try ahead.take(source(path))
    #expect(picture?.value == (try Image.decode(path: path).value))
    #expect(try ahead.take(source(path)) == nil)
  }

  @Test func anErrorComesWhereThePictureIsAskedFor() throws {
    let ahead = try #require(PictureAhead(source("/nowhere.png"), limits: DecodingLimits()))
    #expect(throws: FileError.self) { _ = try ahead.take(self.source("/nowhere.png")) }
  }

  @Test func standardInputIsLeftAlone() {
    #expect(PictureAhead(source("-"), limits: DecodingLimits()) == nil)
  }

  @Test func withoutAThreadThePictureIsLeftAlone() {
    let path = street("street_0000")
    #expect(PictureAhead(source(path), limits: DecodingLimits(), threads: .limited(to: 0)) == nil)
  }
}
