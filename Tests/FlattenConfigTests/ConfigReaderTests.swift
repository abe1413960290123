import FlattenConfig
import FlattenFiles
import Foundation
import TestSupport
import Testing

@Suite struct ConfigReaderTests {
  /// Text that must be refused, and what the message must say.
  static let refused: [(text: String, says: String)] = [
    ("", "no YAML document"),
    ("# only this\n", "no YAML document"),
    ("- a\n", "no map"),
    ("a: 1\n---\nb: 2\n", "second document"),
    ("a: 1\na: 2\n", "'a' is a duplicate key, first seen on line 1"),
    ("a: {b: 1, \"b\": 2}\n", "'a.b' is a duplicate key"),
    ("a: *x\n", "'*x' has no anchor"),
    ("a: &x [*x]\n", "inside its own anchor"),
    ("b: &x 1\na: &x [*x]\n", "inside its own anchor"),
    ("a: &x {k: {l: *x}}\n", "inside its own anchor"),
    ("a: !!python/name:os.system x\n", "tag"),
    ("a: !custom {b: 1}\n", "tag"),
    ("a: !!int many\n", "tag"),
    ("a: !!binary aGVsbG8=\n", "tag"),
    ("a: &x {b: 1}\nc: {<<: *x}\n", "merge key"),
    ("[a, b]: c\n", "used as a key"),
    ("{a: 1}: c\n", "used as a key"),
    ("a: &x b\n*x : c\n", "used as a key"),
    ("5.5: five\n", "'5.5' is used as a key"),
    ("true: yes\n", "'true' is used as a key"),
    ("~: nothing\n", "used as a key"),
    ("&k a: 1\n", "anchor"),
    ("a: [1, 2\nb: 3\n", "no YAML"),
    ("a: \"x\n", "no YAML"),
    ("a:\n\tb: 1\n", "indented with a tab"),
    ("a: b: c\n", "put its value in quotes"),
    ("a: x\u{1}y\n", "control character 0x1"),
    ("a: x\u{0}y\n", "control character 0x0"),
    ("%YAML 3.0\n---\na: 1\n", "no YAML"),
  ]

  @Test(arguments: refused)
  func refuses(text: String, says: String) {
    let error = #expect(throws: ConfigError.self) { try ConfigNode.parse(text, name: "t.yaml") }
    let message = error?.description ?? ""
    #expect(message.hasPrefix("t.yaml:") && message.contains(says), "message: \(message)")
  }

  @Test func refusesOtherEncodings() {
    for (bytes, says) in [
      ([0xFF, 0xFE, 0x61, 0x00], "UTF-16"), ([0xFE, 0xFF, 0x00, 0x61], "UTF-16"),
      (Array("a: 1\nb: ".utf8) + [0xE8, 0x0A], "t:2: the text is not UTF-8"),
    ] as [([UInt8], String)] {
      let error = #expect(throws: ConfigError.self) { try ConfigNode.parse(bytes, name: "t") }
      #expect(error?.description.contains(says) == true)
    }
  }

  @Test func keysAreComparedByBytes() throws {
    let root = try ConfigNode.parse("\u{E9}: 1\ne\u{301}: 2\n", name: "t")
    #expect(try root.map().keys.count == 2)
    #expect(try root.map().required("e\u{301}").int() == 2)
  }

  @Test(arguments: [64, 65])
  func nestingEndsAtSixtyFourLevels(levels: Int) throws {
    // The top map is the first level.
    let text =
      "a: " + String(repeating: "[", count: levels - 1)
      + String(repeating: "]", count: levels - 1)
    if levels == 64 {
      _ = try ConfigNode.parse(text, name: "t")
    } else {
      let error = #expect(throws: ConfigError.self) { try ConfigNode.parse(text, name: "t") }
      #expect(error?.found == "nested more than 64 levels deep")
    }
  }

  @Test func aliasesCountAsDeepAsTheyReach() {
    let brackets = 40
    let open = String(repeating: "[", count: brackets)
    let close = String(repeating: "]", count: brackets)
    let text = "a: &x \(open)\(close)\nb: \(open)*x\(close)\n"
    let error = #expect(throws: ConfigError.self) { try ConfigNode.parse(text, name: "t") }
    #expect(error?.found == "nested more than 64 levels deep")
  }

  @Test func aLongListIsFineUpToTheLimit() throws {
    // The map, its key, the list and 9 997 numbers.
    let numbers = Array(repeating: "1", count: 9_997)
    let fits = "a: [" + numbers.joined(separator: ",") + "]"
    #expect(try ConfigNode.parse(fits, name: "t").map().required("a").ints().count == 9_997)
    let over = "a: [" + (numbers + ["1"]).joined(separator: ",") + "]"
    let error = #expect(throws: ConfigError.self) { try ConfigNode.parse(over, name: "t") }
    #expect(error?.found == "expands to more than 10000 values")
  }

  @Test func longTextsBehindAliasesAreRefused() {
    let text =
      "a: &x \"" + String(repeating: "y", count: 1000) + "\"\nb: ["
      + Array(repeating: "*x", count: 900).joined(separator: ",") + "]\n"
    let error = #expect(throws: ConfigError.self) { try ConfigNode.parse(text, name: "t") }
    #expect(error?.found == "expands to more than 64 times its size")
  }

  @Test(arguments: ["[", "{", "- ", "? ", "{a: ", "[*x, ", "\"", "&x [", "!!map {", "a: |\n "])
  func repeatedTokensEndQuickly(token: String) {
    let start = ContinuousClock.now
    let text = "a: " + String(repeating: token, count: 400_000 / token.utf8.count)
    #expect(throws: ConfigError.self) { try ConfigNode.parse(text, name: "t") }
    #expect(ContinuousClock.now - start < .seconds(3))
  }

  @Test func damagedTextNeverTraps() {
    let seed = Array("a: &x [1, 'b', \"c\\n\"]\nd: {e: *x, f: ~}\ng: |\n  text\n# end\n".utf8)
    var state: UInt64 = 42
    func random(_ bound: Int) -> Int {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Int(truncatingIfNeeded: state >> 33) % bound
    }
    let alphabet = Array("[]{}:,-?*&!|>'\"%@`#~ \t\n\r\\ab01\u{0}".utf8) + [0xEF, 0xBB, 0xBF, 0xFF]
    for _ in 0..<20_000 {
      var bytes = seed
      for _ in 0...random(4) {
        switch random(3) {
        case 0: bytes[random(bytes.count)] = alphabet[random(alphabet.count)]
        case 1: bytes.insert(alphabet[random(alphabet.count)], at: random(bytes.count))
        default: bytes.remove(at: random(bytes.count))
        }
      }
      do { _ = try ConfigNode.parse(bytes, name: "t") } catch { #expect(error is ConfigError) }
    }
  }

  @Test(arguments: [
    ("version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "'git lfs pull'"),
    ("<!DOCTYPE html>\n<html>\n", "is a web page"),
  ])
  func aStrayFileIsNamed(content: String, says: String) throws {
    let folder = try TemporaryFolder()
    let file = try folder.file("c.yaml", Array(content.utf8))
    let error = #expect(throws: FileError.self) { try ConfigNode.load(path: file) }
    #expect(error?.reason.contains(says) == true)
  }
}
