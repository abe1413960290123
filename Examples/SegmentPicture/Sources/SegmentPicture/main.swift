import FlattenImage
import FlattenVision
import Foundation

guard CommandLine.arguments.count == 3 else { exit(2) }  // the picture, the mask
do {
  let picture = try Image.decode(path: CommandLine.arguments[1]).value
  let segmentation = try Segmenter.builtIn().segment(picture)
  for share in segmentation.shares { print(share.segmentationClass.name, share.share) }
  try segmentation.writeMask(to: CommandLine.arguments[2])
} catch {
  print("error: \(error)")
  exit(1)
}
