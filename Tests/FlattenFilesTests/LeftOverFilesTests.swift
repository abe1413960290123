import Foundation
import TestSupport
import Testing

@testable import FlattenFiles

@Suite struct LeftOverFilesTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  /// The number of a process that has ended.
  private func endedProcess() throws -> pid_t {
    let process = Process()
    process.executableURL = URL(filePath: "/bin/sh")
    process.arguments = ["-c", "exit 0"]
    try process.run()
    process.waitUntilExit()
    return process.processIdentifier
  }

  @Test func filesOfEndedProcessesGo() throws {
    let ended = try endedProcess()
    // As this version and earlier ones name them.
    for name in ["aB3xYz", "0", "18446744073709551615", "deadbeef01234567"] {
      _ = try folder.file(".flatten-seg.\(ended).\(name)", [1, 2, 3])
    }
    // Containers give the same number to each process; what is not locked is not ours.
    _ = try folder.file(".flatten-seg.\(getpid()).abcdef", [1])
    _ = try folder.file("mask.png", [1])
    LeftOverFiles.removeNow(from: folder.url.path)
    #expect(try folder.names() == ["mask.png"])
  }

  @Test func whatMayBeInUseStays() throws {
    let ended = try endedProcess()
    let living = ".flatten-seg.\(getppid()).abcdef"
    _ = try folder.file(living, [1])
    let locked = ".flatten-seg.\(ended).locked"
    let descriptor = open(try folder.file(locked, [1]), O_RDWR)
    defer { close(descriptor) }
    try #require(flock(descriptor, LOCK_EX) == 0)
    LeftOverFiles.removeNow(from: folder.url.path)
    #expect(try folder.names() == [living, locked].sorted())
    flock(descriptor, LOCK_UN)
    LeftOverFiles.removeNow(from: folder.url.path)
    #expect(try folder.names() == [living])
  }

  /// Links, folders in which there are folders, pipes, files with a second name.
  @Test func whatIsNoFileOfOursStays() throws {
    let ended = try endedProcess()
    func name(_ end: String) -> String { ".flatten-seg.\(ended).\(end)" }
    _ = try folder.file("kept", [1])
    _ = try folder.file("second", [1])
    let manager = FileManager.default
    try manager.createSymbolicLink(
      atPath: folder.path(name("link")), withDestinationPath: folder.path("kept"))
    try manager.createDirectory(
      atPath: folder.path(name("folder") + "/below"), withIntermediateDirectories: true)
    try manager.linkItem(atPath: folder.path("second"), toPath: folder.path(name("hard")))
    try #require(mkfifo(folder.path(name("pipe")), 0o600) == 0)
    let before = try folder.names()
    LeftOverFiles.removeNow(from: folder.url.path)
    #expect(try folder.names() == before)
  }

  @Test(.enabled(if: geteuid() == 0, "only root can give files away")) func filesOfOthersStay()
    throws
  {
    let name = ".flatten-seg.\(try endedProcess()).abcdef"
    try #require(chown(try folder.file(name, [1]), 65_534, 65_534) == 0)
    LeftOverFiles.removeNow(from: folder.url.path)
    #expect(try folder.names() == [name])
  }

  @Test(arguments: [
    ".flatten-seg.12.", ".flatten-seg..abc", ".flatten-seg.abc", ".flatten-seg.12.a.b",
    ".flatten-seg.-12.abc", ".flatten-seg.012.abc", ".flatten-seg.0.abc", ".flatten-seg.1x.abc",
    ".flatten-seg.99999999999.abc", ".flatten-seg.12.ab-c", ".flatten-seg.12.ä",
    ".flatten-seg.١٢.abc",
    ".flatten-seg.12.\(String(repeating: "a", count: 21))", "flatten-seg.12.abc",
    ".flatten-seg2.12.abc",
    "x.flatten-seg.12.abc", ".flatten-seg", "",
  ]) func otherNamesAreNobodys(name: String) {
    #expect(LeftOverFiles.process(of: name) == nil)
  }

  @Test func ownNamesAreKnown() {
    #expect(LeftOverFiles.process(of: ".flatten-seg.4711.aB3xYz") == 4711)
    for _ in 0..<100 { #expect(LeftOverFiles.process(of: LeftOverFiles.newName()) == getpid()) }
  }

  /// Writing clears the folder, and leaves alone what other writers of this process have under way.
  @Test func writingClearsTheFolder() throws {
    let left = try folder.file(".flatten-seg.\(try endedProcess()).abcdef", [1])
    let file = try AtomicFile(path: folder.path("out"), holding: [1, 2], mayBeNameless: false)
    #expect(!FileManager.default.fileExists(atPath: left))
    LeftOverFiles.removeNow(from: folder.url.path)
    #expect(try folder.names().count == 1)
    try file.commit()
    #expect(try folder.names() == ["out"])
  }

  @Test func aFolderThatIsNotThereIsNoProblem() throws {
    LeftOverFiles.removeNow(from: folder.path("none"))
    LeftOverFiles.remove(from: folder.path("none"))
    #expect(try folder.names() == [])
  }
}
