#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// The numbers by which a network moves a box, and back (mmdetection's `DeltaXYWHBBoxCoder`).
///
/// With the centre `(px, py)` and the sides `(pw, ph)` of a box, and those of another, `g`:
///
///     dx = (gx - px) / pw      dw = ln(gw / pw)      delta = (d - mean) / std
///     gx = px + pw dx          gw = pw e^dw
///
/// All in single precision, in mmdetection's order. `dw` and `dh` are held within `|ln(16 / 1000)|` = 4.135 after
/// means and deviations are applied, so that no side grows by more than 62.5.
package struct BoxCoder: Sendable, Equatable {
  /// Means of dx, dy, dw and dh.
  package let means: SIMD4<Float>
  /// Standard deviations of dx, dy, dw and dh.
  package let stds: SIMD4<Float>
  /// How many pixels a centre may move; `nil` is any number. Where it is set, sides may shrink freely.
  package let centreLimit: Float?

  /// `|ln(16 / 1000)|`.
  private static let sideLimit: Float = 4.135166556742356

  package init(
    means: SIMD4<Float> = SIMD4(repeating: 0), stds: SIMD4<Float> = SIMD4(repeating: 1),
    centreLimit: Float? = nil
  ) {
    self.means = means
    self.stds = stds
    self.centreLimit = centreLimit
  }

  /// The box that deltas move `box` to.
  ///
  /// - Parameters:
  ///   - deltas: dx, dy, dw, dh as the network gives them.
  ///   - clip: the picture that the result is held within; `nil` leaves it as it is.
  package func decode(_ deltas: SIMD4<Float>, of box: Box, clip: PixelSize?) -> Box {
    let d = deltas * stds + means
    let (width, height) = (box.width, box.height)
    var (dx, dy, dw, dh) = (width * d.x, height * d.y, d.z, d.w)
    if let centreLimit {
      dx = max(min(dx, centreLimit), -centreLimit)
      dy = max(min(dy, centreLimit), -centreLimit)
      dw = min(dw, Self.sideLimit)
      dh = min(dh, Self.sideLimit)
    } else {
      dw = max(min(dw, Self.sideLimit), -Self.sideLimit)
      dh = max(min(dh, Self.sideLimit), -Self.sideLimit)
    }
    let x = (box.left + box.right) * 0.5 + dx
    let y = (box.top + box.bottom) * 0.5 + dy
    let halfWidth = width * expf(dw) * 0.5
    let halfHeight = height * expf(dh) * 0.5
    let result = Box(
      left: x - halfWidth, top: y - halfHeight, right: x + halfWidth, bottom: y + halfHeight)
    return clip.map(result.clipped) ?? result
  }

  /// The deltas that move `box` to `target`; infinite or NaN where a side of `box` is 0.
  package func encode(_ target: Box, from box: Box) -> SIMD4<Float> {
    let d = SIMD4(
      ((target.left + target.right) * 0.5 - (box.left + box.right) * 0.5) / box.width,
      ((target.top + target.bottom) * 0.5 - (box.top + box.bottom) * 0.5) / box.height,
      logf(target.width / box.width), logf(target.height / box.height))
    return (d - means) / stds
  }
}
