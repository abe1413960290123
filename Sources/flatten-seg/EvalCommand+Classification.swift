import FlattenData
import FlattenFiles
import FlattenMetrics
import FlattenVision

// Scoring a classifier: top-1 and top-5 on one folder of pictures a class.
extension ClassificationConfiguration: EvaluatedTask {
  static func requireOwnOptions(_ command: EvalCommand) throws {
    try command.refuse(
      [("--dataset", command.dataset != nil), ("--images", command.datasetOptions.images != nil)]
        + command.optionsOfSegmentation + command.optionsOfDetection,
      for: "a classifier")
  }

  static func score(_ classifier: Classifier, for command: EvalCommand) throws -> Scored {
    let folders = try ClassFolders.open(
      classifier.configuration.list, root: try command.requireData(),
      split: command.datasetOptions.split)
    command.begin(classifier)
    return Scored(
      report: try Evaluation.run(
        classifier, on: folders, limit: command.limit, limits: command.decoding.limits,
        exif: command.decoding.exif, shouldStop: { Interrupt.isRequested },
        onWarning: command.onWarning, onProgress: EvalCommand.show))
  }
}
