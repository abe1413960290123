import Foundation
import TestSupport
import Testing

@Suite struct UnprivilegedTests {
  @Test func permissionsHoldInsideOnly() throws {
    let folder = try TemporaryFolder()
    let path = try folder.file("closed", [1])
    #expect(chmod(path, 0) == 0)
    #expect(try Unprivileged.run { open(path, O_RDONLY) } == -1)
    try FileManager.default.removeItem(atPath: path)
    #expect(try folder.names().isEmpty)
  }

  @Test func errorsPassThrough() throws {
    struct Mine: Error {}
    #expect(throws: Mine.self) { try Unprivileged.run { throw Mine() } }
    // And the rights are back.
    let folder = try TemporaryFolder()
    _ = try folder.file("mine", [1])
    #expect(try folder.names() == ["mine"])
  }
}
