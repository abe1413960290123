import FlattenRegions

/// Rows of pixels with any number of interleaved channels, for resizing and turning.
///
/// An ``Image`` is one of three bytes a pixel, a grey picture one of one byte, a label map one of one
/// 16-bit id.
package struct Raster<Sample: FixedWidthInteger & Sendable>: Sendable, Equatable {
  package let width: Int
  package let height: Int
  /// Interleaved samples of a pixel.
  package let channels: Int
  /// `height * width * channels` samples, row by row.
  package var samples: [Sample]

  package init(width: Int, height: Int, channels: Int, samples: [Sample]) {
    precondition(
      width > 0 && height > 0 && channels > 0 && samples.count == width * height * channels,
      "\(samples.count) samples for \(width)x\(height) pixels of \(channels)")
    self.width = width
    self.height = height
    self.channels = channels
    self.samples = samples
  }
}

extension Raster {
  /// A raster of rearranged pixels: pixel (x, y) is this raster's pixel of index `source(x, y)`.
  ///
  /// - Precondition: every index lies in `0..<width * height` of this raster.
  func gathered(width: Int, height: Int, source: (_ x: Int, _ y: Int) -> Int) -> Raster {
    let channels = channels
    let result = [Sample](unsafeUninitializedCapacity: width * height * channels) { out, written in
      samples.withUnsafeBufferPointer { from in
        var next = 0
        for y in 0..<height {
          for x in 0..<width {
            let start = source(x, y) * channels
            for channel in 0..<channels {
              out.initializeElement(at: next, to: from[start + channel])
              next += 1
            }
          }
        }
        written = next
      }
    }
    return Raster(width: width, height: height, channels: channels, samples: result)
  }

  /// Mirrored.
  package func flipped(_ flip: Flip) -> Raster {
    gathered(width: width, height: height) { x, y in
      (flip.mirrorsRows ? height - 1 - y : y) * width + (flip.mirrorsColumns ? width - 1 - x : x)
    }
  }

  /// A window of this raster; where it lies outside, zeros.
  package func window(left: Int, top: Int, width: Int, height: Int) -> Raster {
    var result = Raster(
      width: width, height: height, channels: channels,
      samples: [Sample](repeating: 0, count: width * height * channels))
    let columns = max(0, -left)..<max(max(0, -left), min(width, self.width - left))
    for y in 0..<height where (0..<self.height).contains(top + y) && !columns.isEmpty {
      let from = ((top + y) * self.width + left + columns.lowerBound) * channels
      let to = (y * width + columns.lowerBound) * channels
      let count = columns.count * channels
      result.samples.replaceSubrange(to..<to + count, with: samples[from..<from + count])
    }
    return result
  }
}

extension Image {
  /// The picture as a raster of three channels; shares memory.
  package var raster: Raster<UInt8> {
    Raster(width: width, height: height, channels: 3, samples: pixels)
  }

  /// A picture from a raster of three channels; shares memory.
  package init(_ raster: Raster<UInt8>) {
    precondition(raster.channels == 3, "\(raster.channels) channels, a picture has 3")
    self.init(width: raster.width, height: raster.height, pixels: raster.samples)
  }

  /// The picture mirrored.
  public func flipped(_ flip: Flip) -> Image { Image(raster.flipped(flip)) }

  /// A part of the picture.
  ///
  /// - Precondition: it lies within.
  package func cropped(left: Int, top: Int, to size: PixelSize) -> Image {
    precondition(
      left >= 0 && top >= 0 && left + size.width <= width && top + size.height <= height,
      "\(size) at (\(left), \(top)) of \(width)x\(height)")
    return Image(raster.window(left: left, top: top, width: size.width, height: size.height))
  }

  /// The middle of the picture; a side that is too short is padded with black.
  ///
  /// Where the margin is odd, half of it is rounded to the even neighbour, as torchvision's
  /// `CenterCrop` does.
  ///
  /// - Precondition: both sides are at least 1.
  public func centreCropped(width: Int, height: Int) -> Image {
    Image(
      raster.window(
        left: Self.centreCropStart(self.width, crop: width),
        top: Self.centreCropStart(self.height, crop: height), width: width, height: height))
  }

  /// Where ``centreCropped(width:height:)`` begins along a side; negative where it pads.
  package static func centreCropStart(_ size: Int, crop: Int) -> Int {
    // Upstream: torchvision pads a short picture first, (crop - size) / 2 before, rounded down, and
    // then takes the window.
    guard size >= crop else { return -((crop - size) / 2) }
    return Int((Double(size - crop) / 2).rounded(.toNearestOrEven))
  }
}
