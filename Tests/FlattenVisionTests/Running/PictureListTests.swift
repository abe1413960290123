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
    _ inputs: [String], lists: [String] = [], isRecursive: Bool = false, results: String? = nil
  ) -> PictureList {
    PictureList(
      inputs.map(inside), lists: lists.map(inside), isRecursive: isRecursive,
      results: results.map(inside))
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
    #expect(
      list.sources.map(\.name) == ["b", "a.tiff", "archive.tar.gz", "none", ".hidden", "x.", "b"])
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
    #expect(list.failures.first?.reason == "is not UTF-8 text. Save it as UTF-8")
    #expect(PictureListTests.failure(of: folder.url.path)?.kind == .unreadable)
  }

  /// A folder is no list.
  private static func failure(of path: String) -> FileError? {
    PictureList([], lists: [path], isRecursive: false).failures.first
  }

  /// A byte-order mark is no part of the first name; UTF-16 is named as what it is.
  @Test func aListMayHaveAByteOrderMark() throws {
    try make("a.jpg", "b.jpg")
    let lines = "\u{FEFF}" + folder.path("a.jpg") + "\r\n" + folder.path("b.jpg") + "\r\n"
    _ = try folder.file("list.txt", Array(lines.utf8))
    #expect(paths(list([], lists: ["list.txt"])) == ["a.jpg", "b.jpg"])
    let wide = Array(lines.utf16).flatMap { [UInt8($0 & 255), UInt8($0 >> 8)] }
    for bytes in [wide, Array(wide.dropFirst(2))] {
      _ = try folder.file("wide.txt", bytes)
      let failure = list([], lists: ["wide.txt"]).failures.first
      #expect(failure?.kind == .refused && failure?.reason.contains("UTF-16") == true)
    }
  }

  /// Names that are not there from the working directory are looked up beside the list.
  @Test func namesOfAListMayBeRelativeToIt() throws {
    try make("lists/a.jpg", "lists/deep/b.png", "lists/in/c.jpe")
    _ = try folder.file("lists/some.txt", Array("a.jpg\ndeep/b.png\nin\ngone.jpg\n".utf8))
    let list = list([], lists: ["lists/some.txt"])
    #expect(paths(list) == ["lists/a.jpg", "lists/deep/b.png", "lists/in/c.jpe"])
    #expect(list.sources.map(\.name) == ["a", "b", "c"])
    #expect(list.failures.map(\.path) == ["gone.jpg"])
  }

  /// The lists of data sets have a label beside each picture. A name with a blank in it is none of these.
  @Test func labelsOfAListAreLeftOut() throws {
    try make("a.jpg", "b c.jpg", "b", "labels/a.png")
    let lines = ["a.jpg labels/a.png", "a.jpg\tlabels/gone.png", "b c.jpg", "b d", "b d.jpg"]
    _ = try folder.file("pairs.txt", Array(lines.joined(separator: "\n").utf8))
    let list = list([], lists: ["pairs.txt"])
    #expect(paths(list) == ["a.jpg", "a.jpg", "b c.jpg"])
    #expect(list.failures.map(\.path) == ["b d", "b d.jpg"])
  }

  // MARK: Results among the pictures

  @Test(arguments: ["in/output", "in/output/", "in/x/../output", "linked"])
  func theFolderOfTheResultsIsNotEntered(results: String) throws {
    try make("in/a.jpg", "in/sub/b.png", "in/output/a.png", "in/output/sub/b.png", "in/x/c.jpg")
    try FileManager.default.createSymbolicLink(
      atPath: folder.path("linked"), withDestinationPath: "in/output")
    let all = PictureList(
      [folder.path("in")], lists: [], isRecursive: true,
      results: folder.url.path + "/" + results)
    #expect(paths(all) == ["in/a.jpg", "in/sub/b.png", "in/x/c.jpg"])
    #expect(all.hasLeftOutResults && all.failures.isEmpty)
    // Named itself it is a folder of pictures like any other.
    let named = list(["in/output"], isRecursive: true, results: "in/output")
    #expect(paths(named) == ["in/output/a.png", "in/output/sub/b.png"])
    #expect(!named.hasLeftOutResults)
  }

  @Test func aFolderThatWasNotEnteredIsTold() throws {
    try make("in/sub/a.jpg", "in/sub/deep/b.JFIF", "in/notes.txt", "flat/c.jpg", "flat/d/e.jpg")
    let list = list(["in", "flat"])
    #expect(paths(list) == ["flat/c.jpg"])
    #expect(list.shallow.map(\.folder) == [folder.path("in")])
    #expect(list.shallow.map(\.pictures) == [2])
  }

  // MARK: Names

  @Test func onlySuffixesOfPicturesAreTakenOff() throws {
    try make("cam_12.30.45", "cam_12.30.46", "v1.2/x.y.JPEG", "a.jfif", "b.jpe")
    let list = list(["cam_12.30.45", "cam_12.30.46", "v1.2/x.y.JPEG", "a.jfif", "b.jpe"])
    #expect(list.sources.map(\.name) == ["cam_12.30.45", "cam_12.30.46", "x.y", "a", "b"])
    #expect(list.collision == nil && list.renamed.isEmpty)
    #expect(paths(self.list(["."])) == ["./a.jfif", "./b.jpe"])
  }

  @Test func picturesThatDifferInTheSuffixAloneKeepIt() throws {
    try make("in/a.jpg", "in/a.png", "in/sub/b.JPG", "in/sub/b.jpg", "in/c.png", "in/d.jpg.png")
    let list = list(["in"], isRecursive: true, results: "out")
    #expect(
      list.sources.map(\.name) == ["a.jpg", "a.png", "c", "d.jpg", "sub/b.JPG", "sub/b.jpg"])
    #expect(list.renamed.count == 4 && list.collision == nil)
    // A name that is kept may be another's already.
    try make("in/d.jpg", "in/d.png")
    let more = self.list(["in"], isRecursive: true)
    #expect(
      more.sources.map(\.name)
        == ["a.jpg", "a.png", "c", "d.jpg", "d.jpg.png", "d.png", "sub/b.JPG", "sub/b.jpg"])
    #expect(more.collision == nil)
  }

  /// Pictures beside their masks: what may be a mask is not segmented under a new name.
  @Test func masksBesidePicturesAreNotTakenForPictures() throws {
    try make("in/a.jpg", "in/a.png")
    let list = list(["in"], results: "in")
    #expect(list.sources.map(\.name) == ["a", "a"])
    #expect(list.collision != nil && list.renamed.isEmpty)
  }

  // MARK: Collisions

  @Test func collisionsAreOfNames() throws {
    try make("a.jpg", "b.jpg", "sub/b.png", "in/ulm/b.jpg")
    #expect(list(["a.jpg", "b.jpg"]).collision == nil)
    #expect(list(["b.jpg", "in"], isRecursive: true).collision == nil)
    #expect(list(["a.jpg", "b.jpg", "sub/b.png"]).collision == nil)
    let collision = try #require(list(["a.jpg", "b.jpg", "in/ulm/b.jpg"]).collision)
    #expect(collision.0.path == folder.path("b.jpg"))
    #expect(collision.1.path == folder.path("in/ulm/b.jpg"))
    let twice = try #require(list(["a.jpg", "a.jpg"]).collision)
    #expect(twice.0 == twice.1)
  }

  /// Two Unicode forms of one text are two files.
  @Test func collisionsAreOfBytes() throws {
    try make("caf\u{E9}.jpg", "cafe\u{301}.jpg")
    let list = list(["caf\u{E9}.jpg", "cafe\u{301}.jpg"])
    #expect(list.sources.count == 2 && list.collision == nil)
  }

  /// Every picture is in one shard, and names are those that the whole list has.
  @Test func shardsAreParts() throws {
    for name in ["a.jpg", "a.png", "b.jpg", "c.jpg", "d.jpg"] { _ = try folder.file(name, [1]) }
    func list() -> PictureList { PictureList([folder.url.path], lists: [], isRecursive: false) }
    let all = list().sources
    #expect(all.map(\.name) == ["a.jpg", "a.png", "b", "c", "d"])
    for count in 1...7 {
      var parts: [[PictureSource]] = []
      for index in 0..<count {
        var part = list()
        part.keepShard(index, of: count)
        parts.append(part.sources)
      }
      #expect(parts.map(\.count).max() == (5 + count - 1) / count)
      for (index, source) in all.enumerated() {
        #expect(parts[index % count][index / count] == source)
      }
      #expect(parts.joined().count == 5)
    }
  }
}
