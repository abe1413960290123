import FlattenFiles
import FlattenImage
import FlattenRegions

/// A picture and its label, both upright and of one size.
public struct LabelledPicture: Sendable {
  /// The picture.
  public let image: Image
  /// Class ids, or the ignore index.
  public let label: LabelMap
  /// Warnings of the decoders, with file names.
  public let warnings: [String]
}

// Everything here that decodes a file.
extension Dataset {
  /// Reads a picture and its label.
  ///
  /// - Throws: `FileError` where a file cannot be decoded, ``DatasetProblem`` where the sizes differ or
  ///   the label holds numbers that stand for no class.
  public func load(_ item: DatasetItem) throws -> LabelledPicture {
    let image = try Image.decode(path: item.image)
    let label = try decodeLabel(item)
    if let problem = sizeProblem(label.value, of: item.label, image.value) { throw problem }
    return LabelledPicture(
      image: image.value, label: try classIDs(label.value, of: item),
      warnings: image.warnings + label.warnings)
  }

  /// Reads a label without its picture.
  ///
  /// - Throws: as ``load(_:)``.
  public func label(of item: DatasetItem) throws -> LabelMap {
    try classIDs(decodeLabel(item).value, of: item)
  }

  /// Reads a prediction: a PNG of class ids under the picture's name.
  ///
  /// - Parameters:
  ///   - folder: the folder of predictions, laid out like the pictures' folder.
  ///   - label: the label it is to be scored against, for its size.
  /// - Throws: `FileError` and ``DatasetProblem``, both naming the prediction.
  public func prediction(
    for item: DatasetItem, in folder: String, scoredAgainst label: LabelMap
  ) throws -> LabelMap {
    let path = "\(folder)/\(item.name).png"
    guard PathKind(path) != .absent else {
      throw DatasetProblem(
        .missingPrediction, path: path,
        "there is no prediction for '\(printable(item.name))'. Predict all pictures first.")
    }
    let prediction = try LabelImage.decode(path: path).value
    guard prediction.width == label.width, prediction.height == label.height else {
      throw DatasetProblem(
        .size, path: path,
        "the prediction is \(prediction.width)x\(prediction.height) pixels, its label "
          + "\(label.width)x\(label.height). Predict at the picture's own size.")
    }
    let asStored = LabelRule(ignoreIndex: description.labelRule.ignoreIndex)
    let strays = asStored.violations(in: prediction, classes: description.classes.count)
    if !strays.isEmpty { throw rangeProblem(strays, path: path, wanted: "0 to \(lastClass)") }
    return prediction
  }

  /// All problems of the contents of an item's files, and its label if it has none.
  ///
  /// A label that is not a file is skipped: the search for files has reported it.
  func examine(_ item: DatasetItem) -> (problems: [DatasetProblem], label: LabelMap?) {
    var problems: [DatasetProblem] = []
    let image = attempt(.badPicture, item.image, &problems) {
      try Image.decode(path: item.image).value
    }
    guard PathKind(item.label) == .file,
      let stored = attempt(.badLabel, item.label, &problems, { try decodeLabel(item).value })
    else { return (problems, nil) }
    if let image, let problem = sizeProblem(stored, of: item.label, image) {
      problems.append(problem)
    }
    let label = attempt(.idOutOfRange, item.label, &problems) { try classIDs(stored, of: item) }
    return (problems, label)
  }

  private func decodeLabel(_ item: DatasetItem) throws -> Decoded<LabelMap> {
    try LabelImage.decode(path: item.label, encoding: description.encoding)
  }

  private func sizeProblem(
    _ label: LabelMap, of path: String, _ image: Image
  ) -> DatasetProblem? {
    guard label.width != image.width || label.height != image.height else { return nil }
    return DatasetProblem(
      .size, path: path,
      "the label is \(label.width)x\(label.height) pixels, its picture "
        + "\(image.width)x\(image.height). Give both the same size.")
  }

  private func classIDs(_ stored: LabelMap, of item: DatasetItem) throws -> LabelMap {
    let rule = description.labelRule
    let strays = rule.violations(in: stored, classes: description.classes.count)
    guard strays.isEmpty else {
      let range = rule.reducesZeroLabel ? "0 to \(lastClass + 1)" : "0 to \(lastClass)"
      throw rangeProblem(strays, path: item.label, wanted: range)
    }
    return rule.apply(stored)
  }

  private var lastClass: Int { description.classes.count - 1 }

  private func rangeProblem(
    _ strays: [LabelViolation], path: String, wanted: String
  ) -> DatasetProblem {
    let listed = strays.prefix(3).map(\.description).joined(separator: ", ")
    let more = strays.count > 3 ? " and \(strays.count - 3) other ids" : ""
    return DatasetProblem(
      .idOutOfRange, path: path,
      "holds \(strays.count == 1 ? "the id" : "the ids") \(listed)\(more); expected \(wanted), or \(description.labelRule.ignoreIndex) "
        + "for pixels not scored. Check classes, ignore index, reduce_zero_label.")
  }

  /// The value, or `nil` with the failure among `problems`.
  private func attempt<Value>(
    _ kind: DatasetProblem.Kind, _ path: String, _ problems: inout [DatasetProblem],
    _ body: () throws -> Value
  ) -> Value? {
    do {
      return try body()
    } catch let problem as DatasetProblem {
      problems.append(problem)
    } catch {
      let reason = (error as? FileError)?.reason ?? "\(error)"
      problems.append(DatasetProblem(kind, path: path, reason))
    }
    return nil
  }
}
