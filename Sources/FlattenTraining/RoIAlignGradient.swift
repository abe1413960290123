import FlattenTensor

/// The derivatives of RoIAlign with respect to the maps: each cell gets, from every bin that reads it, the bin's
/// derivative times the weight that it is read with.
package enum RoIAlignGradient {
  /// - Parameters:
  ///   - gradient: of the loss with respect to RoIAlign's result, `[regions, height, width, C]`.
  ///   - shapes: of the maps, `[B, h, w, C]`.
  ///   - regions, scales, samplingRatio, aligned: as RoIAlign was given them.
  /// - Returns: one for each map, of its shape.
  package static func maps(
    from gradient: Tensor, shapes: [Shape], regions: [RegionOfInterest], scales: [Float],
    samplingRatio: Int = 0, aligned: Bool = true
  ) -> [Tensor] {
    let (height, width, channels) = (gradient.shape[1], gradient.shape[2], gradient.shape[3])
    var sums = shapes.map { [Float](repeating: 0, count: $0.elementCount) }
    gradient.withUnsafeBuffer { values in
      for (index, region) in regions.enumerated() {
        let shape = shapes[region.level]
        let memory = Tensor(
          zeros: [
            SamplingAxis.memoryNeed(bins: height, extent: shape[1], samplingRatio: samplingRatio)
          ])
        let further = Tensor(
          zeros: [
            SamplingAxis.memoryNeed(bins: width, extent: shape[2], samplingRatio: samplingRatio)
          ])
        let rows = SamplingAxis(
          in: memory.mutablePointer, bins: height, extent: shape[1], samplingRatio: samplingRatio)
        let columns = SamplingAxis(
          in: further.mutablePointer, bins: width, extent: shape[2], samplingRatio: samplingRatio)
        let (box, scale) = (region.box, scales[region.level])
        rows.lay(from: box.top, to: box.bottom, scale: scale, extent: shape[1], isAligned: aligned)
        columns.lay(
          from: box.left, to: box.right, scale: scale, extent: shape[2], isAligned: aligned)
        withExtendedLifetime((memory, further)) {
          for bin in 0..<height * width {
            let source = (index * height * width + bin) * channels
            for i in rows.part(of: bin / width) {
              for j in columns.part(of: bin % width) {
                let pixel = (region.item * shape[1] + Int(rows.cells[i])) * shape[2]
                let target = (pixel + Int(columns.cells[j])) * channels
                let weight = rows.weights[i] * columns.weights[j]
                for channel in 0..<channels {
                  sums[region.level][target + channel] += weight * values[source + channel]
                }
              }
            }
          }
        }
      }
    }
    return zip(shapes, sums).map { Tensor($0, $1) }
  }
}
