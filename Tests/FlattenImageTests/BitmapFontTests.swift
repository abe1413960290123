import Foundation
import Testing

@testable import FlattenImage

@Suite struct BitmapFontTests {
  @Test func lettersAreAllDifferent() {
    let letters = (0x20...0x7E).compactMap { Unicode.Scalar($0) }.map(Character.init)
    #expect(letters.count == 95)
    #expect(Set(letters.map { BitmapFont.rows(of: $0) }).count == 95)
    for letter in letters {
      #expect(BitmapFont.draws(String(letter)))
      let rows = BitmapFont.rows(of: letter)
      #expect(rows.count == BitmapFont.height)
      #expect(rows.allSatisfy { $0 < 1 << BitmapFont.width })
      #expect(rows.allSatisfy { $0 == 0 } == (letter == " "))
    }
  }

  @Test func lettersLookAsTheyShould() {
    #expect(Array(BitmapFont.rows(of: "F")) == [31, 16, 16, 30, 16, 16, 16, 0, 0])
    #expect(Array(BitmapFont.rows(of: "L")) == [16, 16, 16, 16, 16, 16, 31, 0, 0])
    #expect(Array(BitmapFont.rows(of: "7")).first == 31)
  }

  /// All of Latin-1 has a drawing, none looks like another, and none like ASCII but for the no-break space
  /// and the soft hyphen.
  @Test func latin1IsWhole() {
    let ascii = (0x20...0x7E).compactMap { Unicode.Scalar($0) }.map(Character.init)
    let letters = (0xA0...0xFF).compactMap { Unicode.Scalar($0) }.map(Character.init)
    #expect(letters.count == 96)
    var seen: [[UInt8]: Character] = [:]
    for letter in ascii + letters {
      #expect(BitmapFont.draws(String(letter)), "\(letter)")
      let rows = BitmapFont.rows(of: letter)
      #expect([9, 11].contains(rows.count) && rows.allSatisfy { $0 < 1 << BitmapFont.width })
      if let other = seen.updateValue(letter, forKey: rows) {
        #expect([" \u{A0}", "-\u{AD}"].contains("\(other)\(letter)"), "\(other) is \(letter)")
      }
    }
  }

  /// Names of classes in languages of Europe, in either of Unicode's forms: `ü`, and `u` with a mark.
  @Test(arguments: [
    "Fußgänger", "STRAẞE", "Gehäuse Öl Übergang", "façade née où naïve sœur", "mañana ¿qué?",
    "São João", "ångström øre Æble", "žluťoučký kůň", "pchnąć w tę łódź jeża",
    "árvíztűrő tükörfúrógép",
    "ağaç ışık İstanbul", "știință și țară", "Ķekava ēģle", "þorn ðæt", "„Straße“ – 5 €…",
  ])
  func lettersOfEurope(_ text: String) {
    #expect(BitmapFont.draws(text), "\(text.filter { !BitmapFont.draws(String($0)) })")
    let apart = text.decomposedStringWithCanonicalMapping
    #expect(apart.map(BitmapFont.rows) == text.map(BitmapFont.rows))
    #expect(BitmapFont.width(of: apart) == BitmapFont.width(of: text))
  }

  @Test func marksStandAboveTheirLetters() {
    #expect(BitmapFont.rows(of: "ü") == [10, 0] + BitmapFont.rows(of: "u")[2...])
    #expect(BitmapFont.rows(of: "Ä") == [10, 0] + BitmapFont.rows(of: "A"))
    #expect(BitmapFont.rows(of: "í")[0...2] == [2, 4, 12], "the mark takes the place of the dot")
    #expect(BitmapFont.rows(of: "ç")[7...] == [4, 12])
  }

  @Test(arguments: ["画", "類", "Ж", "\u{7F}", "\n", "\r\n", "🚗", "👨‍👩‍👧", "a\u{489}"] as [Character])
  func otherCharactersAreABox(_ letter: Character) {
    #expect(BitmapFont.rows(of: letter) == [31, 17, 17, 17, 17, 17, 31, 0, 0])
    #expect(!BitmapFont.draws("a\(letter)b") && BitmapFont.width(of: "a\(letter)b") == 17)
  }

  /// Boxes do not tell one class from another; ids do.
  @Test func namesWithoutDrawingsHaveTheirId() {
    #expect(BitmapFont.label("Straße", id: 4, longest: 9) == "Straße")
    #expect(BitmapFont.label("道路", id: 4, longest: 9) == "4: 道路")
    #expect(BitmapFont.label("天空和一些云彩", id: 120, longest: 9) == "120: 天空..")
  }

  @Test func longTextIsCut() {
    #expect(BitmapFont.cut("pedestrian", to: 10) == "pedestrian")
    #expect(BitmapFont.cut("pedestrian", to: 9) == "pedestr..")
    #expect(BitmapFont.cut("abc", to: 1) == ".")
    #expect(BitmapFont.cut("abc", to: 0) == "")
    #expect(BitmapFont.width(of: "") == 0)
    #expect(BitmapFont.width(of: "ab") == 11)
  }

  /// The mark of a capital is drawn above the line, the letter itself where it is without one.
  @Test func capitalsStandOnTheLine() {
    for upwards in [false, true] {
      var (plain, marked) = (
        Canvas(width: 20, height: 20, background: .white),
        Canvas(width: 20, height: 20, background: .white)
      )
      plain.text("A", x: 8, y: 8, scale: 1, .black, upwards: upwards)
      marked.text("Ä", x: 8, y: 8, scale: 1, .black, upwards: upwards)
      let more = (0..<400).filter {
        plain.image[$0 % 20, $0 / 20] != marked.image[$0 % 20, $0 / 20]
      }
      // Two dots, two rows above: at the left of a text that runs upwards.
      let places = more.map { [$0 % 20, $0 / 20] }
      #expect(places == (upwards ? [[6, 4], [6, 6]] : [[9, 6], [11, 6]]))
    }
  }

  @Test func drawsWithinTheCanvasOnly() {
    var canvas = Canvas(width: 6, height: 9, background: .white)
    canvas.text("L", x: 0, y: 0, scale: 1, .black)
    #expect(canvas.image[0, 0] == .black && canvas.image[4, 6] == .black)
    #expect(canvas.image[1, 0] == .white && canvas.image[0, 7] == .white)
    var turned = Canvas(width: 9, height: 6, background: .white)
    turned.text("L", x: 0, y: 6, scale: 1, .black, upwards: true)
    // Turned to the left, the stem lies at the bottom and the foot at the right.
    #expect(turned.image[0, 5] == .black && turned.image[6, 1] == .black)
    #expect(turned.image[0, 4] == .white)
    canvas.text("WWW", x: -400, y: -3, scale: 50, .black)
    canvas.fill(x: -5, y: -5, width: 3, height: 3, .black)
    canvas.draw(Sample.image(4, 4), x: 5, y: 8)
    canvas.draw(Sample.image(4, 4), x: -20, y: 50)
    #expect(canvas.image.pixels.count == 6 * 9 * 3)
  }
}
