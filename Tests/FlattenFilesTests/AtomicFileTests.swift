import FlattenFiles
import Foundation
import TestSupport
import Testing

@Suite struct AtomicFileTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  @Test func appearsOnlyAtCommit() throws {
    let path = folder.path("out.txt")
    let file = try AtomicFile(path: path)
    try file.write(Array("hello".utf8))
    #expect(!FileManager.default.fileExists(atPath: path))
    try file.commit()
    #expect(try String(contentsOfFile: path, encoding: .utf8) == "hello")
    #expect(try folder.names() == ["out.txt"])
  }

  @Test func droppedWithoutCommitLeavesNothing() throws {
    do {
      let file = try AtomicFile(path: folder.path("out.txt"))
      try file.write([1, 2, 3])
    }
    #expect(try folder.names().isEmpty)
  }

  @Test func replacesAnOldFile() throws {
    let path = folder.path("out.txt")
    try AtomicFile.write("old", to: path)
    try AtomicFile.write("new", to: path)
    #expect(try String(contentsOfFile: path, encoding: .utf8) == "new")
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
