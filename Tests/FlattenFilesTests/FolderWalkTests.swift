import FlattenFiles
import Foundation
import TestSupport
import Testing

@Suite struct FolderWalkTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private var root: String { folder.path("root") }

  /// Makes empty files below the test's folder, with the folders they are in.
  private func make(_ names: [String]) throws {
    for name in names {
      let file = folder.url.appending(path: name)
      try FileManager.default.createDirectory(
        at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
      try Data().write(to: file)
    }
  }

  private func link(_ name: String, to target: String) throws {
    try FileManager.default.createSymbolicLink(
      atPath: folder.path(name), withDestinationPath: target)
  }

  // MARK: A folder left out

  /// Below the root, by whatever path, and never the root itself.
  @Test func aFolderIsLeftOut() throws {
    try make(["root/a", "root/out/b", "root/x/out/c", "root/x/d"])
    try link("root/x/link", to: "../out")
    let out = try #require(FileIdentity(path: folder.path("root/out")))
    let walk = FolderWalk(root, leavingOut: out)
    #expect(walk.files == ["a", "x/d", "x/out/c"])
    #expect(walk.hasLeftOut && walk.problems.isEmpty)
    let itself = FolderWalk(folder.path("root/out"), leavingOut: out)
    #expect(itself.files == ["b"] && !itself.hasLeftOut)
    #expect(FolderWalk(root).files == ["a", "out/b", "x/d", "x/out/c"])
  }

  // MARK: Order

  /// By the bytes of the whole path, not folder by folder: '-' comes before '/', a capital before small
  /// letters, and a letter with an accent after all of ASCII.
  @Test func filesAreSortedByBytes() throws {
    let names = [
      "A", "B/x", "a", "a-b", "a.d/1", "a.d/10", "a.d/2", "a0", "b", "e\u{301}", "z", "\u{E9}",
    ]
    // Whatever order the system keeps them in.
    for order in [names, names.reversed(), names.sorted { $0.count > $1.count }] {
      let other = try TemporaryFolder()
      for name in order {
        let file = other.url.appending(path: name)
        try FileManager.default.createDirectory(
          at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data().write(to: file)
      }
      let walk = FolderWalk(other.url.path)
      #expect(walk.files.map { Array($0.utf8) } == names.map { Array($0.utf8) })
      #expect(walk.hidden == 0 && walk.problems.isEmpty)
    }
  }

  @Test func anEmptyFolderHasNoFiles() throws {
    try FileManager.default.createDirectory(
      atPath: root + "/empty/deeper", withIntermediateDirectories: true)
    let walk = FolderWalk(root)
    #expect(walk.files.isEmpty && walk.hidden == 0 && walk.problems.isEmpty)
  }

  // MARK: Hidden files

  /// A hidden folder counts once, and nothing in it is seen.
  @Test func hiddenNamesAreCountedAndLeftOut() throws {
    try make([
      "root/.a", "root/.cache/1", "root/.cache/2", "root/sub/.b", "root/sub/c", "root/..odd",
      "root/d.",
    ])
    let walk = FolderWalk(root)
    #expect(walk.files == ["d.", "sub/c"])
    #expect(walk.hidden == 4)
    #expect(walk.problems.isEmpty)
  }

  // MARK: Links

  @Test func linksToFilesAreFiles() throws {
    try make(["root/a", "elsewhere"])
    try link("root/b", to: "a")
    try link("root/c", to: folder.path("elsewhere"))
    // Whether anything is there is for its reader to say.
    try link("root/d", to: "nowhere")
    try link("root/e", to: "e")
    #expect(FolderWalk(root).files == ["a", "b", "c", "d", "e"])
  }

  @Test func linksToFoldersAreFollowed() throws {
    try make(["outside/x", "outside/deep/y", "root/a"])
    try link("root/sub", to: "../outside")
    #expect(FolderWalk(root).files == ["a", "sub/deep/y", "sub/x"])
    // The root itself may be a link.
    try link("door", to: "root")
    #expect(FolderWalk(folder.path("door")).files == ["a", "sub/deep/y", "sub/x"])
  }

  /// Nothing is listed twice: a folder has its own name where it has one, else that of the first link.
  @Test func aFolderIsEnteredOnce() throws {
    try make(["outside/x", "root/real/y"])
    try link("root/a", to: "real")
    try link("root/z", to: "../outside")
    try link("root/k", to: "../outside")
    try link("root/real/j", to: "../../outside")
    let walk = FolderWalk(root)
    #expect(walk.files == ["k/x", "real/y"])
    #expect(walk.problems.isEmpty)
  }

  /// To itself, to a folder above, to the root, and two that lead to each other.
  @Test(.timeLimit(.minutes(1))) func loopsEnd() throws {
    try make(["root/a/x", "root/b/y"])
    try link("root/a/self", to: ".")
    try link("root/a/up", to: "..")
    try link("root/a/b", to: "../b")
    try link("root/b/a", to: "../a")
    try link("root/b/root", to: root)
    let walk = FolderWalk(root)
    #expect(walk.files == ["a/x", "b/y"])
    #expect(walk.problems.isEmpty)
  }

  /// A loop outside, which no real folder of the walk is part of.
  @Test(.timeLimit(.minutes(1))) func loopsBehindLinksEnd() throws {
    try make(["outside/one/x", "outside/two/y", "root/z"])
    try link("outside/one/two", to: "../two")
    try link("outside/two/one", to: "../one")
    try link("root/first", to: "../outside/one")
    #expect(FolderWalk(root).files == ["first/two/y", "first/x", "z"])
  }

  // MARK: Problems

  @Test func aFolderThatMayNotBeReadIsTold() throws {
    try make(["root/a", "root/locked/secret", "root/z/b", "root/z/too/c"])
    let locked = [root + "/locked", root + "/z/too"]
    for path in locked { #expect(chmod(path, 0) == 0) }
    defer { for path in locked { chmod(path, 0o700) } }
    let walk = try Unprivileged.run { FolderWalk(root) }
    #expect(walk.files == ["a", "z/b"])
    #expect(walk.problems.map(\.path) == locked)
    #expect(walk.problems.allSatisfy { $0.kind == .unreadable("permission denied") })
    #expect(
      walk.problems.first?.reason == "permission denied. A readable folder is wanted here.")
  }

  @Test func theRootMustBeAFolder() throws {
    try make(["file"])
    let cases: [(String, FolderWalk.Problem.Kind, String)] = [
      (root, .missing, "there is no such folder."),
      (folder.path("file"), .isFile, "is a file, a folder is wanted."),
    ]
    for (path, kind, reason) in cases {
      let walk = FolderWalk(path)
      #expect(walk.files.isEmpty && walk.hidden == 0)
      #expect(walk.problems.map(\.kind) == [kind])
      #expect(
        walk.problems.map(\.error) == [FileError(path: path, kind: .unreadable, reason: reason)])
    }
  }

  @Test func namesThatAreNotTextAreTold() throws {
    try make(["root/a", "root/z"])
    let name = Array("\(root)/b".utf8) + [0xFF, 0]
    let made = creat(name.map { CChar(bitPattern: $0) }, 0o600)
    try #require(made >= 0, "this system keeps no such name")
    close(made)
    let walk = FolderWalk(root)
    #expect(walk.files == ["a", "z"])
    #expect(walk.problems.map(\.kind) == [.name])
    #expect(walk.problems.first?.path == root + "/b\u{FFFD}")
    #expect(walk.problems.first?.reason == "the name is not UTF-8. Rename the file.")
  }
}

@Suite struct PathKindTests {
  @Test func linksAreFollowed() throws {
    let folder = try TemporaryFolder()
    let file = try folder.file("file", [])
    for (name, target) in [
      ("toFolder", "."), ("toFile", "file"), ("toNothing", "none"), ("loop", "loop"),
    ] {
      try FileManager.default.createSymbolicLink(
        atPath: folder.path(name), withDestinationPath: target)
    }
    let kinds = [
      (folder.url.path, PathKind.folder), (file, .file), (folder.path("none"), .absent),
      (folder.path("toFolder"), .folder), (folder.path("toFile"), .file),
      (folder.path("toNothing"), .absent), (folder.path("loop"), .absent), ("", .absent),
      ("/dev/null", .file),
    ]
    for (path, kind) in kinds { #expect(PathKind(path) == kind, "\(path)") }
  }
}
