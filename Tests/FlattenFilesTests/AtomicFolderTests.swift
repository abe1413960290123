import FlattenFiles
import Foundation
import TestSupport
import Testing

@Suite struct AtomicFolderTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func make(_ name: String = "masks") throws -> AtomicFolder {
    try AtomicFolder(path: folder.path(name)) { $0.hasSuffix(".png") }
  }

  private func contents(_ name: String = "masks") throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: folder.path(name)).sorted()
  }

  /// Names in the folder, without the one that is temporary.
  private func names() throws -> [String] {
    try folder.names().filter { LeftOverFiles.process(of: $0) == nil }
  }

  @Test func itAppearsAsAWhole() throws {
    let masks = try make()
    try masks.write([1, 2], to: "1.png")
    try masks.write([3], to: "2.png")
    #expect(try names().isEmpty)
    try masks.commit()
    #expect(try folder.names() == ["masks"])
    #expect(try contents() == ["1.png", "2.png"])
    #expect(try Data(contentsOf: URL(filePath: folder.path("masks/1.png"))) == Data([1, 2]))
  }

  @Test func itReplacesAnEarlierOne() throws {
    var masks = try make()
    for index in 0..<5 { try masks.write([UInt8(index)], to: "\(index).png") }
    try masks.commit()
    masks = try make()
    try masks.write([9], to: "0.png")
    #expect(try contents().count == 5, "until the commit the earlier one stands")
    try masks.commit()
    #expect(try folder.names() == ["masks"])
    #expect(try contents() == ["0.png"])
    #expect(try Data(contentsOf: URL(filePath: folder.path("masks/0.png"))) == Data([9]))
    // One of no files is a folder too.
    try make().commit()
    #expect(try contents() == [])
  }

  @Test func oneThatIsDroppedLeavesNothing() throws {
    do {
      let masks = try make()
      try masks.write([1], to: "1.png")
    }
    #expect(try folder.names().isEmpty)
  }

  /// Whatever has the name and was not written by an earlier run stays as it is.
  @Test func whatIsNotOursStays() throws {
    _ = try folder.file("file", [1])
    #expect(throws: FileError.self) { _ = try make("file") }
    let other = folder.path("mine")
    try FileManager.default.createDirectory(atPath: other, withIntermediateDirectories: false)
    _ = try folder.file("mine/1.png", [1])
    _ = try folder.file("mine/notes.txt", [2])
    let error = #expect(throws: FileError.self) { _ = try make("mine") }
    #expect(error?.kind == .unwritable && error?.reason.contains("'notes.txt'") == true)
    #expect(try contents("mine") == ["1.png", "notes.txt"])
    // Also where it came between the beginning and the end.
    let late = try make("late")
    try FileManager.default.createDirectory(
      atPath: folder.path("late/below"), withIntermediateDirectories: true)
    #expect(throws: FileError.self) { try late.commit() }
    #expect(try contents("late") == ["below"])
    // A link is not followed.
    try FileManager.default.createSymbolicLink(
      atPath: folder.path("link"), withDestinationPath: folder.path("late"))
    #expect(throws: FileError.self) { _ = try make("link") }
    #expect(throws: FileError.self) { _ = try make("nowhere/masks") }
  }

  /// A killed process's folder goes, one that is being filled stays.
  @Test func whatAKilledProcessLeftIsRemoved() throws {
    let process = Process()
    process.executableURL = URL(filePath: "/bin/true")
    try process.run()
    process.waitUntilExit()
    let left = ".flatten-seg.\(process.processIdentifier).abc"
    try FileManager.default.createDirectory(
      atPath: folder.path(left), withIntermediateDirectories: false)
    _ = try folder.file("\(left)/1.png", [1])
    let masks = try make()
    try masks.write([1], to: "1.png")
    LeftOverFiles.removeNow(from: folder.url.path)
    #expect(try !folder.names().contains(left))
    try masks.commit()
    #expect(try contents() == ["1.png"])
  }
}
