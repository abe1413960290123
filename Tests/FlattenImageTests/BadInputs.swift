import FlattenFiles
import Foundation
import TestSupport
import Testing

@testable import FlattenImage

/// One entry of the collection of awkward and hostile files.
struct BadInput: Sendable, CustomStringConvertible {
  let json: JSONValue
  let path: String

  var description: String { json["file"].text ?? "?" }
  var expect: String { json["expect"].text ?? "?" }

  /// Entries of one kind; empty where the collection is not present.
  static func entries(kind: String) -> [BadInput] {
    guard let folder = Fixtures.badInputs,
      let data = try? Data(contentsOf: folder.appending(path: "manifest.json")),
      let manifest = try? JSONDecoder().decode(JSONValue.self, from: data)
    else { return [] }
    return manifest.list.filter { $0["kind"].text == kind }.map { entry in
      BadInput(json: entry, path: folder.appending(path: entry["file"].text ?? "").path)
    }
  }

  /// Reads the file and holds the outcome against the entry; returns what was read.
  func outcome<Value>(of read: () throws -> Decoded<Value>) throws -> Value? {
    let start = ContinuousClock.now
    defer {
      let seconds = json["max_seconds"].number ?? 5
      #expect(ContinuousClock.now - start < .seconds(seconds), "too slow")
    }
    do {
      let decoded = try read()
      #expect(expect != "error", "was read, should be refused: \(json["why"].text ?? "")")
      if json["warn"].bool == true { #expect(!decoded.warnings.isEmpty, "no warning") }
      for warning in decoded.warnings { expectPrintable(warning) }
      return decoded.value
    } catch let error as FileError {
      let message = error.description
      expectPrintable(message)
      let words = json["says"].list.compactMap(\.text)
      if !words.isEmpty {
        #expect(
          words.contains { message.lowercased().contains($0.lowercased()) },
          "'\(message)' has none of \(words)")
      }
      let excused = !json["needs"].isNull && message.contains("not supported")
      #expect(expect != "ok" || excused, "refused: \(message)")
      return nil
    }
  }

  private func expectPrintable(_ message: String) {
    #expect(message.contains(printable(path, limit: 200)), "does not name the file: \(message)")
    #expect(message.count <= 500)
    #expect(!message.unicodeScalars.contains { $0.value < 0x20 || $0.value == 0x7F })
  }
}

/// Pictures and maps to test with: no symmetry, no constant areas.
enum Sample {
  static func image(_ width: Int, _ height: Int, seed: UInt64 = 1) -> Image {
    var generator = SeededGenerator(seed: seed)
    return Image(
      width: width, height: height,
      pixels: (0..<width * height * 3).map { _ in UInt8.random(in: 0...255, using: &generator) })
  }

  /// A picture that survives JPEG compression: slopes of different steepness in each channel.
  static func smoothImage(_ width: Int, _ height: Int) -> Image {
    var pixels: [UInt8] = []
    for y in 0..<height {
      for x in 0..<width {
        pixels += [
          UInt8(x * 255 / max(width - 1, 1)), UInt8(y * 255 / max(height - 1, 1)),
          UInt8((x + 2 * y) * 255 / max(width + 2 * height - 3, 1)),
        ]
      }
    }
    return Image(width: width, height: height, pixels: pixels)
  }
}
