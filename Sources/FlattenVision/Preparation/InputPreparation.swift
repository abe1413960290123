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
  /// rounded up. Equal sizes stand for no resize. With ``shortSide`` the one rounded up comes at once.
  ///
  /// - Parameter scale: of test-time augmentation; a factor is relative to the picture within ``largest``, not to
  ///   `scale`, which it replaces (mmsegmentation's convention).
  package func sizes(of picture: PixelSize, scale: AugmentationScale? = nil) -> [PixelSize] {
    let picture = shrunk(picture)
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
    if let shortSide, scale == nil { return [onShortSide(picture, shortSide)] }
    let rounded = PixelSize(
      height: size.height.rounded(up: multiple), width: size.width.rounded(up: multiple))
    return shortSide == nil ? [size, rounded] : [rounded]
  }

  /// The size of a picture whose shorter side becomes `side`, the other one rounded up to ``multiple``.
  private func onShortSide(_ picture: PixelSize, _ side: Int) -> PixelSize {
    let (height, width) = (Double(picture.height), Double(picture.width))
    // Upstream: efficientvit/apps/data_provider, the quotient first, in double precision.
    func longSide(_ ratio: Double) -> Int {
      multiple * Int((ratio * Double(side) / Double(multiple)).rounded(.up))
    }
    return height < width
      ? PixelSize(height: side, width: longSide(width / height))
      : PixelSize(height: longSide(height / width), width: side)
  }

  /// The size of a picture that is brought to another one: with its proportions within that, or exactly.
  private func resized(_ picture: PixelSize, to size: PixelSize) -> PixelSize {
    if exactSize != nil { return size }
    return picture.fitted(long: max(size.height, size.width), short: min(size.height, size.width))
  }

  /// The size of a picture that is not larger than ``largest``.
  func shrunk(_ picture: PixelSize) -> PixelSize {
    guard let largest,
      max(picture.height, picture.width) > largest.long
        || min(picture.height, picture.width) > largest.short
    else { return picture }
    return picture.fitted(long: largest.long, short: largest.short)
  }

  /// Resizes a picture by the rule.
  package func resized(_ picture: Image, scale: AugmentationScale? = nil) -> Image {
    let size = shrunk(picture.size)
    let base =
      size == picture.size
      ? picture
      : picture.resized(width: size.width, height: size.height, by: .antialiasedBilinear)
    return sizes(of: picture.size, scale: scale)
      .reduce(base) { image, size in
        size.height == image.height && size.width == image.width
          ? image : image.resized(width: size.width, height: size.height, by: filter)
      }
  }

  /// The network's input size for a resized picture.
  package func padded(_ image: PixelSize) -> PixelSize {
    func side(_ side: Int, _ wanted: Int?) -> Int {
      max(side.rounded(up: padding), wanted ?? 0, NetworkInput.leastSide)
    }
    return PixelSize(
      height: side(image.height, paddedSize?.height), width: side(image.width, paddedSize?.width))
  }

  /// A resized picture as the network's input `[1, H, W, 3]`, normalised and padded with zeros.
  ///
  /// - Parameter size: of the input, as ``padded(_:)`` gives it.
  package func normalised(_ image: Image, to size: PixelSize, pool: BufferPool) -> Tensor {
    normalisation.input(
      image.pixels.span, height: image.height, width: image.width,
      padded: (size.height, size.width), pool: pool)
  }

  /// What to say where a network sees far larger or smaller pictures than it was trained with: things of a
  /// size that it never saw are not recognised.
  ///
  /// - Parameter size: of what it sees at once.
  package func warning(seen size: PixelSize) -> String? {
    guard let trained else { return nil }
    let ratio =
      (Double(size.height) * Double(size.width) / (Double(trained.long) * Double(trained.short)))
      .squareRoot()
    guard ratio > Self.largestRatio || ratio < 1 / Self.largestRatio else { return nil }
    let isLarger = ratio > 1
    let times = ((isLarger ? ratio : 1 / ratio) * 10).rounded() / 10
    return "the network sees \(size.width)x\(size.height) pixels, \(times) times "
      + "\(isLarger ? "larger" : "smaller") than what it was trained with "
      + "(\(trained.long)x\(trained.short)): the result may be poor"
  }

  private static let largestRatio = 3.0
}

/// Configs of tasks whose pictures are prepared by an ``InputRule``.
protocol InputRuled: TaskConfiguration {
  /// The rule.
  var input: InputRule { get }
}

extension InputRuled {
  package func sizes(of picture: PixelSize) throws -> (resized: PixelSize, input: PixelSize) {
    let resized = input.sizes(of: picture).last ?? picture
    return (resized, input.padded(resized))
  }

  package func sizeWarning(seen: PixelSize) -> String? { input.warning(seen: seen) }

  /// The whole picture, also where a config says that the network is applied to sliding windows.
  package func prepared(_ picture: Image, memory: BufferPool) throws -> PreparedPicture {
    let resized = input.resized(picture)
    return PreparedPicture(
      input: input.normalised(resized, to: input.padded(resized.size), pool: memory),
      resizedTo: resized.size)
  }
}
