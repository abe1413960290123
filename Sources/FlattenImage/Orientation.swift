/// What is done with the EXIF orientation that a picture or a label carries.
public enum ExifOrientation: String, Sendable, CaseIterable {
  /// The picture is turned upright, as viewers show it.
  case apply
  /// The picture stays as it is stored, as programs see it that do not know EXIF.
  case ignore
}

/// The EXIF orientation of a stored picture: the turn that makes it upright.
///
/// Each case names where the stored picture's first row and first column belong.
enum Orientation: Int, CaseIterable, Sendable {
  /// Stored as it is seen.
  case upright = 1
  case topRight
  case bottomRight
  case bottomLeft
  case leftTop
  case rightTop
  case rightBottom
  case leftBottom

  /// Whether rows become columns.
  var swapsSides: Bool { rawValue >= 5 }
}

extension Raster {
  /// The upright form of a picture stored with `orientation`.
  func applying(_ orientation: Orientation) -> Raster {
    // The stored picture is w x h; (x, y) is a pixel of the upright one.
    let w = width
    let h = height
    let (newWidth, newHeight) = orientation.swapsSides ? (h, w) : (w, h)
    func gather(_ source: (Int, Int) -> Int) -> Raster {
      gathered(width: newWidth, height: newHeight, source: source)
    }
    return switch orientation {
    case .upright: self
    case .topRight: gather { x, y in y * w + (w - 1 - x) }
    case .bottomRight: gather { x, y in (h - 1 - y) * w + (w - 1 - x) }
    case .bottomLeft: gather { x, y in (h - 1 - y) * w + x }
    case .leftTop: gather { x, y in x * w + y }
    case .rightTop: gather { x, y in (h - 1 - x) * w + y }
    case .rightBottom: gather { x, y in (h - 1 - x) * w + (w - 1 - y) }
    case .leftBottom: gather { x, y in x * w + (w - 1 - y) }
    }
  }
}
