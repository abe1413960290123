import FlattenImage
import FlattenVision
import Foundation

guard CommandLine.arguments.count == 3 else { exit(2) }  // the picture, the drawing
do {
  let picture = try Image.decode(path: CommandLine.arguments[1]).value
  var options = Detector.Options()
  options.score = 0.6
  let detector = try Detector.builtIn()
  let found = try detector.detect(picture, options: options)
  for object in found.objects { print(object.name, object.score, object.box) }
  let overlay = DetectionOverlay(found, palette: detector.configuration.dataset.palette)
  try overlay.drawn(on: picture).image.writePNG(to: CommandLine.arguments[2])
} catch {
  print("error: \(error)")
  exit(1)
}
