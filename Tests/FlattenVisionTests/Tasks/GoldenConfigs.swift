import TestSupport
import Testing

@testable import FlattenVision

/// Configs of golden cases as files, for the public entrances that take paths.
extension Golden {
  /// The config of a classifier, for pictures of the size that the case has or of the least that is
  /// allowed; its list of classes lies beside it.
  func writeClassifierConfig(in folder: TemporaryFolder) throws -> String {
    let count = try #require(parameters["num_classes"].int)
    let size = try map().shape.map { max($0, NetworkInput.leastSide) }
    let backbone = Golden.backboneSection(parameters)
    let classes = (0..<count).map { "class \($0)" }.joined(separator: ", ")
    _ = try folder.file("letters.yaml", Array("{name: letters, classes: [\(classes)]}".utf8))
    return try folder.file(
      "config.yaml",
      Array(
        """
        dataset: letters.yaml
        model: {backbone: \(backbone.configText), classifier: {num_classes: \(count)}}
        input: {mean: [0, 0, 0], std: [1, 1, 1], resize: [\(size[1]), \(size[2])]}
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
