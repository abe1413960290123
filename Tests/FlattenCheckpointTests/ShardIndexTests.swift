import FlattenFiles
import Foundation
import TestSupport
import Testing

@testable import FlattenCheckpoint

/// Weights that are split into several files with an index.
@Suite struct ShardIndexTests {
  private let folder: TemporaryFolder
  private let index: String

  /// Two files with three tensors, and an index that fits them.
  init() throws {
    folder = try TemporaryFolder()
    _ = try folder.file("one.safetensors", safetensors([("a", [2], [1, 2]), ("b.c", [1], [3])]))
    _ = try folder.file("two.safetensors", safetensors([("d", [1, 2], [4, 5])]))
    index = folder.path("model.safetensors.index.json")
    try write(["a": "one.safetensors", "b.c": "one.safetensors", "d": "two.safetensors"])
  }

  private func write(_ map: KeyValuePairs<String, String>) throws {
    let members = map.map { "\"\($0)\": \"\($1)\"" }.joined(separator: ", ")
    try write(
      text: "{\"metadata\": {\"total_size\": 20, \"x\": [1.5e3, null]},\n"
        + "\"weight_map\": {\(members)}}\n")
  }

  private func write(text: String) throws {
    _ = try folder.file("model.safetensors.index.json", Array(text.utf8))
  }

  private func reason() -> String {
    do {
      let checkpoint = try Checkpoint.open(path: index)
      return "opened: \(checkpoint.entries.map(\.name))"
    } catch {
      #expect("\(error)".count <= 500 && "\(error)".contains(folder.url.lastPathComponent))
      return "\(error)"
    }
  }

  @Test func allFilesAreRead() throws {
    let checkpoint = try Checkpoint.open(path: index)
    #expect(checkpoint.entries.map(\.name) == ["a", "b.c", "d"])
    #expect(checkpoint.shards == ["one.safetensors", "two.safetensors"])
    #expect(try checkpoint.read("a").elements == [1, 2])
    #expect(try checkpoint.read("b.c").elements == [3])
    #expect(try checkpoint.read("d").elements == [4, 5])
    try checkpoint.verify()
    #expect(try summary(checkpoint).text.contains("files: one.safetensors, two.safetensors"))
    let copy = folder.path("all.safetensors")
    try SafetensorsWriter(precision: .float32).write(checkpoint, to: copy)
    #expect(try Checkpoint.open(path: copy).read("d").elements == [4, 5])
    // Part of the names, as in a single file.
    let part = try Checkpoint.open(path: index, options: .init(container: "b"))
    #expect(part.entries.map(\.name) == ["c"])
    #expect(try part.read("c").elements == [3])
  }

  @Test func filesOfTorch() throws {
    _ = try folder.file("one.bin", PickleFile.checkpoint([("a", PickleFile.tensor)]))
    _ = try folder.file("two.bin", PickleFile.checkpoint([("b", PickleFile.tensor)]))
    try write(["a": "one.bin", "b": "two.bin"])
    #expect(try Checkpoint.open(path: index).read("b").elements == [0, 0, 0, 0])
    try write(["a": "one.bin", "d": "two.safetensors"])
    #expect(reason().contains("files of two kinds"))
  }

  @Test func aMissingFileIsNamed() throws {
    try FileManager.default.removeItem(atPath: folder.path("two.safetensors"))
    #expect(reason().contains("names 'two.safetensors', which cannot be read: no such file"))
    try FileManager.default.createDirectory(
      atPath: folder.path("two.safetensors"), withIntermediateDirectories: false)
    #expect(reason().contains("is a folder"))
  }

  @Test(arguments: [
    "../two.safetensors", "/etc/passwd", "sub/two.safetensors", "..", ".", "", "./two.safetensors",
  ])
  func filesElsewhereAreRefused(path: String) throws {
    try write(["a": "one.safetensors", "b.c": "one.safetensors", "d": path])
    #expect(reason().contains("a file beside it is wanted"))
  }

