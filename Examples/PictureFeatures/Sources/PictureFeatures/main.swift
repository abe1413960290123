import FlattenBackbones
import FlattenImage
import Foundation

let arguments = CommandLine.arguments
guard arguments.count == 5 else {
  print("usage: PictureFeatures <config.yaml> <weights> <picture> <folder>")
  exit(2)
}
do {
  let backbone = try Backbone.load(config: arguments[1], weights: arguments[2])
  let picture = try Image.decode(path: arguments[3]).value
  for map in try backbone(picture) {
    let file = "\(arguments[4])/stride\(map.stride).npy"
    try map.writeNPY(to: file)  // float32 [1, channels, height, width]
    let largest = map.withSpan { span in span.indices.map { span[$0] }.max() ?? 0 }
    print(file, map.channels, map.height, map.width, largest)
  }
} catch {
  print("error: \(error)")
  exit(1)
}
