import FlattenImage
import FlattenSeg

/// Segments a picture with the built-in model: segment-picture-example <picture> <mask.png>
@main
struct SegmentPicture {
  static func main() throws {
    let paths = Array(CommandLine.arguments.dropFirst())
    guard paths.count == 2 else { return print("give a picture and the mask to write") }
    let picture = try Image.decode(path: paths[0]).value
    let segmentation = try Segmenter.builtIn().segment(picture)
    for share in segmentation.shares {
      print(share.segmentationClass.name, share.share)
    }
    try segmentation.labels.write(to: paths[1], as: .palette8(segmentation.palette))
  }
}
