import FlattenCheckpoint
import FlattenFiles
import Foundation
import Testing
import TestSupport

/// One entry of the manifest of awkward and hostile files.
struct BadInput: Sendable, CustomTestStringConvertible {
  let file: String
  let expectation: String
  let says: [String]
  let maxSeconds: Double
  let expected: JSONValue
  let path: String

  var testDescription: String { file }

  /// Whether the file would have a reader call something.
  var isAttack: Bool { file.contains("/call-") && expectation == "error" }

  static let all: [BadInput] = {
    guard let folder = Fixtures.badInputs else { return [] }
    func json(_ name: String) -> JSONValue {
      guard let data = try? Data(contentsOf: folder.appending(path: name)) else { return .null }
      return (try? JSONDecoder().decode(JSONValue.self, from: data)) ?? .null
    }
    let expected = json("expected.json")
    return json("manifest.json").list.compactMap { entry in
      guard let file = entry["file"].text, let kind = entry["kind"].text,
        ["checkpoint", "safetensors"].contains(kind)
      else { return nil }
      return BadInput(
        file: file, expectation: entry["expect"].text ?? "",
        says: entry["says"].list.compactMap(\.text), maxSeconds: entry["max_seconds"].number ?? 5,
        expected: expected[file], path: folder.appending(path: file).path)
    }
  }()
}

/// A checkpoint read whole: what every test of a file does with it.
struct WholeCheckpoint {
  let checkpoint: Checkpoint
  var values: [(entry: TensorEntry, floats: [Float])] = []

  init(path: String, options: Checkpoint.Options = .init()) throws {
    checkpoint = try Checkpoint.open(path: path, options: options)
    try checkpoint.verify()
    for entry in checkpoint.entries {
      values.append((entry, try checkpoint.read(entry).elements))
    }
  }
}

func isShort(_ error: any Error, naming path: String) -> Bool {
  let text = "\(error)"
  return text.count <= 500 && text.contains(URL(filePath: path).lastPathComponent)
    && !text.unicodeScalars.contains { $0.value < 0x20 || $0.value == 0x7F }
}

/// What a reader of checkpoints has to say of a file beside its name; `nil` for errors that it must not throw.
private func reason(of error: any Error) -> String? {
  (error as? FileError)?.reason ?? (error as? UnknownObjectError)?.fact
    ?? (error as? ContainerError)?.facts
}

@Suite(.enabled(if: Fixtures.badInputs != nil, "the folder of bad inputs is not here"))
struct BadInputsTests {
  @Test(arguments: BadInput.all) func verdict(input: BadInput) throws {
    let start = ContinuousClock.now
    switch input.expectation {
    case "ok": try compare(try WholeCheckpoint(path: input.path), input.expected)
    case "error":
      let thrown = #expect(throws: (any Error).self) { try WholeCheckpoint(path: input.path) }
      let error = try #require(thrown)
      let text = try #require(reason(of: error), "\(error)")
      #expect(isShort(error, naming: input.path), "\(error)")
      #expect(
        input.says.isEmpty || input.says.contains { text.lowercased().contains($0.lowercased()) },
        "\(text)")
    default:
      do {
        let whole = try WholeCheckpoint(path: input.path)
        for entry in whole.checkpoint.entries { #expect(entry.name.utf8.count <= 1024) }
      } catch {
        #expect(isShort(error, naming: input.path), "\(error)")
      }
    }
    #expect(ContinuousClock.now - start < .seconds(input.maxSeconds))
  }

