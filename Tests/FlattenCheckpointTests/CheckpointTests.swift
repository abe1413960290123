import FlattenFiles
import FlattenTensor
import Foundation
import TestSupport
import Testing

@testable import FlattenCheckpoint

let checkpointCases = Fixtures.cases(kinds: ["checkpoint"])

@Suite struct CheckpointTests {
  @Test func noKindIsMissing() {
    #expect(Fixtures.lacking(["checkpoint", "malformed"]).isEmpty)
  }

  /// Every stored tensor comes out with its exact bytes.
  @Test(arguments: checkpointCases)
  func goldenFile(fixture: FixtureCase) throws {
    let file = try #require(try fixture.file("checkpoint"))
    let json = try fixture.json()
    let path = json["params"]["path"].list.compactMap(\.text)
    var options = Checkpoint.Options()
    if let container = path.last, !["state_dict", "model"].contains(container) {
      options.container = container
    }
    let checkpoint: Checkpoint
    do {
      checkpoint = try Checkpoint.open(path: file.path, options: options)
    } catch let error as FileError {
      #expect(isShort(error, naming: file.path), "\(error)")
      // Only a file that asks for a call may be refused for good.
      #expect(json["expect"].text?.contains("error") == true, "\(error)")
      return
    } catch let error as UnknownObjectError {
      #expect(isShort(error, naming: file.path), "\(error)")
      options.skipUnknownObjects = true
      checkpoint = try Checkpoint.open(path: file.path, options: options)
    }
    #expect(checkpoint.unwrapped == path.last)
    switch json["params"]["container"].text {
    case "zip": #expect(checkpoint.kind == .torchZip)
    case "legacy": #expect(checkpoint.kind == .torchLegacy)
    case let kind: #expect(checkpoint.kind.rawValue == kind)
    }

    let prefix = json["params"]["strip_prefix"].text ?? ""
    var expected = try fixture.tensors("expected")
    for entry in checkpoint.entries {
      #expect(entry.name.hasPrefix(prefix))
      let name = String(entry.name.dropFirst(prefix.count))
      let found = expected.removeValue(forKey: name)
      let wanted = try #require(found, "'\(name)' is too much")
      #expect(entry.shape == Array(wanted.shape), "\(name)")
      #expect(entry.elementType?.safetensorsName == wanted.type, "\(name)")
      #expect(try checkpoint.readBytes(entry) == Array(wanted.bytes), "\(name)")
      let floats = try checkpoint.read(entry.name).elements
      for (got, want) in zip(floats, wanted.doubles) {
        #expect(got == Float(want) || (got.isNaN && want.isNaN), "\(name)")
      }
      if !entry.isFloatingPoint {
        let integers = try checkpoint.readIntegers(entry).map(Int.init)
        #expect(integers == wanted.integers)
      }
    }
    #expect(expected.isEmpty, "missing: \(expected.keys.sorted())")
  }

  @Test(arguments: Fixtures.cases(kinds: ["malformed"]))
  func malformedFiles(fixture: FixtureCase) throws {
    for name in try fixture.json()["files"].fields.keys.sorted() {
      let file = try #require(try fixture.file(name))
      let error = #expect(throws: FileError.self, "\(name)") {
        try WholeCheckpoint(path: file.path)
      }
      if let error { #expect(isShort(error, naming: file.path), "\(error)") }
    }
  }

