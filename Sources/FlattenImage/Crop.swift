import FlattenRegions

extension Image {
  /// The part of the picture that a box touches: the box rounded outwards to whole pixels and cut to the picture;
  /// `nil` where they have nothing in common.
  public func cropped(to box: Box) -> Image? {
    box.pixels(in: size).map { part in
      Image(
        raster.window(left: part.x, top: part.y, width: part.width, height: part.height))
    }
  }
}
