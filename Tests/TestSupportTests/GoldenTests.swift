import FlattenTensor
import Foundation
import Testing

@testable import TestSupport

/// A golden case made on the spot, read and judged.
@Suite struct GoldenTests {
  /// Writes a case with a map `[1, 2, 1, 3]`, labels `[1, 2, 3]` and a weight.
  private func withGolden(
    allowed: Int = 1, _ body: (Golden) throws -> Void
  ) throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: "golden-\(UUID())")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let description = """
      {"files": {"inputs": "in.safetensors", "expected": "out.safetensors"},
       "params": {"size": [2, 3], "on": true, "name": "x", "none": null},
       "inputs": {"made": {"shape": [2, 3, 4, 5], "formula": true},
                  "flat": {"shape": [2, 3, 4], "formula": true},
                  "grey": {"shape": [2, 1, 4, 5], "formula": true}},
       "expected": {"y": {"atol": 0.5}, "labels": {"max_mismatched_pixels": \(allowed)},
                    "part": {"atol": 0.5, "shape": [1, 2, 3, 5], "stride": [2, 3]},
                    "odd": {"atol": 0.5, "shape": [1, 2, 3, 5], "stride": [2]},
                    "silent": {}}}
      """
    try Data(description.utf8).write(to: folder.appending(path: "case.json"))
    try file(["x": ("F32", [1, 2, 1, 3], bytes([0, 1, 2, 3, 4, 5] as [Float]))])
      .write(to: folder.appending(path: "in.safetensors"))
    try file([
      "y": ("F32", [1, 2, 1, 3], bytes([0, 1, 2, 3, 4, 5] as [Float])),
      "labels": ("U8", [1, 2, 3], Data([1, 2, 3, 4, 5, 255])),
      // Of 30 numbers in a row as [1, 2, 3, 5]: rows 0 and 2, columns 0 and 3.
      "part": ("F32", [1, 2, 2, 2], bytes([0, 3, 10, 13, 15, 18, 25, 28] as [Float])),
      "odd": ("F32", [1, 2, 2, 2], bytes([0, 3, 10, 13, 15, 18, 25, 28] as [Float])),
      "silent": ("F32", [1], bytes([1] as [Float])),
    ])
    .write(to: folder.appending(path: "out.safetensors"))
    // From the fixtures' folder up to the root and down again.
    let up = Fixtures.folder.standardizedFileURL.pathComponents.dropFirst().map { _ in ".." }
    let path = up.joined(separator: "/") + folder.path
    try body(Golden(FixtureCase(id: path, kind: "")))
  }

  private func bytes<Element>(_ values: [Element]) -> Data {
    values.withUnsafeBufferPointer { Data(buffer: $0) }
  }

  private func file(_ tensors: [String: (type: String, shape: [Int], bytes: Data)]) -> Data {
    var entries: [String] = []
    var body = Data()
    for (name, tensor) in tensors.sorted(by: { $0.key < $1.key }) {
      let range = [body.count, body.count + tensor.bytes.count]
      entries.append(
        "\"\(name)\": {\"dtype\": \"\(tensor.type)\", \"shape\": \(tensor.shape), "
          + "\"data_offsets\": \(range)}")
      body += tensor.bytes
    }
    let header = Data("{\(entries.joined(separator: ", "))}".utf8)
    return withUnsafeBytes(of: UInt64(header.count).littleEndian) { Data($0) } + header + body
  }

  @Test func countsLabels() throws {
    try withGolden { golden in
      #expect(golden.mismatch(labels: "labels", [1, 2, 3, 4, 5, 255]) == nil)
      #expect(golden.mismatch(labels: "labels", [1, 2, 3, 4, 6, 255]) == nil)
      #expect(
        golden.mismatch(labels: "labels", [0, 2, 3, 4, 6, 255])
          == "labels: 2 pixels differ, 1 may")
      #expect(golden.mismatch(labels: "labels", [2, 3, 4, 5, 255, 1]) != nil)
    }
    try withGolden(allowed: 0) { golden in
      #expect(golden.mismatch(labels: "labels", [1, 2, 3, 4, 5, 255]) == nil)
      #expect(golden.mismatch(labels: "labels", [1, 2, 3, 4, 5, 254]) != nil)
    }
  }

  @Test func refusesLabelsOfAnotherNumber() throws {
    try withGolden(allowed: 100) { golden in
      #expect(golden.mismatch(labels: "labels", []) != nil)
      #expect(golden.mismatch(labels: "labels", [1, 2, 3, 4, 5]) != nil)
      #expect(golden.mismatch(labels: "labels", [1, 2, 3, 4, 5, 255, 0]) != nil)
    }
  }

  @Test func refusesWhatItDoesNotKnow() throws {
    try withGolden { golden in
      let one = Tensor([1], [1])
      #expect(golden.mismatch("nowhere", one) == "no expected tensor 'nowhere'")
      #expect(golden.mismatch("silent", one) == "'silent' has no tolerance")
      #expect(golden.mismatch(labels: "nowhere", [1]) == "no expected tensor 'nowhere'")
      #expect(golden.mismatch(labels: "y", [0, 1, 2, 3, 4, 5]) == "'y' has no tolerance")
      #expect(throws: Golden.Missing.self) { try golden.input("nowhere") }
      #expect(throws: Golden.Missing.self) { try golden.weights() }
    }
  }

  @Test func comparesTensorsAndMaps() throws {
    try withGolden { golden in
      let x = try golden.input()
      #expect(x.shape == [1, 2, 1, 3])
      #expect(golden.mismatch("y", x) == nil)
      let map = try golden.map()
      #expect(map.shape == [1, 1, 3, 2] && map.elements == [0, 3, 1, 4, 2, 5])
      #expect(golden.mismatch(map: "y", map) == nil)
      #expect(golden.mismatch("y", map) != nil)
      #expect(golden.mismatch("y", Tensor(x.shape, [0.5, 1, 2, 3, 4, 5])) == nil)
      #expect(golden.mismatch("y", Tensor(x.shape, [0.75, 1, 2, 3, 4, 5])) != nil)
      #expect(golden.mismatch("y", Tensor(x.shape, [.nan, 1, 2, 3, 4, 5])) != nil)
      // The alternative stands in only where the first fails, and only if it exists.
      let silent = Tensor([1], [1])
      #expect(golden.mismatch("y", silent, alternative: "silent") == nil)
      #expect(golden.mismatch("y", silent, alternative: "nowhere") != nil)
    }
  }

  @Test func comparesAPartOfAMap() throws {
    try withGolden { golden in
      let values = (0..<30).map(Float.init)
      #expect(golden.mismatch(map: "part", Tensor([1, 2, 3, 5], values).channelsLast()) == nil)
      // A pixel between the stored ones is not looked at, each of those is.
      for (index, isStored) in [(1, false), (3, true), (28, true), (29, false)] {
        var wrong = values
        wrong[index] += 1
        let problem = golden.mismatch(
          map: "part", Tensor([1, 2, 3, 5], wrong).channelsLast())
        #expect((problem != nil) == isStored)
      }
      // Maps of another size may have as many pixels at these places.
      #expect(
        golden.mismatch(map: "part", Tensor([1, 2, 3, 4], Array(values[..<24])).channelsLast())
          == "part: shape [1, 2, 3, 4], expected [1, 2, 3, 5]")
      #expect(
        golden.mismatch(map: "odd", Tensor([1, 2, 3, 5], values).channelsLast())
          == "'odd' has no stride of rows and columns")
    }
  }

  @Test func makesAPictureThatIsNotStored() throws {
    try withGolden { golden in
      let picture = try golden.map("made")
      #expect(picture.shape == [2, 4, 5, 3])
      #expect(
        picture.elements
          == FormulaParameters.picture(batch: 2, height: 4, width: 5).elements)
      #expect(Set(picture.elements).count > 100)
      for name in ["flat", "grey", "nowhere"] {
        #expect(throws: Golden.Missing.self) { try golden.map(name) }
      }
    }
  }

  @Test func makesWeightsThatAreNotStored() throws {
    let folder = try TemporaryFolder()
    let list = "a.weight 2x3x1x1\nbn.num_batches_tracked scalar int\nscale scalar\n"
    try Data(list.utf8).write(to: folder.url.appending(path: "some.txt"))
    let source = try FormulaParameters(list: folder.url.appending(path: "some.txt"))
    #expect(source.name == "some")
    #expect(source.parameterShapes.map(\.name) == ["a.weight", "bn.num_batches_tracked", "scale"])
    #expect(source.parameterShapes.map(\.shape) == [[2, 3, 1, 1], [], []])
    #expect(source.parameterShapes.map(\.isFloatingPoint) == [true, false, true])
  }

  @Test func adjustsWeightsByTheirEnding() throws {
    let rules: JSONValue = .array([
      .object(["ending": .string("b.bias"), "scale": .number(4), "offset": .number(1)]),
      .object(["ending": .string(".bias"), "values": .array([.number(3), .number(-0.5)])]),
    ])
    let shapes: [(String, [Int], Bool)] = [
      ("a.b.bias", [2], true), ("a.bias", [2], true), ("a.weight", [2], true),
      ("c.bias", [3], true),
    ]
    let adjusted = FormulaParameters(
      shapes, adjustments: rules.list.map(FormulaParameters.Adjustment.init))
    func read(_ source: FormulaParameters, _ name: String, count: Int = 2) throws -> [Float] {
      try withUnsafeTemporaryAllocation(of: Float.self, capacity: count) { buffer in
        try source.read(name, into: buffer)
        return Array(buffer)
      }
    }
    let plain = FormulaParameters(shapes)
    #expect(try read(adjusted, "a.b.bias") == read(plain, "a.b.bias").map { $0 * 4 + 1 })
    #expect(try read(adjusted, "a.bias") == [3, -0.5])
    #expect(try read(adjusted, "a.weight") == read(plain, "a.weight"))
    #expect(throws: Golden.Missing.self) { try read(adjusted, "c.bias", count: 3) }
  }

  @Test func readsParameters() throws {
    try withGolden { golden in
      let p = golden.parameters
      #expect(p["size"].ints == [2, 3] && p["size"][1].int == 3 && p["size"][2].isNull)
      #expect(p["on"].bool == true && p["on"].number == nil && p["name"].text == "x")
      #expect(p["none"].isNull && p["nowhere"]["deeper"].isNull)
    }
  }

  @Test func turningAMapTwiceGivesIt() {
    let x = Tensor([2, 3, 4, 5], (0..<120).map(Float.init))
    #expect(x.channelsLast().shape == [2, 4, 5, 3])
    #expect(x.channelsLast().channelsFirst().elements == x.elements)
    #expect(x.channelsLast().elements[1] == 20)
  }

  @Test func readsEveryElementType() {
    func doubles(_ type: String, _ bytes: Data) -> [Double] {
      FixtureTensor(shape: [], type: type, bytes: bytes).doubles
    }
    #expect(doubles("F64", bytes([1.5, -2])) == [1.5, -2])
    #expect(doubles("F16", bytes([0x3c00, 0xc000] as [UInt16])) == [1, -2])
    #expect(doubles("BF16", bytes([0x3f80, 0xc000] as [UInt16])) == [1, -2])
    #expect(doubles("I64", bytes([-7, 1 << 40] as [Int64])) == [-7, 0x1p40])
    #expect(doubles("I32", bytes([-7] as [Int32])) == [-7])
    #expect(doubles("I16", bytes([-7] as [Int16])) == [-7])
    #expect(doubles("I8", bytes([-7] as [Int8])) == [-7])
    #expect(doubles("U8", Data([250])) == [250])
  }
}
