import FlattenBackbones
import FlattenImage
import Foundation

let arguments = CommandLine.arguments
guard arguments.count == 3 else {
  print("usage: OwnModel <config with attn_type RRLL> <picture>")
  exit(2)
}
do {
  let picture = try Image.decode(path: arguments[2]).value

  let attentions = try AttentionRegistry([
    "R": { site, scope in try ReLUAttention(site, from: scope) }
  ])
  let backbone = try Backbone.untrained(config: arguments[1], attentions: attentions)
  let maps = try backbone(picture, handingOut: ["stages.0.blocks.0.attn"]) { intermediate in
    print(intermediate.name, intermediate.map.tensor.shape)
  }
  print(backbone.name, maps.map(\.tensor.shape))

  let twoLevels = try Backbone.build("two levels", weights: nil) { try TwoLevels(from: $0) }
  print(twoLevels.name, try twoLevels(picture).map(\.tensor.shape))
} catch {
  print("error: \(error)")
  exit(1)
}