  @Test func indexAndFilesMustAgree() throws {
    try write(["a": "one.safetensors", "d": "two.safetensors"])
    #expect(reason().contains("'b.c' is in 'one.safetensors', the index does not name it"))
    try write(["a": "one.safetensors", "b.c": "two.safetensors", "d": "two.safetensors"])
    #expect(
      reason().contains("'b.c' is in 'one.safetensors', the index has it in 'two.safetensors'"))
    try write([
      "a": "one.safetensors", "b.c": "one.safetensors", "d": "two.safetensors",
      "e": "two.safetensors",
    ])
    #expect(reason().contains("'e' is not in 'two.safetensors'"))
    // The same tensor in both files.
    _ = try folder.file("two.safetensors", safetensors([("d", [1], [4]), ("a", [1], [5])]))
    try write(["a": "one.safetensors", "b.c": "one.safetensors", "d": "two.safetensors"])
    #expect(reason().contains("'a' is in 'two.safetensors', the index has it in 'one.safetensors'"))
  }

  @Test func aDamagedFileIsNamed() throws {
    _ = try folder.file("two.safetensors", Array("version https://git-lfs.github.com/spec".utf8))
    #expect(reason().contains("two.safetensors: is a Git LFS pointer"))
    // An index in the place of a file is no file with tensors.
    try FileManager.default.removeItem(atPath: folder.path("two.safetensors"))
    try FileManager.default.copyItem(atPath: index, toPath: folder.path("two.safetensors"))
    #expect(reason().contains("two.safetensors: is a JSON text"))
  }

  @Test(arguments: [
    (#"{"weight_map": {}}"#, "names no tensors"),
    (#"{"weight_map": {"a": "one.safetensors", "a": "one.safetensors"}}"#, "the key 'a' twice"),
    (#"{"weight_map": {"a": 1}}"#, "lacks '\"'"), (#"{"weight_map": ["a"]}"#, "lacks '{'"),
    (#"{"weight_map": {"a": "one.safetensors""#, "lacks"), ("{", "lacks"),
    (#"{"weight_map": {"a": "one.safetensors"}} x"#, "goes on after its end"),
    (#"{"error": "Invalid credentials"}"#, "is a JSON text, not a checkpoint"),
    (#"{"metadata": [[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]}"#, "nests too deep"),
    (#"{"weight_map": {"a": "one\u0000.safetensors"}}"#, "a file beside it is wanted"),
  ])
  func damagedIndices(text: String, says: String) throws {
    try write(text: text)
    #expect(reason().contains(says), "\(reason())")
  }

  /// What is not called an index and is none is told as what it is.
  @Test func otherTexts() throws {
    for text in ["{", #"{"error": "x"#, "[1, 2]", #"{"weight_map": 3"#] {
      let file = try folder.file("w.pth", Array(text.utf8))
      let error = #expect(throws: FileError.self) { try Checkpoint.open(path: file) }
      #expect(error?.reason.isEmpty == false)
    }
    let file = try folder.file("w.pth", Array(#"{"error": "x""#.utf8))
    let error = #expect(throws: FileError.self) { try Checkpoint.open(path: file) }
    #expect(error?.reason.hasPrefix("is a JSON text") == true)
  }

  /// Changes of an index never end the process, and it never opens what is not beside it.
  @Test func mutationsNeverCrash() throws {
    let good = Array(try Data(contentsOf: URL(filePath: index)))
    var random = SplitMix64(state: 7)
    func below(_ limit: Int) -> Int { Int(random.next() % UInt64(limit)) }
    var opened = 0
    for _ in 0..<3000 {
      var bytes = good
      for _ in 0...below(2) { bytes[below(bytes.count)] = UInt8(below(256)) }
      if below(4) == 0 { bytes = Array(bytes.prefix(below(bytes.count))) }
      let file = try folder.file("model.safetensors.index.json", bytes)
      do {
        _ = try Checkpoint.open(path: file)
        opened += 1
      } catch {
        #expect("\(error)".count <= 500)
      }
    }
    #expect(opened > 10)
  }
}
