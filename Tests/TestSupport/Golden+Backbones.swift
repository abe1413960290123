extension Golden {
  /// The reference's class names of the families that are built here, and their names in our configs.
  package static let families = [
    "FlattenPVT": "flatten_pvt", "FlattenPVTv2": "flatten_pvt_v2", "DensePVT": "pvt",
    "DensePVTv2": "pvt_v2", "PVT": "pvt", "PVTv2": "pvt_v2",
    "FlattenSwin": "flatten_swin", "FlattenCSwin": "flatten_cswin", "Swin": "swin",
    "CSwin": "cswin", "DeiT": "deit", "FlattenDeiT": "flatten_deit",
    "AgentPVT": "agent_pvt", "InLinePVT": "inline_pvt", "VVT": "vvt", "RAVLT": "ravlt",
    "MLLA": "mlla",
  ]

  /// A backbone's parameters as the `backbone` section of a config, where some are called otherwise.
  package static func backboneSection(_ p: JSONValue) -> JSONValue {
    let family = families[p["type"].text ?? ""] ?? "unknown"
    var changes: [String: JSONValue?] = ["type": .string(family), "num_classes": nil]
    switch family {
    case "ravlt":
      changes["flags"] = .some(nil)
      changes["attention"] = .array(
        p["flags"].list.map { .string($0.text == "v" ? "softmax" : "rala") })
    case "agent_pvt":
      for key in ["agent_num", "agent_shapes", "attn_type", "kernel_size"] {
        changes[key] = .some(nil)
      }
      // Classification has as many agents as the biases were made for, dense prediction more.
      let isClassifier = !p["num_classes"].isNull
      let letters = (p["attn_type"].text ?? "").map(String.init)
      let numbers = zip(letters, zip(p["agent_num"].list, p["agent_shapes"].list))
      changes["attention"] = .array(
        numbers.map { letter, agents in
          letter == "A"
            ? .object([
              "type": .string("agent"), "bias_agents": agents.0,
              "agents": isClassifier
                ? .number((agents.0.number ?? 0).squareRoot().rounded()) : agents.1,
            ])
            : .string("softmax")
        })
    case "vvt":
      changes["fr_ratios"] = .some(nil)
      changes["attention"] = .array(
        p["fr_ratios"].list.map {
          .object(["type": .string("vicinity"), "reduction": $0])
        })
    default: break
    }
    return p.replacing(changes)
  }

  /// A segmentor's parameters as the `model` section of a config.
  package static func modelText(_ p: JSONValue) -> String {
    if p["backbone"]["type"].text?.hasPrefix("EfficientViT") == true { return efficientViTModel(p) }
    let head = heads[p["decode_head"]["type"].text ?? ""] ?? "unknown"
    return JSONValue.object([
      "backbone": backboneSection(p["backbone"]),
      "neck": p["neck"],
      "decode_head": p["decode_head"].replacing(["type": .string(head)]),
    ]).configText
  }

  /// The cases of the literature's networks of one kind.
  package static func literatureNetworks(kind: String) -> [FixtureCase] {
    Fixtures.literatureCases(kinds: [kind]).filter { fixture in
      guard let p = try? fixture.json()["params"] else { return true }
      return families[(p["backbone"].isNull ? p : p["backbone"])["type"].text ?? ""] != nil
    }
  }
}
