import FlattenImage
import FlattenModels
import FlattenRegions

/// How a large picture is cut into overlapping tiles, in which small things are found that the network would not
/// see in the whole picture.
///
/// The whole picture is looked at as well, for things that are larger than the overlap.
public struct Tiling: Sendable, Hashable {
  /// Size of a tile, in pixels of the picture.
  public var size: PixelSize
  /// The part of a tile that it shares with the next, 0 to 0.9 in each direction. A thing that fits into the shared part is whole in one
  /// of the tiles.
  public var overlap: Double

  /// Makes a rule.
  public init(size: PixelSize, overlap: Double = 0.25) {
    self.size = size
    self.overlap = min(max(overlap, 0), 0.9)
  }

  /// Whether a picture is larger than one tile.
  package func isNeeded(for picture: PixelSize) -> Bool {
    picture.height > size.height || picture.width > size.width
  }

  /// The largest part of a picture that is looked at.
  package func largestTile(of picture: PixelSize) -> PixelSize {
    PixelSize(
      height: min(size.height, picture.height), width: min(size.width, picture.width))
  }

  /// How many tiles a picture has.
  package func count(in picture: PixelSize) -> Int {
    let tile = largestTile(of: picture)
    return starts(side: picture.height, tile: tile.height).count
      * starts(side: picture.width, tile: tile.width).count
  }

  /// Where the tiles begin along a side: evenly spread, the first at 0, the last so that it ends with the side.
  package func starts(side: Int, tile: Int) -> [Int] {
    guard side > tile else { return [0] }
    let step = max(1, tile - Int((Double(tile) * overlap).rounded(.up)))
    let count = (side - tile + step - 1) / step
    return (0...count).map { $0 * (side - tile) / count }
  }
}

/// A found object and where it comes from.
struct TileFinding {
  let object: DetectedObject
  /// The tile's number; `nil` for the whole picture.
  let tile: Int?
  /// Whether it touches a border of its tile that is not the picture's: it may go on beyond.
  let isCut: Bool
}

extension Tiling {
  /// Whether a box touches a border of its tile that is not the picture's.
  static func cuts(
    _ box: Box, left: Int, top: Int, tile: PixelSize, picture: PixelSize
  ) -> Bool {
    let margin: Float = 1.5
    return left > 0 && box.left < Float(left) + margin || top > 0 && box.top < Float(top) + margin
      || left + tile.width < picture.width && box.right > Float(left + tile.width) - margin
      || top + tile.height < picture.height && box.bottom > Float(top + tile.height) - margin
  }

  /// Of findings of different tiles that are the same thing, one. Of things that a seam cuts, the smaller box lies
  /// mostly within the other; two that are whole overlap as boxes of one thing do, so that a thing before a larger one
  /// of its class remains. What a seam cuts gives way to what is whole, then the lower score to the higher.
  ///
  /// - Parameters:
  ///   - share: more than this of the smaller box, or of the union of two whole ones, must be in both.
  ///   - classAgnostic: whether things of different classes can be the same.
  ///   - most: the most objects that are kept, best score first.
  static func merged(
    _ findings: [TileFinding], share: Float = 0.5, classAgnostic: Bool, most: Int
  ) -> [DetectedObject] {
    let order = findings.indices.sorted { a, b in
      let (first, second) = (findings[a], findings[b])
      if first.isCut != second.isCut { return second.isCut }
      if first.object.score != second.object.score {
        return first.object.score > second.object.score
      }
      return a < b
    }
    var kept: [TileFinding] = []
    for index in order {
      let finding = findings[index]
      let isKnown = kept.contains { other in
        other.tile != finding.tile
          && (classAgnostic || other.object.label == finding.object.label)
          && isSame(other, finding, share: share)
      }
      if !isKnown { kept.append(finding) }
    }
    let sorted = kept.enumerated().sorted {
      ($1.element.object.score, $0.offset) < ($0.element.object.score, $1.offset)
    }
    return sorted.prefix(most).map(\.element.object)
  }
}

/// Whether two findings of different tiles are one thing.
private func isSame(_ a: TileFinding, _ b: TileFinding, share: Float) -> Bool {
  let (first, second) = (a.object.box, b.object.box)
  guard a.isCut || b.isCut else { return first.intersectionOverUnion(with: second) > share }
  return first.intersection(with: second) > share * min(first.area, second.area)
}

extension Detector {
  /// Finds the objects of a picture in its tiles and in the whole.
  func detect(_ picture: Image, in tiles: Tiling, _ options: Options) throws -> Detections {
    let size = picture.size
    let tile = tiles.largestTile(of: size)
    var findings: [TileFinding] = []
    func look(at part: Image, left: Int, top: Int, tile number: Int?) throws {
      for object in try detectWhole(part, options).objects {
        let placed = object.placed(in: size, x: left, y: top)
        findings.append(
          TileFinding(
            object: placed, tile: number,
            isCut: Tiling.cuts(placed.box, left: left, top: top, tile: part.size, picture: size)))
      }
    }
    try look(at: picture, left: 0, top: 0, tile: nil)
    var number = 0
    for top in tiles.starts(side: size.height, tile: tile.height) {
      for left in tiles.starts(side: size.width, tile: tile.width) {
        try look(
          at: picture.cropped(left: left, top: top, to: tile), left: left, top: top, tile: number)
        number += 1
      }
    }
    return Detections(
      size: size,
      objects: Tiling.merged(
        findings, classAgnostic: options.isClassAgnostic,
        most: options.most ?? configuration.model.selection.most))
  }
}

extension DetectedObject {
  /// The object of a part of a picture as one of the whole picture.
  ///
  /// - Parameters:
  ///   - size: of the picture.
  ///   - x: column that the part begins at.
  ///   - y: row that the part begins at.
  fileprivate func placed(in size: PixelSize, x: Int, y: Int) -> DetectedObject {
    var box = box
    box.left += Float(x)
    box.right += Float(x)
    box.top += Float(y)
    box.bottom += Float(y)
    return DetectedObject(
      label: label, categoryID: categoryID, name: name, score: score, box: box,
      mask: mask?.placed(in: size, x: x, y: y))
  }
}
