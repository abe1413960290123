import FlattenFiles
import Foundation
import TestSupport
import Testing

@testable import FlattenVision

@Suite struct PictureListTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  /// Makes empty files, with the folders they are in; only names are looked at.
  private func make(_ names: String...) throws {
    for name in names {
      let file = folder.url.appending(path: name)
      try FileManager.default.createDirectory(
        at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
      try Data().write(to: file)
    }
  }

  private func list(
    _ inputs: [String], lists: [String] = [], isRecursive: Bool = false
  ) -> PictureList {
    PictureList(inputs.map(inside), lists: lists.map(inside), isRecursive: isRecursive)
  }

  private func inside(_ name: String) -> String { name == "-" ? name : folder.path(name) }

  /// Paths without the test's folder.
  private func paths(_ list: PictureList) -> [String] {
    list.sources.map { $0.path.replacing(folder.url.path + "/", with: "") }
  }

  @Test func namedFilesKeepTheirOrderAndMayBeCalledAnything() throws {
    try make("b.jpg", "a.tiff", "sub/archive.tar.gz", "none", ".hidden", "x.")
    let list = list(["b.jpg", "a.tiff", "sub/archive.tar.gz", "none", ".hidden", "x.", "b.jpg"])
    #expect(
      paths(list)
        == ["b.jpg", "a.tiff", "sub/archive.tar.gz", "none", ".hidden", "x.", "b.jpg"])
    #expect(list.sources.map(\.name) == ["b", "a", "archive.tar", "none", ".hidden", "x", "b"])
    #expect(list.failures.isEmpty && list.skipped == 0)
  }

  /// Picture suffixes in either case; the rest is counted, hidden files are not.
  @Test func aFoldersPicturesComeInTheOrderOfTheirBytes() throws {
    try make(
      "in/b.png", "in/a10.jpg", "in/a9.JPG", "in/B.jpeg", "in/\u{E9}.jpg", "in/e\u{301}.jpg",
      "in/notes.txt", "in/jpg", "in/.dark.jpg", "in/.cache/x.jpg", "in/sub/deep.jpg")
    for name in ["in", "in/"] {
      let list = list([name])
      #expect(
        paths(list).map { Array($0.utf8) }
          == ["B.jpeg", "a10.jpg", "a9.JPG", "b.png", "e\u{301}.jpg", "\u{E9}.jpg"].map {
            Array("in/\($0)".utf8)
          })
      #expect(list.sources.prefix(4).map(\.name) == ["B", "a10", "a9", "b"])
      #expect(list.skipped == 2 && list.failures.isEmpty)
    }
  }

  @Test func foldersInFoldersCountOnRequest() throws {
    try make("in/z.jpg", "in/ulm/1.jpg", "in/ulm/deep.er/2.v1.png", "in/ulm/readme.md", "one.jpg")
    let flat = list(["in", "one.jpg"])
    #expect(paths(flat) == ["in/z.jpg", "one.jpg"])
    #expect(flat.skipped == 0)
    let all = list(["one.jpg", "in"], isRecursive: true)
    #expect(paths(all) == ["one.jpg", "in/ulm/1.jpg", "in/ulm/deep.er/2.v1.png", "in/z.jpg"])
    // Names keep the folders below the one that was named.
    #expect(all.sources.map(\.name) == ["one", "ulm/1", "ulm/deep.er/2.v1", "z"])
    #expect(all.skipped == 1)
  }

  @Test func standardInputIsAPicture() {
    let list = list(["-"])
    #expect(list.sources == [PictureSource(path: "-", name: "stdin")])
    #expect(list.sources.map(\.isStandardInput) == [true])
  }

  /// What cannot be used is told with its reason, in order, and stops nothing.
  @Test func whatIsNotThereIsTold() throws {
    try make("a.jpg")
    try FileManager.default.createSymbolicLink(
      atPath: folder.path("broken.jpg"), withDestinationPath: "nowhere")
    let list = list(["gone.jpg", "a.jpg", "broken.jpg"], lists: ["gone.txt"])
    #expect(paths(list) == ["a.jpg"])
    #expect(
      list.failures.map { $0.path.replacing(folder.url.path + "/", with: "") }
        == ["gone.jpg", "broken.jpg", "gone.txt"])
    #expect(list.failures.allSatisfy { $0.kind == .unreadable })
    #expect(list.failures.first?.reason == "no such file")
  }

  @Test func aFolderThatMayNotBeReadIsTold() throws {
    try make("in/a.jpg", "in/locked/b.jpg")
    #expect(chmod(folder.path("in/locked"), 0) == 0)
    defer { chmod(folder.path("in/locked"), 0o700) }
    let list = try Unprivileged.run { self.list(["in"], isRecursive: true) }
    #expect(paths(list) == ["in/a.jpg"])
    #expect(list.failures.map(\.path) == [folder.path("in/locked")])
    #expect(list.failures.first?.reason.hasPrefix("permission denied") == true)
    #expect(list.failures.first?.kind == .unreadable)
  }

  // MARK: Lists

  @Test func aListNamesPicturesAndFolders() throws {
    try make("a.jpg", "b c.jpg", "in/x.png", "in/y.txt", "#odd.jpg")
    let lines = [
      "# a comment", "", "  " + folder.path("b c.jpg") + "\t", "   # another", folder.path("in"),
      folder.path("a.jpg") + "\r", folder.path("#odd.jpg"), folder.path("gone.jpg"),
    ]
    _ = try folder.file("list.txt", Array(lines.joined(separator: "\n").utf8))
    let list = list(["a.jpg"], lists: ["list.txt"])
    #expect(paths(list) == ["a.jpg", "b c.jpg", "in/x.png", "a.jpg", "#odd.jpg"])
    #expect(list.failures.map(\.path) == [folder.path("gone.jpg")])
    #expect(list.skipped == 1)
  }

  /// In a list a dash is a file of that name, and never waits for standard input.
  @Test func aDashInAListIsAFile() throws {
    _ = try folder.file("list.txt", Array("-\n".utf8))
    let list = list([], lists: ["list.txt"])
    #expect(list.sources.allSatisfy { !$0.isStandardInput })
    #expect(list.sources.map(\.path) + list.failures.map(\.path) == ["./-"])
  }

  @Test func aListMustBeText() throws {
    _ = try folder.file("list.txt", [0x61, 0xFF, 0x0A])
    let list = list([], lists: ["list.txt"])
    #expect(list.sources.isEmpty && list.failures.count == 1)
    #expect(list.failures.first?.kind == .refused)
    #expect(list.failures.first?.reason == "is not a UTF-8 list of file names")
    #expect(PictureListTests.failure(of: folder.url.path)?.kind == .unreadable)
  }

  /// A folder is no list.
  private static func failure(of path: String) -> FileError? {
    PictureList([], lists: [path], isRecursive: false).failures.first
  }

  // MARK: Collisions

  @Test func collisionsAreOfNames() throws {
    try make("a.jpg", "b.jpg", "sub/b.png", "in/ulm/b.jpg")
    #expect(list(["a.jpg", "b.jpg"]).collision == nil)
    #expect(list(["b.jpg", "in"], isRecursive: true).collision == nil)
    let collision = try #require(list(["a.jpg", "b.jpg", "sub/b.png"]).collision)
    #expect(collision.0.path == folder.path("b.jpg"))
    #expect(collision.1.path == folder.path("sub/b.png"))
    let twice = try #require(list(["a.jpg", "a.jpg"]).collision)
    #expect(twice.0 == twice.1)
  }

  /// Two Unicode forms of one text are two files.
  @Test func collisionsAreOfBytes() throws {
    try make("caf\u{E9}.jpg", "cafe\u{301}.jpg")
    let list = list(["caf\u{E9}.jpg", "cafe\u{301}.jpg"])
    #expect(list.sources.count == 2 && list.collision == nil)
  }
}
