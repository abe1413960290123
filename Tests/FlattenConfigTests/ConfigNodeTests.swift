import FlattenConfig
import Testing

@Suite struct ConfigNodeTests {
  private func value(_ text: String) throws -> ConfigNode {
    try ConfigNode.parse("k: \(text)\n", name: "t.yaml").map().entry("k")
      ?? { throw ConfigError(file: "t", line: nil, found: "no k", remedy: "") }()
  }

  @Test(arguments: [
    ("", "null"), ("~", "null"), ("null", "null"), ("Null", "null"), ("None", "null"),
    ("none", "text"), ("'~'", "text"), ("true", "bool"), ("FALSE", "bool"), ("yes", "text"),
    ("no", "text"), ("on", "text"), ("off", "text"), ("y", "text"), ("tRUE", "text"),
    ("0", "int"), ("-7", "int"), ("+7", "int"), ("010", "int"), ("0x1F", "int"), ("0o17", "int"),
    ("0b11", "text"), ("0o8", "text"), ("0x", "text"), ("-0x1", "text"), ("1_000", "text"),
    ("12:30", "text"), ("1e3", "float"), ("5e-4", "float"), ("1.0E+2", "float"), (".5", "float"),
    ("5.", "float"), (".", "text"), ("e3", "text"), ("1e", "text"), ("1e+", "text"),
    ("1.2.3", "text"), ("--1", "text"), (".inf", "float"), ("-.INF", "float"), (".nan", "float"),
    ("-.nan", "text"), ("inf", "text"), ("nan", "text"), ("1f", "text"), ("0x1p3", "text"),
    ("99999999999999999999999", "int"), ("'5'", "text"), ("\"true\"", "text"), ("!!str 5", "text"),
    ("! 5", "text"), ("!!float 5", "float"), ("[]", "list"), ("{}", "map"), ("2026-01-01", "text"),
  ])
  func scalarsFollowTheCoreSchema(text: String, kind: String) throws {
    #expect(try value(text).kind.rawValue == kind)
  }

  @Test func numbersHaveTheirValues() throws {
    #expect(try value("010").int() == 10)
    #expect(try value("0o17").int() == 15)
    #expect(try value("0x1F").int() == 31)
    #expect(try value("5e-4").double() == 0.0005)
    #expect(try value("7").double() == 7)
    #expect(try value(".5").double() == 0.5)
    #expect(try value("[1, 2]").ints(count: 2, in: 1...2) == [1, 2])
    #expect(try value("[1, 2.5]").doubles() == [1, 2.5])
    #expect(try value("[a, 'b']").strings() == ["a", "b"])
  }

  enum Colour: String, CaseIterable { case red, green }

  /// Every complaint in full: texts are part of the interface.
  @Test func complaintsSayEverything() throws {
    let cases: [(text: String, read: (ConfigNode) throws -> Void, message: String)] = [
      (
        "96.5", { _ = try $0.int(in: 1...65536) },
        "is the number 96.5, expected a whole number from 1 to 65536. Change line 1."
      ),
      ("yes", { _ = try $0.int() }, "is the text 'yes', expected a whole number. Change line 1."),
      (
        "-1", { _ = try $0.int(in: 0 ... .max) },
        "is the number -1, expected a whole number of at least 0. Change line 1."
      ),
      (
        ".nan", { _ = try $0.double(in: 0...1) },
        "is the number .nan, expected a number from 0.0 to 1.0. Change line 1."
      ),
      (
        "99999999999999999999999", { _ = try $0.int() },
        "is the number 99999999999999999999999, expected a whole number. Change line 1."
      ),
      ("5", { _ = try $0.string() }, "is the number 5, expected text. Put it in quotes."),
      (
        "yes", { _ = try $0.bool() },
        "is the text 'yes', expected true or false. Write true or false on line 1."
      ),
      ("7", { _ = try $0.list() }, "is the number 7, expected a list. Change line 1."),
      (
        "[1, 2]", { _ = try $0.ints(count: 4) },
        "has 2 values, expected 4. Write 4 values on line 1."
      ),
      (
        "gren", { _ = try $0.choice(Colour.self) },
        "is the text 'gren', expected one of red, green. Did you mean 'green'?"
      ),
      (
        "5", { _ = try $0.map() },
        "is the number 5, expected a map. Write indented 'key: value' lines under it."
      ),
    ]
    for (text, read, message) in cases {
      let node = try value(text)
      let error = #expect(throws: ConfigError.self) { try read(node) }
      #expect(error?.description == "t.yaml:1: 'k' \(message)")
    }
    let second = try value("[2, two]").list()[1]
    let error = #expect(throws: ConfigError.self) { try second.int() }
    #expect(error?.key == "k[1]")
  }

  @Test func choiceIsExact() throws {
    #expect(try value("red").choice(Colour.self) == .red)
    #expect(throws: ConfigError.self) { try value("Red").choice(Colour.self) }
  }

  @Test func longContentIsCut() throws {
    let node = try value(String(repeating: "x", count: 3000))
    let error = #expect(throws: ConfigError.self) { try node.int() }
    #expect((error?.description.count ?? 999) <= 500)
  }
}
