import FlattenImage
import FlattenRegions
import FlattenTensor
import TestSupport
import Testing

@testable import FlattenVision

/// Windows over padded inputs, windows with gaps, and windows computed row by row.
@Suite struct WindowLayoutTests {
  private func size(_ height: Int, _ width: Int) -> PixelSize {
    PixelSize(height: height, width: width)
  }

  private func picture(_ height: Int, _ width: Int) -> Image {
    var pixels: [UInt8] = []
    for y in 0..<height {
      for x in 0..<width {
        pixels += [UInt8(x * 5 % 251), UInt8(y * 7 % 241), UInt8((x * y + x) % 239)]
      }
    }
    return Image(width: width, height: height, pixels: pixels)
  }

  /// A segmenter with random weights whose mean is one byte: padding after normalisation is that byte before it.
  private func segmenter(padding: Int) throws -> Segmenter {
    let folder = try TemporaryFolder()
    let config = try Golden(try #require(Fixtures.wideSegmentors.first))
      .writeSegmentorConfig(in: folder)
    let random = try Segmenter.untrained(config: config, seed: 5, threads: 2)
    var configuration = random.configuration
    configuration.input = InputRule(
      Normalisation(mean: [128, 128, 128], std: [60, 60, 60]), scale: nil, multiple: 1,
      padding: padding)
    return Segmenter(configuration, random.loaded)
  }

  /// A window that lies in the padding alone decides nothing: the labels are those of a picture to which the
  /// padding was added by hand.
  @Test(arguments: [(30, 40, 128), (33, 97, 128), (65, 64, 64), (1, 1, 96)])
  func windowsMayLieInThePadding(height: Int, width: Int, padding: Int) throws {
    var options = Segmenter.Options()
    options.mode = .slide(crop: size(64, 64), stride: size(32, 32))
    options.keepsConfidence = true
    let small = picture(height, width)
    let (rows, columns) = (height.rounded(up: padding), width.rounded(up: padding))
    var pixels = [UInt8](repeating: 128, count: rows * columns * 3)
    for y in 0..<height {
      for index in 0..<width * 3 {
        pixels[y * columns * 3 + index] = small.pixels[y * width * 3 + index]
      }
    }
    let extended = Image(width: columns, height: rows, pixels: pixels)
    let result = try segmenter(padding: padding).segment(small, options: options)
    let whole = try segmenter(padding: 1).segment(extended, options: options)
    #expect(result.labels.width == width && result.labels.height == height)
    let confidence = try #require(result.confidence)
    let wanted = try #require(whole.confidence)
    for y in 0..<height {
      for x in 0..<width {
        let (here, there) = (y * width + x, y * columns + x)
        #expect(result.labels.ids[here] == whole.labels.ids[there])
        #expect(confidence[here] == wanted[there])
      }
    }
  }

  @Test(arguments: [(33, 32), (32, 40), (64, 64)])
  func stridesLargerThanTheWindowAreRefused(height: Int, width: Int) throws {
    let segmenter = try Segmenter.builtIn(threads: 1)
    var options = Segmenter.Options()
    let (crop, stride) = (size(32, 32), size(height, width))
    options.mode = .slide(crop: crop, stride: stride)
    #expect(throws: InferenceError.strideTooLarge(stride, crop: crop)) {
      _ = try segmenter.segment(picture(100, 100), options: options)
    }
  }

  /// Row by row the same bits as with all windows at once, at sizes larger and smaller than the picture.
  @Test(arguments: [0.6, 1, 1.7], [nil] + Flip.allCases)
  func rowsOfWindowsGiveTheBitsOfAllAtOnce(factor: Double, flip: Flip?) throws {
    let segmenter = try segmenter(padding: 1)
    let picture = picture(150, 110)
    let mode = InferenceMode.slide(crop: size(48, 64), stride: size(20, 40))
    var options = Segmenter.Options()
    options.mode = mode
    options.scales = [.factor(factor)]
    options.flips = flip.map { [$0] } ?? []
    options.keepsConfidence = true
    let result = try segmenter.segment(picture, options: options)

    let resized = segmenter.configuration.input.resized(picture, scale: .factor(factor))
    let fields = try ([nil] + options.flips).map { (flip: Flip?) in
      let image = flip.map(resized.flipped) ?? resized
      let input = segmenter.configuration.input.normalised(
        image, to: image.size, pool: BufferPool())
      let layout = FieldLayout(image.size, padded: image.size, mode)
      var tiles: [ScoreField.Tile] = []
      for row in layout.rows {
        for column in layout.columns {
          let window = input.window(
            top: row.start, left: column.start, height: row.size, width: column.size)
          let tile = ScoreField.Tile(
            logits: try segmenter.loaded(window), top: row.start, left: column.start,
            height: row.size, width: column.size)
          tiles.append(flip?.mirrorsRows == true ? tile.upsideDown(in: image.height) : tile)
        }
      }
      return ScoreField(
        tiles, size: image.size, isFlipped: flip?.mirrorsColumns == true,
        interpolation: .bilinear(alignCorners: false))
    }
    let scores = PixelScores(
      fields: fields, size: picture.size, interpolation: .bilinear(alignCorners: false))
    let wanted = PixelScores.labels(
      of: picture.size, threads: segmenter.loaded.threads, memory: BufferPool(),
      wantsConfidence: true
    ) { _ in (scores, picture.height) }
    #expect(result.labels == wanted.labels && result.confidence == wanted.confidence)
  }
}
