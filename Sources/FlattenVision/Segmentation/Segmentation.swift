import FlattenRegions
import FlattenImage

/// A class with its name and colour.
public struct SegmentationClass: Sendable, Hashable {
  /// What label maps call it.
  public let id: UInt16
  /// Its name in the data set.
  public let name: String
  /// Its colour in masks and overlays.
  public let colour: RGBColor
}

/// What a segmentor says about a picture.
public struct Segmentation: Sendable {
  /// The class of every pixel, at the picture's size.
  public let labels: LabelMap
  /// The winning class's probability of every pixel, row by row, 0 to 1; on request.
  public let confidence: [Float]?
  /// All classes of the model.
  public let classes: [SegmentationClass]
  /// The size of the network's input, without padding.
  public let networkSize: PixelSize
  /// What may be wrong with the result: the network saw far larger or smaller pictures than those it was
  /// trained with.
  public let warnings: [String]

  /// A class that is present, and its share of the picture.
  public struct Share: Sendable {
    /// The class.
    public let segmentationClass: SegmentationClass
    /// Pixels of the class.
    public let pixels: Int
    /// Of all pixels, 0 to 1.
    public let share: Double
  }

  /// The classes that are present, largest first.
  public var shares: [Share] {
    var counts = [Int](repeating: 0, count: classes.count)
    for id in labels.ids where Int(id) < counts.count { counts[Int(id)] += 1 }
    let total = Double(max(labels.ids.count, 1))
    return zip(classes, counts).filter { $0.1 > 0 }
      .sorted { ($0.1, $1.0.id) > ($1.1, $0.0.id) }
      .map { Share(segmentationClass: $0, pixels: $1, share: Double($1) / total) }
  }

  /// The colours of all classes.
  public var palette: Palette { Palette(classes.map(\.colour)) }

  /// How the mask is written: class ids with the classes' colours, or 16-bit grey above 256 classes.
  public var maskFormat: LabelFormat { classes.count <= 256 ? .palette8(palette) : .grey16 }

  /// Writes the mask as a PNG file, whole or not at all.
  ///
  /// - Throws: `FileError` of kind `.unwritable`.
  public func writeMask(to path: String) throws { try labels.write(to: path, as: maskFormat) }

  /// The classes that are present with their names and colours, largest first.
  public var legend: Legend { legend(in: palette) }

  private func legend(in palette: Palette) -> Legend {
    Legend(of: labels, names: classes.map(\.name), palette: palette)
  }

  /// The picture with every pixel tinted by its class, a line between classes, and a legend of the classes
  /// present below.
  ///
  /// - Parameters:
  ///   - picture: the one that was segmented.
  ///   - opacity: of the tint, 0 to 1.
  ///   - withLegend: whether the legend is drawn.
  ///   - palette: the colours; `nil` takes the classes' own.
  ///   - longestSide: a legend that would make the result longer is left out.
  public func overlay(
    on picture: Image, opacity: Double, withLegend: Bool = true, palette: Palette? = nil,
    longestSide: Int = .max
  ) -> Image {
    let palette = palette ?? self.palette
    var tinted = picture.overlaid(with: labels, palette: palette, opacity: opacity)
    tinted.drawContours(of: labels)
    return withLegend
      ? tinted.withLegend(legend(in: palette), longestSide: longestSide) : tinted
  }

  /// The confidence as a grey value, 0 to 255.
  package var confidenceMap: LabelMap? {
    confidence.map { values in
      LabelMap(
        width: labels.width, height: labels.height,
        ids: values.map { UInt16((min(max($0, 0), 1) * 255).rounded()) })
    }
  }
}
