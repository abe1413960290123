import Testing

@testable import FlattenImage

@Suite struct PaletteTests {
  /// The pairs and distances that the authors of the formula publish for checking programs.
  static let published: [(Lab, Lab, Double)] = [
    (Lab(50, 2.6772, -79.7751), Lab(50, 0, -82.7485), 2.0425),
    (Lab(50, 3.1571, -77.2803), Lab(50, 0, -82.7485), 2.8615),
    (Lab(50, 2.8361, -74.0200), Lab(50, 0, -82.7485), 3.4412),
    (Lab(50, -1.3802, -84.2814), Lab(50, 0, -82.7485), 1.0000),
    (Lab(50, -1.1848, -84.8006), Lab(50, 0, -82.7485), 1.0000),
    (Lab(50, -0.9009, -85.5211), Lab(50, 0, -82.7485), 1.0000),
    (Lab(50, 0, 0), Lab(50, -1, 2), 2.3669),
    (Lab(50, -1, 2), Lab(50, 0, 0), 2.3669),
    (Lab(50, 2.4900, -0.0010), Lab(50, -2.4900, 0.0009), 7.1792),
    (Lab(50, 2.4900, -0.0010), Lab(50, -2.4900, 0.0010), 7.1792),
    (Lab(50, 2.4900, -0.0010), Lab(50, -2.4900, 0.0011), 7.2195),
    (Lab(50, 2.4900, -0.0010), Lab(50, -2.4900, 0.0012), 7.2195),
    (Lab(50, -0.0010, 2.4900), Lab(50, 0.0009, -2.4900), 4.8045),
    (Lab(50, -0.0010, 2.4900), Lab(50, 0.0010, -2.4900), 4.8045),
    (Lab(50, -0.0010, 2.4900), Lab(50, 0.0011, -2.4900), 4.7461),
    (Lab(50, 2.5, 0), Lab(50, 0, -2.5), 4.3065),
    (Lab(50, 2.5, 0), Lab(73, 25, -18), 27.1492),
    (Lab(50, 2.5, 0), Lab(61, -5, 29), 22.8977),
    (Lab(50, 2.5, 0), Lab(56, -27, -3), 31.9030),
    (Lab(50, 2.5, 0), Lab(58, 24, 15), 19.4535),
    (Lab(50, 2.5, 0), Lab(50, 3.1736, 0.5854), 1.0000),
    (Lab(50, 2.5, 0), Lab(50, 3.2972, 0), 1.0000),
    (Lab(50, 2.5, 0), Lab(50, 1.8634, 0.5757), 1.0000),
    (Lab(50, 2.5, 0), Lab(50, 3.2592, 0.3350), 1.0000),
    (Lab(60.2574, -34.0099, 36.2677), Lab(60.4626, -34.1751, 39.4387), 1.2644),
    (Lab(63.0109, -31.0961, -5.8663), Lab(62.8187, -29.7946, -4.0864), 1.2630),
    (Lab(61.2901, 3.7196, -5.3901), Lab(61.4292, 2.2480, -4.9620), 1.8731),
    (Lab(35.0831, -44.1164, 3.7933), Lab(35.0232, -40.0716, 1.5901), 1.8645),
    (Lab(22.7233, 20.0904, -46.6940), Lab(23.0331, 14.9730, -42.5619), 2.0373),
    (Lab(36.4612, 47.8580, 18.3852), Lab(36.2715, 50.5065, 21.2231), 1.4146),
    (Lab(90.8027, -2.0831, 1.4410), Lab(91.1528, -1.6435, 0.0447), 1.4441),
    (Lab(90.9257, -0.5406, -0.9208), Lab(88.6381, -0.8985, -0.7239), 1.5381),
    (Lab(6.7747, -0.2908, -2.4247), Lab(5.8714, -0.0985, -2.2286), 0.6377),
    (Lab(2.0776, 0.0795, -1.1350), Lab(0.9033, -0.0636, -0.5514), 0.9082),
  ]

  @Test func theDistanceIsThePublishedOne() {
    for (first, second, distance) in Self.published {
      let found = first.difference(to: second)
      #expect(abs(found - distance) <= 5e-5, "\(first), \(second): \(found), not \(distance)")
    }
  }

  /// The closest two of some colours, in a way of seeing them.
  private func closest(
    _ colours: [RGBColor], _ seen: (SeenColour) -> SeenColour = { $0 }
  ) -> Double {
    let labs = colours.map { seen(SeenColour($0)).lab }
    var least = Double.infinity
    for first in labs.indices {
      for second in labs.indices where second > first {
        least = min(least, labs[first].difference(to: labs[second]))
      }
    }
    return least
  }

  /// What the palette was before would not do: black, and a pair 4.8 apart.
  @Test func theTestSeesWhatIsTooClose() {
    let close = [RGBColor(0x800000), RGBColor(0x008000), RGBColor(0x830400)]
    #expect(closest(close) < 5)
    // Red and green of one lightness.
    let confused = [RGBColor(0xC06000), RGBColor(0x709000)]
    #expect(closest(confused) > 30)
    #expect(closest(confused) { $0.machado(.deuteranopia) } < 15)
  }

  @Test func theFirstColoursAreFarApart() {
    let first = Palette.distinct(count: 16).colours
    #expect(first.count == 16)
    #expect(closest(first) >= 15)
    for kind in SeenColour.Blindness.allCases {
      #expect(closest(first) { $0.machado(kind) } >= 7, "\(kind)")
      #expect(closest(first) { $0.brettel(kind) } >= 7, "\(kind)")
    }
  }

  /// They tint pictures: black, white and grey would hardly show.
  @Test func theFirstColoursAreTints() {
    for colour in Palette.distinct(count: 16).colours {
      let lab = SeenColour(colour).lab
      #expect((35...92).contains(lab.l) && (lab.a * lab.a + lab.b * lab.b).squareRoot() >= 30)
    }
  }

  /// The fewer classes there are, the farther apart are their colours.
  @Test func fewerColoursAreFartherApart() {
    let least = [2: 60.0, 4: 35, 8: 25, 11: 20, 20: 15, 64: 9, 150: 5, 256: 3.5]
    for (count, distance) in least {
      #expect(closest(Palette.distinct(count: count).colours) >= distance, "\(count)")
    }
  }

  /// A class keeps its colour whatever the number of classes.
  @Test func coloursAreThoseOfTheId() {
    let all = Palette.distinct(count: 256)
    #expect(Set(all.colours).count == 256)
    for count in [0, 1, 5, 150] {
      #expect(Palette.distinct(count: count).colours == Array(all.colours.prefix(count)))
    }
    #expect(all.colour(of: 256) == nil)
    #expect(Palette.distinct(count: -3).colours.isEmpty)
    let many = Palette.distinct(count: 600).colours
    #expect(many.count == 600 && many[256...511].elementsEqual(all.colours))
  }
}
