import Testing

@testable import FlattenFiles

@Suite struct StrayContentTests {
  @Test(arguments: [
    ("", StrayContent.empty),
    ("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 123\n", .gitLFSPointer),
    ("<!DOCTYPE html>\n<html>", .webPage), ("\n  <html lang=\"en\">", .webPage),
    ("\u{FEFF}<!doctype HTML>", .webPage), ("<?xml version=\"1.0\"?><Error>", .webPage),
    ("{\"error\":\"not found\"}", .json("{\"error\":\"not found\"}")), ("[]", .json("[]")),
    ("Entry not found", .text("Entry not found")), ("version 1", .text("version 1")),
    ("Zugriff verweigert: für Unbefugte", .text("Zugriff verweigert: für Unbefugte")),
  ])
  func isToldByItsBeginning(text: String, content: StrayContent) {
    #expect(StrayContent(firstBytes: Array(text.utf8)) == content)
  }

  @Test func whatIsNoTextIsNotStray() {
    for bytes: [UInt8] in [
      [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A], [0xFF, 0xD8, 0xFF],
      Array("PK\u{3}\u{4}".utf8),
      [0x80, 2, 0x7D], [0], Array("   ".utf8), [0xC3, 0x28, 0x41, 0x42, 0x43],
    ] {
      #expect(StrayContent(firstBytes: bytes) == nil)
    }
  }

  /// A character that is cut at the end of what is looked at does no harm, and messages stay short.
  @Test func longTextsAreCut() throws {
    let text = "a" + String(repeating: "ü", count: 400)
    let content = try #require(StrayContent(firstBytes: Array(text.utf8)))
    guard case .text(let beginning) = content else {
      Issue.record("\(content)")
      return
    }
    #expect(beginning.hasPrefix("aüü") && beginning.count <= 60)
    #expect(content.refusal(insteadOf: "a checkpoint (torch .pth or safetensors)").count <= 280)
  }

  @Test func refusalsSayWhatToDo() {
    #expect(
      StrayContent.gitLFSPointer.refusal(insteadOf: "a picture")
        == "is a Git LFS pointer, not a picture. Fetch the file itself with 'git lfs pull'")
    for content: StrayContent in [.empty, .webPage, .json("{}")] {
      #expect(content.refusal(insteadOf: "a picture").contains("a picture"))
      #expect(content.refusal(insteadOf: "a picture").lowercased().contains("download"))
    }
  }
}
