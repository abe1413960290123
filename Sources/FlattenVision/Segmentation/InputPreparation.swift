import FlattenRegions
import FlattenImage
import FlattenTensor

extension InputRule {
  /// The sizes that a picture passes through: first the one that keeps the proportions, then the one
  /// rounded up. Equal sizes stand for no resize.
  ///
  /// - Parameter factor: of test-time augmentation; relative to the picture, not to `scale`, which it
  ///   replaces (mmsegmentation's convention).
  package func sizes(of picture: PixelSize, factor: Double?) -> [PixelSize] {
    var size = picture
    if let factor {
      // Upstream: mmcv's Resize turns a factor into a size first and fits the picture into that, so
      // that one side may come out a pixel smaller than the factor alone would have it.
      let target = picture.scaled(by: factor)
      size = picture.fitted(
        long: max(target.height, target.width), short: min(target.height, target.width))
    } else if let scale {
      size = picture.fitted(long: scale.long, short: scale.short)
    }
    let rounded = PixelSize(
      height: size.height.rounded(up: multiple), width: size.width.rounded(up: multiple))
    return [size, rounded]
  }

  /// Resizes a picture by the rule.
  package func resized(_ picture: Image, factor: Double? = nil) -> Image {
    sizes(of: picture.size, factor: factor)
      .reduce(picture) { image, size in
        size.height == image.height && size.width == image.width
          ? image : image.resized(width: size.width, height: size.height, by: .bilinear)
      }
  }

  /// The network's input size for a resized picture.
  ///
  /// - Parameter minimum: the least height and width.
  package func padded(_ image: Image, minimum: Int = NetworkInput.leastSide) -> PixelSize {
    PixelSize(
      height: max(image.height.rounded(up: padding), minimum),
      width: max(image.width.rounded(up: padding), minimum))
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
