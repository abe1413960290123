import FlattenFiles
import Foundation
import TestSupport
import Testing

@testable import FlattenCheckpoint

/// One archive, and one byte range of it changed at a time.
@Suite struct ZipArchiveTests {
  private static let good = PickleFile.zip([
    ("a/data.pkl", [1, 2, 3]), ("a/data/0", [4, 5, 6, 7]), ("a/version", [51]),
  ])

  private func archive(_ bytes: [UInt8]) throws -> ZipArchive {
    try bytes.withUnsafeBytes { try ZipArchive(.memory($0)) }
  }

  private static func position(of signature: String, _ number: Int = 0) -> Int {
    let wanted = Array(signature.utf8)
    let starts = good.indices.filter { good[$0...].starts(with: wanted) }
    return starts[number]
  }

  @Test func recordsAreFound() throws {
    let archive = try archive(Self.good)
    #expect(archive.topFolder == "a")
    let record = try #require(archive["data/0"])
    #expect(Array(Self.good[record.offset..<record.offset + record.byteCount]) == [4, 5, 6, 7])
    #expect(record.checksum == nil)
    #expect(archive["data/1"] == nil)
  }

  struct Damage: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let signature: String
    let offset: Int
    let bytes: [UInt8]
  }

  @Test(arguments: [
    Damage(testDescription: "local signature", signature: "PK\u{3}\u{4}", offset: 0, bytes: [0]),
    Damage(testDescription: "local name", signature: "PK\u{3}\u{4}", offset: 30, bytes: [98]),
    Damage(testDescription: "local size", signature: "PK\u{3}\u{4}", offset: 18, bytes: [2]),
    Damage(testDescription: "local method", signature: "PK\u{3}\u{4}", offset: 8, bytes: [8]),
    Damage(testDescription: "encrypted", signature: "PK\u{1}\u{2}", offset: 8, bytes: [1]),
    Damage(testDescription: "compressed", signature: "PK\u{1}\u{2}", offset: 10, bytes: [8]),
    Damage(testDescription: "checksums differ", signature: "PK\u{1}\u{2}", offset: 16, bytes: [9]),
    Damage(testDescription: "two sizes", signature: "PK\u{1}\u{2}", offset: 20, bytes: [2]),
    Damage(
      testDescription: "long", signature: "PK\u{1}\u{2}", offset: 20, bytes: [9, 9, 0, 0, 9, 9]),
    Damage(testDescription: "long name", signature: "PK\u{1}\u{2}", offset: 28, bytes: [200]),
    Damage(testDescription: "other disk", signature: "PK\u{1}\u{2}", offset: 34, bytes: [1]),
    Damage(testDescription: "header beyond", signature: "PK\u{1}\u{2}", offset: 44, bytes: [9]),
    Damage(
      testDescription: "zip64 without field", signature: "PK\u{1}\u{2}", offset: 42,
      bytes: [255, 255, 255, 255]),
    Damage(testDescription: "backslash", signature: "PK\u{1}\u{2}", offset: 48, bytes: [92]),
    Damage(testDescription: "absolute", signature: "PK\u{1}\u{2}", offset: 46, bytes: [47]),
    Damage(testDescription: "dots", signature: "PK\u{1}\u{2}", offset: 46, bytes: [46, 47]),
    Damage(testDescription: "not UTF-8", signature: "PK\u{1}\u{2}", offset: 48, bytes: [255]),
    Damage(testDescription: "more disks", signature: "PK\u{5}\u{6}", offset: 4, bytes: [1]),
    Damage(
      testDescription: "more entries", signature: "PK\u{5}\u{6}", offset: 8, bytes: [4, 0, 4]),
    Damage(
      testDescription: "fewer entries", signature: "PK\u{5}\u{6}", offset: 8, bytes: [2, 0, 2]),
    Damage(testDescription: "directory size", signature: "PK\u{5}\u{6}", offset: 12, bytes: [1]),
    Damage(testDescription: "directory offset", signature: "PK\u{5}\u{6}", offset: 16, bytes: [1]),
    Damage(testDescription: "comment", signature: "PK\u{5}\u{6}", offset: 20, bytes: [1]),
  ])
  func contradictionsAreRefused(damage: Damage) {
    var bytes = Self.good
    let start = Self.position(of: damage.signature) + damage.offset
    bytes.replaceSubrange(start..<start + damage.bytes.count, with: damage.bytes)
    #expect(bytes != Self.good)
    #expect(throws: Refusal.self) { try archive(bytes) }
  }

  @Test func overlapDuplicatesAndSurroundings() {
    // The second entry points at the first one's header.
    var bytes = Self.good
    let second = Self.position(of: "PK\u{1}\u{2}", 1)
    bytes.replaceSubrange(second + 42..<second + 44, with: [0, 0])
    #expect(throws: Refusal.self) { try archive(bytes) }
    for records in [
      [("a/x", [1]), ("a/x", [2])], [("a/x", [1]), ("b/x", [2])], [("x", [1])], [],
    ] as [[(String, [UInt8])]] {
      #expect(throws: Refusal.self) { try archive(PickleFile.zip(records)) }
    }
    #expect(throws: Refusal.self) { try archive(Self.good + [0]) }
    #expect(throws: Refusal.self) { try archive([0] + Self.good) }
    for count in Self.good.indices {
      #expect(throws: Refusal.self) { try archive(Array(Self.good.prefix(count))) }
    }
  }

  @Test func checksumIsThatOfZip() {
    func checksum(_ bytes: [UInt8]) -> UInt32 {
      var checksum = Checksum()
      // In two steps that do not fall on a multiple of eight.
      bytes.prefix(5).withUnsafeBytes { checksum.update($0) }
      bytes.dropFirst(5).withUnsafeBytes { checksum.update($0) }
      return checksum.value
    }
    #expect(checksum([]) == 0)
    #expect(checksum(Array("123456789".utf8)) == 0xCBF4_3926)
    #expect(checksum(Array("The quick brown fox jumps over the lazy dog".utf8)) == 0x414F_A339)
  }
}