  @Test func aMissingContainerIsAnError() throws {
    try withTemporaryFile(PickleFile.weights()) { path in
      let names = try Checkpoint.open(path: path).entries.map(\.name)
      #expect(names == ["w"])
      let error = #expect(throws: FileError.self) {
        try Checkpoint.open(path: path, options: .init(container: "ema"))
      }
      #expect(error?.description.contains("'ema'") == true)
    }
  }

  @Test func aFileThatShrinksIsAnError() throws {
    try withTemporaryFile(PickleFile.weights()) { path in
      let checkpoint = try Checkpoint.open(path: path)
      #expect(truncate(path, 100) == 0)
      #expect(throws: FileError.self) { try checkpoint.read("w") }
    }
  }

  @Test func bytesInMemoryAreReadInPlace() throws {
    let bytes = try safetensors([("a", [2], [1, -2]), ("b", [], [.infinity])])
    try bytes.withUnsafeBytes { raw in
      let checkpoint = try Checkpoint.open(staticBytes: raw, name: "default model")
      #expect(try checkpoint.read("a").elements == [1, -2])
      #expect(try checkpoint.read("b").elements == [.infinity])
      #expect(checkpoint.nonFiniteTensors.isEmpty == false)
      #expect(throws: FileError.self) { try checkpoint.read("c") }
    }
    #expect(throws: FileError.self) {
      try bytes.dropLast().withUnsafeBytes {
        try Checkpoint.open(staticBytes: $0, name: "default model")
      }
    }
  }

  @Test func aHeaderBeyondTheLimitIsRefusedUnread() throws {
    var bytes = withUnsafeBytes(of: UInt64(100_000_001).littleEndian, Array.init)
    bytes += Array("{\"a\":".utf8)
    try withTemporaryFile(bytes) { path in
      #expect(truncate(path, 200_000_000) == 0)
      let error = #expect(throws: FileError.self) { try Checkpoint.open(path: path) }
      #expect(error?.description.contains("header is too large") == true)
    }
  }

  /// Beside a size of 0 the others may be anything; their product must not trap.
  /// Files may have more axes than tensors: what no layer asks for is read, and written, all the same.
  @Test func tensorsOfManyAxesAreReadAndWritten() throws {
    let shape = [2, 1, 1, 3, 1, 1, 1, 2, 1]
    let elements = (0..<12).map { Float($0) - 3.5 }
    let bytes = try safetensors([("a", shape, elements)])
    try withTemporaryFile(bytes) { path in
      let checkpoint = try Checkpoint.open(path: path)
      #expect(checkpoint.entries.map(\.shape) == [shape])
      #expect(try checkpoint.read("a").elements == elements)
      try withTemporaryFile { copy in
        try SafetensorsWriter(precision: .float32).write(checkpoint, to: copy)
        #expect(try Checkpoint.open(path: copy).entries.map(\.shape) == [shape])
        #expect(try Checkpoint.open(path: copy).read("a").elements == elements)
      }
    }
  }

  @Test func hugeSizesBesideZero() throws {
    let size = 1 << 40
    let header = """
      {"a":{"dtype":"F32","shape":[0,\(size),\(size)],"data_offsets":[0,0]}}
      """
    let bytes =
      withUnsafeBytes(of: UInt64(header.utf8.count).littleEndian, Array.init) + header.utf8
    try bytes.withUnsafeBytes { raw in
      let checkpoint = try Checkpoint.open(staticBytes: raw, name: "zero")
      #expect(try checkpoint.read("a").count == 0)
      #expect(try summary(checkpoint).elementCount == 0)
    }
  }
}

/// The summary of a checkpoint whose names are taken for a model's.
func summary(_ checkpoint: Checkpoint) throws -> CheckpointSummary {
  try CheckpointSummary(checkpoint, PlainParameters(checkpoint) { _ in true })
}

/// Runs `body` with a file of these bytes, which is removed afterwards.
func withTemporaryFile<Result>(
  _ bytes: [UInt8] = [], _ body: (String) throws -> Result
) throws -> Result {
  let folder = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
  try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
  defer { try? FileManager.default.removeItem(at: folder) }
  let file = folder.appending(path: "file")
  try Data(bytes).write(to: file)
  return try body(file.path)
}

/// A safetensors file of float32 tensors.
func safetensors(
  _ tensors: [(name: String, shape: [Int], elements: [Float])],
  precision: SafetensorsWriter.Precision = .float32
) throws -> [UInt8] {
  try withTemporaryFile { path in
    let writer = SafetensorsWriter(precision: precision)
    try writer.write(tensors.map { ($0.name, $0.shape) }, to: path) { name, _, buffer in
      for tensor in tensors where tensor.name == name {
        _ = buffer.initialize(from: tensor.elements)
      }
    }
    return Array(try Data(contentsOf: URL(filePath: path)))
  }
}
