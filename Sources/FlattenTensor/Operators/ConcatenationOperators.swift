extension ForwardPass {
  /// Maps side by side in their channels, each resized bilinearly to the size of the first.
  ///
  /// A row is resized in the cache and goes from there to its place: no resized map is ever stored.
  ///
  /// - Parameter maps: `[B, H, W, C]`, then `[B, h, w, c]` each; at least one.
  /// - Returns: `[B, H, W, C + c + ...]`, channels in the order of the maps.
  package func concatenatedResized(
    _ maps: [Tensor], alignCorners: Bool, layer: @autoclosure () -> String
  ) -> Tensor {
    precondition(
      !maps.isEmpty && maps.allSatisfy { $0.shape.count == 4 && $0.shape[0] == maps[0].shape[0] },
      "\(layer()): \(maps.map(\.shape)) do not stand side by side")
    let (batch, height, width, _) = maps[0].mapShape(layer())
    let channels = maps.reduce(0) { $0 + $1.shape[3] }
    let resizes = maps.map {
      BilinearResize(
        $0, height: height, width: width, alignCorners: alignCorners, pool: memory)
    }
    let widest = maps.reduce(0) { max($0, $1.shape[3]) }
    let reading = maps.reduce(0) { $0 + $1.count }
    let shape = Shape(batch, height, width, channels)
    return output(shape, .resize, layer: layer(), reading: reading) { y in
      threads.run(batch * height) { [self] task in
        withScratch(width * widest) { resized in
          var out = y + task * width * channels
          for (map, resize) in zip(maps, resizes) {
            let own = map.shape[3]
            var row = UnsafePointer(resized)
            if map.shape[1] == height && map.shape[2] == width {
              row = map.pointer + task * width * own
            } else {
              resize.write(task, addedTo: nil, into: resized)
            }
            for pixel in 0..<width {
              (out + pixel * channels).update(from: row + pixel * own, count: own)
            }
            out += own
          }
        }
      }
    }
  }
}
