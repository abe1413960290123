import Foundation

@testable import FlattenImage

/// A colour in linear light, 0 to 1, and how people see it.
struct SeenColour {
  let red, green, blue: Double

  init(_ colour: RGBColor) {
    func linear(_ sample: UInt8) -> Double {
      let value = Double(sample) / 255
      return value <= 0.04045 ? value / 12.92 : pow((value + 0.055) / 1.055, 2.4)
    }
    (red, green, blue) = (linear(colour.red), linear(colour.green), linear(colour.blue))
  }

  private init(_ rows: [Double]) { (red, green, blue) = (rows[0], rows[1], rows[2]) }

  /// The three rows of `matrix` times this colour.
  private func times(_ matrix: [Double]) -> SeenColour {
    SeenColour(
      (0..<3).map {
        matrix[3 * $0] * red + matrix[3 * $0 + 1] * green + matrix[3 * $0 + 2] * blue
      })
  }

  /// Colour blindness of one kind.
  enum Blindness: CaseIterable { case protanopia, deuteranopia, tritanopia }

  /// As Machado, Oliveira and Fernandes (2009) simulate it, severity 1.
  func machado(_ kind: Blindness) -> SeenColour {
    switch kind {
    case .protanopia:
      times([
        0.152286, 1.052583, -0.204868, 0.114503, 0.786281, 0.099216, -0.003882, -0.048116, 1.051998,
      ])
    case .deuteranopia:
      times([
        0.367322, 0.860646, -0.227968, 0.280085, 0.672501, 0.047413, -0.011820, 0.042940, 0.968881,
      ])
    case .tritanopia:
      times([
        1.255528, -0.076749, -0.178779, -0.078411, 0.930809, 0.147602, 0.004733, 0.691367, 0.303900,
      ])
    }
  }

  /// As Brettel, Vienot and Mollon (1997) simulate it: two half planes, for linear sRGB.
  func brettel(_ kind: Blindness) -> SeenColour {
    func projected(_ normal: [Double], _ one: [Double], _ other: [Double]) -> SeenColour {
      let side = normal[0] * red + normal[1] * green + normal[2] * blue
      return times(side >= 0 ? one : other)
    }
    return switch kind {
    case .protanopia:
      projected(
        [0.00048, 0.00393, -0.00441],
        [0.14980, 1.19548, -0.34528, 0.10764, 0.84864, 0.04372, 0.00384, -0.00540, 1.00156],
        [0.14570, 1.16172, -0.30742, 0.10816, 0.85291, 0.03892, 0.00386, -0.00524, 1.00139])
    case .deuteranopia:
      projected(
        [-0.00281, -0.00611, 0.00892],
        [0.36477, 0.86381, -0.22858, 0.26294, 0.64245, 0.09462, -0.02006, 0.02728, 0.99278],
        [0.37298, 0.88166, -0.25464, 0.25954, 0.63506, 0.10540, -0.01980, 0.02784, 0.99196])
    case .tritanopia:
      projected(
        [0.03901, -0.02788, -0.01113],
        [1.01277, 0.13548, -0.14826, -0.01243, 0.86812, 0.14431, 0.07589, 0.80500, 0.11911],
        [0.93678, 0.18979, -0.12657, 0.06154, 0.81526, 0.12320, -0.37562, 1.12767, 0.24796])
    }
  }

  /// CIELAB under D65; light that no screen shows is cut.
  var lab: Lab {
    let shown = SeenColour([red, green, blue].map { min(max($0, 0), 1) })
    let xyz = shown.times([
      0.4124564, 0.3575761, 0.1804375, 0.2126729, 0.7151522, 0.0721750, 0.0193339, 0.1191920,
      0.9503041,
    ])
    func f(_ value: Double) -> Double {
      value > 216.0 / 24389 ? cbrt(value) : (24389.0 / 27 * value + 16) / 116
    }
    let (x, y, z) = (f(xyz.red / 0.95047), f(xyz.green), f(xyz.blue / 1.08883))
    return Lab(116 * y - 16, 500 * (x - y), 200 * (y - z))
  }
}

/// A colour in CIELAB.
struct Lab {
  let l, a, b: Double

  init(_ l: Double, _ a: Double, _ b: Double) { (self.l, self.a, self.b) = (l, a, b) }

  /// CIEDE2000 as Sharma, Wu and Dalal (2005) write it, with their names and equations.
  func difference(to other: Lab) -> Double {
    func degrees(_ angle: Double) -> Double { angle * 180 / .pi }
    func radians(_ angle: Double) -> Double { angle * .pi / 180 }
    func root(_ chroma: Double) -> Double {
      (pow(chroma, 7) / (pow(chroma, 7) + pow(25, 7))).squareRoot()
    }
    let g = 0.5 * (1 - root((hypot(a, b) + hypot(other.a, other.b)) / 2))
    let (a1, a2) = ((1 + g) * a, (1 + g) * other.a)
    let (c1, c2) = (hypot(a1, b), hypot(a2, other.b))
    func hue(_ a: Double, _ b: Double) -> Double {
      let angle = degrees(atan2(b, a))
      return angle < 0 ? angle + 360 : angle
    }
    let (h1, h2) = (hue(a1, b), hue(a2, other.b))
    let isGrey = c1 * c2 == 0
    var turn = isGrey ? 0 : h2 - h1
    if turn > 180 { turn -= 360 } else if turn < -180 { turn += 360 }
    let deltaL = other.l - l
    let deltaC = c2 - c1
    let deltaH = 2 * (c1 * c2).squareRoot() * sin(radians(turn) / 2)
    let meanL = (l + other.l) / 2
    let meanC = (c1 + c2) / 2
    let meanH =
      isGrey
      ? h1 + h2
      : abs(h1 - h2) <= 180
        ? (h1 + h2) / 2 : h1 + h2 < 360 ? (h1 + h2 + 360) / 2 : (h1 + h2 - 360) / 2
    let t =
      1 - 0.17 * cos(radians(meanH - 30)) + 0.24 * cos(radians(2 * meanH))
      + 0.32 * cos(radians(3 * meanH + 6)) - 0.20 * cos(radians(4 * meanH - 63))
    let theta = 30 * exp(-pow((meanH - 275) / 25, 2))
    let rotation = -sin(radians(2 * theta)) * 2 * root(meanC)
    let sl = 1 + 0.015 * pow(meanL - 50, 2) / (20 + pow(meanL - 50, 2)).squareRoot()
    let sc = 1 + 0.045 * meanC
    let sh = 1 + 0.015 * meanC * t
    return
      (pow(deltaL / sl, 2) + pow(deltaC / sc, 2) + pow(deltaH / sh, 2)
      + rotation * (deltaC / sc) * (deltaH / sh)).squareRoot()
  }
}
