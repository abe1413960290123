extension Golden {
  /// An EfficientViT's parameters as the `backbone` section of a config.
  package static func efficientViTBackbone(_ p: JSONValue) -> JSONValue {
    let isLarge = p["type"].text == "EfficientViTLarge"
    return p.replacing(["type": .string(isLarge ? "efficientvit_large" : "efficientvit")])
  }

  /// A segmentor's parameters as the `model` section of a config.
  package static func efficientViTModel(_ p: JSONValue) -> String {
    JSONValue.object([
      "backbone": efficientViTBackbone(p["backbone"]),
      "decode_head": p["decode_head"].replacing([
        "type": .string("efficientvit_head"), "head_width": Optional<JSONValue>.none,
        "final_expand": p["decode_head"]["final_expand"].isNull
          ? Optional<JSONValue>.none : p["decode_head"]["final_expand"],
        "channels": p["decode_head"]["head_width"], "act_func": p["backbone"]["act_func"],
        "norm_eps": p["backbone"]["norm_eps"],
      ]),
    ]).configText
  }
}

extension String {
  /// The name of the smallest published variant of a family in configs.
  package var smallestVariant: String {
    switch self {
    case "efficientvit_large": "l1"
    case "efficientvit", "pvt_v2", "flatten_pvt_v2": "b0"
    default: "tiny"
    }
  }
}
