import FlattenFiles
import Foundation
import TestSupport
import Testing

@Suite struct AtomicFileTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  @Test(arguments: [true, false]) func appearsOnlyAtCommit(mayBeNameless: Bool) throws {
    let path = folder.path("out.txt")
    let file = try AtomicFile(path: path, mayBeNameless: mayBeNameless)
    try file.write(Array("hello".utf8))
    #expect(!FileManager.default.fileExists(atPath: path))
    try file.commit()
    #expect(try String(contentsOfFile: path, encoding: .utf8) == "hello")
    #expect(try folder.names() == ["out.txt"])
  }

  @Test(arguments: [true, false]) func droppedWithoutCommitLeavesNothing(mayBeNameless: Bool) throws
  {
    do {
      let file = try AtomicFile(path: folder.path("out.txt"), mayBeNameless: mayBeNameless)
      try file.write([1, 2, 3])
      if !mayBeNameless { #expect(try folder.names().count == 1) }
    }
    #expect(try folder.names().isEmpty)
  }

  @Test(arguments: [true, false]) func replacesAnOldFile(mayBeNameless: Bool) throws {
    let path = folder.path("out.txt")
    for text in ["old", "new"] {
      let file = try AtomicFile(
        path: path, holding: Array(text.utf8), mayBeNameless: mayBeNameless)
      try file.commit()
    }
    #expect(try String(contentsOfFile: path, encoding: .utf8) == "new")
    #expect(try folder.names() == ["out.txt"])
  }

  /// As a program that opens a file plainly would leave them.
  @Test(arguments: [true, false]) func permissionsAreTheUsualOnes(mayBeNameless: Bool) throws {
    let path = folder.path("out.txt")
    try AtomicFile(path: path, holding: [1], mayBeNameless: mayBeNameless).commit()
    let plain = open(folder.path("plain"), O_WRONLY | O_CREAT, 0o666)
    close(plain)
    let modes = try ["out.txt", "plain"].map { name in
      try FileManager.default.attributesOfItem(atPath: folder.path(name))[.posixPermissions] as? Int
    }
    #expect(modes[0] != nil && modes[0] == modes[1])
  }

  /// A file whose folder has gone cannot be committed, and says so.
  @Test(arguments: [true, false]) func aFolderThatHasGone(mayBeNameless: Bool) throws {
    try FileManager.default.createDirectory(
      atPath: folder.path("gone"), withIntermediateDirectories: false)
    let file = try AtomicFile(
      path: folder.path("gone/out.txt"), holding: [1], mayBeNameless: mayBeNameless)
    try FileManager.default.removeItem(atPath: folder.path("gone"))
    let error = #expect(throws: FileError.self) { try file.commit() }
    #expect(error?.kind == .unwritable)
  }

  /// Many writers at once, each with a name of its own.
  @Test func writersOnSeveralThreads() throws {
    let (path, folder) = (folder.path("out"), folder)
    DispatchQueue.concurrentPerform(iterations: 64) { index in
      try? AtomicFile(
        path: "\(path)\(index)", holding: [UInt8(index)], mayBeNameless: index % 2 == 0
      )
      .commit()
    }
    #expect(try folder.names().count == 64)
    for index in 0..<64 {
      #expect(try Data(contentsOf: URL(filePath: "\(path)\(index)")) == Data([UInt8(index)]))
    }
  }

  @Test func refusesAFolderAndAMissingFolder() throws {
    let intoFolder = #expect(throws: FileError.self) { try AtomicFile(path: folder.url.path) }
    #expect(intoFolder?.reason == "is a folder, cannot write a file there")
    let missing = #expect(throws: FileError.self) {
      try AtomicFile(path: folder.path("none/out.txt"))
    }
    #expect(missing?.reason == "its folder does not exist")
    #expect(missing?.kind == .unwritable)
  }

  @Test func aFullDiskIsAnError() throws {
    guard FileManager.default.fileExists(atPath: "/dev/full") else { return }
    // A file on the device itself: every write fails as on a full disk.
    let descriptor = open("/dev/full", O_WRONLY)
    defer { close(descriptor) }
    var byte: UInt8 = 1
    #expect(write(descriptor, &byte, 1) == -1)
    #expect(systemReason(errno) == "no space left on the device")
  }
}
