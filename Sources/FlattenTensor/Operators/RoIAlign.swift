import FlattenKernels
import FlattenRegions

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// A part of a picture that features are wanted of.
package struct RegionOfInterest: Sendable, Hashable {
  /// The picture's number in the batch.
  package var item: Int
  /// The map's number in the pyramid.
  package var level: Int
  /// In pixels of the network's input.
  package var box: Box

  package init(item: Int, level: Int, box: Box) {
    self.item = item
    self.level = level
    self.box = box
  }

  /// The level that a box is read from: `floor(log2(sqrt(area) / finestScale + 1e-6))`, held within the levels. One
  /// without area has the first.
  package static func level(of box: Box, finestScale: Float = 56, levels: Int) -> Int {
    let level = log2f(box.area.squareRoot() / finestScale + 1e-6).rounded(.down)
    return level > 0 ? min(level < 64 ? Int(level) : levels - 1, levels - 1) : 0
  }

  /// An order in which regions that lie close to each other follow each other: by level and picture, in bands of 64
  /// pixels from the top, in a band from the left.
  fileprivate func precedes(_ other: RegionOfInterest) -> Bool {
    if level != other.level { return level < other.level }
    if item != other.item { return item < other.item }
    let (band, next) = (
      (box.top / Self.band).rounded(.down), (other.box.top / Self.band).rounded(.down)
    )
    return band != next ? band < next : box.left < other.box.left
  }

  private static let band: Float = 64
}

extension ForwardPass {
  /// RoIAlign: the mean of a map over each of the bins that a region is divided into, read at points between the
  /// cells by bilinear interpolation (mmcv's, He et al. 2017).
  ///
  /// A bin has `ceil(side in cells / bins)` points in each direction, or `samplingRatio`. Points more than a cell
  /// outside the map count as 0, those nearer as its edge.
  ///
  /// - Parameters:
  ///   - maps: the levels of a pyramid, `[B, h, w, C]`.
  ///   - scales: of each level, cells a pixel.
  ///   - size: bins of a region.
  ///   - aligned: cells have their middle at whole numbers; else their edge, and a region is at least one cell.
  /// - Returns: `[regions, height, width, C]`.
  package func roiAlign(
    _ maps: [Tensor], regions: [RegionOfInterest], scales: [Float],
    size: (height: Int, width: Int), samplingRatio: Int = 0, aligned: Bool = true,
    layer: @autoclosure () -> String
  ) -> Tensor {
    guard let first = maps.first else { preconditionFailure("\(layer()): there is no map") }
    let (batch, _, _, channels) = first.mapShape(layer())
    precondition(
      scales.count == maps.count
        && maps.allSatisfy {
          $0.shape.count == 4 && $0.shape[0] == batch && $0.shape[3] == channels
        },
      "\(layer()): maps \(maps.map(\.shape)) for scales \(scales)")
    precondition(
      regions.allSatisfy { (0..<batch).contains($0.item) && maps.indices.contains($0.level) },
      "\(layer()): a region of a picture or level that is not there")
    let shape = Shape(regions.count, size.height, size.width, channels)
    let reading = maps.reduce(0) { $0 + $1.count }
    return output(shape, .pooling, layer: layer(), reading: reading) { y in
      let kernels = kernels
      let (tall, wide) = (maps.map { $0.shape[1] }.max() ?? 0, maps.map { $0.shape[2] }.max() ?? 0)
      let need = SamplingAxis.memoryNeed(
        bins: size.height, extent: tall, samplingRatio: samplingRatio)
      let further = SamplingAxis.memoryNeed(
        bins: size.width, extent: wide, samplingRatio: samplingRatio)
      // Neighbours one after the other: they read the same pixels, which are in a cache then.
      let order = regions.indices.sorted { regions[$0].precedes(regions[$1]) }
      chunks(regions.count, of: 4) { range in
        withScratch(need + further) { scratch in
          let rows = SamplingAxis(
            in: scratch, bins: size.height, extent: tall, samplingRatio: samplingRatio)
          let columns = SamplingAxis(
            in: scratch + need, bins: size.width, extent: wide, samplingRatio: samplingRatio)
          for index in order[range] {
            let region = regions[index]
            let (map, scale, box) = (maps[region.level], scales[region.level], region.box)
            let (height, width) = (map.shape[1], map.shape[2])
            rows.lay(
              from: box.top, to: box.bottom, scale: scale, extent: height, isAligned: aligned)
            columns.lay(
              from: box.left, to: box.right, scale: scale, extent: width, isAligned: aligned)
            let image = map.pointer + region.item * height * width * channels
            for bin in 0..<size.height {
              let part = rows.part(of: bin)
              kernels.roi_align(
                image, width * channels, channels, part.count, rows.cells + part.lowerBound,
                rows.weights + part.lowerBound, size.width, columns.ends, columns.cells,
                columns.weights, y + (index * size.height + bin) * size.width * channels)
            }
          }
        }
      }
    }
  }
}
