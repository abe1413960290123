import TestSupport
import Testing

/// Configs of golden cases as files, for the public entrances that take paths.
extension Golden {
  /// The config of a classifier of ten classes; its list of classes lies beside it.
  func writeClassifierConfig(in folder: TemporaryFolder) throws -> String {
    let family = try #require(Golden.families[parameters["type"].text ?? ""])
    let backbone = parameters.replacing([
      "type": .string(family), "num_classes": Optional<JSONValue>.none,
    ])
    _ = try folder.file(
      "letters.yaml", Array("{name: letters, classes: [a, b, c, d, e, f, g, h, i, j]}".utf8))
    return try folder.file(
      "config.yaml",
      Array(
        """
        dataset: letters.yaml
        model: {backbone: \(backbone.configText), classifier: {num_classes: 10}}
        input: {mean: [0, 0, 0], std: [1, 1, 1], resize: [32, 48]}
        """.utf8))
  }

  /// The config of a segmentor; its data set lies beside it.
  func writeSegmentorConfig(in folder: TemporaryFolder) throws -> String {
    let count = try #require(parameters["decode_head"]["num_classes"].int)
    let classes = (0..<count).map { "class \($0)" }.joined(separator: ", ")
    _ = try folder.file(
      "classes.yaml",
      Array(
        """
        name: numbers
        images: {folder: images, suffix: .png}
        labels: {folder: labels, suffix: .png, ignore_index: 255, reduce_zero_label: false}
        splits: {all: {}}
        default_split: all
        classes: [\(classes)]
        """.utf8))
    return try folder.file(
      "config.yaml",
      Array(
        """
        dataset: classes.yaml
        model: \(Golden.modelText(parameters))
        input: {mean: [0, 0, 0], std: [1, 1, 1]}
        """.utf8))
  }
}
