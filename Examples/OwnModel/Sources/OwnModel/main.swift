import FlattenBackbones
import FlattenData
import FlattenImage
import FlattenVision
import Foundation

let arguments = CommandLine.arguments
guard arguments.count == 5 else {
  print("usage: OwnModel <config with attention: [relu, ...]> <picture> <data> <weights>")
  exit(2)
}
do {
  let picture = try Image.decode(path: arguments[2]).value

  let attentions = try AttentionRegistry([
    "relu": { site, scope in try ReLUAttention(site, from: scope) }
  ])
  let backbone = try Backbone.untrained(config: arguments[1], attentions: attentions)
  let maps = try backbone(picture, handingOut: ["stages.0.blocks.0.attn"]) { intermediate in
    print(intermediate.name, intermediate.map.tensor.shape)
  }
  print(backbone.name, maps.map(\.tensor.shape))

  // A segmentor: its weights written, changed, read again; a mask; a score.
  let untrained = try Segmenter.untrained(
    config: arguments[1], attentions: attentions, purpose: .training)
  try untrained.parameters.write(to: arguments[4])
  let segmenter = try Segmenter.load(
    config: arguments[1], weights: arguments[4], attentions: attentions)
  try segmenter.segment(picture).writeMask(to: arguments[4] + ".png")
  let dataset = try Dataset.open(segmenter.configuration.dataset, root: arguments[3])
  let report = try Evaluation.run(segmenter, on: dataset)
  print(report.pictures, report.figure("aAcc") ?? .nan, report.figure("mIoU") ?? .nan)

  let twoLevels = try Backbone.build("two levels", weights: nil) { try TwoLevels(from: $0) }
  print(twoLevels.name, try twoLevels(picture).map(\.tensor.shape))
} catch {
  print("error: \(error)")
  exit(1)
}
