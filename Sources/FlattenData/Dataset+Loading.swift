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
    try load(item, encoded(item).decode())
  }

  /// Reads a picture's file.
  package func encoded(_ item: DatasetItem) throws -> EncodedPicture {
    try EncodedPicture(path: item.image, limits: limits, exif: exif)
  }

  /// The same for a picture that was read.
  package func load(_ item: DatasetItem, _ image: Decoded<Image>) throws -> LabelledPicture {
    let label = try decodeLabel(item)
    if let problem = sizeProblem(label.value, of: item.label, image) { throw problem }
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

  /// Reads a prediction: a PNG of class ids under the picture's name, with or without what its suffix has
  /// beside the file type: `X_leftImg8bit.png` or `X.png`.
  ///
  /// - Parameters:
  ///   - folder: the folder of predictions, laid out like the pictures' folder.
  ///   - label: the label it is to be scored against, for its size.
  ///   - offset: what is added to its ids. With -1 the ids are those of ADE20K's official form, where 0 is
  ///     no class.
  /// - Throws: `FileError` and ``DatasetProblem``, both naming the prediction.
  public func prediction(
    for item: DatasetItem, in folder: String, scoredAgainst label: LabelMap, offset: Int = 0
  ) throws -> LabelMap {
    let path = try predictionPath(for: item, in: folder)
    let prediction = try LabelImage.decode(path: path, limits: limits, exif: exif).value
    guard prediction.width == label.width, prediction.height == label.height else {
      let isTurned = prediction.width == label.height && prediction.height == label.width
      throw DatasetProblem(
        .size, path: path,
        "the prediction is \(prediction.width)x\(prediction.height) pixels, its label "
          + "\(label.width)x\(label.height). Predict at the picture's own size"
          + (isTurned ? ", and treat the picture's EXIF orientation as the label does." : "."))
    }
    return try shifted(prediction, by: offset, path: path)
  }

  /// The prediction of an item, under either of its names.
  private func predictionPath(for item: DatasetItem, in folder: String) throws -> String {
    let stem = FileSuffix.stem(of: item.file, without: Image.fileSuffixes) ?? item.file
    var names: [String] = []
    for name in [item.name, stem, item.file] where !names.contains(name) { names.append(name) }
    let paths = names.flatMap { FileSuffix.existing("\(folder)/\($0)", ".png") }
    guard let path = paths.first else {
      let other = stem == item.name ? "" : ", nor '\(printable(stem)).png'"
      throw DatasetProblem(
        .missingPrediction, path: "\(folder)/\(item.name).png",
        "there is no prediction for '\(printable(item.name))'\(other). Predict all pictures first.",
        cause: "there is no prediction")
    }
    guard paths.count == 1 else {
      throw DatasetProblem(
        .duplicateStem, path: path,
        "and \(printable(paths[1], limit: 160)) are both predictions of one picture. Remove one.",
        cause: "there are two predictions of one picture")
    }
    return path
  }

  /// A prediction with the ids of classes, where `offset` makes ids of the stored numbers.
  private func shifted(
    _ prediction: LabelMap, by offset: Int, path: String
  ) throws -> LabelMap {
    let classes = description.classes.count
    let ignored = description.labelRule.ignoreIndex
    guard offset != 0 else {
      let strays = LabelRule(ignoreIndex: ignored).violations(in: prediction, classes: classes)
      guard !strays.isEmpty else { return prediction }
      let isShifted = strays.map { Int($0.id) } == [classes]
      throw rangeProblem(
        strays, path: path, wanted: "0 to \(lastClass)",
        remedy: isShifted ? .shiftPredictions(by: -1) : nil)
    }
    // No class: ignored before, and 0 where the classes begin at 1.
    let none = UInt16.max
    let table = (0...UInt16.max).map { stored -> UInt16? in
      if stored == ignored || stored == 0 && offset == -1 { return none }
      let id = Int(stored) + offset
      return (0..<classes).contains(id) ? UInt16(id) : nil
    }
    let ids = prediction.ids.compactMap { table[Int($0)] }
    guard ids.count == prediction.ids.count else {
      let strays = LabelViolation.list(in: prediction) { table[Int($0)] == nil }
      let first = max(0, -offset)
      throw rangeProblem(strays, path: path, wanted: "\(first) to \(lastClass - offset)")
    }
    return LabelMap(width: prediction.width, height: prediction.height, ids: ids)
  }

  /// What the contents of an item's files came to.
  struct Examination {
    var problems: [DatasetProblem] = []
    /// The label, where it has no problem.
    var label: LabelMap?
    /// Whether the picture was turned by its EXIF orientation, the label was not, and their sizes agree either
    /// way: they may lie across each other.
    var mayLieAcross = false
  }

  /// All problems of the contents of an item's files.
  ///
  /// A label that is not a file is skipped: the search for files has reported it.
  func examine(_ item: DatasetItem) -> Examination {
    var found = Examination()
    let image = attempt(.badPicture, item.image, &found.problems) {
      try Image.decode(path: item.image, limits: limits, exif: exif)
    }
    guard PathKind(item.label) == .file,
      let stored = attempt(.badLabel, item.label, &found.problems, { try decodeLabel(item) })
    else { return found }
    if let image {
      let problem = sizeProblem(stored.value, of: item.label, image)
      if let problem { found.problems.append(problem) }
      let isSquare = image.value.width == image.value.height
      found.mayLieAcross =
        problem == nil && exif == .apply && image.hasOrientation && !stored.hasOrientation
        && (isSquare || !image.hasSidewaysOrientation)
    }
    found.label = attempt(.idOutOfRange, item.label, &found.problems) {
      try classIDs(stored.value, of: item)
    }
    return found
  }

  private func decodeLabel(_ item: DatasetItem) throws -> Decoded<LabelMap> {
    try LabelImage.decode(
      path: item.label, encoding: description.encoding, limits: limits, exif: exif)
  }

  private func sizeProblem(
    _ label: LabelMap, of path: String, _ decoded: Decoded<Image>
  ) -> DatasetProblem? {
    let image = decoded.value
    guard label.width != image.width || label.height != image.height else { return nil }
    let isTurned =
      decoded.hasSidewaysOrientation && label.width == image.height && label.height == image.width
    let (labelSize, size) = (
      "\(label.width)x\(label.height)", "\(image.width)x\(image.height)"
    )
    guard isTurned else {
      return DatasetProblem(
        .size, path: path,
        "the label is \(labelSize) pixels, its picture \(size). Give both the same size.",
        cause: "the label's size is not its picture's")
    }
    switch exif {
    case .apply:
      return DatasetProblem(
        .size, path: path,
        "the label is \(labelSize) pixels, its picture \(size), turned by its EXIF orientation. Read it "
          + "as it is stored, or turn the label.",
        remedy: .ignoreOrientation, cause: "the label is not turned as its picture is")
    case .ignore:
      return DatasetProblem(
        .size, path: path,
        "the label is \(labelSize) pixels, its picture \(size), as its EXIF orientation is ignored. "
          + "Apply it.",
        remedy: .applyOrientation, cause: "the picture is not turned as its label is")
    }
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
    _ strays: [LabelViolation], path: String, wanted: String,
    remedy: DatasetProblem.Remedy? = nil
  ) -> DatasetProblem {
    let listed = strays.prefix(3).map(\.description).joined(separator: ", ")
    let more = strays.count > 3 ? " and \(strays.count - 3) other ids" : ""
    let ids = strays.prefix(3).map { "\($0.id)" }.joined(separator: ", ")
    return DatasetProblem(
      .idOutOfRange, path: path,
      "holds \(strays.count == 1 ? "the id" : "the ids") \(listed)\(more); expected \(wanted), or "
        + "\(description.labelRule.ignoreIndex) for pixels not scored. \(advice(strays, remedy))",
      remedy: remedy, cause: "holds ids out of range: \(ids)\(more)")
  }

  private func advice(
    _ strays: [LabelViolation], _ remedy: DatasetProblem.Remedy?
  ) -> String {
    if case .shiftPredictions = remedy {
      return "Ids that begin at 1, as in ADE20K's official form, must be shifted by -1."
    }
    if description.classes.count == 2, strays.map(\.id) == [255] {
      return "If 255 is class 1, the description says so with label_map: [[255, 1]]."
    }
    return "Check classes, ignore index, reduce_zero_label."
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
    } catch let error as FileError {
      problems.append(DatasetProblem(kind, path: path, error))
    } catch {
      problems.append(DatasetProblem(kind, path: path, "\(error)"))
    }
    return nil
  }
}
