import FlattenCheckpoint

/// Our parameters for a key of mmdetection's PVT and PVTv2, `layers.<stage>.<part>...`: part 0 is the
/// patch embedding, 1 the list of blocks, 2 the stage's norm.
///
/// - Parameters:
///   - firstBlock: the first block's place in the list.
///   - mlp: the names of the MLP's layers, by their places.
/// - Returns: the key itself where it is none of these.
func pyramidParameters(
  mmdetection key: String, firstBlock: Int, mlp: [String: String]
) -> [TranslatedParameter] {
  let parts = key.split(separator: ".").map(String.init)
  let unchanged = [TranslatedParameter(key)]
  guard parts.count >= 4, parts[0] == "layers", let stage = Int(parts[1]) else { return unchanged }
  switch parts[2] {
  case "0":
    guard let layer = ["projection": "proj", "norm": "norm"][parts[3]] else { return unchanged }
    let name = ["patch_embed\(stage + 1)", layer] + parts[4...]
    return [TranslatedParameter(name.joined(separator: "."))]
  case "2":
    return [TranslatedParameter("norm\(stage + 1)." + parts[3...].joined(separator: "."))]
  case "1":
    guard let place = Int(parts[3]), place >= firstBlock else { return unchanged }
    let block = "block\(stage + 1).\(place - firstBlock)."
    let layer = parts[4...].joined(separator: ".")
    return blockParameters(mmdetection: layer, mlp: mlp)?.map {
      TranslatedParameter(block + $0.name, elements: $0.elements)
    } ?? unchanged
  default: return unchanged
  }
}

/// The same inside a block; `nil` where the key is unknown.
private func blockParameters(
  mmdetection key: String, mlp: [String: String]
) -> [TranslatedParameter]? {
  // torch's attention keeps the three projections in one matrix.
  if let kind = key.dropping(prefix: "attn.attn.in_proj_") {
    return [
      TranslatedParameter("attn.q.\(kind)", elements: .parts(0..<1, of: 3)),
      TranslatedParameter("attn.kv.\(kind)", elements: .parts(1..<3, of: 3)),
    ]
  }
  if let kind = key.dropping(prefix: "attn.attn.out_proj.") {
    return [TranslatedParameter("attn.proj.\(kind)")]
  }
  if let rest = key.dropping(prefix: "ffn.layers."), let dot = rest.firstIndex(of: "."),
    let layer = mlp[String(rest[..<dot])]
  {
    // Linear layers are 1x1 convolutions there.
    let isMatrix = layer != "dwconv.dwconv" && rest[dot...] == ".weight"
    return [
      TranslatedParameter("mlp.\(layer)\(rest[dot...])", elements: isMatrix ? .matrix : .same)
    ]
  }
  let isSame = ["norm1.", "norm2.", "attn.sr.", "attn.norm."].contains { key.hasPrefix($0) }
  return isSame ? [TranslatedParameter(key)] : nil
}

extension String {
  /// What follows a prefix; `nil` where the text does not begin with it.
  func dropping(prefix: String) -> String? {
    hasPrefix(prefix) ? String(dropFirst(prefix.count)) : nil
  }
}
