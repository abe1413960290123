import FlattenData
import FlattenFiles
import FlattenImage
import FlattenMetrics
import FlattenVision

// Scoring a detector: average precision on pictures with COCO annotations.
extension DetectionConfiguration: EvaluatedTask {
  static func requireOwnOptions(_ command: EvalCommand) throws {
    try command.refuse(command.optionsOfSegmentation, for: "a detector")
  }

  static func score(_ detector: Detector, for command: EvalCommand) throws -> Scored {
    let (file, folder) = try command.annotatedPictures(of: detector.configuration.dataset)
    let arguments = command.detections
    let kinds = arguments.iouType?.kinds ?? (detector.hasMasks ? [.bbox, .segm] : [.bbox])
    if kinds.contains(.segm), !detector.hasMasks {
      throw RequestError("--iou-type names segm, and the model draws no masks.")
    }
    try command.reporting.requireGates(among: DetectionReport.figureNames(of: kinds))
    let annotations = try COCOAnnotations.load(path: file, masks: kinds.contains(.segm))
    annotations.warnings.forEach(command.onWarning)
    command.begin(detector)
    let report = DetectionReport(
      try Evaluation.run(
        detector, on: annotations, images: folder, settings: arguments.settings(for: kinds),
        shard: arguments.scoredShard, limit: command.limit, limits: command.decoding.limits,
        exif: command.decoding.exif, shouldStop: { Interrupt.isRequested },
        onWarning: command.onWarning, onProgress: EvalCommand.show))
    return command.scored(report, annotations, images: folder) { picture, image, masks in
      try detector.results(image, at: picture, of: annotations, masks: masks)
    }
  }
}

extension EvalCommand {
  /// Scores a detector that no config names: the built-in one, or one that is told by its weights.
  func score(_ detector: Detector) throws -> Scored {
    try DetectionConfiguration.requireOwnOptions(self)
    try reporting.requireGates(among: DetectionReport.figureNames)
    return try DetectionConfiguration.score(detector, for: self)
  }

  /// A report with its curves, its part and the worst pictures, where those were asked for.
  ///
  /// - Parameter results: the detections of a picture, perhaps among those of others.
  func scored(
    _ report: DetectionReport, _ annotations: COCOAnnotations, images: String,
    results: @escaping (_ picture: Int, _ image: Image, _ masks: Bool) throws -> COCOResults
  ) -> Scored {
    Scored(report: report) {
      try detections.write(report)
      try detections.worst.write(
        report, annotations, images: images, decoding,
        isBuiltIn: model.isBuiltIn && detections.results.isEmpty,
        results: results)
    }
  }

  /// The annotation file and the folder of its pictures: those that are named, else where the data set has them.
  fileprivate func annotatedPictures(
    of dataset: DatasetDescription
  ) throws -> (file: String, folder: String) {
    if let file = detections.annotations {
      try refuse(
        [("--dataset", self.dataset != nil), ("--split", datasetOptions.split != nil)],
        for: "an annotation file")
      let named = [data, datasetOptions.images].compactMap { $0 }
      guard !named.isEmpty else {
        throw RequestError("--annotations needs --images: the folder of the pictures.")
      }
      return (file, named.joined(separator: "/"))
    }
    let description =
      try self.dataset.map { try DatasetDescription.load(nameOrPath: $0) } ?? dataset
    let root = try requireData()
    guard let files = try description.annotationFile(split: datasetOptions.split) else {
      throw RequestError(
        "The data set '\(printable(description.name))' has no annotation file. Name one with "
          + "--annotations.")
    }
    return (
      "\(root)/\(files.annotations)", "\(root)/\(datasetOptions.images ?? files.images)"
    )
  }
}
