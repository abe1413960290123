import FlattenData
import FlattenFiles
import FlattenMetrics
import FlattenVision

// Scoring a detector: average precision on pictures with COCO annotations.
extension DetectionConfiguration: EvaluatedTask {
  static func requireOwnOptions(_ command: EvalCommand) throws {
    try command.refuse(command.optionsOfSegmentation, for: "a detector")
  }

  static func score(_ detector: Detector, for command: EvalCommand) throws -> DetectionReport {
    let (file, folder) = try command.annotatedPictures(of: detector.configuration.dataset)
    let arguments = command.detections
    let kinds = arguments.iouType?.kinds ?? (detector.hasMasks ? [.bbox, .segm] : [.bbox])
    if kinds.contains(.segm), !detector.hasMasks {
      throw RequestError("--iou-type names segm, and the model draws no masks.")
    }
    let annotations = try COCOAnnotations.load(path: file, masks: kinds.contains(.segm))
    annotations.warnings.forEach(command.onWarning)
    command.begin(detector)
    let evaluations = try Evaluation.run(
      detector, on: annotations, images: folder,
      settings: COCOSettings.Kind.allCases.filter(kinds.contains).map { kind in
        var settings = COCOSettings(kind, convention: arguments.convention)
        settings.usesMaskAreas = !arguments.boxAreas
        return settings
      },
      shard: arguments.shard?.shard ?? .init(index: 0, count: 1), limit: command.limit,
      limits: command.decoding.limits, exif: command.decoding.exif,
      shouldStop: { Interrupt.isRequested }, onWarning: command.onWarning,
      onProgress: EvalCommand.show)
    let report = DetectionReport(evaluations)
    if let part = arguments.part {
      try AtomicFile.write(COCOEvaluation.part(evaluations), to: part)
    }
    try arguments.curves.write(report)
    return report
  }
}

extension EvalCommand {
  /// Scores a detector that no config names: the built-in one, or one that is told by its weights.
  func score(_ detector: Detector) throws -> DetectionReport {
    try DetectionConfiguration.requireOwnOptions(self)
    try reporting.requireGates(among: DetectionReport.figureNames)
    return try DetectionConfiguration.score(detector, for: self)
  }

  /// The annotation file and the folder of its pictures: those that are named, else where the data set has them.
  fileprivate func annotatedPictures(
    of dataset: DatasetDescription
  ) throws -> (file: String, folder: String) {
    if let file = detections.annotations {
      guard let folder = datasetOptions.images ?? data else {
        throw RequestError("--annotations needs --images: the folder of the pictures.")
      }
      return (file, folder)
    }
    let description =
      try self.dataset.map { try DatasetDescription.load(nameOrPath: $0) } ?? dataset
    let root = try requireData()
    guard let file = description.annotations else {
      throw RequestError(
        "The data set '\(printable(description.name))' has no annotation file. Name one with "
          + "--annotations.")
    }
    let split = try description.split(named: datasetOptions.split)
    func path(_ pattern: String) -> String {
      "\(root)/" + pattern.replacing("{split}", with: split?.folder ?? "")
    }
    return (path(file), datasetOptions.images ?? path(description.images.folder))
  }
}
