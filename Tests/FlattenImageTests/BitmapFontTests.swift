import Testing

@testable import FlattenImage

@Suite struct BitmapFontTests {
  @Test func lettersAreAllDifferent() {
    let letters = (0x20...0x7E).compactMap { Unicode.Scalar($0) }
    #expect(letters.count == 95)
    #expect(Set(letters.map { Array(BitmapFont.rows(of: $0)) }).count == 95)
    for letter in letters {
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

  @Test(arguments: ["é", "画", "\u{7F}", "\n", "🚗"] as [Unicode.Scalar])
  func otherCharactersAreABox(_ letter: Unicode.Scalar) {
    #expect(Array(BitmapFont.rows(of: letter)) == [31, 17, 17, 17, 17, 17, 31, 0, 0])
  }

  @Test func longTextIsCut() {
    #expect(BitmapFont.cut("pedestrian", to: 10) == "pedestrian")
    #expect(BitmapFont.cut("pedestrian", to: 9) == "pedestr..")
    #expect(BitmapFont.cut("abc", to: 1) == ".")
    #expect(BitmapFont.cut("abc", to: 0) == "")
    #expect(BitmapFont.width(of: "") == 0)
    #expect(BitmapFont.width(of: "ab") == 11)
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
