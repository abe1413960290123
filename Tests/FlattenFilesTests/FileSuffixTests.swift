import FlattenFiles
import Foundation
import TestSupport
import Testing

@Suite struct FileSuffixTests {
  @Test func theLongestSuffixIsTakenOff() {
    let suffixes = [".png", "_rgb.png", ".jpg"]
    let cases: [(String, String?)] = [
      ("a.png", "a"), ("a_rgb.png", "a"), ("x/a_RGB.PNG", "x/a"), ("a.JpG", "a"), ("a.tiff", nil),
      (".png", nil), ("x/.png", nil), ("png", nil), ("a.png.jpg", "a.png"), ("", nil),
      ("caf\u{E9}.png", "caf\u{E9}"), ("_rgb.png", "_rgb"),
    ]
    for (name, stem) in cases {
      #expect(FileSuffix.stem(of: name, without: suffixes) == stem, "\(name)")
    }
    #expect(FileSuffix.stem(of: "a.b", without: [""]) == "a.b")
    #expect(FileSuffix.stem(of: "a.b", without: []) == nil)
  }

  @Test func filesAreFoundWhateverTheCaseOfTheirType() throws {
    let folder = try TemporaryFolder()
    for name in ["a.PNG", "b_ids.Png", "c.png", "c.PNG", "E_IDS.PNG", "none"] {
      _ = try folder.file(name, [])
    }
    func found(_ stem: String, _ suffix: String) -> [String] {
      FileSuffix.existing(folder.path(stem), suffix).map {
        $0.replacing(folder.url.path + "/", with: "")
      }
    }
    #expect(found("a", ".png") == ["a.PNG"])
    #expect(found("b", "_ids.png") == ["b_ids.Png"])
    #expect(found("E", "_ids.png") == ["E_IDS.PNG"])
    #expect(found("c", ".png") == ["c.png"])
    #expect(found("c", ".pnG").count == 2)
    #expect(found("d", ".png") == [])
    #expect(found("none", "") == ["none"])
    #expect(FileSuffix.existing(folder.path("a.pNg")) == [folder.path("a.PNG")])
    #expect(FileSuffix.existing(folder.path("gone")).isEmpty)
  }
}
