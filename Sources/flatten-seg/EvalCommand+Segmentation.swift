import FlattenData
import FlattenFiles
import FlattenImage
import FlattenMetrics
import FlattenVision

// Scoring a segmentor, or masks made elsewhere: IoU and accuracies on pictures and their label pictures.
extension SegmentationConfiguration: EvaluatedTask {
  static func requireOwnOptions(_ command: EvalCommand) throws {
    try command.refuse(command.optionsOfDetection, for: "a segmentor")
  }

  static func score(_ segmenter: Segmenter, for command: EvalCommand) throws -> Scored {
    let description =
      try command.dataset.map { try DatasetDescription.load(nameOrPath: $0) }
      ?? segmenter.configuration.dataset
    if let classes = command.datasetOptions.classes ?? description.knownClassCount {
      try Evaluation.requireClasses(classes, of: description, segmenter)
    }
    let labelled = try command.open(description)
    command.begin(segmenter)
    let report = try Evaluation.run(
      segmenter, on: labelled, options: try command.inference.options(for: segmenter),
      limit: command.limit, shouldStop: { Interrupt.isRequested }, onWarning: command.onWarning,
      onProgress: EvalCommand.show)
    report.labelWarnings(for: labelled.description).forEach(command.onWarning)
    return command.scored(report)
  }
}

extension EvalCommand {
  /// Scores the masks of a folder.
  func score(predictions: String) throws -> Scored {
    try refuse(optionsOfDetection, for: "a folder of masks")
    try reporting.requireGates(among: EvaluationReport.figureNames)
    let labelled = try open(try DatasetDescription.load(nameOrPath: dataset ?? "folder"))
    Progress.shared.begin(quiet: quiet)
    let report = try Evaluation.score(
      predictions: predictions, offset: predictionOffset, on: labelled, limit: limit,
      shouldStop: { Interrupt.isRequested }, onProgress: Self.show)
    report.labelWarnings(for: labelled.description).forEach(onWarning)
    warn(ofPredictionsIn: report.matrix)
    return scored(report)
  }

  /// A report with its confusion matrix, where that was asked for.
  fileprivate func scored(_ report: EvaluationReport) -> Scored {
    Scored(report: report) {
      if let confusion { try AtomicFile.write(report.confusionCSV(), to: confusion) }
      if let confusionPicture {
        try ConfusionPicture.draw(names: report.classNames, counts: report.matrix.rows)
          .writePNG(to: confusionPicture)
      }
    }
  }

  /// Says what looks wrong about masks made elsewhere.
  private func warn(ofPredictionsIn matrix: ConfusionMatrix) {
    if let offset = matrix.fittingOffset {
      onWarning(
        "the predictions would fit if their ids were \(offset < 0 ? "one less" : "one more"): "
          + "--prediction-offset \(predictionOffset + offset) shifts them")
    }
    let strays = matrix.predictionsOutOfRange
    if strays > 0 {
      let share = (Double(strays) / Double(matrix.pixels) * 1000).rounded() / 10
      onWarning(
        "\(share) % of the scored pixels have no class in the predictions (the ignore index, or 0 before "
          + "a shift): they count as wrong")
    }
  }

  fileprivate func open(_ description: DatasetDescription) throws -> Dataset {
    var options = datasetOptions.options(decoding)
    options.predictionFolder = predictions
    let dataset = try Dataset.open(
      description, root: try requireData(), split: datasetOptions.split, options: options)
    if !quiet && !dataset.orphanLabels.isEmpty {
      Output.warning(
        "\(dataset.orphanLabels.count) labels have no picture and are not read, the first is "
          + printable(dataset.orphanLabels[0], limit: 200))
    }
    return dataset
  }
}

extension DatasetDescription {
  /// The number of classes, `nil` where the user has to give it.
  fileprivate var knownClassCount: Int? { classes.isEmpty ? nil : classes.count }
}