  private func compare(_ whole: WholeCheckpoint, _ expected: JSONValue) throws {
    guard case .object(let tensors) = expected["tensors"] else {
      Issue.record("no expectation for this file")
      return
    }
    #expect(whole.checkpoint.unwrapped == expected["unwrapped"].text)
    // A dictionary keyed by `String` merges names that differ in their normal form.
    if tensors.count == whole.values.count {
      #expect(Set(tensors.keys) == Set(whole.values.map(\.entry.name)))
    }
    for (entry, floats) in whole.values {
      guard let wanted = tensors[entry.name] else { continue }
      guard wanted["shape"].ints == entry.shape || tensors.count < whole.values.count else {
        Issue.record("'\(entry.name)' is \(entry.shape), expected \(wanted["shape"].ints)")
        continue
      }
      if tensors.count < whole.values.count { continue }
      #expect(entry.typeName == wanted["dtype"].text, "\(entry.name)")
      let first = wanted["first"].list.map { value -> Double in
        value.number ?? Double(value.text ?? "") ?? .nan
      }
      for (got, want) in zip(floats, first) {
        #expect(got == Float(want) || (got.isNaN && want.isNaN), "\(entry.name)")
      }
      #expect(first.count == min(8, floats.count))
      guard let sum = wanted["sum"].number else { continue }
      let total = floats.reduce(0) { $0 + Double($1) }
      let size = floats.reduce(0) { $0 + Double(abs($1)) }
      // float64 tensors are rounded to single precision on the way.
      #expect(abs(total - sum) <= 1e-7 * size + 1e-12, "\(entry.name)")
    }
  }

  /// The files that a test is about; that they are there is part of the test.
  private func files(atLeast count: Int, where isMeant: (BadInput) -> Bool) -> [BadInput] {
    let files = BadInput.all.filter(isMeant)
    #expect(files.count >= count, "\(files.map(\.file))")
    return files
  }

  @Test func theFolderIsWhole() {
    #expect(BadInput.all.count >= 300)
    #expect(Set(BadInput.all.map(\.expectation)) == ["ok", "error", "survive"])
    // Those that the attacks' test takes as arguments.
    #expect(!files(atLeast: 10) { $0.isAttack }.isEmpty)
  }

  @Test func namesThatDifferInNormalFormAreTwoTensors() throws {
    let inputs = files(atLeast: 2) {
      $0.expectation == "ok" && $0.file.contains("unicode-nfc-nfd")
    }
    for input in inputs {
      let checkpoint = try Checkpoint.open(path: input.path)
      #expect(checkpoint.entries.count == 2)
      let values = try checkpoint.entries.map { try checkpoint.read($0.name).elements }
      #expect(values[0] != values[1])
    }
  }

  @Test func nonFiniteWeightsAreReported() throws {
    for input in files(atLeast: 1, where: { $0.file.hasSuffix("nonfinite.pth") }) {
      let whole = try WholeCheckpoint(path: input.path)
      #expect(whole.checkpoint.nonFiniteTensors == ["a"])
      #expect(whole.checkpoint.warnings.count == 1)
    }
  }

  /// Integers stay what they are where floating-point numbers become narrower.
  @Test func everyElementTypeIsConverted() throws {
    for input in files(atLeast: 1, where: { $0.file.hasSuffix("/dtypes.pth") }) {
      let source = try Checkpoint.open(path: input.path)
      #expect(Set(source.entries.map(\.elementType)).count > 5)
      try withTemporaryFile { path in
        try SafetensorsWriter(precision: .bfloat16).write(source, to: path)
        let copy = try Checkpoint.open(path: path)
        #expect(copy.entries.count == source.entries.count)
        for entry in source.entries {
          let written = try #require(copy.entry(entry.name))
          #expect(written.shape == entry.shape)
          if entry.isFloatingPoint {
            #expect(written.elementType == .bfloat16)
          } else {
            #expect(written.elementType == entry.elementType)
            #expect(try copy.readBytes(written) == source.readBytes(entry))
          }
        }
      }
    }
  }

  /// The commands of the hostile files would leave files of this name.
  @Test func nothingWasCalled() throws {
    for input in BadInput.all { _ = try? WholeCheckpoint(path: input.path) }
    for input in BadInput.all {
      let options = Checkpoint.Options(skipUnknownObjects: true)
      _ = try? WholeCheckpoint(path: input.path, options: options)
    }
    for folder in [FileManager.default.currentDirectoryPath, "/tmp", NSHomeDirectory()] {
      let names = try FileManager.default.contentsOfDirectory(atPath: folder)
      #expect(!names.contains { $0.hasPrefix("flatten_seg_canary") })
    }
  }

  /// Names that only an attack would use stay an error with the option that skips unknown classes.
  @Test(arguments: BadInput.all.filter(\.isAttack)) func attacksStayRefused(input: BadInput) {
    #expect(throws: FileError.self) {
      try WholeCheckpoint(path: input.path, options: .init(skipUnknownObjects: true))
    }
  }
}
