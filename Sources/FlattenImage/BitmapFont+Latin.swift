// Letters beyond ASCII: those of Latin-1, and of the European languages beyond it, in part drawn, in part
// composed of a letter and a mark.

extension BitmapFont {
  /// The drawings of letters beyond ASCII. As a key a letter is the same whether it is one code point or a
  /// letter and a combining mark.
  static let latin: [Character: [UInt8]] = {
    var all = Dictionary(zip(drawn, drawings(art))) { first, _ in first }
    for (character, other) in lookAlikes { all[character] = rows(of: other, or: all) }
    for base in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz" {
      for (mark, dots) in marks {
        let composed = Character(String(base) + String(Character(mark)))
        all[composed] = marked(base, rows(of: base, or: all), dots, isAbove: !below.contains(mark))
      }
    }
    return all
  }()

  private static func rows(of character: Character, or all: [Character: [UInt8]]) -> [UInt8] {
    all[character] ?? rows(of: character)
  }

  /// A letter with a mark of two rows.
  ///
  /// Marks below take the last two rows. Small letters leave the first two rows free, but for the dot of i and
  /// j, whose place the mark takes, and for stems, which it crosses. On capitals the mark stands above the line.
  private static func marked(
    _ base: Character, _ rows: [UInt8], _ dots: [UInt8], isAbove: Bool
  ) -> [UInt8] {
    if isAbove && base.isUppercase { return dots + rows }
    var rows = rows
    if isAbove && (base == "i" || base == "j") { rows[0...1] = [0, 0] }
    let first = isAbove ? 0 : height - 2
    for (row, bits) in dots.enumerated() { rows[first + row] |= bits }
    return rows
  }

  /// Combining marks, their two rows from the top.
  private static let marks: [(Unicode.Scalar, [UInt8])] = [
    ("\u{300}", [0b01000, 0b00100]),  // grave
    ("\u{301}", [0b00010, 0b00100]),  // acute
    ("\u{302}", [0b00100, 0b01010]),  // circumflex
    ("\u{303}", [0b01001, 0b10110]),  // tilde
    ("\u{304}", [0b01110, 0b00000]),  // macron
    ("\u{306}", [0b10001, 0b01110]),  // breve
    ("\u{307}", [0b00100, 0b00000]),  // dot above
    ("\u{308}", [0b01010, 0b00000]),  // diaeresis
    ("\u{30A}", [0b01110, 0b01010]),  // ring; the letter's top closes it
    ("\u{30B}", [0b00101, 0b01010]),  // double acute
    ("\u{30C}", [0b01010, 0b00100]),  // caron
    ("\u{323}", [0b00000, 0b00100]),  // dot below
    ("\u{326}", [0b00100, 0b01000]),  // comma below
    ("\u{327}", [0b00100, 0b01100]),  // cedilla
    ("\u{328}", [0b00010, 0b00011]),  // ogonek
  ]
  private static let below: Set<Unicode.Scalar> = ["\u{323}", "\u{326}", "\u{327}", "\u{328}"]

  /// Characters that look like another: spaces, hyphens, a comma, and the letter of two languages.
  private static let lookAlikes: [(Character, Character)] = [
    ("\u{A0}", " "), ("\u{2009}", " "), ("\u{202F}", " "), ("\u{3000}", " "), ("\u{AD}", "-"),
    ("\u{2010}", "-"), ("\u{2011}", "-"), ("\u{2212}", "-"), ("\u{201A}", ","), ("Đ", "Ð"),
  ]

  /// What is drawn below, in its order.
  private static let drawn =
    "¡¢£¤¥¦§¨©ª«¬®¯°±²³´µ¶·¸¹"
    + "º»¼½¾¿Æ×ØÞÐßæð÷øþŒœŁłđıẞ"
    + "–—‘’“”„•…€"

  /// Twelve letters a block.
  private static let art = """
    ..#.. ..#.. ..##. ..... #...# ..#.. .###. .#.#. .###. .##.. ..... .....
    ..... ..#.. .#..# #...# #...# ..#.. #.... ..... #...# ...#. ..#.# .....
    ..#.. .#### .#... .###. .#.#. ..#.. .###. ..... #.### .###. .#.#. .....
    ..#.. #.#.. ###.. .#.#. ##### ..... #...# ..... #.#.. #..#. #.#.. #####
    ..#.. #.#.. .#... .###. ..#.. ..#.. .###. ..... #.### .#### .#.#. ....#
    ..#.. #.#.. .#... #...# ##### ..#.. ....# ..... #...# ..... ..#.# ....#
    ..#.. .#### ##### ..... ..#.. ..#.. .###. ..... .###. ##### ..... .....
    ..... ..#.. ..... ..... ..... ..... ..... ..... ..... ..... ..... .....
    ..... ..... ..... ..... ..... ..... ..... ..... ..... ..... ..... .....

    .###. ##### .##.. ..#.. .##.. ###.. ...#. ..... .#### ..... ..... .#...
    ##..# ..... #..#. ..#.. #..#. ...#. ..#.. ..... ###.# ..... ..... ##...
    #.#.# ..... #..#. ##### ..#.. .##.. ..... #...# ###.# ..... ..... .#...
    ##..# ..... .##.. ..#.. .#... ...#. ..... #...# .##.# .##.. ..... .#...
    #.#.# ..... ..... ..#.. ####. ###.. ..... #...# ..#.# .##.. ..... ###..
    #...# ..... ..... ..... ..... ..... ..... #..## ..#.# ..... ..... .....
    .###. ..... ..... ##### ..... ..... ..... ###.# ..#.# ..... ..... .....
    ..... ..... ..... ..... ..... ..... ..... #.... ..... ..... ..#.. .....
    ..... ..... ..... ..... ..... ..... ..... #.... ..... ..... .##.. .....

    .##.. ..... #..#. #..#. ##.#. ..#.. .#### ..... .###. #.... .###. .##..
    #..#. #.#.. #..#. #..#. .#.#. ..... #.#.. #...# #..## ####. .#..# #..#.
    #..#. .#.#. #.#.. #.#.. ###.. ..#.. #.#.. .#.#. #.#.# #...# .#..# #..#.
    .##.. ..#.# ..#.. ..##. ..#.. .#... ####. ..#.. #.#.# #...# ###.# #.#..
    ..... .#.#. .#.#. .#..# .#.#. #.... #.#.. .#.#. #.#.# ####. .#..# #..#.
    ####. #.#.. #.### #..#. #.### #...# #.#.. #...# ##..# #.... .#..# #...#
    ..... ..... #...# #.### #...# .###. #.### ..... .###. #.... .###. #.##.
    ..... ..... ..... ..... ..... ..... ..... ..... ..... ..... ..... .....
    ..... ..... ..... ..... ..... ..... ..... ..... ..... ..... ..... .....

    ..... .#.#. ..... ..... #.... .#### ..... .#... .##.. ....# ..... .###.
    ..... ..#.. ..#.. ..... #.... #.#.. ..... .#... ..#.. ..### ..... #...#
    ##.#. .#.#. ..... .###. ####. #.#.. .#.#. .#.#. ..##. ....# .##.. #..#.
    ..#.# .#### ##### #..## #...# #.### #.#.# .##.. ..#.. .#### ..#.. #.#..
    .#### #...# ..... #.#.# #...# #.#.. #.### ##... .##.. #...# ..#.. #..#.
    #.#.. #...# ..#.. ##..# #...# #.#.. #.#.. .#... ..#.. #...# ..#.. #...#
    .#### .###. ..... .###. ####. .#### .#.## .#### .###. .#### .###. #.##.
    ..... ..... ..... ..... #.... ..... ..... ..... ..... ..... ..... .....
    ..... ..... ..... ..... #.... ..... ..... ..... ..... ..... ..... .....

    ..... ..... ...#. ..#.. ..#.# .#.#. ..... ..... ..... ..###
    ..... ..... ..#.. ..#.. .#.#. #.#.. ..... ..... ..... .#...
    ..... ..... ..#.. .#... ..... ..... ..... .###. ..... ####.
    ####. ##### ..... ..... ..... ..... ..... .###. ..... .#...
    ..... ..... ..... ..... ..... ..... ..... .###. ..... ####.
    ..... ..... ..... ..... ..... ..... ..... ..... ..... .#...
    ..... ..... ..... ..... ..... ..... .#.#. ..... #.#.# ..###
    ..... ..... ..... ..... ..... ..... #.#.. ..... ..... .....
    ..... ..... ..... ..... ..... ..... ..... ..... ..... .....
    """
}
