import FlattenImage
import FlattenSeg
import Foundation

guard CommandLine.arguments.count == 3 else {
  print("usage: segment-picture-example <picture> <mask.png>")
  exit(2)
}
do {
  let picture = try Image.decode(path: CommandLine.arguments[1]).value
  let segmentation = try Segmenter.builtIn().segment(picture)
  for share in segmentation.shares { print(share.segmentationClass.name, share.share) }
  let palette = LabelFormat.palette8(segmentation.palette)
  try segmentation.labels.write(to: CommandLine.arguments[2], as: palette)
} catch {
  print("error: \(error)")
  exit(1)
}
