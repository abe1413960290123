import FlattenRegions
import FlattenImage
import FlattenTensor

/// A size at which a picture is segmented, of test-time augmentation. It replaces the first resize of the
/// config.
public enum AugmentationScale: Sendable, Hashable {
  /// Relative to the picture.
  case factor(Double)
  /// What the picture is fitted into, either way up; where the config does not keep proportions, its size.
  case size(PixelSize)
}

extension AugmentationScale: ExpressibleByFloatLiteral {
  /// A size relative to the picture.
  public init(floatLiteral factor: Double) { self = .factor(factor) }
}

extension InputRule {
  /// The sizes that a picture passes through: first the one that keeps the proportions, then the one
  /// rounded up. Equal sizes stand for no resize.
  ///
  /// - Parameter scale: of test-time augmentation; a factor is relative to the picture, not to
  ///   `scale`, which it replaces (mmsegmentation's convention).
  package func sizes(of picture: PixelSize, scale: AugmentationScale? = nil) -> [PixelSize] {
    var size = picture
    switch scale {
    case .factor(let factor):
      // Upstream: mmcv's Resize turns a factor into a size first and, where it keeps the proportions, fits the
      // picture into that, so that one side may come out a pixel smaller than the factor alone would have it.
      size = resized(picture, to: picture.scaled(by: factor))
    case .size(let target): size = resized(picture, to: target)
    case nil:
      if let exactSize {
        size = exactSize
      } else if let scale = self.scale {
        size = picture.fitted(long: scale.long, short: scale.short)
      }
    }
    let rounded = PixelSize(
      height: size.height.rounded(up: multiple), width: size.width.rounded(up: multiple))
    return [size, rounded]
  }

  /// The size of a picture that is brought to another one: with its proportions within that, or exactly.
  private func resized(_ picture: PixelSize, to size: PixelSize) -> PixelSize {
    if exactSize != nil { return size }
    return picture.fitted(long: max(size.height, size.width), short: min(size.height, size.width))
  }

  /// Resizes a picture by the rule.
  package func resized(_ picture: Image, scale: AugmentationScale? = nil) -> Image {
    sizes(of: picture.size, scale: scale)
      .reduce(picture) { image, size in
        size.height == image.height && size.width == image.width
          ? image : image.resized(width: size.width, height: size.height, by: .bilinear)
      }
  }

  /// The network's input size for a resized picture.
  ///
  /// - Parameter minimum: the least height and width.
  package func padded(
    _ image: PixelSize, minimum: Int = NetworkInput.leastSide
  ) -> PixelSize {
    PixelSize(
      height: max(image.height.rounded(up: padding), paddedSize?.height ?? 0, minimum),
      width: max(image.width.rounded(up: padding), paddedSize?.width ?? 0, minimum))
  }

  /// A resized picture as the network's input `[1, H, W, 3]`, normalised and padded with zeros.
  ///
  /// - Parameter size: of the input, as ``padded(_:minimum:)`` gives it.
  package func normalised(_ image: Image, to size: PixelSize, pool: BufferPool) -> Tensor {
    normalisation.input(
      image.pixels.span, height: image.height, width: image.width,
      padded: (size.height, size.width), pool: pool)
  }
}
