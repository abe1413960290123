import FlattenImage
import FlattenSeg

/// Segments a picture with the built-in model.
@main
struct SegmentPicture {
  static func main() throws {
    guard CommandLine.arguments.count == 3 else {
      print("usage: segment-picture-example <picture> <mask.png>")
      return
    }
    let picture = try Image.decode(path: CommandLine.arguments[1]).value
    let segmentation = try Segmenter.builtIn().segment(picture)
    for share in segmentation.shares {
      print(share.segmentationClass.name, "\((share.share * 1000).rounded() / 10) %")
    }
    try segmentation.labels.write(
      to: CommandLine.arguments[2], as: .palette8(segmentation.palette))
  }
}
