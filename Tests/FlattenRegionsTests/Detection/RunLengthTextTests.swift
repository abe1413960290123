import FlattenRegions
import Testing

@Suite struct RunLengthTextTests {
  static let size = PixelSize(height: 5, width: 8)

  struct Refused: Sendable, CustomTestStringConvertible {
    let text: String
    let error: RunLengthError
    var testDescription: String { String(text.prefix(20)) }
  }

  static let refusedTexts = [
    Refused(text: "", error: .doNotFill(covered: 0, size: size)),
    Refused(text: "5", error: .doNotFill(covered: 5, size: size)),
    // 41 = 9 + 32: one pixel too many.
    Refused(text: "Y1", error: .doNotFill(covered: 41, size: size)),
    Refused(text: "T12", error: .doNotFill(covered: 38, size: size)),
    // 2^31 and 2^32 - 1, which a reader of 32 bits would take for a negative number or a small one.
    Refused(text: "PPPPPP2", error: .doNotFill(covered: 1 << 31, size: size)),
    Refused(text: "oooooo3", error: .doNotFill(covered: Int(UInt32.max), size: size)),
    // 2^32 and 2^33 are longer than a length may be, 2^35 than a number may.
    Refused(text: "PPPPPP4", error: .lengthRefused(1 << 32, index: 0)),
    Refused(text: "PPPPPPP1", error: .numberTooLong(offset: 0)),
    Refused(text: String(repeating: "o", count: 100_000), error: .numberTooLong(offset: 0)),
    // -1, and the fourth number as a difference that leads below 0.
    Refused(text: "O", error: .lengthRefused(-1, index: 0)),
    Refused(text: "111N", error: .lengthRefused(-1, index: 3)),
    Refused(text: "1P", error: .cut(offset: 1)),
    Refused(text: "1/", error: .badCharacter(0x2F, offset: 1)),
    Refused(text: "1p", error: .badCharacter(0x70, offset: 1)),
    Refused(text: "1P\u{E9}", error: .badCharacter(0xC3, offset: 2)),
    Refused(text: "1\0", error: .badCharacter(0, offset: 1)),
    Refused(text: "1 1", error: .badCharacter(0x20, offset: 1)),
  ]

  @Test(arguments: refusedTexts) func aTextThatFitsNothingIsRefused(_ refused: Refused) {
    #expect(throws: refused.error) {
      _ = try RunLengthMask(cocoString: refused.text, size: Self.size)
    }
  }

  @Test func aTextIsReadUpToTheFirstRunThatDoesNotFit() {
    // Were it read on, the bad character would be found.
    #expect(throws: RunLengthError.doNotFill(covered: 41, size: Self.size)) {
      _ = try RunLengthMask(cocoString: "Y1 " + String(repeating: "1", count: 10), size: Self.size)
    }
  }

  @Test(arguments: [
    ([], RunLengthError.doNotFill(covered: 0, size: size)),
    ([40, -1, 1], .lengthRefused(-1, index: 1)),
    ([Int.max, Int.max], .lengthRefused(Int.max, index: 0)),
    ([1 << 31], .doNotFill(covered: 1 << 31, size: size)),
    ([39], .doNotFill(covered: 39, size: size)),
    ([20, 21], .doNotFill(covered: 41, size: size)),
    ([Int(UInt32.max), Int(UInt32.max)], .doNotFill(covered: Int(UInt32.max), size: size)),
  ])
  func aListThatDoesNotFillTheMaskIsRefused(counts: [Int], error: RunLengthError) {
    #expect(throws: error) { _ = try RunLengthMask(size: Self.size, counts: counts) }
  }

  @Test(arguments: [
    PixelSize(height: 0, width: 4), PixelSize(height: 4, width: 0),
    PixelSize(height: -3, width: -3), PixelSize(height: 1 << 31, width: 1),
    PixelSize(height: Int.max, width: Int.max), PixelSize(height: 1 << 16, width: 1 << 15),
  ])
  func aSizeThatNoMaskHasIsRefused(_ size: PixelSize) {
    #expect(throws: RunLengthError.sizeRefused(size)) {
      _ = try RunLengthMask(cocoString: "1", size: size)
    }
    #expect(throws: RunLengthError.sizeRefused(size)) {
      _ = try RunLengthMask(size: size, counts: [1])
    }
  }

  @Test func theLargestMaskIsRead() throws {
    let size = PixelSize(height: 1, width: Int(Int32.max))
    let mask = try RunLengthMask(size: size, counts: [1 << 30, (1 << 30) - 1])
    #expect(mask.area == (1 << 30) - 1)
    #expect(try RunLengthMask(cocoString: mask.cocoString, size: size) == mask)
  }

  @Test func messagesNameTheNumbers() {
    #expect(
      "\(RunLengthError.doNotFill(covered: 39, size: Self.size))"
        == """
        the run lengths sum to 39 pixels, but the mask has 8x5, which are 40: check size, which is \
        [height, width], and counts
        """)
    #expect(
      "\(RunLengthError.doNotFill(covered: 41, size: Self.size))"
        == """
        the run lengths reach pixel 41, but the mask has 8x5 pixels: check size, which is \
        [height, width], and counts
        """)
    #expect(
      "\(RunLengthError.badCharacter(0, offset: 3))".contains("character 3")
        && "\(RunLengthError.badCharacter(0, offset: 3))".contains("byte 0x0"))
    #expect("\(RunLengthError.lengthRefused(-1, index: 7))".contains("run length 7 is -1"))
  }

  /// Random bytes never stop the program, and what is read can be written.
  @Test func randomTextsAreReadOrRefused() {
    var numbers = Numbers(seed: 4)
    var read = 0
    for _ in 0..<20_000 {
      let length = Int.random(in: 0...12, using: &numbers)
      let bytes = (0..<length).map { _ in UInt8.random(in: 46...113, using: &numbers) }
      let text = String(decoding: bytes, as: UTF8.self)
      guard let mask = try? RunLengthMask(cocoString: text, size: Self.size) else { continue }
      read += 1
      #expect(mask.counts.reduce(0, +) == 40)
      #expect((try? RunLengthMask(cocoString: mask.cocoString, size: Self.size)) == mask)
    }
    #expect(read > 0)
  }
}
